"""The JSON Schema of the configuration file, from the types that check it: ``python -m aigw.config.schema``."""

from __future__ import annotations

import json
import sys
from typing import Any

from aigw.config.tables import Tables


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12, for editors. What entries say of each other is beyond it; ``aigw check`` sees that, too."""
    made: dict[str, Any] = _tidied(Tables.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "aigw configuration", **made}


def text() -> str:
    """The schema as ``etc/gateway.schema.json`` has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidied(node: Any) -> Any:
    """``node`` without what TOML does not have (null) and nobody needs (titles)."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {key: _tidied(each) for key, each in node.items() if not (key == "title" and isinstance(each, str))}
    if node.get("default", ...) is None:
        del node["default"]
    if "patternProperties" in node:  # a name of another form is none
        node["additionalProperties"] = False
    choices = [each for each in node.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) == 1:
        del node["anyOf"]
        node = {**choices[0], **node}
    elif choices:
        node["anyOf"] = choices
    return node


if __name__ == "__main__":
    sys.stdout.write(text())
