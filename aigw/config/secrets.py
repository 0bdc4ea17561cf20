"""Where secrets are read from: the environment, a file, a systemd credential; at start and at each reload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aigw.config.errors import Fault
from aigw.config.tables import SecretSource
from aigw.regular_file import read_regular

#: A token is not longer than this; what is longer is the wrong file.
_LONGEST = 64 * 1024


def sources_of(tables: dict[str, Any]) -> Iterator[tuple[str, SecretSource]]:
    """Those of the file's ``[secrets]`` that say where they are; the others have faults of their own."""
    section = tables.get("secrets")
    for name, source in section.items() if isinstance(section, dict) else ():
        try:
            known = SecretSource.model_validate(source)
        except ValidationError:
            continue
        if len(known.model_fields_set) == 1:
            yield name, known


def resolve_secrets(
    sources: Mapping[str, SecretSource], directory: Path, environ: Mapping[str, str]
) -> tuple[dict[str, str], list[Fault]]:
    """The values of all secrets, without white space around them, and the faults of those that cannot be had.

    :param directory: of the configuration file, for relative paths.
    """
    values: dict[str, str] = {}
    faults: list[Fault] = []
    for name, source in sources.items():
        try:
            values[name] = _checked(_value(source, directory, environ))
        except ValueError as error:
            faults.append((("secrets", name, *source.model_fields_set), str(error)))
    return values, faults


def _value(source: SecretSource, directory: Path, environ: Mapping[str, str]) -> str:
    if source.env is not None:
        value = environ.get(source.env)
        if value is None:
            name = f' (env = "{source.env.strip("${}")}", its name alone)' if source.env.startswith("$") else ""
            raise ValueError(f"the environment variable {source.env} is not set{name}")
        return value
    if source.file is not None:
        return _contents(directory / source.file)
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if not credentials:
        raise ValueError("CREDENTIALS_DIRECTORY is not set (systemd sets it for a unit with LoadCredential=)")
    return _contents(Path(credentials) / str(source.credential))


def _contents(path: Path) -> str:
    try:
        return read_regular(path, _LONGEST).decode()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None


def _checked(value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError("the secret is empty")
    if not value.isascii() or not value.isprintable():
        raise ValueError("the secret has characters that no header may have (printable ASCII, one line)")
    return value
