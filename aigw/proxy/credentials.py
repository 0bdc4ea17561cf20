"""From a backend's ``auth`` to the credential that its requests carry."""

from __future__ import annotations

from collections.abc import Mapping

from aigw.config.settings import BackendAuth
from aigw.llm.providers import Provider
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.credential import NO_CREDENTIAL, Credential, Passthrough


class Credentials:
    """The credentials of one snapshot.

    :param secrets: the values of ``[secrets]``, by name.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    def of(self, auth: BackendAuth | None, kind: Provider) -> Credential | Passthrough | Authoriser:
        """What ``auth`` comes to at a provider of that kind."""
        if auth is None:
            return NO_CREDENTIAL
        if auth.passthrough:
            return Passthrough(kind.passthrough_headers)
        return self._fixed(auth, kind)

    def _fixed(self, auth: BackendAuth, kind: Provider) -> Credential:
        header = auth.header.lower().encode() if auth.header else kind.key_header
        if auth.prefix is not None:
            prefix = auth.prefix.encode()
        else:
            # A header other than the provider's own takes the bare key, but Authorization always has a scheme.
            prefix = kind.key_prefix if header == kind.key_header else b"Bearer " * (header == b"authorization")
        return Credential.of(self._token(auth).encode(), header, prefix)

    def _token(self, auth: BackendAuth) -> str:
        return auth.inline if auth.inline is not None else self._secrets[auth.secret or ""]
