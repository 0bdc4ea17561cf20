"""The ``aigw`` command: looks at configurations without running them, and makes them from other gateways'.

Exit statuses:

==  =======================================================================================================
0   all is well: the file is good, the difference is printed (there may be none), the key or the file is made
1   a file is bad, or cannot be imported; or there are warnings, and ``--strict`` was given
2   the command line is wrong
==  =======================================================================================================

What a command was asked for goes to stdout (for ``check``, that is ``OK`` or the errors), everything else to stderr.
With ``--json``, stdout has one JSON object, errors and warnings included, and stderr nothing; the exit statuses are the
same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import attrs

from aigw import __version__
from aigw.config.errors import ConfigError, Problem

if TYPE_CHECKING:
    from aigw.config.importers import Imported
    from aigw.config.settings import Settings

_GREEN, _RED, _YELLOW, _CYAN, _FAINT = "32", "31", "33", "36", "2"
_COLOURS = {"+": _GREEN, "-": _RED, "~": _YELLOW}
_CHANGES = {"+": "added", "-": "removed", "~": "changed"}
_MOST_ALIKE = 30
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def compiled_problems(settings: Settings) -> list[Problem]:
    """What only shows when the settings are put together, such as two routes that cannot be told apart."""
    # Brings Twisted along: only for the commands that need it.
    from aigw.snapshot import check as check_compiled

    return check_compiled(settings)


def load_compiled(path: str, environ: Mapping[str, str] = os.environ, *, read_secrets: bool) -> Settings:
    """The settings of a file that could be served.

    :raises ConfigError: it could not.
    """
    from aigw.config.settings import load

    settings = load(path, environ, read_secrets=read_secrets)
    problems = compiled_problems(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def check(options: argparse.Namespace) -> int:
    """``aigw check FILE [--strict] [--no-secrets] [--json]``."""
    from aigw.config.settings import nothing_served

    settings, errors = None, []
    try:
        settings = load_compiled(options.file, read_secrets=not options.no_secrets)
        errors = list(filter(None, [nothing_served(settings)]))
    except ConfigError as error:
        errors = error.problems
    warnings = list(settings.warnings) if settings is not None else []
    if options.strict:
        errors, warnings = [*errors, *warnings], []
    if options.json:
        _print_json(ok=not errors, errors=_plain(errors), warnings=_plain(warnings))
        return 1 if errors else 0
    if errors:
        return _refuse(errors, sys.stdout)
    for warning in warnings:
        _print(warning.text("warning: "), _YELLOW, sys.stderr)
    _print("OK", _GREEN, sys.stdout)
    return 0


def show(options: argparse.Namespace) -> int:
    """``aigw show FILE [--json]``."""
    from aigw.config.effective import effective, shown

    settings = load_compiled(options.file, read_secrets=False)
    if options.json:
        _print_json(**effective(settings))
    else:
        _print_toml(shown(settings))
    return 0


def diff(options: argparse.Namespace) -> int:
    """``aigw diff OLD NEW [--json]``."""
    from aigw.config.differences import differences

    old, new = (load_compiled(file, read_secrets=False) for file in (options.old, options.new))
    found = list(differences(old, new))
    if options.json:
        changes = [{"change": _CHANGES[one.sign], "entity": one.entity, "keys": list(one.keys)} for one in found]
        _print_json(differences=changes)
        return 0
    for difference in found:
        _print(f"{difference.sign} {difference.entity}", _COLOURS[difference.sign], sys.stdout)
        for key in difference.keys:
            print(f"    {key}")
    if not found:
        print("no differences")
    return 0


def make_key() -> str:
    """A consumer's key: 32 random characters, 192 bits, behind a prefix that scanners for leaked secrets can know."""
    return "aigw_" + secrets.token_urlsafe(24)


def key(options: argparse.Namespace) -> int:
    """``aigw key [NAME] [--json]``."""
    made = make_key()
    digest = f"sha256:{sha256(made.encode()).hexdigest()}"
    if options.json:
        _print_json(key=made, digest=digest, consumer=options.name)
        return 0
    _print("# The key, shown this once:", _FAINT, sys.stdout)
    _print(made, _GREEN, sys.stdout)
    _print("# For the configuration file:", _FAINT, sys.stdout)
    if options.name:
        print(f"[consumers.{_quoted(options.name)}]")
    print(f'keys = ["{digest}"]')
    return 0


