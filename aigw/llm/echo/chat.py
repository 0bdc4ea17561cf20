"""Chat completions: the last user message comes back, or the tool is called that the client insists on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from aigw.llm.echo.parts import DONE, Call, EchoReply, Said, event, stream, text_of, tokens, usage, whole


@attrs.frozen
class _Answer:
    """One choice; all choices are the same.

    :ivar tool: the name of the function that is called instead of saying anything.
    """

    said: Said
    tool: str | None
    finish: str
    read: int
    written: int


def chat(call: Call) -> EchoReply:
    """See the module's head."""
    answer = _answer(call)
    if call.streamed:
        return stream(call, _events(call, answer))
    call.check(call.choices * len(answer.said.text))
    choice = {"message": _message(answer), "logprobs": None, "finish_reason": answer.finish}
    choices = [{"index": index, **choice} for index in range(call.choices)]
    return whole({**_common(call), "object": "chat.completion", "choices": choices, "usage": _usage(call, answer)})


def _answer(call: Call) -> _Answer:
    sent = call.fields.get("messages")
    messages = [one for one in sent if isinstance(one, dict)] if isinstance(sent, list) else []
    texts = [(one.get("role"), text_of(one.get("content"))) for one in messages]
    read = sum(len(tokens(text)) for _, text in texts)
    tool, finish = _tool(call)
    if tool is not None:
        return _Answer(Said(("{}",), False), tool, finish, read, 1)
    asked = [text for role, text in texts if role == "user"] or [""]
    said = call.say(asked[-1], call.limit("max_completion_tokens", "max_tokens"))
    return _Answer(said, None, said.finish, read, len(said.words))


def _tool(call: Call) -> tuple[str | None, str]:
    """The function that ``tool_choice`` forces and the ``finish_reason`` it brings, which is OpenAI's: ``stop`` for a
    named one, ``tool_calls`` for the model's own choice among those it is given."""
    choice = call.fields.get("tool_choice")
    if isinstance(choice, dict):
        return _name(choice), "stop"
    offered = call.fields.get("tools")
    if choice == "required" and isinstance(offered, list):
        return next(filter(None, map(_name, offered)), None), "tool_calls"
    return None, "stop"


def _name(tool: Any) -> str | None:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def _common(call: Call) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{call.identity}",
        "created": call.now,
        "model": call.model,
        "system_fingerprint": "fp_echo",
    }


def _usage(call: Call, answer: _Answer) -> dict[str, Any]:
    return usage(answer.read, answer.written * call.choices)


def _message(answer: _Answer) -> dict[str, Any]:
    if answer.tool is None:
        return {"role": "assistant", "content": answer.said.text, "refusal": None}
    called = {**_opening(answer.tool), "function": {"name": answer.tool, "arguments": answer.said.text}}
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": [called]}


def _opening(tool: str) -> dict[str, Any]:
    """What the first delta of a tool call tells, and no later one."""
    return {"id": f"call_{tool}", "type": "function", "function": {"name": tool, "arguments": ""}}


def _events(call: Call, answer: _Answer) -> Iterator[bytes]:
    common = {**_common(call), "object": "chat.completion.chunk"}
    later: dict[str, Any] = {"usage": None} if call.wants_usage else {}
    for index in range(call.choices):
        for delta, finish in _deltas(answer):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield event({**common, "choices": [choice], **later})
    if later:
        yield event({**common, "choices": [], "usage": _usage(call, answer)})
    yield DONE


def _deltas(answer: _Answer) -> Iterator[tuple[dict[str, Any], str | None]]:
    tool = answer.tool
    yield {"role": "assistant", "content": "" if tool is None else None, "refusal": None}, None
    if tool is not None:
        yield {"tool_calls": [{"index": 0, **_opening(tool)}]}, None
    for word in answer.said.words:
        yield (
            ({"content": word} if tool is None else {"tool_calls": [{"index": 0, "function": {"arguments": word}}]}),
            None,
        )
    yield {}, answer.finish
