"""An API key as twisted.cred sees it: by its digest, so that the key itself goes no further than the dispatcher."""

from __future__ import annotations

import hashlib

import attrs
from twisted.cred.credentials import ICredentials
from zope.interface import Attribute, implementer


def digest(key: bytes) -> bytes:
    """SHA-256 of a key. A slow hash would protect guessable passwords; keys are random, and every request pays."""
    return hashlib.sha256(key).digest()


class IApiKey(ICredentials):
    """Somebody presented an API key."""

    digest = Attribute("SHA-256 of the key, 32 bytes.")


@implementer(IApiKey)
@attrs.frozen
class ApiKey:
    """The key that a request presented."""

    digest: bytes = attrs.field(repr=False)