def import_(options: argparse.Namespace) -> int:
    """``aigw import FILE… [--strict] [--digests] [--json]``."""
    from aigw.config.importers import import_texts

    imported = import_texts([_read(file) for file in options.files], digests=options.digests)
    _check_imported(imported)
    if options.strict and imported.warnings:
        raise ConfigError(imported.warnings)
    if options.json:
        _print_json(toml=imported.text, warnings=_plain(imported.warnings), notes=_plain(imported.notes))
        return 0
    for warning in imported.warnings:
        _print(warning.text("warning: "), _YELLOW, sys.stderr)
    _print_notes(imported.notes)
    _print_toml(imported.text)
    return 0


def _print_notes(notes: Iterable[Problem]) -> None:
    """Notes; of very many that say the same, the first ones and how many there are (``--json`` has them all)."""
    alike: dict[str, list[Problem]] = {}
    for note in notes:
        alike.setdefault(note.message, []).append(note)
    for together in alike.values():
        for note in together[:_MOST_ALIKE]:
            _print(note.text("note: "), _FAINT, sys.stderr)
        if len(together) > _MOST_ALIKE:
            _print(f"note: {len(together) - _MOST_ALIKE} more: {together[0].message}", _FAINT, sys.stderr)


def _read(file: str) -> tuple[str, str]:
    """A file's name for messages, and its text; ``-`` is standard input.

    :raises ConfigError: it cannot be read.
    """
    name = "stdin" if file == "-" else file
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return name, data.decode("utf-8")
    except OSError as error:
        raise ConfigError([Problem(name, 0, "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(name, line, "", "not UTF-8")]) from None


def _check_imported(imported: Imported) -> None:
    """Nothing is printed that ``aigw check`` would refuse.

    :raises ConfigError: it would; the problems name the places in the input.
    """
    with tempfile.TemporaryDirectory(prefix="aigw-import-") as directory:
        path = Path(directory) / "gateway.toml"
        path.write_text(imported.text, encoding="utf-8")
        try:
            load_compiled(str(path), {}, read_secrets=False)
        except ConfigError as error:
            raise ConfigError(imported.at_home(problem) for problem in error.problems) from None


def _refuse(problems: Iterable[Problem], stream: TextIO) -> int:
    for problem in problems:
        _print(str(problem), _RED, stream)
    return 1


def _plain(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [attrs.asdict(problem) for problem in problems]


def _print_json(**found: Any) -> None:
    print(json.dumps(found, ensure_ascii=False, indent=2, default=str))


def _print_toml(text: str) -> None:
    """TOML, with its headers and comments in colour."""
    if _coloured(sys.stdout):
        text = re.sub(r"(?m)^(\[.*\])$", f"\x1b[{_CYAN}m\\1\x1b[0m", text)
        text = re.sub(r"(?m)^(#.*)$", f"\x1b[{_FAINT}m\\1\x1b[0m", text)
    sys.stdout.write(text)


def _print(text: str, colour: str, stream: TextIO) -> None:
    if _coloured(stream):
        text = f"\x1b[{colour}m{text}\x1b[0m"
    print(text, file=stream)


def _coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR")  # https://no-color.org


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("not a name (letters, digits, _ . and -)")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aigw",
        description="Look at aigw configurations without running them, or make one. 'twistd aigw -c FILE' runs it.",
        epilog="Exit status: 0 all is well; 1 a file is bad, or has warnings and --strict was given; 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"aigw {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = _command(commands, "check", check, "say what is wrong with a configuration file, or OK")
    one.add_argument("file", metavar="FILE")
    one.add_argument("--strict", action="store_true", help="warnings are errors")
    one.add_argument("--no-secrets", action="store_true", help="do not read secrets, which may be the daemon's only")

    one = _command(commands, "show", show, "print the effective configuration: defaults filled in, secrets as ***")
    one.add_argument("file", metavar="FILE")

    one = _command(commands, "diff", diff, "say what a reload from one file to another would change")
    one.add_argument("old", metavar="OLD")
    one.add_argument("new", metavar="NEW")

    one = _command(commands, "key", key, "make a consumer key; only its digest goes into the file")
    one.add_argument("name", metavar="NAME", nargs="?", type=_name, help="of the consumer that it is for")

    one = _command(commands, "import", import_, "turn configuration of Kong, agentgateway, kgateway or Gloo into TOML")
    one.add_argument("files", metavar="FILE", nargs="+", help="YAML, or a page that has some; - is standard input")
    one.add_argument(
        "--strict", action="store_true", help="warnings are errors: print no TOML that differs in anything"
    )
    one.add_argument("--digests", action="store_true", help="write consumers' keys as sha256:…")
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    one.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    one.set_defaults(run=run)
    return one


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :param arguments: without the program's name; None: those of the process.
    :returns: the exit status; see the module's head.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except ConfigError as error:
        if options.json:
            _print_json(errors=_plain(error.problems))
            return 1
        return _refuse(error.problems, sys.stderr)
    except BrokenPipeError:  # "aigw show … | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
