"""What a scripted provider says, whatever its shape: the same content for every provider.

The modules beside this one (``chat``, ``responses``, ``anthropic``, ``gemini``, ``bedrock``, ``cohere``, ``mistral``,
``ollama``) each have ``answer(said)``, which answers a request as that provider would, whole or streamed as the
request asks; ``error(status)``, which answers every request with that provider's error; and ``failing(said)``, which
streams a part of the answer and then that the provider failed.
"""

from __future__ import annotations

from typing import Any

import attrs
import orjson

from aigw.testing.answers import LAST_CHUNK, chunk, head
from aigw.testing.openai import TEXT, words
from aigw.testing.script import Answer, Header, Step

#: Tokens that every answer has read.
READ = 9
#: What all errors say.
BUSY = "The scripted provider has had enough."
VECTOR = (0.5, -0.25, 0.125)


@attrs.frozen
class Called:
    """A tool that the model calls."""

    id: str
    name: str
    arguments: dict[str, Any]

    @property
    def json(self) -> str:
        """The arguments as JSON text."""
        return orjson.dumps(self.arguments).decode()


@attrs.frozen
class Said:
    """One answer.

    :ivar thoughts: what it thought before; empty for nothing.
    :ivar signature: its proof of them, where the provider has such a thing.
    """

    text: str = TEXT
    thoughts: str = ""
    signature: str = "c2NyaXB0ZWQ="
    calls: tuple[Called, ...] = ()

    @property
    def written(self) -> int:
        """Tokens that it has written."""
        return len(self.words) + len(words(self.thoughts)) * bool(self.thoughts) + 5 * len(self.calls)

    @property
    def words(self) -> list[str]:
        """The text in the pieces of a stream; none for an empty text."""
        return words(self.text) if self.text else []

    @property
    def thought_words(self) -> list[str]:
        """The thoughts likewise."""
        return words(self.thoughts) if self.thoughts else []


HELLO = Said()
#: Two tools at once, one of them without arguments.
TOOLS = Said(
    text="",
    calls=(Called("call_weather1", "get_weather", {"city": "Zürich"}), Called("call_clock1", "get_time", {})),
)
REASONED = Said(thoughts="The user wants to be greeted.")
STRUCTURED = Said(text='{"city":"Zürich","degrees":21}')


def fragments(text: str) -> list[str]:
    """Some text in up to three pieces, the first of them empty as providers like to send it."""
    middle = len(text) // 2
    return ["", text[:middle], text[middle:]]


def whole(body: object, status: int = 200, headers: tuple[Header, ...] = ()) -> Answer:
    """A whole JSON answer with no headers but those that it needs."""
    data = orjson.dumps(body)
    framing = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)))
    return lambda request: (head(status, (*framing, *headers)) + data,)


def streamed(pieces: list[bytes], content_type: bytes, ending: Step = LAST_CHUNK) -> Answer:
    """A chunked answer, one chunk a piece."""
    framing = ((b"content-type", content_type), (b"transfer-encoding", b"chunked"))
    return lambda request: (head(200, framing), *map(chunk, pieces), ending)


def inputs(fields: dict[str, Any], *names: str) -> int:
    """How many embeddings a request asks for, by the first of these fields that it has."""
    given = next((fields[name] for name in names if name in fields), "")
    return len(given) if isinstance(given, list) and given and not isinstance(given[0], int) else 1
