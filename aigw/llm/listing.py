"""Lists of models across dialects: a provider's list as the client's SDK reads one. See :mod:`aigw.llm.translation`.

OpenAI's and Anthropic's lists have one path, ``…/models``; which shape a client wants is told by its headers. A
provider's list goes through as it is where it has that shape, and is written anew where it has another.
"""

from __future__ import annotations

from typing import NoReturn

import orjson

from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.messages import Messages
from aigw.llm.dialects.models import anthropic_list, openai_list, read_models
from aigw.llm.providers.base import Provider
from aigw.llm.reply import ProviderError, type_of_status
from aigw.llm.translation import Answer, StreamTranslation, Translating
from aigw.llm.wire import Headers, WireRequest


def list_translation(provider: Provider, anthropic: bool) -> Translating | None:
    """What translates the provider's list for a client; None if it need not be.

    :param anthropic: the client reads Anthropic's shape.
    """
    if provider.lists == ("anthropic" if anthropic else "openai"):
        return None
    return ListTranslation(provider, anthropic)


class ListTranslation:
    """See :class:`aigw.llm.translation.Translating`; the request is the client's own."""

    request = WireRequest(b"", {})
    ready: Answer | None = None
    left_out: tuple[str, ...] = ()

    def __init__(self, provider: Provider, anthropic: bool) -> None:
        self.provider = provider
        self.anthropic = anthropic

    def is_stream(self, content_type: bytes) -> bool:
        """Never."""
        return False

    def stream(self, content_type: bytes) -> StreamTranslation:
        """Never asked for, since no answer is one."""
        _no_stream()

    def whole(self, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        try:
            models = read_models(self.provider.lists, orjson.loads(body))
        except orjson.JSONDecodeError:
            error = ProviderError(502, "server_error", "the provider's list of models is not JSON", "invalid_answer")
            return self.refused(error, request_id)
        written = anthropic_list(models) if self.anthropic else openai_list(models)
        return Answer(200, orjson.dumps(written))

    def error(self, status: int, headers: Headers, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        wire = self.provider.wire
        if wire is None:
            status = status if status <= 599 else 502  # no status of HTTP's
            error = ProviderError(status, type_of_status(status), f"the provider answered with status {status}")
        else:
            error = wire.error(status, headers, body)
        return self.refused(error, request_id)

    def refused(self, error: ProviderError, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        dialect = Messages() if self.anthropic else Chat()
        body = dialect.error(error, request_id)
        return Answer(error.status, body, retry_after=error.retry_after, error=error)


def _no_stream() -> NoReturn:
    raise AssertionError("lists are not streamed")
