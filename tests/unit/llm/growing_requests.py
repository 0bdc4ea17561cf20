"""Clients' requests that can be made as large as one likes, each in one respect; by dialect.

A family takes a number and gives the fields of a request that has so many of something.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

Fields = dict[str, Any]
Family = Callable[[int], Fields]

PICTURE = "data:image/png;base64,QUFB"
ASKED = {"role": "user", "content": "x"}
SHELL = {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}}
SHELL_OUTPUT = {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "x"}]}


def asked(*messages: Any, **more: Any) -> Fields:
    """A conversation's fields."""
    return {"messages": [ASKED, *messages], "max_tokens": 9, **more}


def _schema(properties: Any, **more: Any) -> Fields:
    return {"type": "object", "properties": properties, **more}


def _closed(properties: Fields) -> Fields:
    return _schema(properties, required=list(properties), additionalProperties=False)


def _tuple(*places: Fields) -> Fields:
    return {"type": "array", "items": list(places), "additionalItems": False}


# -- chat


def _function(name: str, schema: Any = None, **more: Any) -> Fields:
    return {"type": "function", "function": {"name": name, **({"parameters": schema} if schema else {}), **more}}


def _called(number: int, name: str = "t", call_id: str | None = None) -> Fields:
    told = f"c{number}" if call_id is None else call_id
    return {"id": told, "type": "function", "function": {"name": name, "arguments": '{"a": 1}'}}


def _calls(n: int, name: Callable[[int], str] = lambda number: "t", call_id: str | None = None) -> Fields:
    return {"role": "assistant", "content": None, "tool_calls": [_called(i, name(i), call_id) for i in range(n)]}


def _results(n: int) -> list[Fields]:
    return [{"role": "tool", "tool_call_id": f"c{i}", "content": "r"} for i in range(n)]


def _parts(part: Any, n: int) -> Fields:
    return asked({"role": "user", "content": [{"type": "text", "text": "x"}, *[part] * n]})


def _file(name: str, kind: str = "application/pdf") -> Fields:
    return {"type": "file", "file": {"filename": name, "file_data": f"data:{kind};base64,QUFB"}}


def _tool(schema: Any, **more: Any) -> Fields:
    return asked(tools=[_function("t", schema, **more)])


def _formatted(schema: Any, **more: Any) -> Fields:
    return asked(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema, **more}})


def _chain(n: int, width: str = "xy") -> Fields:
    """Definitions each of which refers to the next, as often as ``width`` has letters."""
    links = {f"d{i}": _schema({each: {"$ref": f"#/$defs/d{i + 1}"} for each in width}) for i in range(n)}
    return _schema({"p": {"$ref": "#/$defs/d0"}}, **{"$defs": links})


def _one_definition(n: int) -> Fields:
    kept = {"a": {"type": "string", "description": "d" * n}}
    return _schema({f"p{i}": {"$ref": "#/$defs/a"} for i in range(n)}, **{"$defs": kept})


def _in_itself(n: int) -> Fields:
    kept = {
        f"d{i}": _schema({"me": {"$ref": f"#/$defs/d{i}"}, "next": {"$ref": f"#/definitions/d{i + 1}"}})
        for i in range(n)
    }
    return _schema({"p": {"$ref": "#/$defs/d0"}}, definitions=kept)


def _deep(n: int) -> Fields:
    schema: Fields = {"type": "string"}
    for _ in range(n // 16):
        schema = {"anyOf": [schema], "not": {"enum": ["x"] * 8}}
    return schema


def _branches(n: int, branch: Callable[[int], Fields], word: str = "anyOf", **more: Any) -> Fields:
    """A tool with so many branches at the top of its schema."""
    return _tool({"type": "object", word: [branch(i) for i in range(n)], **more})


def _many_required(n: int) -> Fields:
    names = [f"p{i}" for i in range(n)]
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}


