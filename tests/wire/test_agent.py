"""Side calls: treq, and Twisted's own helpers, on the pooled client."""

from __future__ import annotations

import treq
from treq.client import HTTPClient
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial import unittest
from twisted.web.client import readBody

from aigw.http.agent import PooledAgent
from aigw.http.deadlines import Deadlines
from aigw.http.failures import CallFailure
from aigw.testing import Act, ScriptedUpstream, answers


class AgentTests(unittest.TestCase):
    """An agent in front of a scripted provider."""

    timeout = 120

    def setUp(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.deadlines = Deadlines(reactor)
        self.agent = PooledAgent(reactor, self.deadlines)

    async def tearDown(self) -> None:
        self.agent.close()
        await self.upstream.stop()
        await deferLater(reactor, 0.02)
        self.deadlines.stop()

    async def test_treq_runs_on_it(self) -> None:
        """JSON up, JSON down, over one connection."""
        client = HTTPClient(self.agent)
        for _ in range(2):
            response = await client.post(
                f"{self.upstream.url}/chat/completions?q=1", json={"model": "gpt-4o", "messages": []}, unbuffered=True
            )
            self.assertEqual(response.code, 200)
            self.assertIn("choices", await treq.json_content(response))
        self.assertEqual(self.upstream.connections_made, 1)
        request = self.upstream.requests[0]
        self.assertEqual((request.method, request.target), (b"POST", b"/v1/chat/completions?q=1"))
        self.assertEqual(len(request.header_values(b"content-length")), 1)
        self.assertEqual(request.json()["model"], "gpt-4o")

    async def test_body_waits_for_its_reader(self) -> None:
        """Nothing is lost between the response and deliverBody."""
        response = await self.agent.request(b"GET", f"{self.upstream.url}/models".encode())
        await deferLater(reactor, 0.05)
        self.assertIn(b'"object"', await readBody(response))

    async def test_broken_body_is_an_error(self) -> None:
        self.upstream.script(answers.lying_content_length())
        response = await self.agent.request(b"GET", f"{self.upstream.url}/models".encode())
        with self.assertRaises(Exception) as caught:
            await readBody(response)
        self.assertNotIsInstance(caught.exception, AssertionError)

    async def test_no_answer_is_an_error(self) -> None:
        self.upstream.script(answers.raw(Act.RESET))
        with self.assertRaises(CallFailure) as caught:
            await self.agent.request(b"GET", f"{self.upstream.url}/models".encode())
        self.assertEqual(caught.exception.kind, "reset")

    async def test_cancelling_closes_the_connection(self) -> None:
        self.upstream.script(answers.raw(Act.HANG))
        asked = self.agent.request(b"GET", f"{self.upstream.url}/models".encode())
        asked.addErrback(lambda _: None)
        request = await self.upstream.request()
        asked.cancel()
        await request.client_gone()

    async def test_other_schemes_are_refused(self) -> None:
        with self.assertRaises(ValueError):
            await self.agent.request(b"GET", b"ftp://h/x")
