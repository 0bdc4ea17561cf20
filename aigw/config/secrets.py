"""Where secrets are read from: the environment, a file, a systemd credential; at start and at each reload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aigw.config.tables import SecretSource


def resolve_secrets(
    sources: Mapping[str, SecretSource], directory: Path, environ: Mapping[str, str]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The values of all secrets, and the names of those that cannot be had with the reason.

    :param directory: of the configuration file, for relative paths.
    """
    values: dict[str, str] = {}
    missing: list[tuple[str, str]] = []
    for name, source in sources.items():
        try:
            values[name] = _checked(_value(source, directory, environ))
        except ValueError as error:
            missing.append((name, str(error)))
    return values, missing


def _value(source: SecretSource, directory: Path, environ: Mapping[str, str]) -> str:
    if source.env is not None:
        value = environ.get(source.env)
        if value is None:
            raise ValueError(f"the environment variable {source.env} is not set")
        return value
    if source.file is not None:
        return _contents(directory / source.file)
    credentials = environ.get("CREDENTIALS_DIRECTORY")
    if not credentials:
        raise ValueError("CREDENTIALS_DIRECTORY is not set: the unit needs LoadCredential= for this secret")
    return _contents(Path(credentials) / str(source.credential))


def _contents(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None


def _checked(value: str) -> str:
    """The value without white space around it; it must fit a header."""
    value = value.strip()
    if not value:
        raise ValueError("is empty")
    if not value.isascii() or not value.isprintable():
        raise ValueError("holds characters that no header may have, such as a line break")
    return value
