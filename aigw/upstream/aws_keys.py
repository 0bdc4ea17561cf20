"""AWS access keys: of the configuration, or what botocore finds on this machine. What is here may block."""

from __future__ import annotations

import importlib.util
from typing import Any, Protocol

import attrs

MISSING = "provider bedrock needs the package botocore to sign, which is not installed: pip install 'aigw[bedrock]'"
_NONE = (
    "this machine has no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the"
    " backend auth = { access_key = …, secret = … }, or auth = { secret = … } with an API key of Bedrock's"
)
#: Errors of botocore's whose text names a file, a profile or what to do, and holds nothing secret.
_PLAIN = (
    "ConfigNotFound",
    "InfiniteLoopConfigError",
    "InvalidConfigError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "UnknownCredentialError",
)


class NoKeys(Exception):
    """There are no keys; the message says why, for people, and has no secret in it."""


@attrs.frozen
class Keys:
    """An access key, as botocore's signer wants it.

    :ivar token: of a session, for keys that expire.
    """

    access_key: str
    secret_key: str = attrs.field(repr=False)
    token: str | None = attrs.field(default=None, repr=False)

    def secrets(self) -> tuple[bytes, ...]:
        """What must not be shown."""
        return tuple(each.encode("utf-8", "replace") for each in (self.secret_key, self.token) if each)


class KeySource(Protocol):
    """Where keys are from."""

    def fetch(self) -> Keys:
        """The keys that are good now. Blocks.

        :raises NoKeys: there are none.
        """

    def expires_within(self, seconds: float) -> bool:
        """Whether the keys that were fetched last are good for less than that. Does not block."""


@attrs.frozen
class FixedKeys:
    """Keys of the configuration."""

    keys: Keys

    def fetch(self) -> Keys:
        """See :class:`KeySource`."""
        return self.keys

    def expires_within(self, seconds: float) -> bool:
        """See :class:`KeySource`."""
        return False


class CredentialChain:
    """What botocore finds on this machine: environment, files and profiles, SSO, web identity, container, instance.

    https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html

    :param session: a ``botocore.session.Session``; None: a new one.
    """

    def __init__(self, session: Any = None) -> None:
        self._session = session
        self._credentials: Any = None

    def fetch(self) -> Keys:
        """See :class:`KeySource`."""
        try:
            if self._credentials is None:
                self._credentials = self._found()
            frozen = self._credentials.get_frozen_credentials()
        except NoKeys:
            raise
        except Exception as error:
            raise NoKeys(_why(error)) from None
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def expires_within(self, seconds: float) -> bool:
        """See :class:`KeySource`."""
        needed = getattr(self._credentials, "refresh_needed", None)
        return bool(needed is not None and needed(refresh_in=seconds))

    def _found(self) -> Any:
        if self._session is None:
            if importlib.util.find_spec("botocore") is None:
                raise NoKeys(MISSING)
            from botocore.session import Session

            self._session = Session()
        found = self._session.get_credentials()
        if found is None:
            raise NoKeys(_NONE)
        return found


def _why(error: Exception) -> str:
    """What botocore complains of, as far as its words can be shown: others may quote what a process printed."""
    name = type(error).__name__
    if name in _PLAIN:
        return str(error)
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    operation = getattr(error, "operation_name", None)
    if isinstance(code, str) and isinstance(operation, str):
        return f"AWS answered {operation} with {code[:80]}"
    return f"botocore failed with {name}"
