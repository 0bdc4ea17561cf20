"""A call as a ``generateContent`` request (https://ai.google.dev/api/generate-content), by table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from aigw.llm import call as c
from aigw.llm import hosted_tools
from aigw.llm.options import To, asks_for_nothing, at_most, number, one_of, strings, whole_number, write_options
from aigw.llm.providers.gemini.contents import contents, system_instruction
from aigw.llm.providers.gemini.schema import Room, cleaned, parameters
from aigw.llm.providers.gemini.thinking import Model, thinking_config
from aigw.llm.tool_fields import description, refuse_fields
from aigw.llm.tool_names import GOOGLE, fitted

Json = dict[str, Any]

_CONFIG = "generationConfig"
#: The provider's name of Gemini on AI Studio.
_STUDIO = "gemini"
_ELSEWHERE = frozenset((_CONFIG, "extra_body", "google", "web_search_options"))


def _seed(value: Any) -> int:
    """Gemini's is a signed 32-bit number; others are folded into it."""
    return int(number(value)) & 0x7FFFFFFF


def _modalities(value: Any) -> list[str]:
    """What the answer is to consist of. Sound could not be told in any dialect in front."""
    allowed = one_of("text", "image")
    return [allowed(each).upper() for each in strings(value)]


#: Options on AI Studio and on Vertex AI alike.
OPTIONS: Mapping[str, To] = {
    "frequency_penalty": To(f"{_CONFIG}.frequencyPenalty", number),
    "max_tokens": To(f"{_CONFIG}.maxOutputTokens", whole_number),
    "modalities": To(f"{_CONFIG}.responseModalities", _modalities),
    "n": To(f"{_CONFIG}.candidateCount", whole_number),
    "presence_penalty": To(f"{_CONFIG}.presencePenalty", number),
    "seed": To(f"{_CONFIG}.seed", _seed),
    "stop": To(f"{_CONFIG}.stopSequences", strings),
    "temperature": To(f"{_CONFIG}.temperature", at_most(2)),
    "top_k": To(f"{_CONFIG}.topK", number),
    "top_p": To(f"{_CONFIG}.topP", number),
}

#: Options that AI Studio has beside.
STUDIO_OPTIONS: Mapping[str, To] = {**OPTIONS, "service_tier": To("serviceTier", one_of("flex", "priority"))}

#: ``tool_choice``; a function by its name is ANY with only that one allowed.
_MODES = {"auto": "AUTO", "any": "ANY", "none": "NONE", "one": "ANY"}

#: Tools that Google runs itself, by the names that clients have for them: its own (as LiteLLM takes them) …
_GOOGLE_TOOLS = {
    "googleSearch": "googleSearch",
    "google_search": "googleSearch",
    "googleMaps": "googleMaps",
    "google_maps": "googleMaps",
    "codeExecution": "codeExecution",
    "code_execution": "codeExecution",
    "urlContext": "urlContext",
    "url_context": "urlContext",
    "enterpriseWebSearch": "enterpriseWebSearch",
    "enterprise_web_search": "enterpriseWebSearch",
}
#: … and OpenAI's and Anthropic's, by how their ``type`` begins.
_SIMILAR = (("web_search", "googleSearch"), ("code_interpreter", "codeExecution"), ("code_execution", "codeExecution"))


def generate_content(call: c.Call, provider: str, table: Mapping[str, To]) -> Json:
    """The body of the request.

    :raises aigw.errors.BadRequest: the call cannot be expressed; names the client's field.
    """
    call = fitted(call, GOOGLE)
    body: Json = {"contents": contents(call, provider)}
    system = system_instruction(call, provider)
    if system is not None:
        body["systemInstruction"] = system
    room = Room()
    body |= _tools(call, provider, room)
    config = body[_CONFIG] = _object(call.options.get(_CONFIG)).copy()
    write_options(_without_own(call), table, body, provider)
    config |= _format(call, room)
    thinking = thinking_config(call, provider)
    if thinking:
        config["thinkingConfig"] = thinking
    _add_google(call, body, config)
    if not config:
        del body[_CONFIG]
    return body


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _without_own(call: c.Call) -> c.Call:
    """The call with the options that the table is for: not those looked at elsewhere, nor those that ask nothing."""
    options = {
        name: value
        for name, value in call.options.items()
        if name not in _ELSEWHERE and not asks_for_nothing(name, value)
    }
    return attrs.evolve(call, options=options)


