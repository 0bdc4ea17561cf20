"""The files that come with the program: the schema is the types', the examples are good, the documentation is whole."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
from twisted.trial import unittest

import aigw
from aigw.config.schema import schema, text
from aigw.config.settings import load
from aigw.config.shape import inner_tables
from aigw.config.tables import Key, Table, Tables
from aigw.config.toml_text import value_text
from tests.unit.config.test_any_file import as_json

ROOT = Path(aigw.__file__).parent.parent
ETC = ROOT / "etc"
FILES = sorted(ETC.rglob("*.toml"))


class Everything(dict[str, str]):
    """An environment in which every secret is set."""

    def get(self, name: str, default: Any = None) -> Any:
        return None if name == "CREDENTIALS_DIRECTORY" else "sk-test"


class SchemaTests(unittest.TestCase):
    """``etc/gateway.schema.json``."""

    def test_it_is_the_types(self) -> None:
        """``make schema`` writes it anew."""
        self.assertEqual((ETC / "gateway.schema.json").read_text(encoding="utf-8"), text())

    def test_it_is_a_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(json.loads(text()))

    def test_every_key_is_described(self) -> None:
        """An editor shows it."""
        for name, definition in schema()["$defs"].items():
            for key, described in definition.get("properties", {}).items():
                self.assertTrue(described.get("description"), f"{name}.{key}")

    def test_it_refuses_what_the_check_refuses(self) -> None:
        """As far as one key can tell."""
        validator = jsonschema.Draft202012Validator(schema())
        for bad in (
            "serve = 1",
            "[server]\nacess_log = '-'",
            "[server]\nworkers = 'many'",
            "[server]\ndrain_timeout = '5x'",
            "[secrets]\ns = {}",
            "[secrets]\ns = { env = 'A', file = 'b' }",
            "[backends.b]\nurl = 'https://h'",
            "[backends.b]\nprovider = 'opnai'",
            "[backends.b]\nprovider = 'openai'\nauth = { inline = 'x', passthrough = true }",
            "[models.m]\ntargets = []",
            "[routes.r]\nbackend = 'a'\nmodel = 'b'",
            "[routes.r]\npaths = ['x']",
            "[consumers.c]\nkeys = [{ kye = 'x' }]",
            "[consumers.'a b']",
        ):
            self.assertFalse(validator.is_valid(tomllib.loads(bad)), bad)


class FileTests(unittest.TestCase):
    """``etc/*.toml``."""

    def test_each_is_good(self) -> None:
        self.assertIn(ETC / "demo.toml", FILES)
        self.assertIn(ETC / "gateway.toml", FILES)
        validator = jsonschema.Draft202012Validator(schema())
        for path in FILES:
            read_secrets = path.name != "gateway.toml"  # its secrets are files and credentials of a real host
            load(path, Everything(), read_secrets=read_secrets)
            validator.validate(as_json(tomllib.loads(path.read_text(encoding="utf-8"))))

    def test_the_production_file_has_no_warnings(self) -> None:
        """It is what people copy."""
        self.assertEqual(load(ETC / "gateway.toml", {}, read_secrets=False).warnings, ())

    def test_what_the_production_file_has_commented_out_is_good_as_well(self) -> None:
        """Every ``#key = …`` in it, switched on."""
        switched_on = re.sub(r"(?m)^#(?=[\[\w])", "", (ETC / "gateway.toml").read_text(encoding="utf-8"))
        path = Path(self.mktemp())
        path.write_text(switched_on, encoding="utf-8")
        load(path, {}, read_secrets=False)

    def test_the_demo_serves_everything(self) -> None:
        """Any model, by the key that the documentation names, on loopback only."""
        demo = load(ETC / "demo.toml", {})
        self.assertEqual(demo.server.listen, ("tcp:8000:interface=127.0.0.1",))
        self.assertEqual(demo.server.admin, "tcp:9100:interface=127.0.0.1")
        (route,) = demo.routes.values()
        self.assertEqual((route.paths, route.operation, route.backend, route.auth), (("/v1",), None, None, "key"))
        self.assertIn("echo", demo.models)


class DocumentationTests(unittest.TestCase):
    """``docs/config.md`` has a table for each kind of table: its keys, and their defaults."""

    def documented(self) -> dict[str, dict[str, str]]:
        """Of each heading that names a table: keys and what the column "default" says."""
        found: dict[str, dict[str, str]] = {}
        heading = ""
        for line in (ROOT / "docs" / "config.md").read_text(encoding="utf-8").splitlines():
            if match := re.match(r"#+ `(\[?)([a-zA-Z_.\[\]]+)`$", line):
                heading = match[2].removesuffix("]") if match[1] else match[2]
            elif match := re.match(r"\| `([a-z_]+)` \| [^|]+ \| (.*?) \| .*\|$", line):
                self.assertNotIn(match[1], found.setdefault(heading, {}), heading)
                found[heading][match[1]] = match[2].replace("\\|", "|")
        return found

    def test_every_key_with_its_default_and_nothing_else(self) -> None:
        documented = self.documented()
        expected = {heading: defaults(kind) for heading, kind in headings(Tables, "")}
        self.maxDiff = None
        for heading, keys in expected.items():
            self.assertEqual(documented.get(heading), keys, heading)
        self.assertEqual(set(documented), set(expected))


def headings(kind: type[Table], above: str) -> Iterator[tuple[str, type[Table]]]:
    """Each table's place as the documentation writes it; a type that is at two places, at its first."""
    seen: set[type[Table]] = set()
    waiting = [(above, kind)]
    while waiting:
        place, kind = waiting.pop(0)
        if kind in seen:
            continue
        seen.add(kind)
        if place:
            yield place, kind
        for key, (shape, inner) in inner_tables(kind).items():
            name = "BACKEND" if place else "NAME"
            end = {"one": "", "many": "[]", "named": f".{name}"}[shape]
            waiting.append((f"{place}.{key}{end}".lstrip("."), inner))


def defaults(kind: type[Table]) -> dict[str, str]:
    """The keys of a table, and their defaults as the documentation writes them."""
    if kind is Key:  # which the file writes in its own way
        return {"key": "required", "expires": "none"}
    empty = kind.model_construct().model_dump()
    found = {}
    for key, field in kind.model_fields.items():
        if field.is_required():
            found[key] = "required"
        elif field.default is None:
            found[key] = "none"
        elif isinstance(field.default, Table):
            found[key] = "below"
        else:
            found[key] = f"`{value_text(empty[key])}`"
    return found
