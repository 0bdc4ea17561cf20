"""From settings to plans: what route, backend, model and consumer say, merged in the order of the contract.

For each field of a backend the most specific word counts: the consumer's own settings of that backend, then the
backend's. Timeouts: the route's, then the model's, then the backend's. ``max_tokens`` and
``max_completion_tokens`` are one field, so the more specific of the two spellings displaces the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from aigw.config.settings import Backend, BackendAuth, ConsumerBackend, HeaderEdits, Model, Settings
from aigw.config.settings import Route as RouteSettings
from aigw.consumers.consumer import Consumer
from aigw.errors import BadRequest
from aigw.llm.body import Adjustments
from aigw.llm.operations import MODELS, RAW
from aigw.llm.providers import Provider, provider
from aigw.proxy.plan import NEVER_UPSTREAM, PathRule, Plan, Timeouts
from aigw.upstream.credential import NO_CREDENTIAL, Credential, Passthrough
from aigw.upstream.upstream import Address, Upstream

_TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_PHASES = ("connect", "first_byte", "first_token", "idle", "total")


def merged(general: Mapping[str, Any], special: Mapping[str, Any] | None) -> dict[str, Any]:
    """Body fields of ``general`` with those of ``special`` laid over them."""
    fields = dict(general)
    for name, value in (special or {}).items():
        fields.pop(_TWINS.get(name, name), None)
        fields[name] = value
    return fields


def merged_timeouts(backend: Backend, *special: Any) -> Timeouts:
    """The backend's timeouts under those of its models and routes, the most special one last."""
    seconds = {phase: getattr(backend.timeouts, phase) for phase in _PHASES}
    for timeouts in special:
        for phase in _PHASES:
            own = getattr(timeouts, phase, None) if timeouts is not None else None
            if own is not None:
                seconds[phase] = own
    return Timeouts(**seconds)


def credential_of(auth: BackendAuth | None, kind: Provider, secrets: Mapping[str, str]) -> Credential | Passthrough:
    """What a backend's ``auth`` comes to."""
    if auth is None:
        return NO_CREDENTIAL
    if auth.passthrough:
        return Passthrough(kind.passthrough_headers)
    token = auth.inline if auth.inline is not None else secrets[auth.secret or ""]
    header = auth.header.lower().encode() if auth.header else kind.key_header
    if auth.prefix is not None:
        prefix = auth.prefix.encode()
    else:
        # A header other than the provider's own takes the bare key, but Authorization always has a scheme.
        prefix = kind.key_prefix if header == kind.key_header else b"Bearer " * (header == b"authorization")
    return Credential.of(token.encode(), header, prefix)


@attrs.frozen
class _Parts:
    """A backend's settings with a consumer's own laid over them."""

    model: str | None
    on_model_mismatch: str
    auth: BackendAuth | None
    adjustments: Adjustments
    set_headers: dict[bytes, bytes]
    removed: frozenset[bytes]


def _parts(backend: Backend, own: ConsumerBackend | None) -> _Parts:
    edits: list[HeaderEdits] = [backend.headers]
    if own is not None and own.headers is not None:
        edits.append(own.headers)
    set_headers = {name.lower().encode(): value.encode() for edit in edits for name, value in edit.set.items()}
    return _Parts(
        model=(own and own.model) or backend.model,
        on_model_mismatch=(own and own.on_model_mismatch) or backend.on_model_mismatch,
        auth=(own and own.auth) or backend.auth,
        adjustments=Adjustments(
            defaults=merged(backend.defaults, own.defaults if own is not None else None),
            overrides=merged(backend.overrides, own.overrides if own is not None else None),
        ),
        set_headers=set_headers,
        removed=frozenset(name.lower().encode() for edit in edits for name in edit.remove),
    )


