"""The ``aigw`` command: runs the gateway, looks at configurations, and makes them from other gateways'.

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
from typing import TYPE_CHECKING, Any

import attrs

from aigw.config.errors import ConfigError, Problem
from aigw.config.toml_text import key_text
from aigw.printing import FAINT, GREEN, RED, YELLOW, CannotPrint, err, flush, forget, out, toml
from aigw.version import version_text

if TYPE_CHECKING:
    from aigw.config.importers import Imported
    from aigw.config.settings import Settings

_COLOURS = {"+": GREEN, "-": RED, "~": YELLOW}
_CHANGES = {"+": "added", "-": "removed", "~": "changed"}
_MOST_ALIKE = 30
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_DIGITS = re.compile(r"[0-9]{1,5}")


def compiled_problems(settings: Settings) -> list[Problem]:
    """What only shows when the settings are put together, such as two routes that cannot be told apart."""
    # Brings Twisted along: only for the commands that need it.
    from aigw.snapshot import check as check_compiled

    return check_compiled(settings)


def load_compiled(path: str, environ: Mapping[str, str] = os.environ, *, read_secrets: bool) -> Settings:
    """The settings of a file that could be served.

    :param path: ``-`` is standard input, which may be what ``aigw show`` prints, with its secrets hidden.
    :raises ConfigError: it could not.
    """
    from aigw.config.settings import load

    if path == "-":
        settings = load("stdin", environ, read_secrets=read_secrets, data=sys.stdin.buffer.read())
    else:
        settings = load(path, environ, read_secrets=read_secrets)
    problems = compiled_problems(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def run(options: argparse.Namespace) -> int:
    """``aigw run FILE [--workers N] [--port P]``: returns when a signal has ended the gateway."""
    from aigw.config.run_options import RunOptions
    from aigw.tap import serve

    serve(options.file, RunOptions(workers=options.workers, port=options.port))
    return 0


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
    for problem in errors:
        out(str(problem), RED)
    for warning in warnings if not errors else ():
        err(warning.text("warning: "), YELLOW)
    if settings is not None and settings.hidden:
        err("note: secrets are hidden, as 'aigw show' prints them: such a file is checked, but not served", FAINT)
    if not errors:
        out("OK", GREEN)
    return 1 if errors else 0


def show(options: argparse.Namespace) -> int:
    """``aigw show FILE [--json]``."""
    from aigw.config.effective import effective, shown

    settings = load_compiled(options.file, read_secrets=False)
    if options.json:
        _print_json(**effective(settings))
    else:
        toml(shown(settings))
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
        out(f"{difference.sign} {difference.entity}", _COLOURS[difference.sign])
        for key in difference.keys:
            out(f"    {key}")
    if not found:
        out("no differences")
    return 0


def make_key() -> str:
    """A consumer's key: 32 random characters, 192 bits, behind a prefix that scanners for leaked secrets can know."""
    return "aigw_" + secrets.token_urlsafe(24)


def key(options: argparse.Namespace) -> int:
    """``aigw key [NAME] [--json]``: the key on standard error, what the file needs on standard output (for ``>>``)."""
    made = make_key()
    digest = f"sha256:{sha256(made.encode()).hexdigest()}"
    if options.json:
        _print_json(key=made, digest=digest, consumer=options.name)
        return 0
    # A file may end without a line feed, and the table begins behind what is there.
    toml((f"\n[consumers.{key_text(options.name)}]\n" if options.name else "") + f'keys = ["{digest}"]\n')
    flush()  # nobody may have a key whose digest is lost
    err("# The key, shown this once:", FAINT)
    err(made, GREEN)
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
        err(warning.text("warning: "), YELLOW)
    _print_notes(imported.notes)
    toml(imported.text)
    return 0


def _print_notes(notes: Iterable[Problem]) -> None:
    """Notes; of very many that say the same, the first ones and how many there are (``--json`` has them all)."""
    alike: dict[str, list[Problem]] = {}
    for note in notes:
        alike.setdefault(note.message, []).append(note)
    for together in alike.values():
        for note in together[:_MOST_ALIKE]:
            err(note.text("note: "), FAINT)
        if len(together) > _MOST_ALIKE:
            err(f"note: {len(together) - _MOST_ALIKE} more: {together[0].message}", FAINT)


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


def _plain(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [attrs.asdict(problem) for problem in problems]


def _print_json(**found: Any) -> None:
    out(json.dumps(found, ensure_ascii=False, indent=2, default=str))


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("not a name (letters, digits, _ . and -)")
    return text


def _workers(text: str) -> int | str:
    if text == "auto" or (_DIGITS.fullmatch(text) and 1 <= int(text) <= 256):
        return text if text == "auto" else int(text)
    raise argparse.ArgumentTypeError('must be 1 to 256, or "auto"')


def _port(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > 65535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return int(text)


class _Parser(argparse.ArgumentParser):
    """Says so where its help cannot be printed; argparse's own passes over that."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            out(message, end="")
        elif message:
            err(message.rstrip("\n"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="aigw",
        description="An AI gateway: run it, look at its configuration, or make one.",
        epilog="Exit status: 0 all is well; 1 a file is bad, or has warnings and --strict was given; 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=version_text())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = _command(commands, "run", run, "run the gateway in the foreground until Ctrl-C", json=False)
    one.add_argument("file", metavar="FILE")
    one.add_argument("--workers", metavar="N", type=_workers, help="processes, instead of the file's; auto: one a core")
    one.add_argument("--port", metavar="P", type=_port, help="the only port for clients, instead of the file's")

    one = _command(commands, "check", check, "say what is wrong with a configuration file, or OK")
    one.add_argument("file", metavar="FILE", help="- is standard input, also what 'aigw show' prints")
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


def _command(
    commands: Any, name: str, act: Callable[[argparse.Namespace], int], text: str, *, json: bool = True
) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    if json:
        one.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    one.set_defaults(act=act, json=False)
    return one


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :param arguments: without the program's name; None: those of the process.
    :returns: the exit status; see the module's head.
    """
    try:
        status = _run(arguments)
        flush()
    except CannotPrint as error:
        forget()
        err(f"aigw: {error}", RED)
        return 1
    except BrokenPipeError:  # "aigw show … | head"
        forget()
        return 0
    return status


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:  # of --help, --version, and a command line that is wrong
        return int(stop.code or 0)
    try:
        status: int = options.act(options)
    except ConfigError as error:
        if options.json:
            _print_json(errors=_plain(error.problems))
        for problem in error.problems if not options.json else ():
            err(str(problem), RED)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
