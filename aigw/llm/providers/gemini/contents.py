"""A conversation as Gemini's ``contents``: roles ``user`` and ``model`` in turn, each a list of parts.

Calls of tools and their results are matched by name and order, not by id: Vertex AI refuses an ``id`` in either
(langchain-ai/langchainjs#11209), so results are put into the order of their calls.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from aigw.errors import BadRequest
from aigw.llm import call as c
from aigw.llm import hosted_tools, media_types
from aigw.llm.arguments import as_object
from aigw.llm.providers.gemini import signatures
from aigw.llm.providers.gemini.thinking import Model

Json = dict[str, Any]

_FILES = "https://generativelanguage.googleapis.com/"


def contents(call: c.Call, provider: str) -> list[Json]:
    """The conversation without what the system says.

    :raises BadRequest: it has something that Gemini has nothing like.
    """
    writing = _Writing(call, provider)
    turns = [turn for turn in call.turns if turn.role != "system"]
    written: list[Json] = []
    for turn in c.alternating(turns):
        content = writing.content(turn)
        if written and written[-1]["role"] == content["role"]:
            written[-1]["parts"] += content["parts"]  # what was between them had nothing to say
        elif content["parts"]:
            written.append(content)
    if not written or written[0]["role"] != "user":
        # A conversation must begin with the user.
        written.insert(0, {"role": "user", "parts": [{"text": " "}]})
    return written


def system_instruction(call: c.Call, provider: str) -> Json | None:
    """All that the system says, wherever in the conversation it says it."""
    texts: list[Json] = []
    for turn in call.turns:
        if turn.role != "system":
            continue
        for part in turn.parts:
            if not isinstance(part, c.Text):
                call.unsupported(turn.field, provider, "a system message can only have text")
            elif part.text:
                texts.append({"text": part.text})
    return {"parts": texts} if texts else None


class _Writing:
    """Writes one call's turns."""

    def __init__(self, call: c.Call, provider: str) -> None:
        self._call = call
        self._provider = provider
        self._model = Model.of(call.model)
        #: Of the calls so far: the names by id, and the places of the last turn's. Some clients use ids again.
        self._names: dict[str, str] = {}
        self._order: dict[str, int] = {}
        #: Where each part is from; merging neighbours forgets it.
        self._fields = {id(part): turn.field for turn in call.turns for part in turn.parts}

    def content(self, turn: c.Turn) -> Json:
        """One turn; the neighbours of its role are in it already."""
        if turn.role == "assistant":
            return {"role": "model", "parts": self._said(turn)}
        parts = sorted(turn.parts, key=self._place)
        return {"role": "user", "parts": [each for part in parts for each in self._written(part)]}

    def _place(self, part: c.Part) -> int:
        """Results first, in the order of their calls."""
        return self._order.get(part.id, len(self._order)) if isinstance(part, c.ToolResult) else len(self._order) + 1

    def _written(self, part: c.Part) -> Iterable[Json]:
        write = _WRITE.get(type(part))
        return write(self, part, self._fields[id(part)]) if write is not None else []

    # -- what the model said

    def _said(self, turn: c.Turn) -> list[Json]:
        """An earlier answer. What it thought is not sent again, its signatures are.

        A signature that the client's dialect keeps with the thoughts belongs to the call that follows them, else to
        the text.
        """
        parts: list[Json] = []
        pending: str | None = None
        called = [part for part in turn.parts if isinstance(part, c.ToolCall)]
        self._order = {part.id: number for number, part in enumerate(called)}
        self._names |= {part.id: part.name for part in called}
        for part in turn.parts:
            if isinstance(part, c.Reasoning):
                pending = signatures.own(part.signature) or pending
            elif isinstance(part, c.ToolCall):
                signature = signatures.own(part.signature)
                if signature is None:
                    signature, pending = pending, None
                parts.append(_call(part, signature))
            else:
                parts += self._written(part)
        if pending is not None:
            _sign_text(parts, pending)
        if self._model.wants_signatures:
            _sign_first_call(parts)
        return parts

    # -- parts

    def _image(self, part: c.Image, field: str) -> Iterable[Json]:
        if part.data is not None:
            return [_inline(part.media_type or "image/jpeg", part.data)]
        return self._elsewhere(part.url, part.file_id, part.media_type, "image/jpeg", field)

    def _document(self, part: c.Document, field: str) -> Iterable[Json]:
        if part.text is not None:
            return [{"text": part.text}]
        if part.data is not None:
            return [_inline(part.media_type or "application/pdf", part.data)]
        return self._elsewhere(part.url, part.file_id, part.media_type, "application/pdf", field)

    def _elsewhere(
        self, url: str | None, file_id: str | None, media_type: str | None, usual: str, field: str
    ) -> Iterable[Json]:
        """Something that Google is to fetch: from its own stores, or from the web."""
        if file_id is not None and file_id.startswith("files/"):
            url = f"{_FILES}v1beta/{file_id}"
        if url is None:
            what = f"file {file_id!r} is none of Google's: send files/… of its Files API, or the data"
            self._call.unsupported(field, self._provider, what)
            return []
        if url.startswith(("http:", "https:")) and not self._fetches(url):
            what = f"model {self._call.model} does not fetch from the web: send the data (data:MEDIA-TYPE;base64,…)"
            self._call.unsupported(field, self._provider, what)
            return []
        guessed = mimetypes.guess_type(url.partition("?")[0])[0]
        return [{"fileData": {"mimeType": media_type or guessed or usual, "fileUri": url}}]

    def _fetches(self, url: str) -> bool:
        """AI Studio fetches since January 2026, for models behind 2.0 (ai.google.dev: "File input methods")."""
        version = self._model.version
        return self._provider == "vertex" or url.startswith(_FILES) or version is None or version > (2, 0)

    def _foreign(self, part: c.Foreign, field: str) -> Iterable[Json]:
        video = part.fields.get("video_url")
        url = video.get("url") if isinstance(video, dict) else video
        if part.fields.get("type") == "video_url" and isinstance(url, str):
            return self._video(url, field)
        if hosted_tools.is_trace(part):
            return []
        self._call.unsupported(field, self._provider, f"parts of type {part.fields.get('type')!r}")
        return []

    def _video(self, url: str, field: str) -> Iterable[Json]:
        """A video as compatible servers take it; YouTube's are Google's own."""
        if url.startswith("data:"):
            media_type, _, data = url[5:].partition(";base64,")
            return [_inline(media_types.registered(media_type), data)]
        return self._elsewhere(url, None, None, "video/mp4", field)

    def _result(self, part: c.ToolResult, field: str) -> Iterable[Json]:
        name = self._names.get(part.id) or part.name
        if not name:
            raise BadRequest(
                f"{field}: the conversation has no tool call {part.id!r} that this is the result of",
                param=field,
                code="invalid_value",
            )
        response: Json = {"name": name, "response": _response(part)}
        files = [each for piece in part.parts if not isinstance(piece, c.Text) for each in self._piece(piece, field)]
        if files and self._model.has_levels:
            # From Gemini 3 on, a response can carry them itself.
            return [{"functionResponse": {**response, "parts": files}}]
        return [{"functionResponse": response}, *files]

    def _piece(self, part: c.Part, field: str) -> Iterable[Json]:
        return _WRITE[type(part)](self, part, field) if type(part) in _WRITE else []