class PlanBook:
    """All plans of one snapshot, each made when it is first asked for.

    :param upstreams: by backend name.
    :param key_names: every header that may carry a consumer's key.
    :param is_consumer_key: see :class:`~aigw.proxy.plan.Plan`.
    :param label_of: see :class:`~aigw.proxy.plan.Plan`.
    """

    def __init__(
        self,
        settings: Settings,
        upstreams: Mapping[str, Upstream],
        key_names: frozenset[bytes],
        is_consumer_key: Callable[[bytes], bool],
        label_of: Callable[[str], str],
    ) -> None:
        self._settings = settings
        self._upstreams = upstreams
        self._key_names = key_names
        self._is_consumer_key = is_consumer_key
        self._label_of = label_of
        self._plans: dict[tuple[str, str, str | None, str | None, str | None, str], Plan] = {}

    def plan(self, route: str, choice: Any, consumer: Consumer | None, operation: str) -> Plan:
        """The plan for a call.

        :param choice: an :class:`aigw.web.route.Choice`: backend, model and public model.
        """
        # Only a consumer with settings of its own for this backend needs plans of its own.
        special = consumer.name if consumer is not None and choice.backend in consumer.backends else None
        key = (route, choice.backend, choice.model, choice.public_model, special, operation)
        plan = self._plans.get(key)
        if plan is None:
            own = consumer.backends[choice.backend] if special is not None and consumer is not None else None
            plan = self._plans[key] = self._make(route, choice, own, operation)
        return plan

    def _make(self, route_name: str, choice: Any, own: ConsumerBackend | None, operation: str) -> Plan:
        settings = self._settings
        route = settings.routes[route_name]
        backend = settings.backends[choice.backend]
        model = settings.models.get(choice.public_model) if choice.public_model else None
        kind = provider(backend.provider)
        if operation != RAW and operation not in kind.paths:
            raise BadRequest(
                f"backend {choice.backend} (provider {backend.provider}) does not have the operation {operation}",
                code="operation_not_supported",
            )
        parts = _parts(backend, own)
        credential = credential_of(parts.auth, kind, settings.secret_values)
        url = backend.url or kind.default_url
        address = Address.of(url) if url else None
        set_headers = dict(parts.set_headers)
        if operation not in (RAW, MODELS):
            # What was read as JSON is sent as JSON, whatever the client called it (curl -d calls it a form).
            set_headers.setdefault(b"content-type", b"application/json")
        return Plan(
            backend=choice.backend,
            provider=backend.provider,
            genai_name=kind.genai_name,
            upstream=self._upstreams[choice.backend],
            operation=operation,
            path_rule=path_rule(route, address, kind, operation),
            model=choice.model or parts.model or choice.public_model,
            public_model=choice.public_model,
            # A public name stands for its target's model: that is no mismatch.
            on_model_mismatch="override" if choice.public_model else parts.on_model_mismatch,
            adjustments=parts.adjustments,
            adjusts=bool(parts.adjustments.defaults or parts.adjustments.overrides),
            credential=credential,
            static_head=_static_head(address, credential, set_headers),
            drop=NEVER_UPSTREAM | self._key_names | parts.removed | frozenset(set_headers),
            timeouts=merged_timeouts(backend, _timeouts(model), _timeouts(route)),
            streaming=route.streaming,
            asks_usage=operation in kind.asks_usage,
            is_consumer_key=self._is_consumer_key,
            label_of=self._label_of,
            down_lines=b"via: 1.1 aigw\r\nx-aigw-backend: %s\r\n" % choice.backend.encode(),
        )


def _timeouts(of: Model | RouteSettings | None) -> Any:
    return of.timeouts if of is not None else None


def path_rule(route: RouteSettings, address: Address | None, kind: Provider, operation: str) -> PathRule:
    """How a route's requests for ``operation`` find their path on the upstream host."""
    base = address.path if address is not None else b""
    if route.rewrite is not None and route.rewrite.full_path is not None:
        return PathRule(base, route.rewrite.full_path.encode(), None)
    if route.rewrite is not None and route.rewrite.prefix is not None:
        return PathRule(base, None, route.rewrite.prefix.encode())
    own = kind.paths.get(operation)
    return PathRule(base, base + own.encode() if own is not None else None, None)


def _static_head(
    address: Address | None, credential: Credential | Passthrough, set_headers: Mapping[bytes, bytes]
) -> bytes:
    lines = [b"host: %s\r\n" % (address.host_header if address is not None else b"echo")]
    lines.append(b"accept-encoding: identity\r\nvia: 1.1 aigw\r\n")
    if isinstance(credential, Credential):
        lines.append(credential.line)
    lines += [b"%s: %s\r\n" % header for header in set_headers.items()]
    return b"".join(lines)
