"""Every recorded answer, whatever provider sent it, and what the shipped scripted providers send."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
import orjson
import yaml
from hypothesis import strategies as st

from aigw.errors import BadRequest
from aigw.llm.call import Call
from aigw.llm.decoders import BrokenFrame, Frame, FrameTooLarge
from aigw.llm.dialects.chat import Chat
from aigw.llm.providers import PROVIDERS, Provider
from aigw.llm.reply import Event
from aigw.llm.wire import Wire
from aigw.testing import ReceivedRequest, chat, gemini, said
from tests.unit.llm.streams import RECORDED

SSE, EVENT_STREAM, LINES = b"text/event-stream", b"application/vnd.amazon.eventstream", b"application/x-ndjson"
#: Longer bodies are pictures and vectors, and take their time byte by byte.
_MOST = 64 * 1024
#: Files of the recorded folders that nobody answered.
_NOT_ANSWERED = ("requests", "expected-requests", "expected-responses")
#: Models for which some providers have a wire of their own.
MODELS = ("gemini-2.5-flash", "claude-sonnet-4-5", "gpt-5.1")


@attrs.frozen
class Recording:
    """One answer's body.

    :ivar content_type: as it was sent, or as the body looks.
    """

    name: str
    content_type: bytes
    body: bytes = attrs.field(repr=False)


@functools.cache
def recordings() -> tuple[Recording, ...]:
    """All recorded answers, those in cassettes too; empty where the folder is not there."""
    return tuple(each for each in (*_files(), *_cassettes()) if each.body.strip() and len(each.body) <= _MOST)


def _files() -> Iterator[Recording]:
    for path in sorted(RECORDED.glob("*/**/*")):
        inside = path.relative_to(RECORDED).parts
        if path.is_file() and path.suffix not in (".snap", ".yaml", ".md") and not set(inside) & set(_NOT_ANSWERED):
            body = path.read_bytes()
            yield Recording("/".join(inside), _looks_as(body), body)


def _cassettes() -> Iterator[Recording]:
    for path in sorted(RECORDED.glob("*/*.yaml")):
        for exchange in yaml.load(path.read_bytes(), yaml.CSafeLoader)["interactions"]:
            response = exchange["response"]
            kinds = response.get("headers", {}).get("Content-Type", [""])
            yield Recording(path.name, kinds[0].encode(), response["body"].encode())


def _looks_as(body: bytes) -> bytes:
    if body.startswith((b"data:", b"event:", b":")) or b"\ndata:" in body:
        return SSE
    if body.startswith(b"\0"):
        return EVENT_STREAM
    lines = body.splitlines()
    return LINES if len(lines) > 1 and all(line.startswith(b"{") for line in lines) else b"application/json"


def translating() -> tuple[Provider, ...]:
    """The providers that calls can be translated for."""
    return tuple(provider for provider in PROVIDERS.values() if provider.wire is not None and provider.available)


def wire_of(provider: Provider) -> Wire:
    assert provider.wire is not None
    return provider.wire


def asked(model: str, *, stream: bool) -> Call:
    """A call that any provider can be asked."""
    call = Chat().read({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]})
    call.drop_unsupported = True
    return call


# -- scripted


def plays(provider: Provider) -> Any:
    """The module of :mod:`aigw.testing` that answers as ``provider`` does: its own, or one of its like."""
    name = f"aigw.testing.{provider.name}"
    if provider.name != "openai" and importlib.util.find_spec(name) is not None:
        return importlib.import_module(name)
    return {"vertex": gemini}.get(provider.name, chat)


@functools.cache
def played(name: str, *, stream: bool) -> tuple[Recording, ...]:
    """What a scripted provider says: some text, tools, thoughts, and that it fails."""
    provider = PROVIDERS[name]
    module, request = plays(provider), _received(provider, stream)
    answers = {
        "hello": module.answer(said.HELLO),
        "tools": module.answer(said.TOOLS),
        "reasoned": module.answer(said.REASONED),
        "structured": module.answer(said.STRUCTURED),
    }
    if stream:
        answers["failing"] = module.failing(said.HELLO)
    return tuple(_body(f"{name}/{kind}", answer(request)) for kind, answer in answers.items())


@functools.cache
def played_errors(name: str) -> tuple[bytes, ...]:
    """The bodies of a scripted provider's errors."""
    provider = PROVIDERS[name]
    request = _received(provider, False)
    return tuple(_body("", plays(provider).error(status)(request)).body for status in (400, 401, 404, 429, 500))


