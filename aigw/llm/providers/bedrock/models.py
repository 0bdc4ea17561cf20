"""What the families of models on Bedrock have and have not, by the family's name in the model's id.

Converse is one API for all models, and what a model does not know of it is a 400. An id may be a model's
(``anthropic.claude-…``), an inference profile's of a geography (``us.anthropic.claude-…``), or an ARN; one that does
not tell its model (an application's inference profile, an imported model) counts as what has most.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/ (conversation-inference-supported-models-features,
structured-output, prompt-caching, the families' pages on model parameters).
"""

from __future__ import annotations

import re
from typing import Literal

import attrs

from aigw.bounded_cache import remembering


@attrs.frozen
class Family:
    """A family of models.

    :ivar top_k: where ``top_k`` goes among the model's own fields; None: the models have none.
    :ivar reasoning: how they are told to think; see :mod:`aigw.llm.providers.bedrock.thinking`.
    :ivar choices: the ways in which they can be made to call a tool.
    :ivar formats: they have structured output (``outputConfig.textFormat``, ``strict`` tools).
    :ivar caches: where cache points may be.
    :ivar statuses: a tool's result may say that it is an error.
    :ivar claude: what Claude takes and refuses is known in detail: :mod:`aigw.llm.providers.anthropic.models`.
    :ivar bare_schemas: the schema of a tool's input must have nothing at its top but its type and properties.
    """

    top_k: str | None = None
    reasoning: Literal["claude", "effort", "effort_object", "nova", "always", "none"] = "none"
    choices: frozenset[str] = frozenset(("any", "one"))
    formats: bool = True
    caches: frozenset[str] = frozenset()
    statuses: bool = False
    claude: bool = False
    bare_schemas: bool = False


_NO_CHOICE: frozenset[str] = frozenset()
_EVERYWHERE = frozenset(("system", "messages", "tools"))

CLAUDE = Family("top_k", "claude", caches=_EVERYWHERE, statuses=True, claude=True)
NOVA = Family(
    "inferenceConfig.topK",
    formats=False,
    caches=frozenset(("system", "messages")),
    statuses=True,
    bare_schemas=True,
)
_OTHERS = Family()

#: Parts of ids and the family that they tell; the first that is found counts.
_FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = tuple(
    (re.compile(part), family)
    for part, family in (
        (r"anthropic\.|claude", CLAUDE),
        (r"amazon\.nova-2|nova-2-", attrs.evolve(NOVA, reasoning="nova")),
        (r"amazon\.nova", NOVA),
        (r"gpt-oss", Family(reasoning="effort")),
        (r"openai\.gpt-\d", Family(reasoning="effort_object", caches=_EVERYWHERE)),
        (r"deepseek\.r1", Family(reasoning="always", choices=_NO_CHOICE, formats=False)),
        (r"deepseek\.", Family(reasoning="effort")),
        (r"meta\.llama", Family(choices=_NO_CHOICE, formats=False)),
        (
            r"mistral\.mi(?:xtral|stral-(?:7b|(?:large|small)-24))",
            Family("top_k", choices=frozenset(("any",)), formats=False),
        ),
        (r"mistral\.", Family("top_k", choices=frozenset(("any",)))),
        (r"cohere\.command", Family("k", choices=_NO_CHOICE, formats=False)),
        (r"ai21\.|amazon\.titan|writer\.", Family(choices=_NO_CHOICE, formats=False)),
        (r"^arn:(?!.*(?:foundation-model|:inference-profile)/)", attrs.evolve(CLAUDE, claude=False)),
    )
)


@remembering
def family(model: str) -> Family:
    """The family of the model of that id."""
    name = model.lower()
    return next((family for part, family in _FAMILIES if part.search(name)), _OTHERS)


_OF_ARN = re.compile(r"^arn:.*(?:foundation-model|:inference-profile)/")
_GEOGRAPHY = re.compile(r"^(?:apac|au|ca|eu|global|in|jp|sa|us|us-gov)\.(?=[a-z0-9]+\.)")


def base_model(model: str) -> str:
    """The model itself, of the inference profile of a geography or of an ARN that tells it; other ids stay."""
    return _GEOGRAPHY.sub("", _OF_ARN.sub("", model))
