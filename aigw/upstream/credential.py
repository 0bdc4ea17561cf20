"""The provider's credential: where it comes from and how it is put into a request.

A backend's key is given inline, by a secret's name, or it is the client's own (``passthrough``). Whatever its
source, it is written into one header, after one prefix; a value that already carries ``Bearer `` works too, because
half of the field's documentation stores it that way (contract section 3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import attrs

from aigw.errors import BadRequest
from aigw.http.headers import Header

_BEARER = b"bearer "


def without_bearer(value: bytes) -> bytes:
    """``value`` without white space around it and without one leading ``Bearer `` (in any case)."""
    value = value.strip()
    if value[: len(_BEARER)].lower() == _BEARER:
        return value[len(_BEARER) :].strip()
    return value


@attrs.frozen
class Credential:
    """One backend's credential for all its requests.

    :ivar line: the finished header line, or empty where there is none to send.
    :ivar partition: names the connections that may carry it; two credentials never share a connection.
    :ivar secret: the bare token, to be redacted in error texts that echo it.
    """

    line: bytes = attrs.field(repr=False)
    partition: bytes
    secret: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, token: bytes, header: bytes, prefix: bytes) -> Credential:
        """The credential ``token``, to be sent as ``header: prefix token``."""
        bare = without_bearer(token)
        line = b"%s: %s%s\r\n" % (header, prefix, bare)
        return cls(line, hashlib.sha256(line).digest()[:16], bare)


#: For backends that want none.
NO_CREDENTIAL = Credential(b"", b"", b"")


@attrs.frozen
class Passthrough:
    """Sends on the credential that the client brought for the provider.

    :ivar headers: the client's headers that may carry it, in order of preference: the provider's own key header
        and ``authorization``.
    """

    headers: tuple[bytes, ...]

    def take(self, sent: Sequence[Header], is_consumer_key: Callable[[bytes], bool]) -> Credential:
        """The client's credential, as it was sent.

        :param is_consumer_key: tells whether a header's value is a key of this gateway's, or has one in it; such a
            one is never sent on, so a client that only has its consumer key reaches the provider without a credential.
        :raises BadRequest: the header that would be sent is there twice: which one is meant?
        """
        for wanted in self.headers:
            found = [value for name, value in sent if name == wanted and value]
            theirs = [value for value in found if not is_consumer_key(value)]
            if theirs:
                if len(found) > 1:
                    shown = wanted.decode("ascii").title()
                    raise BadRequest(f"malformed request: {shown} comes more than once", code="malformed_request")
                line = b"%s: %s\r\n" % (wanted, theirs[0])
                return Credential(line, hashlib.sha256(line).digest()[:16], without_bearer(theirs[0]))
        return NO_CREDENTIAL
