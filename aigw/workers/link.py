"""What parent and worker say to each other: messages with an answer or without one, over a Unix socket pair.

A message is four bytes of length, four bytes of the head's length, the head as JSON, and as payload the rest. The head
has a verb, or the number of the message that it answers; and how many file descriptors came with it. Both ends are the
same version of this package, so there is no other. Lengths are in network byte order.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import orjson
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aigw.config.errors import ConfigError
from aigw.daemon import Refused
from aigw.os_error_text import os_error_text

_LENGTHS = struct.Struct("!II")

#: A configuration with 100,000 consumers takes some 50 MB.
_LONGEST = 1 << 30


class LinkLost(Exception):
    """The other end is gone, and with it the answer."""


@attrs.frozen
class Message:
    """What came in.

    :ivar fields: what the sender said by name.
    :ivar payload: what is not JSON.
    :ivar descriptors: open files, the receiver's from now on.
    """

    verb: str
    fields: Mapping[str, Any] = attrs.field(factory=dict)
    payload: bytes = attrs.field(default=b"", repr=False)
    descriptors: Sequence[int] = ()


#: Acts on a message. What it returns, or what its Deferred fires with, is the answer's payload.
Verb = Callable[[Message], "Deferred[bytes] | bytes | None"]


@implementer(IFileDescriptorReceiver)
class Link(Protocol):
    """One end of it.

    :param verbs: what the other end may ask for.
    :param lost: called when the other end is gone.
    """

    _log = Logger()

    def __init__(self, verbs: Mapping[str, Verb], lost: Callable[[], None]) -> None:
        self._verbs = verbs
        self._lost = lost
        self._unread = bytearray()
        self._descriptors: list[int] = []
        self._asked: dict[int, Deferred[bytes]] = {}
        self._number = 0
        self._gone = False

    # -- out

    def ask(self, verb: str, payload: bytes = b"", descriptors: Sequence[int] = (), **fields: Any) -> Deferred[bytes]:
        """Have the other end act.

        :returns: fires with its answer's payload; fails with :class:`~aigw.daemon.Refused` and its words, or with
            :class:`LinkLost`. May be cancelled: the answer is then not waited for.
        """
        self._number += 1
        number = self._number
        answer: Deferred[bytes] = Deferred(lambda _: self._forget(number))
        if self._gone:
            answer.errback(LinkLost())
            return answer
        self._asked[number] = answer
        self._send({"verb": verb, "ask": number, "fields": fields}, payload, descriptors)
        return answer

    def _forget(self, number: int) -> None:
        self._asked.pop(number, None)

    def tell(self, verb: str, descriptors: Sequence[int] = (), **fields: Any) -> None:
        """Have the other end act, without an answer."""
        if not self._gone:
            self._send({"verb": verb, "fields": fields}, b"", descriptors)

    def _send(self, head: dict[str, Any], payload: bytes, descriptors: Sequence[int]) -> None:
        if descriptors:
            head["descriptors"] = len(descriptors)
        line = orjson.dumps(head)
        transport: Any = self.transport
        for descriptor in descriptors:
            transport.sendFileDescriptor(descriptor)
        transport.writeSequence([_LENGTHS.pack(len(line) + len(payload), len(line)), line, payload])

    # -- in

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """It belongs to the message that its first byte came with, or to the next."""
        os.set_inheritable(descriptor, False)
        self._descriptors.append(descriptor)

    def dataReceived(self, data: bytes) -> None:
        """Bytes of messages."""
        self._unread += data
        while len(self._unread) >= _LENGTHS.size:
            length, head = _LENGTHS.unpack_from(self._unread)
            if length > _LONGEST:
                self._log.error("a message of {length} bytes between parent and worker", length=length)
                self._drop()
                return
            end = _LENGTHS.size + length
            if len(self._unread) < end:
                return
            line = bytes(self._unread[_LENGTHS.size : _LENGTHS.size + head])
            payload = bytes(self._unread[_LENGTHS.size + head : end])
            del self._unread[:end]
            self._received(orjson.loads(line), payload)

    def _received(self, head: dict[str, Any], payload: bytes) -> None:
        count = head.get("descriptors", 0)
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        if "answers" in head:
            self._answered(head, payload)
            return
        message = Message(head["verb"], head["fields"], payload, descriptors)
        acting: Deferred[Any] = maybeDeferred(self._act, message)
        number = head.get("ask")
        if number is None:
            acting.addErrback(self._log_failure, message.verb)
        else:
            acting.addCallback(self._answer, number).addErrback(self._refuse, number, message.verb)
            acting.addErrback(self._log_failure, message.verb)

    def _act(self, message: Message) -> Deferred[bytes] | bytes | None:
        act = self._verbs.get(message.verb)
        if act is None:
            raise Refused(f"{message.verb} is not known here")
        return act(message)

    def _answer(self, payload: bytes | None, number: int) -> None:
        if not self._gone:
            self._send({"answers": number}, payload or b"", ())

    def _refuse(self, failure: Failure, number: int, verb: str) -> None:
        if not failure.check(Refused, ConfigError, OSError, LinkLost):
            self._log_failure(failure, verb)
        if not self._gone:
            text = os_error_text(failure.value) or type(failure.value).__name__
            self._send({"answers": number, "refused": text.encode("utf-8", "backslashreplace").decode()}, b"", ())

    def _answered(self, head: dict[str, Any], payload: bytes) -> None:
        waiting = self._asked.pop(head["answers"], None)
        if waiting is None:  # it was cancelled
            return
        if "refused" in head:
            waiting.errback(Refused(head["refused"]))
        else:
            waiting.callback(payload)

    def _log_failure(self, failure: Failure, verb: str) -> None:
        self._log.failure("{verb} failed", failure, verb=verb)

    # -- the end

    def _drop(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """Whoever waits for an answer waits in vain."""
        self._gone = True
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
        asked, self._asked = self._asked, {}
        for waiting in asked.values():
            waiting.errback(LinkLost())
        self._lost()
