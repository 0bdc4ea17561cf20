"""From a backend's ``auth`` to the credential that its requests carry."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from aigw.config.settings import BackendAuth
from aigw.llm.providers import Provider
from aigw.upstream import aws, google
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.aws import aws_authoriser
from aigw.upstream.aws_keys import Keys
from aigw.upstream.credential import NO_CREDENTIAL, Credential, Passthrough
from aigw.upstream.google import google_authoriser


class Credentials:
    """The credentials of one snapshot.

    One that has to be made is made by one authoriser, however many plans use it.

    :param secrets: the values of ``[secrets]``, by name.
    :param reactor: for authorisers, which work in its threads.
    """

    def __init__(self, secrets: Mapping[str, str], reactor: Any) -> None:
        self._secrets = secrets
        self._reactor = reactor
        self._made: dict[Hashable, Authoriser] = {}

    def of(
        self, auth: BackendAuth | None, kind: Provider, region: str | None = None
    ) -> Credential | Passthrough | Authoriser:
        """What ``auth`` comes to at a provider of that kind.

        :param region: of AWS, that signatures are for.
        """
        if auth is None:
            return NO_CREDENTIAL
        if auth.passthrough:
            return Passthrough(kind.passthrough_headers)
        if auth.ambient or auth.service_account is not None or auth.access_key is not None:
            return self._authoriser(auth, kind, region)
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

    def _authoriser(self, auth: BackendAuth, kind: Provider, region: str | None) -> Authoriser:
        key = (kind.name, kind.default_url, region, auth.model_dump_json())
        made = self._made.get(key)
        if made is None:
            make = _AUTHORISERS[kind.name]
            made = self._made[key] = make(self._reactor, auth, self._secrets, region)
        return made


def credential_secrets(credential: Credential | Passthrough | Authoriser) -> tuple[str, ...]:
    """What of a credential is a secret and stays the same for as long as the snapshot."""
    return (credential.secret.decode("latin-1"),) if isinstance(credential, Credential) else ()


def _google(reactor: Any, auth: BackendAuth, secrets: Mapping[str, str], region: str | None) -> Authoriser:
    return google_authoriser(reactor, _service_account(auth, secrets))


def _service_account(auth: BackendAuth, secrets: Mapping[str, str]) -> str | None:
    return secrets[auth.service_account] if auth.service_account is not None else None


def _aws(reactor: Any, auth: BackendAuth, secrets: Mapping[str, str], region: str | None) -> Authoriser:
    keys = None
    if auth.access_key is not None:
        secret = auth.inline if auth.inline is not None else secrets[auth.secret or ""]
        token = secrets[auth.session_token].strip() if auth.session_token is not None else None
        keys = Keys(auth.access_key.strip(), secret.strip(), token)
    return aws_authoriser(reactor, region or "", keys)


_AUTHORISERS: Mapping[str, Callable[[Any, BackendAuth, Mapping[str, str], str | None], Authoriser]] = {
    "bedrock": _aws,
    "vertex": _google,
}


def problem(auth: BackendAuth | None, provider: str, secrets: Mapping[str, str]) -> str | None:
    """What stands in the way of a credential that has to be made, as far as it can be seen without making it.

    :param secrets: the values of ``[secrets]``; those that were not read are not judged.
    """
    if auth is None or provider not in _AUTHORISERS:
        return None
    if provider == "bedrock":
        return aws.problem(auth.ambient) if auth.ambient or auth.access_key else None
    if not (auth.ambient or auth.service_account):
        return None
    known = auth.service_account is None or auth.service_account in secrets
    return google.problem(_service_account(auth, secrets) if known else None)
