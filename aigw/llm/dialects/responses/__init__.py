"""OpenAI's Responses API in front (https://platform.openai.com/docs/api-reference/responses), of backends without it.

Nothing is stored here: what needs a conversation that OpenAI remembers (``previous_response_id``, ``conversation``,
references to items) is refused with the remedy, to send the whole conversation in ``input``. All that a client has
to send back for that is in the answer's items: a provider's proof of its thoughts is the ``encrypted_content`` of
their reasoning item; see :mod:`aigw.llm.dialects.responses.sealed`.

========== ============================================================
tools      what the client calls its tools, and what the provider does
items      ``input`` to turns
request    everything else of a request
sealed     what ``encrypted_content`` holds
output     the items of an answer, as they grow
reply      an answer: events in their order, or one object
========== ============================================================
"""

from aigw.llm.dialects.responses.request import Responses

__all__ = ["Responses"]
