"""Google's tokens over real sockets, fetched by google-auth in real threads while this reactor goes on.

The token endpoint is served by the very reactor that must not be blocked: if it were, nothing would ever be answered.
"""

from __future__ import annotations

from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial import unittest

from aigw.errors import UpstreamFailed
from aigw.testing import ScriptedUpstream, answers
from aigw.upstream.google import google_authoriser
from tests.unit.upstream.test_google import KEY

GRANTED = {"access_token": "ya29.wire", "expires_in": 3599, "token_type": "Bearer"}


class TokenTests(unittest.TestCase):
    """One service account, one endpoint."""

    timeout = 120

    def setUp(self) -> None:
        """An endpoint, and a key that names it."""
        self.endpoint = ScriptedUpstream(reactor)
        self.endpoint.listen()
        self.addCleanup(self.stop)
        key = {**KEY, "token_uri": f"http://127.0.0.1:{self.endpoint.port}/token"}
        self.authoriser = google_authoriser(reactor, orjson.dumps(key).decode())

    async def stop(self) -> None:
        """Nothing is left open."""
        await self.endpoint.stop()

    def lines(self) -> Any:
        """What one call gets."""
        return self.authoriser.lines(b"POST", b"/", b"", b"")

    async def test_many_calls_one_request(self) -> None:
        """The token is fetched once, for all that wait and for those that come later."""
        self.endpoint.script(answers.reply(GRANTED))
        told = await gatherResults([self.lines() for _ in range(20)])
        self.assertEqual(set(told), {b"authorization: Bearer ya29.wire\r\n"})
        self.assertEqual(await self.lines(), told[0])
        (request,) = self.endpoint.requests
        self.assertEqual((request.method, request.target), (b"POST", b"/token"))
        self.assertEqual(self.authoriser.secrets(), (b"ya29.wire",))

    async def test_refused(self) -> None:
        """The calls are told why."""
        self.endpoint.script(answers.reply({"error": "invalid_grant", "error_description": "Invalid JWT"}, 400))
        error = await self.assertFailure(self.lines(), UpstreamFailed)
        self.assertEqual(error.message, "no access token for Google Cloud: Google refuses: invalid_grant: Invalid JWT")

    async def test_unreachable(self) -> None:
        """Likewise where nobody listens."""
        await self.endpoint.refuse()
        error = await self.assertFailure(self.lines(), UpstreamFailed)
        self.assertIn("cannot be reached", error.message)
