"""Counting tokens across dialects: Anthropic's ``count_tokens`` in front, a provider's own behind, or an estimate.

Claude Code counts all the time, and takes a count that fails for a model that is gone. So a count is never refused
for something that only the answer itself would need, and where a provider turns out not to count, it is estimated.
"""

from __future__ import annotations

from typing import Any, NoReturn

import attrs
import orjson

from aigw.llm.call import Call
from aigw.llm.counting import estimate
from aigw.llm.dialects.messages import Messages
from aigw.llm.reply import ProviderError
from aigw.llm.translation import Answer, StreamTranslation
from aigw.llm.wire import CountWire, Headers, WireRequest

_FRONT = Messages()

#: Statuses with which a server says that it has no such operation.
_HAS_NONE = (404, 405, 501)


@attrs.frozen
class CountPair:
    """See :class:`aigw.llm.translation.Pairing`.

    :ivar wire: None: nobody can be asked.
    """

    wire: CountWire | None = None

    def translate(
        self, fields: dict[str, Any], answer_id: str, now: float, betas: tuple[str, ...] = ()
    ) -> CountTranslation:
        """See :class:`aigw.llm.translation.Pairing`."""
        fields.pop("stream", None)  # a route may stream always; a count is no stream
        fields.pop("thread", None)  # what is sent of one can be counted
        call = attrs.evolve(_FRONT.read(fields), drop_unsupported=True)
        call.betas += betas
        if self.wire is None:
            return CountTranslation(call, None, WireRequest(b"", {}))
        return CountTranslation(call, self.wire, self.wire.count_request(call))


class CountTranslation:
    """See :class:`aigw.llm.translation.Translating`."""

    left_out: tuple[str, ...] = ()

    def __init__(self, call: Call, wire: CountWire | None, request: WireRequest) -> None:
        self.request = request
        self.ready = _estimated(call) if wire is None else None
        # Not the call itself: a conversation is many times its body's bytes.
        self._estimate = self.ready or _estimated(call)
        self._wire = wire

    def is_stream(self, content_type: bytes) -> bool:
        """Never."""
        return False

    def stream(self, content_type: bytes) -> StreamTranslation:
        """Never asked for, since no answer is one."""
        _no_stream()

    def whole(self, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        assert self._wire is not None
        try:
            return Answer(200, orjson.dumps({"input_tokens": self._wire.count(orjson.loads(body))}))
        except ValueError as error:
            message = f"the provider's answer has no count: {error}"
            return self.refused(ProviderError(502, "server_error", message, "invalid_answer"), request_id)

    def error(self, status: int, headers: Headers, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`; a server that does not count is answered for.

        Bedrock says so with a 400, which its wire knows to be a 404.
        """
        assert self._wire is not None
        error = self._wire.error(status, headers, body)
        if status in _HAS_NONE or error.status in _HAS_NONE:
            return self._estimate
        return self.refused(error, request_id)

    def refused(self, error: ProviderError, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        return Answer(error.status, _FRONT.error(error, request_id), retry_after=error.retry_after, error=error)


def _estimated(call: Call) -> Answer:
    return Answer(200, orjson.dumps({"input_tokens": estimate(call), "estimated": True}))


def _no_stream() -> NoReturn:
    raise AssertionError("a count is no stream")
