"""Credentials that have to be made: access tokens that expire, signatures over the request.

A :class:`~aigw.upstream.credential.Credential` is a header line that the configuration gives and that stays as it is.
What a cloud wants is made for each call, or for each hour: an :class:`Authoriser` makes it. The proxy asks it when a
request is otherwise complete, sends what it answers with it, and keeps the connections of two authorisers apart.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred


class Authoriser(Protocol):
    """Makes the credential of one backend's requests.

    :ivar partition: names the connections that may carry it; see :class:`~aigw.upstream.credential.Credential`.
    """

    @property
    def partition(self) -> bytes:
        """See above; stays the same for as long as the object lives."""

    def lines(self, method: bytes, target: bytes, head: bytes, body: bytes) -> Deferred[bytes]:
        """The header lines to add to one request, each with its CRLF.

        Never blocks the reactor. A caller that has lost interest may cancel the Deferred; work that other calls wait
        for goes on.

        :param target: the request target as it is sent: path and query, percent-encoded.
        :param head: the header lines that the request has, ``host`` among them, each with its CRLF.
        :param body: all of it.
        :raises aigw.errors.UpstreamFailed: through the Deferred: there is no credential to be had. The message names
            the reason and the remedy, and no secret.
        """

    def secrets(self) -> tuple[bytes, ...]:
        """What must be redacted in texts that an upstream echoes: tokens and keys that are in use now."""
