"""Bedrock's side of a translation; see :class:`aigw.llm.wire.Wire`."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import attrs

from aigw.llm.call import Call
from aigw.llm.eventstream import EventStreamDecoder
from aigw.llm.providers.bedrock import errors
from aigw.llm.providers.bedrock.embeddings import embedding_body, vectors
from aigw.llm.providers.bedrock.models import base_model
from aigw.llm.providers.bedrock.reply import ConverseReader
from aigw.llm.providers.bedrock.request import ConverseRequest, uses_format_tool
from aigw.llm.reply import ProviderError
from aigw.llm.tool_names import PLAIN, own_names
from aigw.llm.wire import EmbeddingCall, Embeddings, Headers, WireRequest

#: What a count takes of a request.
_COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")


def model_path(model: str, operation: bytes) -> bytes:
    """Where a model is asked. Its id is one segment, whatever is in it.

    A slash in it that is not encoded is answered with 200 and no answer.
    """
    return b"/model/%s/%s" % (quote(model, safe="").encode("ascii"), operation)


@attrs.frozen
class BedrockWire:
    """Converse; see :class:`aigw.llm.wire.Wire`, ``EmbeddingWire`` and ``CountWire``."""

    name: str = "bedrock"

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        body = ConverseRequest(call, self.name).body()
        return WireRequest(model_path(call.model, b"converse-stream" if call.stream else b"converse"), body)

    def decoder(self, content_type: bytes) -> EventStreamDecoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return EventStreamDecoder()

    def reader(self, call: Call) -> ConverseReader:
        """See :class:`aigw.llm.wire.Wire`."""
        return ConverseReader(own_names(call, PLAIN), uses_format_tool(call))

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        return errors.from_answer(status, headers, body)

    def count_request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.CountWire`. Only models themselves count, not the profiles of geographies."""
        body = ConverseRequest(call, self.name).body()
        counted = {name: body[name] for name in _COUNTED if name in body}
        return WireRequest(model_path(base_model(call.model), b"count-tokens"), {"input": {"converse": counted}})

    def count(self, fields: Any) -> int:
        """See :class:`aigw.llm.wire.CountWire`."""
        tokens = fields.get("inputTokens") if isinstance(fields, dict) else None
        if type(tokens) is not int or tokens < 0:
            raise ValueError("the provider's answer has no inputTokens")
        return tokens

    def embedding_request(self, call: EmbeddingCall) -> WireRequest:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        return WireRequest(model_path(call.model, b"invoke"), embedding_body(call, self.name))

    def embeddings(self, fields: Any) -> Embeddings:
        """See :class:`aigw.llm.wire.EmbeddingWire`."""
        return vectors(fields)