CHAT: dict[str, Family] = {
    "branches": lambda n: _branches(n, lambda i: _schema({f"p{i}": {}}, required=[f"p{i}"])),
    "branches that all apply": lambda n: _branches(n, lambda i: _schema({f"p{i}": {}}, required=[f"p{i}"]), "allOf"),
    "branches of one property": lambda n: _branches(n, lambda i: _schema({"p": {"const": i}}, required=["p"])),
    "branches of one definition": lambda n: _branches(
        n, lambda i: {"$ref": "#/$defs/a"}, "oneOf", **{"$defs": {"a": _many_required(n)}}
    ),
    "branches in branches of one definition": lambda n: _branches(
        n, lambda i: {"allOf": [{"$ref": "#/$defs/a"}]}, "oneOf", **{"$defs": {"a": _many_required(n)}}
    ),
    "branches of a chain": lambda n: _branches(
        1, lambda i: {"$ref": "#/$defs/d0"}, **{"$defs": {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(n)}}
    ),
    "names that do not fit": lambda n: asked(
        _calls(n, lambda number: f"t.{number}"), *_results(n), tools=[_function(f"t.{i}") for i in range(n)]
    ),
    "broken arguments": lambda n: asked(
        {"role": "assistant", "tool_calls": [{**_called(0), "function": {"name": "f", "arguments": '{"a' * n}}]}, *_results(1)
    ),
    "marked messages": lambda n: asked(*[{**ASKED, "cache_control": {"type": "ephemeral"}}] * n),
    "a marked message of many pictures": lambda n: asked(
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUFB", "format": "wav"}}] * n}
        | {"cache_control": {"type": "ephemeral"}}
    ),
    "users": lambda n: asked(*[ASKED] * n),
    "turns": lambda n: asked(*[{"role": "assistant", "content": "y"}, ASKED] * n),
    "assistants": lambda n: asked(*[{"role": "assistant", "content": "y"}] * n),
    "systems": lambda n: asked(*[{"role": "system", "content": "s"}] * n),
    "systems in between": lambda n: asked(*[{"role": "system", "content": "s"}, ASKED, _calls(1), *_results(1)] * n),
    "calls and results": lambda n: asked(_calls(n), *_results(n)),
    "results from behind": lambda n: asked(_calls(n), *reversed(_results(n))),
    "rounds of calls": lambda n: asked(*[each for _ in range(n) for each in (_calls(2), *_results(2))]),
    "names of called tools": lambda n: asked(_calls(n, lambda number: f"t{number}"), ASKED),
    "answers in a row that call": lambda n: asked(*[{**_calls(1), "content": "y"}] * n, *_results(1)),
    "words between results": lambda n: asked(_calls(n), *[each for one in _results(n) for each in (one, ASKED)]),
    "long names of called tools": lambda n: asked(_calls(n, lambda number: f"t{number}" + "x" * 70), ASKED),
    "calls of one id": lambda n: asked(_calls(n, call_id="c"), *_results(n)),
    "functions, older form": lambda n: asked(
        *[{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}, {"role": "function", "name": "f"}] * n
    ),
    "texts": lambda n: _parts({"type": "text", "text": "y"}, n),
    "empty texts": lambda n: _parts({"type": "text", "text": ""}, n),
    "pictures": lambda n: _parts({"type": "image_url", "image_url": {"url": PICTURE}}, n),
    "pictures elsewhere": lambda n: _parts({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, n),
    "documents of one name": lambda n: _parts(_file("a.pdf"), n),
    "documents of no name": lambda n: _parts(_file(""), n),
    "documents that take each other's names": lambda n: asked(
        {"role": "user", "content": [_file(f"a ({i}).pdf") for i in range(n)] + [_file("a.pdf")] * n}
    ),
    "texts in documents": lambda n: _parts(_file("a.txt", "text/plain"), n),
    "a long text": lambda n: asked({"role": "user", "content": "é" * n}),
    "a long document": lambda n: asked(
        {"role": "user", "content": [_file("a.txt", "text/plain;base64," + base64.b64encode(b"x" * n).decode())]}
    ),
    "a long name of a document": lambda n: _parts(_file("a." * n), 1),
    "foreign parts": lambda n: _parts({"type": "video_url", "video_url": {"url": "https://x/y"}}, n),
    "thoughts": lambda n: asked(
        *[{"role": "assistant", "content": "y", "thinking_blocks": [{"thinking": "t", "signature": "s"}] * n}, ASKED]
    ),
    "thoughts of many turns": lambda n: asked(*[{"role": "assistant", "content": "y", "reasoning_content": "t"}, ASKED] * n),
    "tools": lambda n: asked(tools=[_function(f"t{i}", _schema({"a": {"type": "string"}})) for i in range(n)]),
    "tools of one name": lambda n: asked(tools=[_function("t")] * n),
    "tools of long names": lambda n: asked(tools=[_function(f"t{i}" + "x" * 70) for i in range(n)]),
    "foreign tools": lambda n: asked(tools=[{"type": "web_search"}] * n),
    "strict tools": lambda n: asked(tools=[_function(f"t{i}", _schema({}), strict=True) for i in range(n)]),
    "allowed tools": lambda n: asked(
        tools=[_function(f"t{i}") for i in range(n)],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": f"u{i}"}} for i in range(n)]}},
    ),
    "properties": lambda n: _tool(_schema({f"p{i}": {"type": "string", "pattern": "x"} for i in range(n)}), strict=True),
    "choices of a schema": lambda n: _tool({"oneOf": [{"const": i} for i in range(n)]}, strict=True),
    "a deep schema": lambda n: _tool(_deep(n), strict=True),
    "places of a tuple": lambda n: _tool(_schema({"a": _tuple(*[{"type": "string"}] * n)})),
    "types of a tuple": lambda n: _tool(_schema({"a": _tuple(*[{"type": f"t{i}"} for i in range(n)])})),
    "tuples": lambda n: _tool(_schema({f"p{i}": _tuple({"type": "string"}) for i in range(n)})),
    "booleans": lambda n: _tool(_schema({f"p{i}": True for i in range(n)})),
    "what strict mode takes": lambda n: _formatted(_closed({f"p{i}": {"type": "string"} for i in range(n)}), strict=True),
    "enums in strict mode": lambda n: _formatted(_closed({"a": {"type": "string", "enum": ["x"] * n}}), strict=True),
    "circles of what is required": lambda n: _tool(
        {
            "$defs": {"N": _closed({f"p{i}": {"$ref": "#/$defs/N"} for i in range(n)})},
            **_schema({"a": {"$ref": "#/$defs/N"}, "b": {"items": {"$ref": "#"}}}),
        }
    ),
    "references to one definition": lambda n: _tool(_one_definition(n)),
    "definitions in a row": lambda n: _tool(_chain(n)),
    "definitions in a row, of a format": lambda n: _formatted(_chain(n), strict=True),
    "definitions of themselves": lambda n: _formatted(_in_itself(n)),
    "schemas with references": lambda n: asked(tools=[_function(f"t{i}", _chain(6)) for i in range(n)]),
    "a long reference": lambda n: _tool(_schema({"p": {"$ref": "#/" + "a/" * n}})),
    "references of no definition": lambda n: _tool(_schema({f"p{i}": {"$ref": "#/properties/p"} for i in range(n)})),
    "stops": lambda n: asked(stop=[f"s{i}" for i in range(n)]),
    "metadata": lambda n: asked(metadata={f"m{i}": "v" for i in range(n)}),
    "unknown fields": lambda n: asked(**{f"f{i}": [i] for i in range(n)}),
    "sounds": lambda n: _parts({"type": "input_audio", "input_audio": {"data": "QUFB", "format": "wav"}}, n),
    "refusals": lambda n: asked(*[{"role": "assistant", "content": [{"type": "refusal", "refusal": "y"}], "refusal": "z"}, ASKED] * n),
    "titled texts": lambda n: _parts(_file("a.md", "text/markdown"), n),
    "one tool of many": lambda n: asked(
        tools=[_function(f"t{i}") for i in range(n)], tool_choice={"type": "function", "function": {"name": "t0"}}
    ),
    "a long name of a user": lambda n: asked(user="u" * n, safety_identifier="s" * n, service_tier="x" * n),
    "web search": lambda n: asked(web_search_options={"user_location": {"approximate": {f"f{i}": "x" for i in range(n)}}}),
    "modalities": lambda n: asked(modalities=["text"] * n),
    "a long effort": lambda n: asked(reasoning_effort="x" * n),
    "texts behind a long name of the model": lambda n: {**asked(*[{"role": "assistant", "content": "y"}, ASKED] * n), "model": "claude-x" + "m" * n},
}  # fmt: skip

# -- messages


def _blocks(block: Any, n: int, role: str = "user") -> Fields:
    return asked({"role": role, "content": [block] * n})


def _used(number: int, name: str = "t") -> Fields:
    return {"type": "tool_use", "id": f"c{number}", "name": name, "input": {"a": 1}}


def _answered(number: int) -> Fields:
    return {"type": "tool_result", "tool_use_id": f"c{number}", "content": [{"type": "text", "text": "r"}]}


def _source(kind: str, data: str) -> Fields:
    return {"source": {"type": "base64", "media_type": kind, "data": data}}


MESSAGES: dict[str, Family] = {
    "users": CHAT["users"],
    "turns": CHAT["turns"],
    "blocks": lambda n: _blocks({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, n),
    "systems": lambda n: {**asked(), "system": [{"type": "text", "text": "s"}] * n},
    "calls and results": lambda n: asked(
        {"role": "assistant", "content": [_used(i) for i in range(n)]},
        {"role": "user", "content": [_answered(i) for i in range(n)]},
    ),
    "results apart": lambda n: asked(
        {"role": "assistant", "content": [_used(i) for i in range(n)]},
        *[{"role": "user", "content": [_answered(i)]} for i in range(n)],
    ),
    "names of called tools": lambda n: asked({"role": "assistant", "content": [_used(i, f"t{i}") for i in range(n)]}),
    "signed calls": lambda n: _blocks({"type": "thinking", "thinking": "", "signature": "aigw-tool:s"}, n, "assistant"),
    "thoughts": lambda n: _blocks({"type": "thinking", "thinking": "t", "signature": "s"}, n, "assistant"),
    "what hosted tools did": lambda n: _blocks(
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, n, "assistant"
    ),
    "redacted thoughts": lambda n: _blocks({"type": "redacted_thinking", "data": "d"}, n, "assistant"),
    "large pictures": lambda n: _blocks(
        {"type": "image", **_source("image/jpeg", base64.b64encode(b"\xff\xd8" + b"\xff\xe0\x00\x02" * n).decode())}, 1
    ),
    "pictures": lambda n: _blocks({"type": "image", **_source("image/png", "QUFB")}, n),
    "documents": lambda n: _blocks({"type": "document", "title": "a", **_source("application/pdf", "QUFB")}, n),
    "parts of a document": lambda n: _blocks(
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}] * n}}, 1
    ),
    "parts of a result": lambda n: asked(
        {"role": "assistant", "content": [_used(0)]},
        {"role": "user", "content": [{**_answered(0), "content": [{"type": "image", **_source("image/png", "QUFB")}] * n}]},
    ),
    "tools": lambda n: asked(tools=[{"name": f"t{i}", "input_schema": _schema({})} for i in range(n)]),
    "marked tools": lambda n: asked(tools=[{"name": f"t{i}", "cache_control": {}} for i in range(n)]),
    "examples of a tool": lambda n: asked(tools=[{"name": "t", "input_examples": [{"a": 1}] * n}]),
    "tools with fields of their own": lambda n: asked(
        tools=[{"name": f"t{i}", "defer_loading": True, "eager_input_streaming": True} for i in range(n)], stream=True
    ),
    "tools that claude knows": lambda n: asked(tools=[{"type": "bash_20250124", "name": "bash"}] * n),
    "search results": lambda n: _blocks(
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}, n
    ),
    "parts of a search result": lambda n: _blocks(
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}] * n}, 1
    ),
    "documents to cite from": lambda n: _blocks(
        {"type": "document", "citations": {"enabled": True}, "source": {"type": "text", "data": "x"}, "context": "c"}, n
    ),
    "betas": lambda n: asked(betas=["computer-use-2025-01-24"] * n, anthropic_beta="a," * n),
    "scopes of marks": lambda n: _blocks({"type": "text", "text": "x", "cache_control": {"scope": "global"}}, n),
    "a pdf": lambda n: _blocks(
        {"type": "document", **_source("application/pdf", base64.b64encode(b"/Type   " * n).decode())}, 1
    ),
}  # fmt: skip

