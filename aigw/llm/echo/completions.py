"""Legacy completions: each prompt comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aigw.llm.echo.parts import DONE, Call, EchoReply, Said, event, stream, tokens, usage, whole

#: Bytes around each choice.
_AROUND = 64


def completions(call: Call) -> EchoReply:
    """See the module's head; ``n`` choices for each prompt, as OpenAI has it."""
    prompts = _prompts(call.fields.get("prompt"))
    limit = call.limit("max_tokens")
    call.check(call.choices * sum(_AROUND + len(prompt) for prompt in prompts))
    answers = [call.say(prompt, limit) for prompt in prompts for _ in range(call.choices)]
    used = usage(sum(len(tokens(prompt)) for prompt in prompts), sum(len(said.words) for said in answers))
    common = {
        "id": f"cmpl-{call.identity}",
        "object": "text_completion",
        "created": call.now,
        "model": call.model,
        "system_fingerprint": "fp_echo",
    }
    if call.streamed:
        return stream(call, _events(call, common, answers, used))
    choices = [_choice(index, said.text, said.finish) for index, said in enumerate(answers)]
    return whole({**common, "choices": choices, "usage": used})


def _prompts(prompt: Any) -> list[str]:
    """The prompts: one text, a list of texts, or either as token numbers."""
    if not isinstance(prompt, list):
        return [prompt if isinstance(prompt, str) else ""]
    if prompt and all(isinstance(one, int) for one in prompt):
        prompt = [prompt]
    return [one if isinstance(one, str) else " ".join(map(str, one if isinstance(one, list) else ())) for one in prompt]


def _choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}


def _events(call: Call, common: dict[str, Any], answers: list[Said], used: dict[str, Any]) -> Iterator[bytes]:
    later: dict[str, Any] = {"usage": None} if call.wants_usage else {}
    for index, said in enumerate(answers):
        for word in said.words:
            yield event({**common, "choices": [_choice(index, word, None)], **later})
        yield event({**common, "choices": [_choice(index, "", said.finish)], **later})
    if later:
        yield event({**common, "choices": [], "usage": used})
    yield DONE
