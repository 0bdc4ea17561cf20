"""Anthropic's side of a translation; see :class:`aigw.llm.wire.Wire`.

Claude is served elsewhere too, with the same bodies but for a few fields: what differs is a parameter here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from aigw import numbers
from aigw.llm.betas import Platform, beta_header, betas_at
from aigw.llm.call import Call
from aigw.llm.decoders import SseDecoder
from aigw.llm.providers.anthropic import errors
from aigw.llm.providers.anthropic.answer import AnthropicReader
from aigw.llm.providers.anthropic.request import MessagesRequest, uses_format_tool
from aigw.llm.reply import ProviderError
from aigw.llm.tool_names import PLAIN, fitted, own_names
from aigw.llm.usage import MOST_TOKENS
from aigw.llm.wire import Headers, WireRequest

#: The version of the API that this is written for.
VERSION = "2023-06-01"

MESSAGES_PATH = b"/v1/messages"
COUNT_PATH = b"/v1/messages/count_tokens"

#: What a count takes of a request.
_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "anthropic_version")


def _messages_path(call: Call) -> bytes:
    return MESSAGES_PATH


def _count_path(call: Call) -> bytes:
    return COUNT_PATH


@attrs.frozen
class AnthropicWire:
    """See the module's head.

    :ivar name: the provider's, for error messages.
    :ivar version: sent as ``anthropic-version``; None where the body says it.
    :ivar path: where a call goes.
    :ivar count_path: where one goes to be counted.
    :ivar model_in_body: whether a call's body names the model; one that is to be counted always does.
    :ivar constants: what each body has besides, such as Vertex's ``anthropic_version``.
    :ivar fetches_urls: whether images and documents can be where a URL says.
    :ivar has_files: whether it keeps files, that can be named by an id.
    :ivar platform: which of Anthropic's betas it has; None: all.
    """

    name: str = "anthropic"
    version: str | None = VERSION
    path: Callable[[Call], bytes] = _messages_path
    count_path: Callable[[Call], bytes] = _count_path
    model_in_body: bool = True
    constants: Mapping[str, Any] = attrs.field(factory=dict)
    fetches_urls: bool = True
    has_files: bool = True
    platform: Platform | None = None

    def request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.Wire`."""
        made = self._made(call)
        body = {**made.body(), **self.constants}
        if not self.model_in_body:
            del body["model"]
        return WireRequest(self.path(call), body, self._headers(made))

    def count_request(self, call: Call) -> WireRequest:
        """See :class:`aigw.llm.wire.CountWire`."""
        made = self._made(call)
        body = {**made.body(), **self.constants}
        return WireRequest(
            self.count_path(call), {name: body[name] for name in _COUNTED if name in body}, self._headers(made)
        )

    def count(self, fields: Any) -> int:
        """See :class:`aigw.llm.wire.CountWire`."""
        tokens = numbers.count(fields.get("input_tokens"), MOST_TOKENS) if isinstance(fields, dict) else None
        if tokens is None:
            raise ValueError("the provider's answer has no input_tokens")
        return tokens

    def decoder(self, content_type: bytes) -> SseDecoder:
        """See :class:`aigw.llm.wire.Wire`."""
        return SseDecoder()

    def reader(self, call: Call) -> AnthropicReader:
        """See :class:`aigw.llm.wire.Wire`."""
        return AnthropicReader(uses_format_tool(call), own_names(call, PLAIN))

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        """See :class:`aigw.llm.wire.Wire`."""
        return errors.from_body(status, body)

    def _made(self, call: Call) -> MessagesRequest:
        fetches, keeps, version = self.fetches_urls, self.has_files, self.version
        call = fitted(call, PLAIN)
        return MessagesRequest(call, self.name, fetches_urls=fetches, has_files=keeps, version=version)

    def _headers(self, made: MessagesRequest) -> tuple[tuple[bytes, bytes], ...]:
        headers = []
        if self.version is not None:
            headers.append((b"anthropic-version", self.version.encode("ascii")))
        betas = made.betas if self.platform is None else betas_at(self.platform, made.betas)
        return (*headers, *beta_header(betas))
