"""How many tokens a call's input has: an estimate, for providers that cannot be asked.

Nobody but a provider knows its tokenizer, so this says what can be said without one, and is marked as an estimate
wherever it is given out. It follows from the bytes of the text: four to a token, which is what English makes of
today's vocabularies; other scripts have more bytes to a character and fewer characters to a token, so that the same
rule does for them. Around the text comes what all providers wrap it in.

Measured against the counts that came with recorded answers (``tests/unit/llm/test_counting.py``): within a third of
each, and of most within a fifth. Clients use such counts to know when a conversation becomes too long for the model.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import orjson

from aigw.llm import call as c
from aigw.llm.pictures import picture_size

#: Bytes of text a token.
BYTES_PER_TOKEN = 4
#: Tokens around a message, and those that begin the answer.
_PER_TURN, _PER_ANSWER = 4, 3
#: Tokens around a call or a result, with its id.
_PER_CALL = 12
#: Tokens for tools as such: providers explain to the model how they are called.
_PER_TOOLS, _PER_TOOL = 40, 8

#: Pixels of a picture a token, and the most that a picture counts: larger ones are scaled down
#: (https://platform.claude.com/docs/en/build-with-claude/vision; OpenAI's tiles come to about as much).
_PIXELS_PER_TOKEN = 750
_MOST_OF_PICTURE = 1600
_LONGEST_EDGE = 1568
#: OpenAI's ``low`` detail.
_LOW_DETAIL = 85

#: A page of a PDF counts as its text and as a picture.
_PER_PAGE = 2000
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")


def estimate(call: c.Call) -> int:
    """About how many tokens the input of ``call`` has; at least 1."""
    tokens = _PER_ANSWER
    for turn in call.turns:
        tokens += _PER_TURN + sum(_part(part) for part in turn.parts)
    if call.tools:
        tokens += _PER_TOOLS + sum(_PER_TOOL + _tool(tool) for tool in call.tools)
    if call.format is not None and call.format.schema is not None:
        tokens += _json(call.format.schema)
    return max(1, tokens)


def _text(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _json(value: Any) -> int:
    return -(-len(orjson.dumps(value)) // BYTES_PER_TOKEN)


def _tool(tool: c.Tool | c.Foreign) -> int:
    if isinstance(tool, c.Foreign):
        return _json(tool.fields)
    return _text(tool.name) + _text(tool.description or "") + _json(tool.schema or {})


def _part(part: c.Part) -> int:
    return _COUNTS[type(part)](part)


def _image(part: c.Image) -> int:
    if part.detail == "low":
        return _LOW_DETAIL
    size = picture_size(_bytes(part.data, 64 * 1024)) if part.data is not None else None
    if size is None:
        return _MOST_OF_PICTURE
    width, height = size
    scale = min(1.0, _LONGEST_EDGE / max(width, height, 1))
    return max(1, min(_MOST_OF_PICTURE, int(width * scale * height * scale) // _PIXELS_PER_TOKEN))


def _document(part: c.Document) -> int:
    if part.text is not None:
        return _text(part.text)
    if part.data is None:
        return _PER_PAGE
    data = _bytes(part.data)
    if (part.media_type or "").startswith("text/"):
        return -(-len(data) // BYTES_PER_TOKEN)
    return _PER_PAGE * max(1, len(_PAGE.findall(data)))


def _call(part: c.ToolCall) -> int:
    return _PER_CALL + _text(part.name) + _text(part.arguments)


def _result(part: c.ToolResult) -> int:
    return _PER_CALL + sum(_part(each) for each in part.parts)


#: Thoughts of earlier turns are not read again by most models; sound is not told to clients that ask for counts.
_COUNTS: dict[type, Callable[[Any], int]] = {
    c.Text: lambda part: _text(part.text),
    c.Image: _image,
    c.Document: _document,
    c.Audio: lambda part: 0,
    c.Reasoning: lambda part: 0,
    c.ToolCall: _call,
    c.ToolResult: _result,
    c.Foreign: lambda part: _json(part.fields),
}


def _bytes(data: str, most: int | None = None) -> bytes:
    """The bytes of base64, the first ``most`` characters of it; empty if it is none."""
    part = data if most is None else data[: most - most % 4]
    try:
        return base64.b64decode(part)
    except (binascii.Error, ValueError):
        return b""