def _add_google(call: c.Call, body: Json, config: Json) -> None:
    """What Google's own OpenAI-compatible endpoint takes as ``extra_body.google``; it wins over ``reasoning_effort``.

    Names in snake case are as good as in camel case (https://protobuf.dev/programming-guides/json/).
    """
    for google in (_object(call.options.get("extra_body")).get("google"), call.options.get("google")):
        for name, value in _object(google).items():
            if name in ("thinking_config", "thinkingConfig"):
                config["thinkingConfig"] = value
            elif name != "thought_tag_marker":
                body.setdefault(name, value)


def _format(call: c.Call, room: Room) -> Json:
    wanted = call.format
    if wanted is None:
        return {}
    config: Json = {"responseMimeType": "application/json"}
    if wanted.schema:
        config["responseJsonSchema"] = cleaned(wanted.schema, room)
    return config


# -- tools


def _tools(call: c.Call, provider: str, room: Room) -> Json:
    refuse_fields(call, provider)
    functions = [_declaration(tool, room) for tool in call.tools if isinstance(tool, c.Tool)]
    own = _own_tools(call, provider, bool(functions))
    written: list[Json] = [{"functionDeclarations": functions}, *own] if functions else own
    if not written:
        return {}
    config: Json = {}
    if functions and call.tool_choice is not None:
        config["functionCallingConfig"] = _choice(call.tool_choice)
    if functions and own and provider == _STUDIO:
        # AI Studio refuses the two together otherwise; Vertex AI does not know the field.
        config["includeServerSideToolInvocations"] = True
    call.check_parallel_tools(provider)
    return {"tools": written} | ({"toolConfig": config} if config else {})


def _own_tools(call: c.Call, provider: str, beside_functions: bool) -> list[Json]:
    """Tools that Google runs itself. Only since Gemini 3 beside functions (https://ai.google.dev/gemini-api/docs)."""
    wanted: list[tuple[str, list[Json]]] = []
    for index, tool in enumerate(call.tools):
        if isinstance(tool, c.Foreign):
            wanted.append((f"tools[{index}]", _foreign(call, tool, f"tools[{index}]", provider)))
    if call.options.get("web_search_options") is not None:
        wanted.append((call.spelt("web_search_options"), [{"googleSearch": {}}]))
    version = Model.of(call.model).version
    if not beside_functions or version is None or version >= (3, 0):
        return [tool for _, tools in wanted for tool in tools]
    for field in (field for field, tools in wanted if tools):
        call.unsupported(field, provider, f"{call.model} runs Google's tools or calls functions, not both")
    return []


def _declaration(tool: c.Tool, room: Room) -> Json:
    """A function. ``strict`` asks for what Gemini does anyway."""
    declaration: Json = {"name": tool.name}
    told = description(tool)
    if told:
        declaration["description"] = told
    schema = parameters(tool.schema, room)
    if schema is not None:
        declaration["parametersJsonSchema"] = schema
    return declaration


def _choice(choice: c.ToolChoice) -> Json:
    config: Json = {"mode": _MODES[choice.mode]}
    if choice.mode == "one":
        config["allowedFunctionNames"] = [choice.name]
    return config


def _foreign(call: c.Call, tool: c.Foreign, field: str, provider: str) -> list[Json]:
    own = {_GOOGLE_TOOLS[name]: value for name, value in tool.fields.items() if name in _GOOGLE_TOOLS}
    if own:
        return [{name: value if isinstance(value, dict) else {}} for name, value in own.items()]
    kind = str(tool.fields.get("type"))
    similar = next((name for begin, name in _SIMILAR if kind.startswith(begin)), None)
    unmet = hosted_tools.unmet(tool)
    if similar is not None and not unmet:
        return [{similar: {}}]
    why = f"its {similar} has no {', '.join(unmet)}" if similar is not None else hosted_tools.why_not(tool)
    call.unsupported(field, provider, why)
    return []
