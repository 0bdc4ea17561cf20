"""Thought signatures: Gemini's opaque proof of what it thought, to be given back where it came from.

Gemini 3 answers 400 if the first call of a step comes back without its signature. Clients that do not keep it, and
histories that another model wrote, are what :data:`SKIP` is for: Google's documented way to switch the check off for
a part (https://ai.google.dev/gemini-api/docs/thought-signatures, under "FAQs").
"""

from __future__ import annotations

from aigw.llm.signatures import may_be

#: Stands in for a signature that is not there.
SKIP = "skip_thought_signature_validator"


def own(signature: str | None) -> str | None:
    """``signature`` if it may be Gemini's; None for those that are known to be another's, which it refuses."""
    return signature if may_be(signature, "gemini") else None
