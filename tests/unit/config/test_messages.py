"""What is said of a wrong file, word for word: plain English, what is allowed, no Python and no errno."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator

import aigw
from tests.unit.config.files import BACKEND, FileTestCase

ROOT = pathlib.Path(aigw.__file__).parent
#: The modules whose messages operators read.
MODULES = (
    "config/*.py",
    "cli.py",
    "tap.py",
    "launch.py",
    "listener*.py",
    "http/listeners.py",
    "workers/*.py",
    "daemon.py",
)

#: Lines behind a good file, the key that is wrong, and the message.
WRONG = (
    ("[server]\nlisten = ['tcp:65536']", "server.listen[0]", "port must be 0 to 65535"),
    ("[server]\nlisten = ['tcp:http']", "server.listen[0]", "port must be 0 to 65535"),
    ("[server]\nlisten = ['tcp:1:backlog=0']", "server.listen[0]", "backlog must be 1 to 65535"),
    ("[server]\nlisten = ['unix:/run/x:mode=9']", "server.listen[0]", "mode must be octal, such as 660"),
    ("[server]\nlisten = ['udp:1']", "server.listen[0]",
     "unknown kind of listener (allowed: haproxy, ssl, systemd, tcp, tcp6, tls, unix)"),
    ("[server]\nlisten = ['tcp:1:address=x']", "server.listen[0]",
     "unknown argument of tcp: (allowed: backlog, interface, port)"),
    ("[server]\nlisten = ['systemd:TCP:name=a']", "server.listen[0]", "domain must be INET, INET6 or UNIX"),
    ("[server]\nlisten = ['systemd:INET']", "server.listen[0]",
     "must name one of systemd's sockets (index= or name=, one of the two)"),
    ("[server]\nadmin = 'tcp:8000'", "server.admin",
     'has the address of a listener in server.listen (a port of its own, or "off")'),
    ("[server]\nworkers = 0", "server.workers", 'must be 1 to 256, or "auto"'),
    ("[server]\nmax_in_flight = -1", "server.max_in_flight", "must be at least 0"),
    ("[routes.b]\npaths = ['/b']", "routes.b",
     "route b has no backend (backend = …, model = …, or [models] for requests to choose from)"),
    ("[routes.b]\nbackend = 'eco'", "routes.b.backend", "is not in [backends] (did you mean echo?)"),
    ("[routes.b]\nbackend = 'echo'\nstreaming = 'no'", "routes.b.streaming", "unknown value (allowed: allow, always, deny)"),
    ("[backends.b]\nprovider = 'azure'", "backends.b",
     'url is missing, and provider "azure" has no default (url = "https://…")'),
    ("[backends.b]\nprovider = 'openai'\nauth = {}", "backends.b.auth",
     "needs one of secret, inline, passthrough, ambient, service_account (exactly one)"),
    ("[consumers.c]\nkeys = [{ key = 'k', expire = 1 }]", "consumers.c.keys[0]", "unknown key (allowed: key, expires)"),
    ("[consumers.c]\nkeys = [{ key = 'k', expires = '2027' }]", "consumers.c.keys[0]",
     "expires must be a date and time with a zone (such as 2027-01-01T00:00:00Z, without quotes)"),
    ("[auth.none]", "auth.none", 'must not be called "none", which means no authentication in routes (another name)'),
)  # fmt: skip

#: Lines, the one that is told, and the message behind "not TOML: ".
NO_TOML = (
    ("[a]\nx = 1\n[a]", 3, "[a] is there already (each table once, in one place), column 3"),
    ("[a.'b c']\n[a.'b c']", 2, '[a."b c"] is there already (each table once, in one place), column 9'),
    ("a = {}\na.b = 1", 2, "a is complete above, nothing can be added to it (all of it in one place) at the end of the file"),
    ("a = 1\na = 2\n", 2, "this key is there twice (each key once), column 6"),
    ("a = { b = 1, b = 2 }", 1, "a key is there twice in one table (each key once), column 19"),
    ("a = \"x\nb = 1", 1, "a string that does not end on its line (a closing quote), column 7"),
    ("a = \"\\d\"", 1, "a backslash in a string (\\\\, or the string in 'single quotes'), column 8"),
    ("a = tcp", 1, "no value (strings need quotes; true and false are lower case), column 5"),
    ("a = 1 b = 2", 1, "more than one key on a line, or a string without quotes (one key = value a line), column 7"),
    ("[models.*]", 1, "no key, or no name (a name with anything but letters, digits, - and _ needs quotes: "
     '[models."gpt-4.1*"]), column 9'),
    ("[models.qwen/x]", 1, "a table's name does not end (a name with anything but letters, digits, - and _ needs quotes: "
     '[models."gpt-4.1*"]), column 13'),
    ("[m]\ngpt:4 = 1", 2, "a key without a value (key = value; a name with anything but letters, digits, - and _ needs "
     'quotes: [models."gpt-4.1*"]), column 4'),
    ("a = [1\n", 1, "an array that does not end (]) at the end of the file"),
)  # fmt: skip

#: What no message has: other languages' grammar, and the interpreter's.
NOT_ENGLISH = ("that is none", "is no regular", "names no", "[Errno", "is none of", "has no usual")


class MessageTests(FileTestCase):
    """Word for word."""

    def test_wrong_values(self) -> None:
        for text, key, message in WRONG:
            problem = self.problem(BACKEND + text)
            self.assertEqual((problem.key, problem.message), (key, message))

    def test_no_toml(self) -> None:
        for text, line, message in NO_TOML:
            problem = self.problem(text)
            self.assertEqual((problem.line, problem.message), (line, f"not TOML: {message}"), text)

    def test_every_message_is_plain(self) -> None:
        """In the source of all of them; docstrings are not shown to anybody who runs the gateway."""
        found = [f"{path.name}: {text}" for path, text in messages() for words in NOT_ENGLISH if words in text]
        self.assertEqual(found, [])


def messages() -> Iterator[tuple[pathlib.Path, str]]:
    """Every text of the modules that is no docstring."""
    for pattern in MODULES:
        for path in sorted(ROOT.glob(pattern)):
            tree = ast.parse(path.read_text())
            docs = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                    yield path, node.value
