"""Tool calls out of chunks, put in order.

OpenAI numbers the calls of a message, tells id and name once and then sends the arguments in pieces. Others leave the
number out or send 0 for all, repeat id and name with every piece, send a call whole, or the arguments as an object, or
no id. What belongs together is found from all of it (wire.md, cases 20 to 24):

- a new number is a new call, and so is a new id together with a name, whatever its number;
- a name and arguments behind arguments that are complete are a new call;
- all else continues the call of that number or that id, or the last one.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

from aigw.llm import lenient
from aigw.llm.arguments import Arguments
from aigw.llm.reply import Event, ToolArguments, ToolStart


class _Call:
    """A call: what its provider calls it, its number once it has begun, what was held back until then."""

    __slots__ = ("arguments", "id", "name", "number", "signature")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.number = -1
        self.signature: str | None = None
        self.arguments = Arguments()


class Seed:
    """What ids are made of that no other answer has. Not its reader's method: they would know each other.

    :ivar id: the answer's own, if it has one.
    """

    __slots__ = ("id",)

    def __init__(self) -> None:
        self.id = ""

    def __call__(self) -> str:
        if not self.id:
            self.id = uuid.uuid4().hex
        return self.id


class Calls:
    """The tool calls of one choice.

    :param choice: its index.
    :param names: what tools are really called whose names were too long for the provider.
    :param seed: makes ids that no other answer has, where the provider has none.
    """

    def __init__(self, choice: int, names: dict[str, str], seed: Callable[[], str]) -> None:
        self._choice = choice
        self._names = names
        self._seed = seed
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._told: set[str] = set()  # the ids of calls that have begun
        self._begun = 0

    def __bool__(self) -> bool:
        return self._begun > 0

    def take(self, pieces: Any, events: list[Event]) -> None:
        """What the ``tool_calls`` of a delta or of a message say."""
        for piece in pieces if isinstance(pieces, list) else (pieces,):
            if isinstance(piece, dict):
                self._take(piece, events)

    def take_legacy(self, function: dict[str, Any], events: list[Event]) -> None:
        """The deprecated ``function_call``, of which there is one."""
        self._take({"index": 0, "function": function}, events)

    def finish(self, events: list[Event]) -> None:
        """The choice has ended: a call without arguments has an empty object of them."""
        for call in self._calls:
            if call.number >= 0 and not call.arguments.size:
                events.append(ToolArguments(call.number, "{}", self._choice))

    # -- inside

    def _take(self, piece: dict[str, Any], events: list[Event]) -> None:
        function = piece.get("function")
        if not isinstance(function, dict):
            function = piece  # a few servers leave out the object between
        call_id, name = _word(piece.get("id")), _word(function.get("name"))
        fragment = _fragment(function.get("arguments"))
        call = self._call_of(piece.get("index"), call_id, name, fragment)
        if call is None:
            return
        call.name = call.name or name
        if call_id and not call.id:
            call.id = call_id
            self._by_id[call_id] = call
        call.signature = call.signature or _signature(piece)
        if call.number < 0 and call.name:
            self._begin(call, events)
        self._add(call, fragment, events)

    def _call_of(self, index: Any, call_id: str, name: str, fragment: str) -> _Call | None:
        numbered = type(index) is int
        known = self._by_index.get(index) if numbered else self._unnumbered(call_id, name)
        if known is not None and not _is_new(known, call_id, name, fragment):
            return known
        if known is None and not (numbered or call_id or name):
            return None  # a piece of nothing
        call = _Call()
        self._calls.append(call)
        if numbered:
            self._by_index[index] = call
        return call

    def _unnumbered(self, call_id: str, name: str) -> _Call | None:
        """The call that a piece without a number may continue: that of its id, or the last one."""
        by_id = self._by_id.get(call_id)
        if by_id is not None or (call_id and name) or not self._calls:
            return by_id
        return self._calls[-1]

    def _begin(self, call: _Call, events: list[Event]) -> None:
        call.number = self._begun
        self._begun += 1
        name = self._names.get(call.name, call.name)
        call_id = call.id
        if not call_id or call_id in self._told:
            call_id = made_up_id(self._seed(), self._choice, call.number)
        self._told.add(call_id)
        events.append(ToolStart(call.number, call_id, name, self._choice, call.signature))
        if call.arguments.size:
            events.append(ToolArguments(call.number, str(call.arguments), self._choice))

    def _add(self, call: _Call, fragment: str, events: list[Event]) -> None:
        if not fragment:
            return
        call.arguments.add(fragment)
        if call.number >= 0:
            events.append(ToolArguments(call.number, fragment, self._choice))


def _is_new(known: _Call, call_id: str, name: str, fragment: str) -> bool:
    """Whether a piece that could continue ``known`` begins another call."""
    if not name or not known.name:
        return False
    if call_id and known.id and call_id != known.id:
        return True
    return bool(fragment) and known.arguments.is_object()


def made_up_id(seed: str, choice: int, number: int) -> str:
    """An id in OpenAI's form; the same for the same answer, choice and call."""
    return "call_" + hashlib.sha256(f"{seed}/{choice}/{number}".encode()).hexdigest()[:24]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _fragment(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    return lenient.dumps(arguments) if isinstance(arguments, dict | list) else ""


def _signature(piece: dict[str, Any]) -> str | None:
    extra = piece.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None
