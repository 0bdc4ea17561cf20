"""A chat call of one MiB: a question about four pictures, in the request as data URLs."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

from bench import traffic

SIZE = 1 << 20
_PICTURES = 4


def _picture(number: int, length: int) -> dict[str, Any]:
    noise = random.Random(number).randbytes(length)  # as little to compress as in a JPEG
    return {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{base64.b64encode(noise).decode()}"}}


def _message(length: int) -> dict[str, Any]:
    question = {"type": "text", "text": "Which of these four racks has the most cables, and why?"}
    return {"role": "user", "content": [question, *(_picture(number, length) for number in range(_PICTURES))]}


def _body(length: int) -> bytes:
    fields = json.loads(traffic.CHAT_REQUEST)
    return traffic.compact(fields | {"messages": [fields["messages"][0], _message(length)]})


def _made() -> bytes:
    """As near to SIZE from below as whole groups of base64 come."""
    overhead = len(_body(0))
    return _body((SIZE - overhead) // _PICTURES // 4 * 3)


BODY = _made()


def temperature(body: bytes) -> str:
    """The temperature that a body out of a gateway asks for, if it asks what was asked in everything else.

    :raises ValueError: it does not.
    """
    fields, sent = json.loads(body), json.loads(BODY)
    found = float(fields.pop("temperature"))
    sent.pop("temperature")
    if fields != sent:
        raise ValueError("the body is not the one that was sent")
    return f"{found:.1f}"
