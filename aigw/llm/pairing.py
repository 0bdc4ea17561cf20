"""Which translation an operation needs at a provider that does not have it itself."""

from __future__ import annotations

from aigw.llm.body import Adjustments
from aigw.llm.count_pair import CountPair
from aigw.llm.embedding_pair import EmbeddingPair
from aigw.llm.messages_pair import MessagesPair
from aigw.llm.operations import COUNT_TOKENS, EMBEDDINGS, MESSAGES
from aigw.llm.providers.base import Provider
from aigw.llm.translation import DIALECTS, Pair, Pairing


def pairing(operation: str, provider: Provider, adjustments: Adjustments, drop_unsupported: bool) -> Pairing | None:
    """What translates ``operation`` for ``provider``; None if nothing can.

    :param drop_unsupported: see :class:`aigw.llm.call.Call`.
    """
    if operation in DIALECTS and provider.wire is not None:
        pair = Pair(DIALECTS[operation], provider.wire, adjustments, drop_unsupported)
        if operation == MESSAGES and provider.messages_wire is not None:
            return MessagesPair(provider.messages_wire, adjustments, pair)
        return pair
    if operation == EMBEDDINGS and provider.embedding_wire is not None:
        return EmbeddingPair(provider.embedding_wire, adjustments, drop_unsupported)
    if operation == COUNT_TOKENS:
        return CountPair(provider.count_wire)
    return None
