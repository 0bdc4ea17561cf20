"""``balancer`` of ``ai-proxy-advanced``: how one of several targets is chosen, and what happens when it fails."""

from __future__ import annotations

from typing import Any

from aigw.config.importers.draft import Draft
from aigw.config.importers.nodes import Node
from aigw.config.values import hash_on

_BALANCE = {
    "round-robin": "weighted",
    "priority": "weighted",
    "consistent-hashing": "hash",
    "least-connections": "least-busy",
    "lowest-latency": "lowest-latency",
}
_RETRY_ON = {
    "error": "connect",
    "timeout": "timeout",
    "http_429": "429",
    "http_500": "5xx",
    "http_502": "5xx",
    "http_503": "5xx",
    "http_504": "5xx",
}
#: What Kong has without a word; fields that say just that lose nothing by being left out.
_DEFAULTS: dict[str, Any] = {
    "hash_on_header": "X-Kong-LLM-Request-ID",
    "latency_strategy": "tpot",
    "slots": 10000,
    "tokens_count_strategy": "total-tokens",
    "write_timeout": 60000,
    "stop_on_failure": False,
}
_MOST_ATTEMPTS = 10
#: A target's weight if the file has none.
KONGS_WEIGHT = 100


def balance(draft: Draft, balancer: Node | None, *, alone: bool = False) -> dict[str, Any]:
    """A model's keys.

    :param alone: there is one target only, and nothing to choose.
    :raises Refused: the choice depends on what aigw does not look at.
    """
    if balancer is None or alone:
        draft.note(balancer, "there is one target only")
        return {}
    values = _choice(draft, balancer) | _retry(draft, balancer) | _breaker(draft, balancer)
    timeouts = timeouts_of(balancer)
    if timeouts:
        values["timeouts"] = timeouts
    for key, default in _DEFAULTS.items():
        node = balancer.get(key)
        if node is not None and str(node.content).lower() == str(default).lower():
            draft.note(node, "Kong's default, which has no counterpart here")
    return values


def _choice(draft: Draft, balancer: Node) -> dict[str, Any]:
    values: dict[str, Any] = {}
    algorithm = balancer.get("algorithm")
    name = algorithm.scalar() if algorithm is not None else "round-robin"
    if algorithm is not None and name == "semantic":
        raise algorithm.refuse("semantic: aigw does not choose by what a prompt says")
    if algorithm is not None and name not in _BALANCE:
        draft.drop(algorithm, "aigw has no such algorithm: targets are chosen by their weights")
    elif _BALANCE[name] != "weighted":
        values["balance"] = _BALANCE[name]
    if name == "consistent-hashing":
        values["hash_on"] = _hash_on(balancer)
    return values


def _hash_on(balancer: Node) -> str:
    """:raises Refused: it is no header's name."""
    wanted = f"header:{balancer.text('hash_on_header') or _DEFAULTS['hash_on_header']}"
    try:
        return hash_on(wanted)
    except ValueError:
        raise (balancer.get("hash_on_header") or balancer).refuse("must be the name of a header") from None


def prioritise(entries: list[dict[str, Any]]) -> None:
    """Kong's ``priority``: targets of one weight are a group, and the heaviest group comes first."""
    weights = sorted({entry.get("weight", KONGS_WEIGHT) for entry in entries}, reverse=True)
    for entry in entries:
        priority = weights.index(entry.pop("weight", KONGS_WEIGHT))
        if priority:
            entry["priority"] = priority


def _retry(draft: Draft, balancer: Node) -> dict[str, Any]:
    """``retries`` and ``failover_criteria``."""
    retry: dict[str, Any] = {}
    node, retries = balancer.get("retries"), balancer.number("retries")
    if node is not None and retries is not None:
        retry["attempts"] = min(int(retries) + 1, _MOST_ATTEMPTS)
        if retries + 1 > _MOST_ATTEMPTS:
            draft.warn(node, f"is more than aigw's most: attempts = {_MOST_ATTEMPTS}")
    criteria = {node.scalar(): node for node in balancer.elements("failover_criteria")}
    if criteria:
        retry["on"] = _criteria(draft, criteria)
    return {"retry": retry} if retry else {}


def _criteria(draft: Draft, criteria: dict[str, Node]) -> list[str]:
    """``retry.on``. Kong fails a POST over after it was sent only where ``non_idempotent`` says so."""
    wanted = dict.fromkeys(_RETRY_ON[name] for name in criteria if name in _RETRY_ON)
    unknown = [node for name, node in criteria.items() if name not in _RETRY_ON and name != "non_idempotent"]
    draft.drop_all(unknown, "aigw has no such criterion")
    if "non_idempotent" not in criteria:
        sent = [node for name, node in criteria.items() if _RETRY_ON.get(name, "connect") != "connect"]
        draft.drop_all(
            sent, "without non_idempotent Kong does not repeat a POST that was sent, and all calls are POSTs"
        )
        wanted = dict.fromkeys(ours for ours in wanted if ours == "connect")
    return list(wanted)


def _breaker(draft: Draft, balancer: Node) -> dict[str, Any]:
    fails, timeout = balancer.number("max_fails"), balancer.number("fail_timeout")
    if not fails:
        fields = [balancer.get("max_fails"), balancer.get("fail_timeout")]
        draft.note(fields, "Kong leaves no target alone then; aigw's breaker is the usual one")
        return {}
    breaker: dict[str, Any] = {"failures": int(fails)}
    if timeout:
        breaker |= {"window": milliseconds(timeout), "cool_down": milliseconds(timeout)}
    return {"breaker": breaker}


def timeouts_of(node: Node) -> dict[str, Any]:
    """aigw's timeouts from ``connect_timeout`` and ``read_timeout``, which nginx counts between two reads."""
    connect, read = node.number("connect_timeout"), node.number("read_timeout")
    timeouts: dict[str, Any] = {}
    if connect:
        timeouts["connect"] = milliseconds(connect)
    if read:
        timeouts |= {"first_byte": milliseconds(read), "first_token": milliseconds(read), "idle": milliseconds(read)}
    return timeouts


def milliseconds(value: int | float) -> str:
    """A duration as aigw writes it: ``60000`` as ``"60s"``."""
    return f"{int(value) // 1000}s" if value % 1000 == 0 else f"{int(value)}ms"
