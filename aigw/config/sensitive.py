"""What in a configuration is a secret although nobody says so: told by its name, or by how it looks.

Used by whatever shows a configuration, by the log's redaction and by that of upstreams' errors, so that all three
agree. A name errs on the side of hiding; a value is only taken for a secret where it looks made by a machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from aigw.config.tables import Backend, ConsumerBackend

#: Words of a name that say that its value is a credential: ``x-api-key``, ``accessToken``, ``client_secret``.
_WORDS = frozenset(
    (
        *("apikey", "auth", "authentication", "authorization", "bearer", "cookie", "credential", "credentials", "jwt"),
        *("key", "keys", "pass", "passphrase", "passwd", "password", "private", "pwd", "sas", "secret", "secrets"),
        *("session", "signature", "sig", "token", "tokens"),
    )
)
#: Names that have such a word and say something else.
_HARMLESS = frozenset(
    (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample", "max_new_tokens"),
        *("min_tokens", "budget_tokens", "thinking_tokens", "prompt_cache_key", "session_id", "stop_token_ids"),
        "skip_special_tokens",
    )
)
_BETWEEN_WORDS = re.compile(
    "(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)
_WORD = re.compile("[a-z]+|[0-9]+")

#: How the keys of providers and platforms begin.
_PREFIXES = (
    *("sk-", "pk-", "sk_", "rk_", "gsk_", "xai-", "hf_", "nvapi-", "pplx-", "AIza", "ya29.", "AKIA", "ASIA", "ABSK"),
    *(
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "aigw_",
        "eyJ",
        "Bearer ",
        "Basic ",
        "-----BEGIN ",
    ),
)
_LEAST = 16

#: Letters and digits in a row, longer than words and numbers of versions, models and regions are.
_LONG_RUN = re.compile(r"[A-Za-z0-9]{20,}")


def is_credential_name(name: str) -> bool:
    """Whether something of that name holds a credential."""
    if name.lower().replace("-", "_") in _HARMLESS:
        return False
    words = _WORD.findall(_BETWEEN_WORDS.sub(" ", name).lower())
    return not _WORDS.isdisjoint(words) or name.lower().endswith(("token", "secret", "apikey"))


def looks_secret(value: str) -> bool:
    """Whether a text looks like a key that a machine has made."""
    if len(value) < _LEAST:
        return False
    if value.startswith(_PREFIXES):
        return True
    runs = _LONG_RUN.findall(value)
    return any(not run.isalpha() and not run.isdigit() for run in runs)


def is_secret(name: str, value: str) -> bool:
    """Whether ``value`` is one by its name or by itself."""
    return is_credential_name(name) or looks_secret(value)


def secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """The secrets of a table, of tables and arrays in it.

    :param name: of the table or of the nearest one around it that tells.
    """
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from secrets_in(each, name if is_credential_name(name) else str(key))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from secrets_in(each, name)
    elif isinstance(value, str) and is_secret(name, value):
        yield value


def sent_secrets(part: Backend | ConsumerBackend) -> Iterator[str]:
    """What of a backend's settings is sent to the provider as a secret, beside the credential."""
    headers = part.headers.set if part.headers is not None else {}
    for table in (headers, part.defaults, part.overrides):
        yield from secrets_in(table)


def parts_of(secret: str) -> Iterator[str]:
    """The secrets in one that is a JSON document, such as a service account's private key."""
    if secret[:1] != "{":
        return
    try:
        fields = json.loads(secret)
    except ValueError:
        return
    yield from secrets_in(fields)
