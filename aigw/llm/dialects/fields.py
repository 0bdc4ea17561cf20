"""What a client's request must be made of, and the errors that say so."""

from __future__ import annotations

from typing import Any

from aigw.errors import BadRequest

#: Characters of a name. Providers take 64 or 128; longer ones are shortened for them.
_LONGEST_NAME = 256


def wrong(field: str, what: str) -> BadRequest:
    """The error that ``field`` is not what it has to be.

    :param what: continues the sentence: ``must be an object``.
    """
    return BadRequest(f"{field} {what}", param=field, code="invalid_value")


def unsupported(field: str, why: str) -> BadRequest:
    """The error that ``field`` asks for something that no translated backend has.

    :param why: continues the sentence, and says what to do instead.
    """
    return BadRequest(f"{field} is not supported here: {why}", param=field, code="unsupported_parameter")


def object_of(value: Any, field: str) -> dict[str, Any]:
    """:raises BadRequest: ``value`` is no object."""
    if not isinstance(value, dict):
        raise wrong(field, "must be an object")
    return value


def array_of(value: Any, field: str) -> list[Any]:
    """An array; what is missing is an empty one.

    :raises BadRequest: ``value`` is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(field, "must be an array")
    return value


def text_of(value: Any, field: str) -> str:
    """:raises BadRequest: ``value`` is no string."""
    if not isinstance(value, str):
        raise wrong(field, "must be a string")
    return value


def name_of(value: Any, field: str) -> str:
    """A tool's name, which may have to be repeated as often as the tool is called.

    :raises BadRequest: ``value`` is no string, or longer than any name.
    """
    name = text_of(value, field)
    if len(name) > _LONGEST_NAME:
        raise wrong(field, f"must have at most {_LONGEST_NAME} characters")
    return name


def optional_text(value: Any) -> str | None:
    """``value`` if it is a string that is not empty."""
    return value if isinstance(value, str) and value else None
