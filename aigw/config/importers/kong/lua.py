"""The one Lua program that means something here: the pre-function that copies a Bearer token into key-auth's header."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"--\[\[.*?\]\]|--[^\n]*", re.DOTALL)
_READS = re.compile(
    r"""(?:kong\.request\.get_header\(\s*|ngx\.req\.get_headers\(\)\[\s*|ngx\.var\.http_)["']?authorization["']?""",
    re.I,
)
_TAKES = re.compile(
    r""":?(?:find|match|gsub|sub)\s*\(|string\.(?:find|match|gsub|sub)\s*\(|ngx\.re\.(?:match|find|gsub)\s*\(""",
)
_WRITES = re.compile(
    r"""kong\.service\.request\.set_header\(\s*["']([A-Za-z0-9_-]+)["']\s*,|ngx\.req\.set_header\(\s*["']([A-Za-z0-9_-]+)["']\s*,"""
)
#: What such a program has no business with.
_ELSE = re.compile(
    r"\b(?:io|os|require|loadstring|load|dofile|ngx\.(?:exit|redirect|say|print|exec|location)|kong\.response|kong\.client"
    r"|kong\.ctx|kong\.cache|kong\.service\.set_|kong\.service\.request\.(?:set_(?!header)|clear_|add_)|httpc?)\b"
)


def bearer_copied_to(code: str) -> str | None:
    """The header that gets the Bearer token, if that is all that the code does."""
    code = _COMMENT.sub(" ", code)
    written = [first or second for first, second in _WRITES.findall(code)]
    if len(written) != 1 or _ELSE.search(code) or not _READS.search(code):
        return None
    if not re.search(r"bearer", code, re.I) or not _TAKES.search(code):
        return None
    return str(written[0])
