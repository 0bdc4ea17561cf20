"""What Claude takes of ``temperature``, ``top_p`` and ``top_k``: from version to version of models and API, less.

Version 2026-10-21 of the API, which Anthropic's SDKs ask for from 2.0 on, has none of them, whatever the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aigw.llm.call import Call
from aigw.llm.options import asks_for_nothing
from aigw.llm.providers.anthropic.models import Traits, traits

SAMPLING: Final = ("temperature", "top_p", "top_k")

#: The first version of the API without them; versions are dates.
_WITHOUT: Final = "2026-10-21"
_VERSION: Final = re.compile(r"20\d\d-\d\d-\d\d")

#: Of a thinking model, ``top_p`` has a narrow range only.
_LEAST_TOP_P: Final = 0.95


def check_sampling(call: Call, traits: Traits, body: dict[str, Any], thinks: bool, version: str | None = None) -> None:
    """Take out of ``body`` what model and API do not take, and note it where it would have asked for something.

    It is no reason to refuse a call: OpenAI's clients send ``temperature`` with each (aider: 0), whatever the model is.

    :param version: of the API; None: one that takes all.
    """
    if traits.sampling == "one" and "top_p" in body and body.get("temperature") == 1:
        del body["temperature"]
    for name in SAMPLING:
        if name not in body:
            continue
        if _is_refused(name, body, traits, thinks, version):
            if not _asks_nothing(name, body[name]):
                call.left_out.append(name)
            del body[name]


def leave_out_sampling(
    body: dict[str, Any], sent: Mapping[str, Any], model: str, version: str | None
) -> tuple[str, ...]:
    """The same for a body of Anthropic's own that passes as it is: what the client did not send is left out.

    Its own values are between it and the provider. Models that are not called Claude are known to nobody here.

    :param sent: what the client sent, before the configuration changed it to ``body``.
    :returns: the names of what is left out and would have asked for something.
    """
    if "claude" not in model.lower():
        return ()
    thinking = body.get("thinking")
    thinks = isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")
    left_out = []
    for name in SAMPLING:
        value = body.get(name)
        if value is None or (name in sent and sent[name] == value):
            continue
        if _is_refused(name, body, traits(model), thinks, version):
            del body[name]
            left_out += [name] if not _asks_nothing(name, value) else []
    return tuple(left_out)


def _asks_nothing(name: str, value: Any) -> bool:
    return asks_for_nothing(name, value) or (name != "top_k" and value == 1)


def _is_refused(name: str, body: Mapping[str, Any], traits: Traits, thinks: bool, version: str | None) -> bool:
    if version is not None and _VERSION.fullmatch(version) and version >= _WITHOUT:
        return True
    if traits.sampling == "none":
        return True
    if thinks:
        return name != "top_p" or not _is_at_least(body[name], _LEAST_TOP_P)
    return name == "top_p" and traits.sampling == "one" and "temperature" in body


def _is_at_least(value: Any, least: float) -> bool:
    return isinstance(value, int | float) and value >= least