#: Not the writer's own: a table of its bound methods would know it, and be work for the garbage collector.
_WRITE: dict[type, Callable[[_Writing, Any, str], Iterable[Json]]] = {
    c.Text: lambda writing, part, field: [{"text": part.text}] if part.text else [],
    c.Image: _Writing._image,
    c.Audio: lambda writing, part, field: [_inline(f"audio/{part.format}", part.data)],
    c.Document: _Writing._document,
    c.ToolResult: _Writing._result,
    c.Foreign: _Writing._foreign,
}


def _inline(media_type: str, data: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _call(part: c.ToolCall, signature: str | None) -> Json:
    written: Json = {"functionCall": {"name": part.name, "args": as_object(part.arguments)}}
    if signature is not None:
        written["thoughtSignature"] = signature
    return written


def _response(part: c.ToolResult) -> Json:
    """An object, as the API wants it: a tool's own, or its text as ``output`` or ``error``."""
    text = c.plain_text(part.parts)
    if part.error:
        return {"error": text}
    try:
        value = orjson.loads(text) if text.lstrip().startswith("{") else None
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {"output": text}


def _sign_text(parts: list[Json], signature: str) -> None:
    text = next((part for part in reversed(parts) if "text" in part), None)
    if text is None:
        parts.append({"text": "", "thoughtSignature": signature})
    else:
        text["thoughtSignature"] = signature


def _sign_first_call(parts: list[Json]) -> None:
    """Of calls made at once, the first has the signature; the others may have none."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", signatures.SKIP)