# -- responses


def _put(*items: Any, **more: Any) -> Fields:
    return {"input": [ASKED, *items], **more}


def _call_item(number: int, **more: Any) -> Fields:
    return {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}", **more}


def _output_item(number: int) -> Fields:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": "r"}


def _thought_item(content: str | None = None) -> Fields:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": content}


RESPONSES: dict[str, Family] = {
    "a text": lambda n: {"input": "x" * n},
    "users": lambda n: _put(*[ASKED] * n),
    "assistants": lambda n: _put(*[{"role": "assistant", "content": "y"}] * n),
    "calls, then outputs": lambda n: _put(*map(_call_item, range(n)), *map(_output_item, range(n))),
    "calls, then outputs from behind": lambda n: _put(*map(_call_item, range(n)), *map(_output_item, reversed(range(n)))),
    "calls with their outputs": lambda n: _put(*[each for i in range(n) for each in (_call_item(i), _output_item(i))]),
    "outputs behind messages": lambda n: _put(
        *map(_call_item, range(n)), *[ASKED] * n, *map(_output_item, range(n))
    ),
    "outputs of no call": lambda n: _put(*map(_output_item, range(n))),
    "outputs of no call behind messages": lambda n: _put(_call_item(0), *[each for i in range(n) for each in (ASKED, _output_item(i + 1))]),
    "thoughts": lambda n: _put(*[_thought_item("s")] * n),
    "signed calls": lambda n: _put(*[each for i in range(n) for each in (_thought_item(f"aigw:call:2:c{i}s"), _call_item(i))]),
    "texts of a thought": lambda n: _put({**_thought_item("s"), "summary": [{"text": "t"}] * n}),
    "custom calls": lambda n: _put(*[{"type": "custom_tool_call", "call_id": f"c{i}", "name": "f", "input": "x"} for i in range(n)]),
    "foreign items": lambda n: _put(*[{"type": "to_be_invented"}] * n),
    "what hosted tools did": lambda n: _put(*[{"type": "web_search_call"}] * n, _call_item(0), _output_item(0)),
    "tools that the client runs": lambda n: _put(
        *[each for i in range(n) for each in ({**SHELL, "call_id": f"c{i}"}, {**SHELL_OUTPUT, "call_id": f"c{i}"})]
    ),
    "words of an action": lambda n: _put({**SHELL, "action": {"commands": ["x"] * n}}, SHELL_OUTPUT),
    "domains to search": lambda n: _put(
        tools=[{"type": "web_search", "filters": {"allowed_domains": ["x"] * n}, **{f"f{i}": 1 for i in range(n)}}]
    ),
    "parts": lambda n: _put({"role": "user", "content": [{"type": "input_text", "text": "x"}] * n}),
    "refusals": lambda n: _put({"role": "assistant", "content": [{"type": "refusal", "refusal": "x"}] * n}),
    "pictures": lambda n: _put({"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}] * n}),
    "sounds": lambda n: _put(
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUFB", "format": "wav"}}] * n}
    ),
    "instructions": lambda n: _put(instructions="x" * n),
    "files": lambda n: _put({"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "QUFB"}] * n}),
    "tools": lambda n: _put(tools=[{"type": "function", "name": f"t{i}", "parameters": _schema({})} for i in range(n)]),
    "tools of a namespace": lambda n: _put(
        tools=[{"type": "namespace", "name": "n" * 8 * n, "tools": [{"type": "function", "name": f"t{i}"} for i in range(n)]}]
    ),
    "custom tools": lambda n: _put(tools=[{"type": "custom", "name": f"t{i}"} for i in range(n)]),
    "allowed tools": lambda n: _put(
        tools=[{"type": "function", "name": f"t{i}"} for i in range(n)],
        tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": f"u{i}"} for i in range(n)]},
    ),
    "more tools": lambda n: _put(*[{"type": "additional_tools", "tools": [{"type": "function", "name": f"t{i}"}]} for i in range(n)]),
}  # fmt: skip

COMPLETIONS: dict[str, Family] = {
    "a prompt": lambda n: {"prompt": "x" * n},
    "stops": lambda n: {"prompt": "x", "stop": ["s"] * n},
}

EMBEDDINGS: dict[str, Family] = {
    "texts": lambda n: {"input": ["x"] * n},
    "texts below a title": lambda n: {"input": ["x"] * n, "title": "t" * n, "task_type": "RETRIEVAL_DOCUMENT"},
    "tokens": lambda n: {"input": [[1, 2]] * n},
    "a text": lambda n: {"input": "x" * n},
    "options": lambda n: {"input": "x", **{f"f{i}": i for i in range(n)}},
}  # fmt: skip
