"""Embeddings across dialects: OpenAI's in front, a provider's own behind. See :mod:`aigw.llm.translation`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import attrs
import orjson

from aigw.llm.adjusting import adjust_request, is_common
from aigw.llm.body import Adjustments
from aigw.llm.dialects.embeddings import EmbeddingsFront, EmbeddingsWriter
from aigw.llm.reply import ProviderError
from aigw.llm.translation import Answer, StreamTranslation
from aigw.llm.wire import EmbeddingWire, Headers, WireRequest

_FRONT = EmbeddingsFront()


#: Fields of the client's request that a configuration may adjust before it is translated.
_IN_FRONT = frozenset(("dimensions", "encoding_format"))


class EmbeddingPair:
    """See :class:`aigw.llm.translation.Pairing`.

    :param adjustments: ``dimensions`` and ``encoding_format`` adjust the client's request; the provider's own fields
        its request. Those that all conversations have (``max_tokens``) are for conversations.
    """

    def __init__(self, wire: EmbeddingWire, adjustments: Adjustments, drop_unsupported: bool = False) -> None:
        self._wire = wire
        self._drop = drop_unsupported
        self._before = _only(adjustments, lambda name: name in _IN_FRONT)
        self._behind = _only(adjustments, lambda name: name not in _IN_FRONT and not is_common(name))

    def translate(
        self, fields: dict[str, Any], answer_id: str, now: float, betas: tuple[str, ...] = ()
    ) -> EmbeddingTranslation:
        """See :class:`aigw.llm.translation.Pairing`."""
        self._before.apply(fields)
        call = attrs.evolve(_FRONT.read(fields), drop_unsupported=self._drop)
        request = self._wire.embedding_request(call)
        adjust_request(request.body, self._behind)
        return EmbeddingTranslation(self._wire, request, _FRONT.writer(fields))


def _only(adjustments: Adjustments, wanted: Callable[[str], bool]) -> Adjustments:
    return Adjustments(
        defaults={name: value for name, value in adjustments.defaults.items() if wanted(name)},
        overrides={name: value for name, value in adjustments.overrides.items() if wanted(name)},
    )


class EmbeddingTranslation:
    """See :class:`aigw.llm.translation.Translating`."""

    ready: Answer | None = None
    left_out: tuple[str, ...] = ()

    def __init__(self, wire: EmbeddingWire, request: WireRequest, writer: EmbeddingsWriter) -> None:
        self.request = request
        self._wire = wire
        self._writer = writer

    def is_stream(self, content_type: bytes) -> bool:
        """Never."""
        return False

    def stream(self, content_type: bytes) -> StreamTranslation:
        """Never asked for, since no answer is one."""
        _no_stream()

    def whole(self, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        try:
            embeddings = self._wire.embeddings(orjson.loads(body))
        except ValueError as error:
            message = f"the provider's answer has no embeddings: {error}"
            return self.refused(ProviderError(502, "server_error", message, "invalid_answer"), request_id)
        return Answer(200, self._writer.write(embeddings), embeddings.usage, embeddings.model)

    def error(self, status: int, headers: Headers, body: bytes, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        return self.refused(self._wire.error(status, headers, body), request_id)

    def refused(self, error: ProviderError, request_id: str) -> Answer:
        """See :class:`aigw.llm.translation.Translating`."""
        body = _FRONT.error(error, request_id)
        return Answer(error.status, body, retry_after=error.retry_after, error=error)


def _no_stream() -> NoReturn:
    raise AssertionError("embeddings are not streamed")
