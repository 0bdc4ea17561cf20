"""The upstream itself: requests in, the script's steps out.

Theory of operation. :class:`ScriptedUpstream` listens on loopback and reads requests with httptools. Each
complete request takes the next answer of the script, or the standing one when the script is used up. An
answer turns the request into steps, and the connection plays them as its transport's pull producer: each step
waits until the kernel has taken the one before, so a client that does not read holds the script up, and a
reset comes behind the bytes that it is to come behind. Requests on one connection are answered in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import httptools
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from aigw.testing.answers import FAULTS, openai
from aigw.testing.script import Act, Answer, Header, ReceivedRequest, Step


@implementer(IPullProducer)
class ScriptedConnection(Protocol):
    """One client's connection: collects requests, plays their answers one after another."""

    transport: Any

    def __init__(self, upstream: ScriptedUpstream, number: int) -> None:
        self._upstream = upstream
        self.number = number
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._seen: list[ReceivedRequest] = []
        self._queue: deque[ReceivedRequest] = deque()
        self._current: ReceivedRequest | None = None
        self._steps: Iterator[Step] = iter(())
        self._pause: Any = None
        self._writing = 0

    @property
    def idle(self) -> bool:
        """No answer is being played or waited for."""
        return self._current is None

    def connectionMade(self) -> None:
        """Join the upstream's connections."""
        self.transport.setTcpNoDelay(True)
        self._upstream.connections.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Feed the parser; what it refuses is recorded and ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._upstream.malformed.append((data, error))
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell every request of this connection."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        for request in self._seen:
            request.connection_lost()
        self._upstream.connection_lost(self)

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target, self._headers, self._body = b"", [], []

    def on_url(self, part: bytes) -> None:
        """A piece of the target."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer."""
        self._headers.append((name, value))

    def on_body(self, part: bytes) -> None:
        """A piece of the body, without its chunk framing."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """A whole request is there."""
        body = b"".join(self._body)
        method, keep_alive = self._parser.get_method(), self._parser.should_keep_alive()
        request = ReceivedRequest(method, self._target, self._headers, body, self.number, keep_alive)
        self._seen.append(request)
        self._queue.append(request)
        self._upstream.requests.append(request)
        if self._current is None:
            self._begin()
        self._upstream.request_arrived(request)

    # Playing an answer.

    def _begin(self) -> None:
        if self._queue:
            self._current = self._queue.popleft()
            self._steps = iter(self._upstream.next_answer()(self._current))
            self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """The kernel has taken everything: play the next step."""
        if self._current is not None and self._pause is None:
            self._current.sent += self._writing
            self._writing = 0
            self._play()

    def stopProducing(self) -> None:
        """The connection is lost; ``connectionLost`` cleans up."""

    def _play(self) -> None:
        self._pause = None
        for step in self._steps:
            if isinstance(step, bytes):
                if step:
                    self._writing = len(step)
                    self.transport.write(step)
                    return
            elif not isinstance(step, Act):
                self._pause = self._upstream.reactor.callLater(step, self._play)
                return
            elif self._act(step):
                return
        self._finish()

    def _act(self, act: Act) -> bool:
        """Do it. True: nothing follows it."""
        if act is Act.REFUSE:
            self._upstream.refuse()
            return False
        if act is not Act.HANG:
            self._end_answer()
            self.transport.abortConnection() if act is Act.RESET else self.transport.loseConnection()
        return True

    def _finish(self) -> None:
        if self._end_answer().keep_alive:
            self._begin()
        else:
            self.transport.loseConnection()

    def _end_answer(self) -> ReceivedRequest:
        request, self._current = self._current, None
        assert request is not None
        request.answered = True
        self.transport.unregisterProducer()
        return request


class ScriptedUpstream(Factory):
    """An OpenAI-compatible provider on loopback, under a test's control.

    :param reactor: what it listens and waits with.
    :ivar requests: every complete request, in order.
    :ivar malformed: what arrived and was not HTTP, with the parser's error.
    :ivar standing: answers whatever the script does not; at first :func:`~aigw.testing.answers.openai`.
    :ivar connections: the open connections.
    :ivar connections_made: how many there ever were.
    """

    noisy = False

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.requests: list[ReceivedRequest] = []
        self.malformed: list[tuple[bytes, Exception]] = []
        self.standing: Answer = openai()
        self.connections: set[ScriptedConnection] = set()
        self.connections_made = 0
        self.port = 0
        self._script: deque[Answer] = deque()
        self._listener: Any = None
        self._awaited: list[tuple[int, Deferred[ReceivedRequest]]] = []
        self._emptied: list[Deferred[None]] = []

    @property
    def url(self) -> str:
        """The base URL to configure, ``/v1`` included."""
        return f"http://127.0.0.1:{self.port}/v1"

    def listen(self, port: int = 0) -> None:
        """Listen on 127.0.0.1: on ``port``, else where it listened before, else on a free one."""
        self._listener = self.reactor.listenTCP(port or self.port, self, interface="127.0.0.1")
        self.port = self._listener.getHost().port

    def refuse(self) -> Deferred[None]:
        """Refuse new connections until :meth:`listen`; open ones go on. Fires when it holds."""
        listener, self._listener = self._listener, None
        if listener is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        listener.stopListening().addCallback(lambda _: stopped.callback(None))
        return stopped

    async def stop(self) -> None:
        """Stop listening and abort what is open; returns when nothing is left."""
        await self.refuse()
        for connection in list(self.connections):
            connection.transport.abortConnection()
        await self.no_connections()

    def script(self, *answers: Answer | str) -> None:
        """Answer the next requests with these, in order; a string is a name in :data:`FAULTS`."""
        self._script.extend(FAULTS[answer] if isinstance(answer, str) else answer for answer in answers)

    def request(self, number: int = 1) -> Deferred[ReceivedRequest]:
        """Fires with the request of this number (from 1) when it has arrived, at once if it has."""
        if len(self.requests) >= number:
            return succeed(self.requests[number - 1])
        awaited: Deferred[ReceivedRequest] = Deferred()
        self._awaited.append((number, awaited))
        return awaited

    def no_connections(self) -> Deferred[None]:
        """Fires when no connection is open."""
        if not self.connections:
            return succeed(None)
        emptied: Deferred[None] = Deferred()
        self._emptied.append(emptied)
        return emptied

    def close_idle(self, unasked: bytes = b"") -> int:
        """Close the kept-alive connections that wait for a request, as providers do.

        :param unasked: bytes to send on each of them before that.
        :returns: how many there were.
        """
        idle = [connection for connection in self.connections if connection.idle]
        for connection in idle:
            connection.transport.write(unasked)
            connection.transport.loseConnection()
        return len(idle)

    # What the connections call.

    def buildProtocol(self, addr: object) -> ScriptedConnection:
        """A connection arrives."""
        self.connections_made += 1
        return ScriptedConnection(self, self.connections_made)

    def request_arrived(self, request: ReceivedRequest) -> None:
        """Wake who waits for it; it is recorded, and its answer has begun."""
        due = [awaited for number, awaited in self._awaited if number == len(self.requests)]
        self._awaited = [entry for entry in self._awaited if entry[0] > len(self.requests)]
        for awaited in due:
            awaited.callback(request)

    def next_answer(self) -> Answer:
        """The script's next answer, else the standing one."""
        return self._script.popleft() if self._script else self.standing

    def connection_lost(self, connection: ScriptedConnection) -> None:
        """Forget it."""
        self.connections.discard(connection)
        if not self.connections:
            emptied, self._emptied = self._emptied, []
            for each in emptied:
                each.callback(None)
