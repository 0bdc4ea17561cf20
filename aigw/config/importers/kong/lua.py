"""The one Lua program that means something here: the pre-function that copies a Bearer token into key-auth's header.

Nothing is run. A program is taken for that one if it has no words but those that it takes to do so: it reads
``Authorization``, looks for ``Bearer``, and sets one header.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"\n]*"|'[^'\n]*')|(?P<name>[A-Za-z_]\w*)|(?P<number>\d+)|(?P<sign>[^\s\w"'\x00-\x1f]))"""
)
_LOCAL = re.compile(r"\blocal\s+([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)")
_READS = re.compile(r"""(?:get_headers?\b[^\n]{0,12}["']authorization["']|http_authorization\b)""", re.I)
_WRITES = re.compile(r"""\bset_header\s*\(\s*["']([A-Za-z0-9_-]+)["']\s*,""")
_LANGUAGE = ("and", "end", "if", "local", "nil", "not", "or", "then")
_STRINGS = ("find", "gsub", "len", "lower", "match", "string", "sub")
_REQUEST = ("get_header", "get_headers", "http_authorization", "kong", "ngx", "req", "request", "service", "set_header")
_WORDS = frozenset((*_LANGUAGE, *_STRINGS, *_REQUEST, "var"))
#: As often as one of these stands there, so often the others.
_BLOCK = ("if", "then", "end")


def bearer_copied_to(code: str) -> str | None:
    """The header that gets the Bearer token, if that is all that the code does."""
    code = _without_comments(code)
    names, strings = _tokens(code)
    if names is None:
        return None
    declared = {name for found in _LOCAL.findall(code) for name in map(str.strip, found.split(","))}
    written = _WRITES.findall(code)
    if len(written) != 1 or names.count("set_header") != 1 or not set(names) <= _WORDS | declared:
        return None
    if len({names.count(word) for word in _BLOCK}) != 1 or not _READS.search(code):
        return None
    if not any("earer" in string for string in strings):
        return None
    return str(written[0])


def _without_comments(code: str) -> str:
    kept, at = [], 0
    while (begin := code.find("--", at)) >= 0:
        kept.append(code[at:begin])
        block = code.startswith("[[", begin + 2)
        end = code.find("]]", begin + 4) + 2 if block else code.find("\n", begin)
        at = end if end > begin else len(code)
    return " ".join([*kept, code[at:]])


def _tokens(code: str) -> tuple[list[str] | None, list[str]]:
    """Names and strings; no names where something is neither of what Lua is made of here."""
    names, strings, at = [], [], 0
    text = code.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return None, []
        if found["name"]:
            names.append(found["name"])
        elif found["string"]:
            strings.append(found["string"])
        at = found.end()
    return names, strings
