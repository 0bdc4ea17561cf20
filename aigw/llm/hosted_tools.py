"""Tools that a provider runs itself, as the clients of another ask for them.

Searching the web is what several have: a client's wish for it becomes the provider's own, as chat's
``web_search_options`` does. What a provider has nothing like is refused, and whoever reads the refusal is told how the
client leaves the tool out: most users did not ask for it, their client adds it to each request.
"""

from __future__ import annotations

from typing import Any, Final

from aigw.llm.call import Foreign

#: What a search's declaration may say that changes how much or what kind of results come, not where from. That Codex
#: asks for results from OpenAI's cache only (``external_web_access``) is among it: others have no such cache.
HINTS: Final = frozenset(
    (
        *(
            "cache_control",
            "container",
            "external_web_access",
            "image_settings",
            "indexed_web_access",
            "max_uses",
            "name",
        ),
        *("return_token_budget", "search_content_types", "search_context_size", "type", "user_location"),
    )
)

#: How clients leave a tool out, by their dialect and what the tool's type begins with.
#: https://developers.openai.com/codex/config-reference (web_search), https://code.claude.com/docs/en/settings
_SETTINGS: Final = {
    ("responses", "web_search"): 'Codex does without it with web_search = "disabled" at the top of its config.toml',
    ("anthropic", "web_search"): 'Claude Code does without it with "WebSearch" in permissions.deny of its settings',
    ("anthropic", "web_fetch"): 'Claude Code does without it with "WebFetch" in permissions.deny of its settings',
}


def why_not(tool: Foreign) -> str:
    """Why a tool is refused, and the client's setting that turns it off if that is known."""
    kind = str(tool.fields.get("type"))
    settings = (
        setting for (dialect, begin), setting in _SETTINGS.items() if dialect == tool.dialect and kind.startswith(begin)
    )
    setting = next(settings, "")
    return f"it has no tools of type {kind}" + (f"; {setting}" if setting else "")


def is_trace(part: Foreign) -> bool:
    """Whether a part of an earlier answer only tells what Anthropic's own tools did: mostly sealed, for Claude to read.

    Others have no call that it is the result of, and the words behind it say what came of it.
    """
    kind = part.fields.get("type")
    if part.dialect != "anthropic" or not isinstance(kind, str):
        return False
    return kind in ("server_tool_use", "mcp_tool_use") or kind.endswith("_tool_result")


def is_search(tool: Foreign) -> bool:
    """Whether a tool searches the web."""
    kind = tool.fields.get("type")
    return isinstance(kind, str) and kind.startswith("web_search")


def unmet(tool: Foreign, also: frozenset[str] = frozenset()) -> list[str]:
    """What a declaration asks for that a provider without its fields would not do.

    :param also: fields that the provider has.
    """
    told = {name: value for name, value in tool.fields.items() if value is not None and value != [] and value != {}}
    return sorted(told.keys() - HINTS - also)


def allowed_domains(tool: Foreign) -> list[Any] | None:
    """The domains that OpenAI's search is confined to, empty: all; None: it filters by something else."""
    filters = tool.fields.get("filters") or {}
    if not isinstance(filters, dict) or not filters.keys() <= {"allowed_domains"}:
        return None
    domains = filters.get("allowed_domains") or []
    return domains if isinstance(domains, list) else None
