"""Listeners as the configuration file has them: endpoint strings (:mod:`aigw.listener`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from aigw.config.errors import allowed
from aigw.listener import UnknownWord, described


def listener(value: str) -> str:
    """A stream server endpoint's description.

    :raises ValueError: Twisted would not understand it.
    """
    try:
        described(value)
    except UnknownWord as error:
        raise ValueError(f"{error}{allowed(error.given, error.choices)}") from None
    return value


def key_files(value: str, directory: Path) -> list[Path]:
    """The files with private keys of a listener.

    :param value: a :func:`listener`.
    :param directory: of the configuration file.
    """
    named = described(value).files(directory)
    if "path" in named:
        return sorted(named["path"].glob("*.pem"))
    return [named["privateKey"]] if "privateKey" in named else []


def listener_or_off(value: str) -> str:
    """A listener, or ``off`` for none.

    :raises ValueError: it is neither.
    """
    return value if value == "off" else listener(value)


Listener = Annotated[str, AfterValidator(listener)]
ListenerOrOff = Annotated[str, AfterValidator(listener_or_off)]
