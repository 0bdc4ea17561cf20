"""The ``aigw`` command: look at configurations without running them.

Exit statuses: 0 all is well; 1 the file is bad (or, with ``--strict``, has warnings), or for ``diff`` one of the files
is; 2 the command line is wrong, or the command is not available.
"""

from __future__ import annotations

import argparse
import secrets
import string
import sys
from collections.abc import Sequence
from hashlib import sha256

from aigw import __version__
from aigw.config.effective import differences, shown
from aigw.config.errors import ConfigError, Problem
from aigw.config.settings import Settings, load
from aigw.config.tables import NAME

_ALPHABET = string.ascii_letters + string.digits + "-_"
_COLOURS = {"+": "32", "-": "31", "~": "33"}


def load_compiled(path: str) -> Settings:
    """The settings of a file, with all that only shows when they are put together.

    :raises ConfigError: it is bad.
    """
    from aigw.snapshot import check as check_compiled

    settings = load(path)
    problems = check_compiled(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def check(options: argparse.Namespace) -> int:
    """``aigw check FILE``."""
    settings = load_compiled(options.file)
    for warning in settings.warnings:
        print(_coloured(f"warning: {warning}", "33", sys.stderr), file=sys.stderr)
    if settings.warnings and options.strict:
        return 1
    print("OK")
    return 0


def show(options: argparse.Namespace) -> int:
    """``aigw show FILE``."""
    sys.stdout.write(shown(load_compiled(options.file)))
    return 0


def diff(options: argparse.Namespace) -> int:
    """``aigw diff OLD NEW``."""
    old, new = load_compiled(options.old), load_compiled(options.new)
    found = False
    for sign, text in differences(old, new):
        found = True
        print(_coloured(f"{sign} {text}", _COLOURS[sign], sys.stdout))
    if not found:
        print("no differences")
    return 0


def make_key() -> str:
    """A consumer's key: 32 random characters, 192 bits, behind a prefix that scanners for leaked secrets can know."""
    return "aigw_" + "".join(secrets.choice(_ALPHABET) for _ in range(32))


def key(options: argparse.Namespace) -> int:
    """``aigw key [NAME]``."""
    made = make_key()
    digest = sha256(made.encode()).hexdigest()
    print(f"key, shown this once: {made}")
    print("for the configuration file:")
    if options.name:
        print(f"[consumers.{_quoted(options.name)}]")
    print(f'keys = ["sha256:{digest}"]')
    return 0


def import_(options: argparse.Namespace) -> int:
    """``aigw import FILE…``."""
    print("aigw import is not available in this version yet", file=sys.stderr)
    return 2


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _name(text: str) -> str:
    import re

    if not re.match(NAME, text):
        raise argparse.ArgumentTypeError("a name has letters, digits, _ . and - only")
    return text


def _coloured(text: str, colour: str, stream: object) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if getattr(stream, "isatty", bool)() else text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aigw", description="Look at aigw configurations without running them.")
    parser.add_argument("--version", action="version", version=f"aigw {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("check", help="say what is wrong with a configuration file")
    one.add_argument("file", metavar="FILE")
    one.add_argument("--strict", action="store_true", help="warnings are errors")
    one.set_defaults(run=check)
    one = commands.add_parser("show", help="print the effective configuration, defaults filled in, secrets as ***")
    one.add_argument("file", metavar="FILE")
    one.set_defaults(run=show)
    one = commands.add_parser("diff", help="say what a reload from one file to the other would change")
    one.add_argument("old", metavar="OLD")
    one.add_argument("new", metavar="NEW")
    one.set_defaults(run=diff)
    one = commands.add_parser("key", help="make a consumer key")
    one.add_argument("name", metavar="NAME", nargs="?", type=_name)
    one.set_defaults(run=key)
    one = commands.add_parser("import", help="turn other gateways' configuration into TOML")
    one.add_argument("files", metavar="FILE", nargs="+")
    one.set_defaults(run=import_)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: the exit status; see the module's head.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ConfigError as error:
        for problem in error.problems:
            print(_line(problem), file=sys.stderr)
        return 1
    return status


def _line(problem: Problem) -> str:
    return _coloured(str(problem), "31", sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
