"""The JSON Schema of the configuration file, from the types that check it: ``python -m aigw.config.schema``."""

from __future__ import annotations

import json
import sys
from typing import Any

from aigw.config.tables import Tables


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12, for editors."""
    made = Tables.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "aigw configuration"}


def text() -> str:
    """The schema as ``etc/gateway.schema.json`` has it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
