"""Rooms import only from the levels below them: design as a test."""

import ast
import pathlib

from twisted.trial import unittest

import aigw

ROOT = pathlib.Path(aigw.__file__).parent

#: Room (a module or package right under aigw/) to level, as docs/architecture.md draws it.
LEVELS = {
    "tap": 8,
    "cli": 9,
    "testing": 8,
    "gateway": 7,
    "workers": 7,
    "daemon": 6,
    "serving": 6,
    "snapshot": 5,
    "web": 4,
    "proxy": 3,
    "consumers": 2,
    "routing": 2,
    "upstream": 2,
    "listener_factories": 2,
    "llm": 1,
    "http": 1,
    "logs": 1,
    "config": 1,
    "metrics": 1,
    "numbers": 0,
    "shared_counters": 0,
    "bounded_cache": 0,
    "errors": 0,
    "instruments": 0,
    "launch": 0,
    "listener": 0,
    "log_output": 0,
    "memory": 0,
    "os_error_text": 0,
    "printing": 0,
    "redaction": 0,
    "regular_file": 0,
    "systemd": 0,
    "version": 0,
}

NO_TWISTED = {"llm", "config"}


def modules() -> list[tuple[str, pathlib.Path]]:
    """Each module of the program with the room it belongs to."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts != ("__init__",):
            found.append((parts[0], path))
    return found


def imports(path: pathlib.Path) -> list[str]:
    """Every module name that a file imports, wherever in the file it does so."""
    names: list[str] = []
    package = ("aigw", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            names += [".".join(base)] + [".".join([*base, alias.name]) for alias in node.names]
    return names


class LevelTests(unittest.TestCase):
    """The table above, held against the source."""

    def test_every_room_has_a_level(self) -> None:
        """A new room must be put somewhere before it is built."""
        self.assertEqual(sorted({room for room, _ in modules()} - set(LEVELS)), [])

    def test_imports_go_downwards(self) -> None:
        """A module imports from its own room or from lower levels, never sideways or up."""
        wrong = []
        for room, path in modules():
            for name in imports(path):
                parts = name.split(".")
                if parts[0] != "aigw" or len(parts) < 2 or parts[1] not in LEVELS or parts[1] == room:
                    continue
                if LEVELS[parts[1]] >= LEVELS[room]:
                    wrong.append(f"{path.relative_to(ROOT)} (level {LEVELS[room]}) imports {name}")
        self.assertEqual(wrong, [])

    def test_pure_rooms_know_no_twisted(self) -> None:
        """Dialects and configuration can be tested, and reused, without an event loop."""
        wrong = [
            f"{path.relative_to(ROOT)} imports {name}"
            for room, path in modules()
            if room in NO_TWISTED
            for name in imports(path)
            if name.split(".")[0] in ("twisted", "treq")
        ]
        self.assertEqual(wrong, [])

    def test_stock_http_client_only_for_side_calls(self) -> None:
        """twisted.web.client and treq are for tokens and probes, not for the data path."""
        wrong = [
            f"{path.relative_to(ROOT)} imports {name}"
            for room, path in modules()
            if room != "upstream" and path.name != "agent.py"  # the interface's own ResponseDone
            for name in imports(path)
            if name.startswith(("twisted.web.client", "treq"))
        ]
        self.assertEqual(wrong, [])

    def test_global_reactor_only_in_tap(self) -> None:
        """Everything else is given its reactor, so that tests can give it another."""
        wrong = [
            str(path.relative_to(ROOT))
            for room, path in modules()
            if room != "tap"
            for name in imports(path)
            if name == "twisted.internet.reactor"
        ]
        self.assertEqual(wrong, [])
