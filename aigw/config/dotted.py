"""Paths of keys as TOML writes them."""

from __future__ import annotations

import json
import re

from aigw.config.errors import KeyPath

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dotted(path: KeyPath) -> str:
    """A path as TOML would write it, positions in arrays in brackets: ``models."gpt-4.1".targets[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        quoted = part if _BARE.fullmatch(part) else json.dumps(part, ensure_ascii=not part.isprintable())
        text += f".{quoted}" if text else quoted
    return text