def _received(provider: Provider, stream: bool) -> ReceivedRequest:
    wanted = wire_of(provider).request(asked(MODELS[0], stream=stream))
    return ReceivedRequest(b"POST", wanted.path, [], orjson.dumps(wanted.body), 1, True)


def _body(name: str, steps: Iterable[Any]) -> Recording:
    head, _, rest = b"".join([step for step in steps if isinstance(step, bytes)]).partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    body = b""
    if b"content-length" in fields:
        return Recording(name, fields[b"content-type"], rest)
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return Recording(name, fields[b"content-type"], body)


# -- reading


def pieces(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    """``body`` cut at these places, wherever they are."""
    places = sorted({cut % (len(body) + 1) for cut in cuts} | {0, len(body)})
    return [body[begin:end] for begin, end in itertools.pairwise(places)]


def frames_of(wire: Wire, recording: Recording) -> list[Frame]:
    """What a wire's decoder makes of an answer; what it made, where it stops."""
    decoder = wire.decoder(recording.content_type)
    try:
        return [*decoder.feed(recording.body), *decoder.end()]
    except (BrokenFrame, FrameTooLarge):
        return []


def events_of(wire: Wire, call: Call, frames: Iterable[Frame]) -> list[Event]:
    """What a wire's reader makes of them."""
    reader = wire.reader(call)
    return [*(event for frame in frames for event in reader.frame(frame)), *reader.end()]


# -- garbage


def words(values: Iterable[Any]) -> list[str]:
    """The names and the short texts in some JSON: what its readers look for."""
    found: set[str] = set()
    for value in values:
        for _, each in paths(value):
            if isinstance(each, dict):
                found |= {name for name in each if len(name) < 40}
            elif isinstance(each, str) and len(each) < 40:
                found.add(each)
    return sorted(found)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value in ``value`` with its place, the outermost first."""
    yield at, value
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for name, each in inner:
        yield from paths(each, (*at, name))


def json_of(vocabulary: Sequence[str]) -> st.SearchStrategy[Any]:
    """Any JSON, made of these words and of what confuses readers."""
    texts = st.sampled_from([*vocabulary, "", "0", "7", "1.5", "{", "é\u2028", "\x00"])
    plain = (
        st.none()
        | st.booleans()
        | st.integers(-2, 9)
        | st.sampled_from([10**9, 2**63, -(2**63), 2**53 + 1, 1e308, -0.5])
        | texts
    )
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
    )


@st.composite
def mutated(draw: st.DrawFn, value: Any, garbage: st.SearchStrategy[Any]) -> Any:
    """``value`` with up to three places of it replaced, left out, or wrapped."""
    value = orjson.loads(orjson.dumps(value))
    for _ in range(draw(st.integers(0, 3))):
        (*at, last), found = draw(st.sampled_from([((None, *place), each) for place, each in paths(value)]))
        how = draw(st.sampled_from(["replace", "leave out", "wrap", "open"]))
        if not at:
            value = draw(garbage)
            continue
        holder = value
        for name in at[1:]:
            holder = holder[name]
        if how == "leave out":
            del holder[last]
        else:
            holder[last] = {"replace": draw(garbage), "wrap": [found], "open": {"index": found}}[how]
    return value


def asks_anything(provider: Provider, model: str) -> bool:
    """Whether a provider has such a model."""
    try:
        wire_of(provider).request(asked(model, stream=True))
    except BadRequest:
        return False
    return True
