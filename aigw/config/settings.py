"""A configuration file, read and checked: everything the program may rely on.

:func:`load` finds every fault at once: the types judge each key by itself (:mod:`aigw.config.faults`), the checks
what keys and entries say of each other (:mod:`aigw.config.checks`), the secrets are read. Only when none of the three
has anything to say are there settings.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
from pydantic import ValidationError

from aigw.config.advice import advise
from aigw.config.checks import check
from aigw.config.dotted import dotted
from aigw.config.errors import ConfigError, Fault, KeyPath, Problem
from aigw.config.faults import faults_of
from aigw.config.file import Lines, read
from aigw.config.files import Held, hold
from aigw.config.placeholders import fill_in
from aigw.config.run_options import RunOptions
from aigw.config.secrets import resolve_secrets, sources_of
from aigw.config.slips import variables
from aigw.config.tables import (
    Backend,
    BackendAuth,
    Consumer,
    ConsumerBackend,
    HeaderEdits,
    KeyAuth,
    Model,
    Route,
    SecretSource,
    Server,
    Tables,
)

#: For a file that is taken as it is.
NO_OPTIONS = RunOptions()


@attrs.frozen(eq=False)
class Settings:
    """See the module's head.

    :ivar path: of the file, as it was given to :func:`load`; what is relative in the file is relative to its
        directory.
    :ivar sha256: of the file's bytes, hexadecimal.
    :ivar auth: has "key", whether the file says so or not.
    :ivar secret_values: what the ``[secrets]`` are.
    :ivar authorities: what the backends' ``ca`` files hold, by their paths as the file has them.
    :ivar system_authorities: a digest of the authorities that the machine trusts.
    :ivar listener_files: what the files hold that listeners prove themselves with, by absolute path; their keys are
        secrets.
    :ivar warnings: what is allowed and not wise.
    :ivar hidden: placeholders are in the place of secrets: it is what ``aigw show`` prints, and not to be served.
    """

    path: Path
    sha256: str
    server: Server
    secrets: dict[str, SecretSource]
    backends: dict[str, Backend]
    models: dict[str, Model]
    auth: dict[str, KeyAuth]
    routes: dict[str, Route]
    consumers: dict[str, Consumer]
    lines: Lines = attrs.field(repr=False)
    secret_values: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    authorities: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    system_authorities: str = ""
    listener_files: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    warnings: tuple[Problem, ...] = ()
    hidden: bool = False

    @property
    def directory(self) -> Path:
        """Where the file is, and what is relative in it."""
        return self.path.parent.absolute()

    def problem(self, place: KeyPath, message: str) -> Problem:
        """A fault at ``place``, with its file and line."""
        return _problem(self.path, self.lines, (place, message))


def load(
    path: str | Path,
    environ: Mapping[str, str] = os.environ,
    *,
    read_secrets: bool = True,
    options: RunOptions = NO_OPTIONS,
    data: bytes | None = None,
) -> Settings:
    """Read, check and complete the configuration file ``path``.

    :param environ: where secrets of the environment are, and ``CREDENTIALS_DIRECTORY``.
    :param read_secrets: False where only the file itself matters; ``secret_values`` and ``listener_files`` are empty
        then.
    :param options: of the command line, which win over the file.
    :param data: what the file holds, where that has been read already, as from standard input. It may have placeholders
        for its secrets then; such settings must not be served.
    :raises ConfigError: with every fault that was found.
    """
    path, given = Path(path), data is not None
    tables, lines, data = read(path, data)
    options.apply(tables)
    placeholders = fill_in(tables)
    faults: list[Fault] = [*check(tables), *(() if given else placeholders)]
    typed = Tables()
    try:
        typed = Tables.model_validate(tables)
    except ValidationError as error:
        faults += faults_of(error, tables)
    secrets: dict[str, str] = {}
    if read_secrets:
        secrets, missing = resolve_secrets(dict(sources_of(tables)), path.parent, environ)
        faults += missing
    held, unusable = hold(typed, path.parent.absolute(), secrets=read_secrets)
    faults += unusable
    if faults:
        # Not inside the "except": pydantic's error would carry the file's values into tracebacks.
        raise ConfigError(_problems(path, lines, faults))
    settings = _settings(path, hashlib.sha256(data).hexdigest(), typed, lines, secrets, held)
    warnings = [*advise(settings, datetime.now(UTC)), *variables(tables), *held.warnings]
    return attrs.evolve(settings, warnings=_problems(path, lines, warnings), hidden=bool(placeholders))


def load_served(
    path: str | Path, environ: Mapping[str, str] = os.environ, options: RunOptions = NO_OPTIONS
) -> Settings:
    """The same for a file that is to be served: one that serves nothing is a file that somebody is just writing.

    :raises ConfigError: with every fault that was found.
    """
    settings = load(path, environ, options=options)
    problem = nothing_served(settings)
    if problem is not None:
        raise ConfigError([problem])
    return settings


def nothing_served(settings: Settings) -> Problem | None:
    """What is wrong with settings that serve nothing; None where they serve something."""
    if settings.routes:
        return None
    what = "there are none" if settings.lines.known else "the file is empty"
    return settings.problem(("routes",), f"{what}: nothing would be served (at least one [routes.NAME])")


def _settings(path: Path, sha256: str, typed: Tables, lines: Lines, secrets: dict[str, str], held: Held) -> Settings:
    server = typed.server
    if server.access_log not in ("-", "off"):
        server = server.model_copy(update={"access_log": str(path.parent / server.access_log)})
    return Settings(
        path=path,
        sha256=sha256,
        server=server,
        secrets=typed.secrets,
        backends=typed.backends,
        models=typed.models,
        auth={"key": KeyAuth()} | typed.auth,
        routes=typed.routes,
        consumers=typed.consumers,
        lines=lines,
        secret_values=secrets,
        authorities=held.authorities,
        system_authorities=held.system_authorities,
        listener_files=held.listener_files,
    )


def _problem(path: Path, lines: Lines, fault: Fault) -> Problem:
    place, message = fault
    return Problem(str(path), lines.line_of(place), dotted(place), message)


def _problems(path: Path, lines: Lines, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    problems = [_problem(path, lines, fault) for fault in faults]
    return tuple(sorted(problems, key=lambda problem: problem.line))


__all__ = [
    "Backend",
    "BackendAuth",
    "ConfigError",
    "Consumer",
    "ConsumerBackend",
    "HeaderEdits",
    "KeyAuth",
    "Model",
    "Problem",
    "Route",
    "SecretSource",
    "Server",
    "Settings",
    "load",
    "load_served",
    "nothing_served",
]
