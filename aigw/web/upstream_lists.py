"""The names that a wildcard of ``[models]`` takes, as far as its backends list them.

Theory of operation. ``gpt-*`` is no model that a client could choose, so ``GET …/models`` lists what its backend has of
that name. Each backend is asked when somebody wants the list and what is known of it is more than a minute old; who
comes meanwhile waits for the same answer. The names are for people to choose from, no promise: a backend that does not
answer in time, or with something else than a list, leaves the list as it was before, and is left alone for a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final

import orjson
from twisted.logger import Logger

from aigw.errors import GatewayError
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.http.headers import Header
from aigw.llm.dialects.models import read_models
from aigw.upstream.calling import Calling
from aigw.upstream.upstream import Payload, Upstream

#: Seconds for which a list is good, for which a backend is left alone that gave none, and for which it may think.
_GOOD_FOR = 60.0
_REST = 10.0
_PATIENCE = 5.0

#: The query that has a provider tell its list on one page, by its shape; others have one page only. Sources:
#: https://platform.claude.com/docs/en/api/models-list, https://ai.google.dev/api/models,
#: https://docs.cohere.com/reference/list-models.
ALL_AT_ONCE: Final = {"anthropic": b"limit=1000", "cohere": b"page_size=1000", "gemini": b"pageSize=1000"}

#: Bytes of a list; OpenRouter's is under 1 MiB. Names that are kept, and characters of one.
_MOST_BYTES = 4 * 1024 * 1024
_MOST_NAMES = 5000
_LONGEST_NAME = 256


class UpstreamList:
    """The models that one backend has; see the module's head. It is the sink of the call that asks for them.

    :param name: the backend's.
    :param lists: whose shape its list has (:class:`aigw.llm.providers.base.Provider`).
    :param payload: the question.
    :ivar owner: the provider's name.
    :ivar names: what is known, in the backend's order.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self, name: str, owner: str, lists: str, upstream: Upstream, payload: Payload, deadlines: Deadlines
    ) -> None:
        self.owner = owner
        self.names: tuple[str, ...] = ()
        self._name = name
        self._lists = lists
        self._upstream = upstream
        self._payload = payload
        self._now = deadlines.now
        self._deadline = deadlines.idle(self._too_late)
        self._good_until = -math.inf
        self._waiting: list[Callable[[], None]] = []
        self._call: Calling | None = None
        self._status = 0
        self._body = bytearray()

    def fetch(self, done: Callable[[], None]) -> None:
        """Have :attr:`names` brought up to date, as far as the backend answers.

        :param done: called when they are; at once where they still are.
        """
        if self._now() < self._good_until:
            done()
            return
        self._waiting.append(done)
        if self._call is None:
            self._status, self._body = 0, bytearray()
            self._deadline.restart(_PATIENCE)
            self._call = self._upstream.send(self._payload, self)

    def forget(self, done: Callable[[], None]) -> None:
        """Who waits does not any more."""
        if done in self._waiting:
            self._waiting.remove(done)

    def stop(self) -> None:
        """It will not be asked again; who waits gets what is known."""
        if self._call is not None:
            self._cancel("another configuration is served")
        self._deadline.discard()

    # -- what the call tells (ResponseSink)

    def on_sent(self) -> None:
        """The question is on a connection."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        """It answers."""
        self._status = status

    def on_data(self, data: bytes) -> None:
        """A piece of the list."""
        self._body += data
        if len(self._body) > _MOST_BYTES:
            self._cancel("its list is too long")

    def on_end(self, delimited: bool) -> None:
        """All of it is there."""
        self._call = None
        try:
            fields: Any = orjson.loads(self._body) if self._status == 200 else None
        except orjson.JSONDecodeError:
            fields = None
        if fields is None:
            self._over(_REST, f"status {self._status}" if self._status != 200 else "its list is not JSON")
            return
        names = [model.id for model in read_models(self._lists, fields) if len(model.id) <= _LONGEST_NAME]
        self.names = tuple(dict.fromkeys(names))[:_MOST_NAMES]
        self._over(_GOOD_FOR, "")

    def on_failure(self, failure: CallFailure) -> None:
        """It does not."""
        self._call = None
        self._over(_REST, failure.kind)

    # -- ends

    def _too_late(self) -> None:
        self._cancel("no answer in time")

    def _cancel(self, why: str) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        self._over(_REST, why)

    def _over(self, good_for: float, trouble: str) -> None:
        self._deadline.cancel()
        self._good_until = self._now() + good_for
        self._body = bytearray()
        if trouble:
            self._log.info("backend {name} does not list its models: {trouble}", name=self._name, trouble=trouble)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()


class Wildcards:
    """All wildcards of a snapshot whose backends can be asked.

    :param lists: by wildcard.
    :param public: the ``[models]`` entry by which a name is served.
    """

    def __init__(self, lists: Mapping[str, tuple[UpstreamList, ...]], public: Callable[[str], str | None]) -> None:
        self._lists = lists
        self._public = public

    def __bool__(self) -> bool:
        return bool(self._lists)

    def lists(self) -> list[UpstreamList]:
        """Each once."""
        return list(dict.fromkeys(each for lists in self._lists.values() for each in lists))

    def names(self) -> Iterator[tuple[str, str]]:
        """Names and owners, as far as they are known, that are served by a wildcard."""
        for wildcard, lists in self._lists.items():
            for each in lists:
                yield from ((name, each.owner) for name in each.names if self._public(name) == wildcard)

    def stop(self) -> None:
        """Ask nobody any more."""
        for each in self.lists():
            each.stop()


#: Of a configuration that has none.
NO_WILDCARDS: Final = Wildcards({}, lambda name: None)


class WildcardRequest:
    """A client that waits for the lists of all backends.

    :param done: called, once, when all are there that come.
    :param left: called if the client leaves before; ``cut`` if the gateway goes down.
    """

    def __init__(self, wildcards: Wildcards, request: Any, done: Callable[[], None], left: Callable[[], None]) -> None:
        self._lists = wildcards.lists()
        self._request = request
        self._done: Callable[[], None] | None = done
        self._left = left
        self._missing = len(self._lists)

    def start(self, cut: Callable[[GatewayError], None]) -> None:
        """Ask. Everything after this happens by itself, perhaps before this returns."""

        def ended(error: GatewayError) -> None:
            self._let_go()
            cut(error)

        self._request.gone = self._gone
        self._request.cut = ended
        for each in self._lists:
            each.fetch(self._one)

    def _one(self) -> None:
        self._missing -= 1
        done = self._done
        if not self._missing and done is not None:
            self._let_go()
            done()

    def _gone(self) -> None:
        self._let_go()
        self._left()

    def _let_go(self) -> None:
        self._request.gone = self._request.cut = self._done = None
        for each in self._lists:
            each.forget(self._one)
