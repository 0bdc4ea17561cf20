"""Lists of models across dialects: a provider's list as the client's SDK reads one. See :mod:`aigw.llm.translation`.

OpenAI's and Anthropic's lists have one path, ``…/models``; which shape a client wants is told by its headers. A
provider's list goes through as it is where it has that shape, and is written anew where it has another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import orjson

from aigw.llm.dialects.chat import Chat
from aigw.llm.dialects.messages import Messages
from aigw.llm.dialects.models import anthropic_list, anthropic_model, openai_list, openai_model, read_models
from aigw.llm.providers.base import Provider
from aigw.llm.reply import ProviderError, type_of_status
from aigw.llm.translation import Answer, StreamTranslation, Translating
from aigw.llm.wire import Headers, WireRequest

#: Whether a client may see the model of an id.
Visible = Callable[[str], bool]


def list_translation(
    provider: Provider, anthropic: bool, visible: Visible | None = None, one: bool = False
) -> Translating | None:
    """What translates the provider's list for a client; None if it need not be.

    :param anthropic: the client reads Anthropic's shape.
    :param visible: of which models the client may know; None: of all.
    :param one: it is no list but one model, of which the client may know.
    """
    native = provider.lists == ("anthropic" if anthropic else "openai")
    if native and (visible is None or one):
        return None
    return ListTranslation(provider, anthropic, visible, native=native, one=one)


class ListTranslation:
    """See :class:`aigw.llm.translation.Translating`; the request is the client's own."""

    request = WireRequest(b"", {})
    ready: Answer | None = None

    def __init__(
        self,
        provider: Provider,
        anthropic: bool,
        visible: Visible | None = None,
        *,
        native: bool = False,
        one: bool = False,
    ) -> None:
        self.provider = provider
        self.anthropic = anthropic
        self._visible = visible
        self._native = native
        self._one = one

    def is_stream(self, content_type: bytes) -> bool:
        """Never."""
        return False

    def stream(self, content_type: bytes) -> StreamTranslation:
        """Never asked for, since no answer is one."""
        _no_stream()

    def whole(self, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError:
            return self._no_answer("the provider's list of models is not JSON", request_id)
        if self._one:
            return self._single(fields, request_id)
        visible = self._visible
        if self._native and visible is not None:
            return Answer(200, orjson.dumps(visible_of(fields, visible)))
        models = [each for each in read_models(self.provider.lists, fields) if visible is None or visible(each.id)]
        written = anthropic_list(models) if self.anthropic else openai_list(models)
        return Answer(200, orjson.dumps(written))

    def _single(self, fields: Any, request_id: str) -> Answer:
        found = read_models(self.provider.lists, {"data": [fields]})
        if not found:
            return self._no_answer("what the provider says of the model cannot be read", request_id)
        return Answer(200, orjson.dumps((anthropic_model if self.anthropic else openai_model)(found[0])))

    def _no_answer(self, why: str, request_id: str) -> Answer:
        return self.refused(ProviderError(502, "server_error", why, "invalid_answer"), request_id)

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


def visible_of(fields: Any, visible: Visible) -> Any:
    """A list in the client's own shape without the models that it may not see; what is said of the others stays."""
    if isinstance(fields, list):
        return [each for each in fields if _is_visible(each, visible)]
    if not isinstance(fields, dict):
        return fields
    return {
        name: visible_of(value, visible) if name in ("data", "models") and isinstance(value, list) else value
        for name, value in fields.items()
    }


def _is_visible(model: Any, visible: Visible) -> bool:
    names = [model.get(field) for field in ("id", "model", "name")] if isinstance(model, dict) else []
    name = next((each for each in names if isinstance(each, str)), None)
    return name is not None and visible(name)


def _no_stream() -> NoReturn:
    raise AssertionError("lists are not streamed")
