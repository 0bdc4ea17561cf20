"""Whatever a file holds: settings, or a ConfigError whose problems are on its lines; and the schema agrees."""

from __future__ import annotations

import copy
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.config.effective import shown
from aigw.config.errors import ConfigError
from aigw.config.schema import schema
from aigw.config.settings import Settings, load
from aigw.config.toml_text import Inline, document_text

TEXT = """\
[server]
listen = ["tcp:8000", "tcp:8001:interface=127.0.0.1"]
workers = 1
trusted_proxies = ["10.0.0.0/8"]
[secrets]
s = { env = "S" }
f = { file = "f" }
[backends.openai]
provider = "openai"
url = "https://api.openai.com/v1"
auth = { secret = "s", header = "x-key", prefix = "" }
defaults = { max_tokens = 512, stop = ["a", { b = 1.5 }] }
headers = { set = { x-team = "ml" }, remove = ["x-foo"] }
timeouts = { connect = "5s", total = 60 }
[backends.echo]
provider = "echo"
delay = 0
[models."gpt-*"]
targets = [
  { backend = "openai", model = "gpt-4o", weight = 80 },
  { backend = "echo", priority = 1 },
]
retry = { attempts = 3, on = ["connect", "5xx"] }
[auth.key]
key_names = ["apikey"]
anonymous = "guest"
[routes.chat]
paths = ["/llm/v1/chat", "=/x", "~^/v[0-9]+/"]
hosts = ["*.example.com"]
methods = ["POST"]
headers = { x-a = ["1", "2"] }
model = "gpt-*"
rewrite = { full_path = "/v1/chat/completions" }
[consumers.guest]
models = []
[consumers.bob]
keys = ["plain", "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"]
routes = ["chat"]
[consumers.bob.backends.openai]
overrides = { temperature = 0.7 }
[[consumers.carol.keys]]
key = "other"
expires = 2030-01-01T00:00:00Z
"""
TABLES = tomllib.loads(TEXT)
VALIDATOR = jsonschema.Draft202012Validator(schema())

quick = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
scraps = st.text(max_size=6) | st.sampled_from(
    [
        "[",
        "]",
        "[[x]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        '"',
        "'''",
        '"""',
        "#",
        "\n",
        "\r",
        "\0",
        "\ufeff",
        "nan",
        "-1",
        "true",
    ]
)
values = st.recursive(
    st.none().map(lambda _: "")
    | st.sampled_from(["sha256:", "/x", "~(", "tcp:1", "-", "off", "none", "key", "openai", "echo", "30s", "1MiB", "*"])
    | st.text(max_size=4)
    | st.booleans()
    | st.integers(-2, 70000)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["key", "env", "backend", "x", "a b"]), inner, max_size=2).map(Inline)
    ),
    max_leaves=4,
)


def inline(value: Any) -> Any:
    """Tables as the writer takes them, below the first two levels."""
    if isinstance(value, dict):
        return Inline({key: inline(each) for key, each in value.items()})
    return tuple(map(inline, value)) if isinstance(value, list) else value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


PLACES = places(TABLES)[1:]


class AnyFileTests(unittest.TestCase):
    """Random changes to a good file."""

    def try_to_load(self, text: str) -> Settings | None:
        """The settings; None where the file is bad, in a way that can be told."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "gateway.toml"
            path.write_text(text, encoding="utf-8", newline="")
            (path.parent / "f").write_text("sk-1")
            try:
                return load(path, {"S": "sk-2"})
            except ConfigError as error:
                self.assertTrue(error.problems)
                for problem in error.problems:
                    self.assertTrue(1 <= problem.line <= text.count("\n") + 1, problem)
                    self.assertNotIn("\n", str(problem))
                return None

    def test_the_file_is_good(self) -> None:
        """Or nothing else here would mean much."""
        self.assertIsNotNone(self.try_to_load(TEXT))
        VALIDATOR.validate(as_json(TABLES))

    @quick
    @given(st.data())
    def test_changed_text(self, data: st.DataObject) -> None:
        """Pieces cut out, put in, moved."""
        text = TEXT
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(text)))
            end = min(len(text), start + data.draw(st.integers(0, 12)))
            text = text[:start] + data.draw(scraps) + text[end:]
        self.try_to_load(text)

    @quick
    @given(st.data())
    def test_changed_lines(self, data: st.DataObject) -> None:
        """Lines lost, doubled, in another order."""
        lines = TEXT.splitlines(keepends=True)
        for _ in range(data.draw(st.integers(1, 4))):
            where = data.draw(st.integers(0, len(lines) - 1))
            line = lines.pop(where)
            for _again in range(data.draw(st.integers(0, 2))):
                lines.insert(data.draw(st.integers(0, len(lines))), line)
        self.try_to_load("".join(lines))

    @quick
    @given(st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=3))
    def test_changed_values(self, changes: list[tuple[tuple[Any, ...], Any]]) -> None:
        """Anything in the place of anything. What is good is good to the schema, too, and is shown as it is."""
        tables = copy.deepcopy(TABLES)
        for place, value in changes:
            put(tables, place, list(value) if isinstance(value, tuple) else value)
        text = document_text(
            {
                name: {key: inline(each) for key, each in section.items()}
                if isinstance(section, dict)
                else inline(section)
                for name, section in tables.items()
            }
        )
        loaded = self.try_to_load(text)
        if loaded is not None:
            VALIDATOR.validate(as_json(tomllib.loads(text)))
            tomllib.loads(shown(loaded))


def put(tables: Any, place: tuple[Any, ...], value: Any) -> None:
    """Replace what is at ``place``, unless an earlier change took the place away."""
    *around, last = place
    try:
        for part in around:
            tables = tables[part]
        if tables[last] is not None:
            tables[last] = value
    except (TypeError, IndexError, KeyError):
        pass


def as_json(value: Any) -> Any:
    """TOML's values as JSON has them."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return value if isinstance(value, str | int | float | bool) else value.isoformat()
