"""The wire of chat completions."""

from __future__ import annotations

from urllib.parse import quote

import attrs

from aigw.llm.call import Call
from aigw.llm.decoders import Decoder
from aigw.llm.providers.openai_chat.decoding import ChatDecoder
from aigw.llm.providers.openai_chat.errors import provider_error
from aigw.llm.providers.openai_chat.reply import ChatReader
from aigw.llm.providers.openai_chat.request import chat_body
from aigw.llm.providers.openai_chat.server import Server
from aigw.llm.reply import ProviderError
from aigw.llm.tool_names import PLAIN, own_names
from aigw.llm.wire import Headers, WireRequest


@attrs.frozen
class ChatWire:
    """See :class:`aigw.llm.wire.Wire`."""

    server: Server

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        return WireRequest(self.path(call.model), chat_body(call, self.server))

    def path(self, model: str) -> bytes:
        """Where a model is asked."""
        return self.server.path.replace("{model}", quote(model, safe="")).encode()

    def decoder(self, content_type: bytes) -> Decoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return ChatDecoder()

    def reader(self, call: Call) -> ChatReader:
        """See :class:`aigw.llm.wire.Wire`."""
        stops = call.options.get("stop")
        return ChatReader(own_names(call, PLAIN), stops if isinstance(stops, list) else [stops])

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        return provider_error(status, headers, body)
