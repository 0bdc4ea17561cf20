"""Configuration in a string of other configuration: a ``ConfigMap`` for a Kong without a database.

Kong's Helm chart mounts it and names its key in ``KONG_DECLARATIVE_CONFIG``
(https://developer.konghq.com/gateway/db-less-mode/), ``kong.yml`` as a rule.
"""

from __future__ import annotations

import re

from aigw.config.importers.loading import documents
from aigw.config.importers.nodes import Node

_KONGS = re.compile(r"^_format_version[ \t]*:", re.MULTILINE)


def embedded(document: Node) -> list[Node]:
    """Kong's documents in a ``ConfigMap``, with their lines in the file where they stand as a block (``|``).

    :raises ConfigError: what looks like Kong's is not YAML.
    """
    kind, data = document.get("kind"), document.get("data")
    if kind is None or kind.content != "ConfigMap" or data is None:
        return []
    found = []
    for value in data.children():
        if isinstance(value.content, str) and _KONGS.search(value.content):
            found += documents(value.file, value.content, lines_before=value.line)
    return found
