"""The ``aigw`` command: looks at configurations without running them.

Exit statuses:

==  =======================================================================================================
0   all is well: the file is good, the difference is printed (there may be none), the key is made
1   a file is bad; or it has warnings, and ``--strict`` was given
2   the command line is wrong, or the command is not available in this version
==  =======================================================================================================

What a command was asked for goes to stdout (for ``check``, that is ``OK`` or the errors), everything else to stderr.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TextIO

from aigw import __version__
from aigw.config.errors import ConfigError, Problem

if TYPE_CHECKING:
    from aigw.config.settings import Settings

_GREEN, _RED, _YELLOW = "32", "31", "33"
_COLOURS = {"+": _GREEN, "-": _RED, "~": _YELLOW}
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
    """``aigw check FILE [--strict] [--no-secrets]``."""
    try:
        settings = load_compiled(options.file, read_secrets=not options.no_secrets)
    except ConfigError as error:
        return _refuse(error.problems, sys.stdout)
    if settings.warnings and options.strict:
        return _refuse(settings.warnings, sys.stdout)
    for warning in settings.warnings:
        _print(warning.text("warning: "), _YELLOW, sys.stderr)
    _print("OK", _GREEN, sys.stdout)
    return 0


def show(options: argparse.Namespace) -> int:
    """``aigw show FILE``."""
    from aigw.config.effective import shown

    sys.stdout.write(shown(load_compiled(options.file, read_secrets=False)))
    return 0


def diff(options: argparse.Namespace) -> int:
    """``aigw diff OLD NEW``."""
    from aigw.config.differences import differences

    old, new = (load_compiled(file, read_secrets=False) for file in (options.old, options.new))
    found = list(differences(old, new))
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
    """``aigw key [NAME]``."""
    made = make_key()
    print("# The key, shown this once:")
    print(made)
    print("# For the configuration file:")
    if options.name:
        print(f"[consumers.{_quoted(options.name)}]")
    print(f'keys = ["sha256:{sha256(made.encode()).hexdigest()}"]')
    return 0


def import_(options: argparse.Namespace) -> int:
    """``aigw import FILE…``."""
    print("aigw import: not available yet in this version", file=sys.stderr)
    return 2


def _refuse(problems: Iterable[Problem], stream: TextIO) -> int:
    for problem in problems:
        _print(str(problem), _RED, stream)
    return 1


def _print(text: str, colour: str, stream: TextIO) -> None:
    if stream.isatty() and not os.environ.get("NO_COLOR"):  # https://no-color.org
        text = f"\x1b[{colour}m{text}\x1b[0m"
    print(text, file=stream)


def _quoted(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("not a name (letters, digits, _ . and -)")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aigw",
        description="Look at aigw configurations without running them. 'twistd aigw -c FILE' runs one.",
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

    one = _command(commands, "import", import_, "turn other gateways' configuration into TOML (not available yet)")
    one.add_argument("files", metavar="FILE", nargs="+")
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
    one: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
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
        return _refuse(error.problems, sys.stderr)
    except BrokenPipeError:  # "aigw show … | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
