"""From settings to plans: what route, backend, model and consumer say, merged in the order of the contract.

For each field of a backend the most specific word counts: the consumer's own settings of that backend, then the
backend's. Timeouts: the route's, then the model's, then the backend's. ``max_tokens`` and
``max_completion_tokens`` are one field, so the more specific of the two spellings displaces the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

import attrs

from aigw.config.sensitive import sent_secrets
from aigw.config.settings import Backend, BackendAuth, ConsumerBackend, HeaderEdits, Model, Settings
from aigw.config.settings import Route as RouteSettings
from aigw.consumers.consumer import Consumer
from aigw.consumers.key_filter import KeyFilter
from aigw.errors import BadRequest
from aigw.llm.adjusting import left_out_natively, natively
from aigw.llm.body import Adjustments
from aigw.llm.listing import list_translation
from aigw.llm.messages_pair import MessagesPair
from aigw.llm.operations import MODELS, RAW
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, Provider, provider
from aigw.llm.rescue import RESCUED
from aigw.llm.translation import Pair, Pairing
from aigw.proxy.credentials import Credentials, credential_secrets
from aigw.proxy.forwarding import NEVER_UPSTREAM
from aigw.proxy.plan import DIALECT_HEADERS, Plan, Timeouts
from aigw.redaction import Redactor
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.credential import NO_CREDENTIAL, Credential, Passthrough
from aigw.upstream.target import PathRule, raw_path
from aigw.upstream.upstream import Address, Payload, Upstream

_V = TypeVar("_V", bound=Hashable)

_TWINS: Final = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_PHASES: Final = ("connect", "first_byte", "first_token", "idle", "total")


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


@attrs.frozen
class _Parts:
    """A backend's settings with a consumer's own laid over them."""

    model: str | None
    on_model_mismatch: str
    auth: BackendAuth | None
    adjustments: Adjustments
    set_headers: dict[bytes, bytes] = attrs.field(repr=False)
    removed: frozenset[bytes]
    secrets: tuple[str, ...] = attrs.field(repr=False)


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
        secrets=tuple(
            dict.fromkeys(secret for each in (backend, own) if each is not None for secret in sent_secrets(each))
        ),
    )


class PlanCache:
    """All plans of one snapshot, each made when it is first asked for.

    :param upstreams: by backend name.
    :param key_names: every header that may carry a consumer's key.
    :param keys: see :class:`~aigw.proxy.plan.Plan`.
    :param label_of: see :class:`~aigw.proxy.plan.Plan`.
    :param reactor: for credentials that have to be made.
    """

    def __init__(
        self,
        settings: Settings,
        upstreams: Mapping[str, Upstream],
        key_names: frozenset[bytes],
        keys: KeyFilter,
        label_of: Callable[[str], str],
        reactor: Any,
    ) -> None:
        self._settings = settings
        self._credentials = Credentials(settings.secret_values, reactor)
        self._upstreams = upstreams
        self._key_names = key_names
        self._keys = keys
        self._label_of = label_of
        self._plans: dict[tuple[str, str, str | None, str | None, str | None, str], Plan] = {}
        self._alike: dict[Hashable, str] = {}
        self._values: dict[Any, Any] = {}
        self._redactors: dict[tuple[str, ...], Redactor] = {}

    def plan_key(self, route: str) -> str:
        """The first route whose plans are those of ``route``, too. Asked for by that name, they are there once: a
        thousand routes to one backend fit the processor's caches.
        """
        own = self._settings.routes[route]
        return self._alike.setdefault((own.rewrite, own.streaming, own.timeouts), route)

    def plan(self, route: str, choice: Any, consumer: Consumer | None, operation: str) -> Plan:
        """The plan for a call.

        :param route: what :meth:`plan_key` says of the route.
        :param choice: an :class:`aigw.routing.targets.Candidate`: backend, model and public model.
        """
        # Only a consumer with settings of its own for this backend needs plans of its own.
        special = consumer.name if consumer is not None and choice.backend in consumer.backends else None
        key = (route, choice.backend, choice.model, choice.public_model, special, operation)
        plan = self._plans.get(key)
        if plan is None:
            own = consumer.backends[choice.backend] if special is not None and consumer is not None else None
            plan = self._plans[key] = self._make(route, choice, own, operation)
        return plan

    def _once(self, value: _V) -> _V:
        """``value`` as the plans before had it: a set of headers is kilobytes, and few of them differ."""
        same: _V = self._values.setdefault(value, value)
        return same

    def probe(self, name: str, query: bytes | None = None) -> Payload:
        """What asks the backend ``name`` whether it is there: for its list of models, which it has.

        Where the credential is each client's own it goes without: a refusal is an answer.

        :param query: what the question says besides.
        """
        backend = self._settings.backends[name]
        kind, parts = provider_at(backend), _parts(backend, None)
        url = backend.url or kind.default_url
        address = Address.of(url) if url else None
        own = self._credentials.of(parts.auth, kind, backend.region)
        credential = own if isinstance(own, Credential) else NO_CREDENTIAL
        base = _base(address)
        rule = PathRule(base, raw_path(base, kind.paths[MODELS].encode()), None, kind.query)
        head = _static_head(address, credential, {**kind.headers, **parts.set_headers})
        question = b"GET %s HTTP/1.1\r\n%s\r\n" % (rule.target(b"/", b"", query), head)
        return Payload(question, False, credential.partition, MODELS, None)

    def _make(self, route_name: str, choice: Any, own: ConsumerBackend | None, operation: str) -> Plan:
        settings = self._settings
        route = settings.routes[route_name]
        backend = settings.backends[choice.backend]
        model = settings.models.get(choice.public_model) if choice.public_model else None
        kind = provider_at(backend)
        parts = _parts(backend, own)
        native = is_native(operation, backend, kind)
        pairing = None if native else self._pairing(operation, choice.backend, backend, kind, parts.adjustments)
        adjustments = natively(parts.adjustments, operation) if native else parts.adjustments
        credential = self._credentials.of(parts.auth, kind, backend.region)
        url = backend.url or kind.default_url
        address = Address.of(url) if url else None
        set_headers = dict(parts.set_headers)
        secrets = (*credential_secrets(credential), *parts.secrets)
        if operation not in (RAW, MODELS):
            # What was read as JSON is sent as JSON, whatever the client called it (curl -d calls it a form).
            set_headers.setdefault(b"content-type", b"application/json")
        plan = Plan(
            backend=choice.backend,
            provider=backend.provider,
            genai_name=kind.genai_name,
            upstream=self._upstreams[choice.backend],
            operation=operation,
            path_rule=path_rule(route, address, kind, operation) if native else PathRule(_base(address), None, None),
            model=choice.model or parts.model or _passed_name(choice.public_model),
            public_model=choice.public_model,
            # A public name stands for its target's model: that is no mismatch.
            on_model_mismatch="override" if choice.public_model else parts.on_model_mismatch,
            adjustments=adjustments,
            adjusts=bool(adjustments.defaults or adjustments.overrides),
            credential=credential,
            static_head=_static_head(address, credential, set_headers),
            drop=self._once(_dropped(self._key_names, parts, set_headers, native)),
            timeouts=self._once(merged_timeouts(backend, _timeouts(model), _timeouts(route))),
            streaming=route.streaming,
            asks_usage=operation in kind.asks_usage,
            keys=self._keys,
            label_of=self._label_of,
            down_lines=b"via: 1.1 aigw\r\nx-aigw-backend: %s\r\n" % choice.backend.encode(),
            header_defaults=tuple(kind.headers.items()) if native else (),
            pairing=pairing,
            listing=functools.partial(list_translation, kind) if operation == MODELS else None,
            queue_timeout=backend.queue.timeout,
            rescue=_rescue(operation, model, backend, kind, parts.adjustments),
            version=(_text(set_headers.get(b"anthropic-version")), _text(kind.headers.get(b"anthropic-version"))),
            origin=address.origin if address is not None else b"",
            secrets=secrets,
            redactor=self._redactor(secrets),
        )
        if native:
            plan.leave_out(left_out_natively(parts.adjustments, operation))
        return plan

    def _redactor(self, secrets: tuple[str, ...]) -> Redactor:
        """One for all plans with the same secrets: it prepares what it looks for."""
        made = self._redactors.get(secrets)
        if made is None:
            made = self._redactors[secrets] = Redactor(secrets)
        return made

    def _pairing(
        self, operation: str, name: str, backend: Backend, kind: Provider, adjustments: Adjustments
    ) -> Pairing:
        """:raises BadRequest: ``kind`` has nothing like the operation."""
        found = pairing(operation, kind, adjustments, backend.drop_unsupported)
        if found is None:
            raise BadRequest(
                f"backend {name} (provider {backend.provider}) does not have the operation {operation}",
                code="operation_not_supported",
            )
        return found


def _rescue(
    operation: str, model: Model | None, backend: Backend, kind: Provider, adjustments: Adjustments
) -> Pair | None:
    """What translates streams of a model that are to be taken up by others when they break off."""
    if model is None or model.on_stream_cut != "continue" or operation not in RESCUED:
        return None
    found = pairing(operation, kind, adjustments, backend.drop_unsupported)
    if isinstance(found, MessagesPair):
        return found.translated
    return found if isinstance(found, Pair) else None


def _text(value: bytes | None) -> str | None:
    return value.decode("latin-1") if value is not None else None


def _passed_name(public: str | None) -> str | None:
    """What a target without a model is asked for: the public name, or the client's own where that is a pattern."""
    return None if public is not None and "*" in public else public


def provider_at(backend: Backend) -> Provider:
    """The provider of ``backend`` as it is at the backend's place."""
    kind = provider(backend.provider)
    place = Place(backend.url, backend.region, backend.project, backend.location, backend.api_version)
    return kind.at(kind, place)


def is_native(operation: str, backend: Backend, kind: Provider) -> bool:
    """Whether ``backend`` has the operation itself, so that calls pass byte for byte."""
    if operation == RAW:
        return True
    return operation in kind.paths and (backend.operations is None or operation in backend.operations)


def _dropped(
    key_names: frozenset[bytes], parts: _Parts, set_headers: Mapping[bytes, bytes], native: bool
) -> frozenset[bytes]:
    dropped = NEVER_UPSTREAM | key_names | parts.removed | frozenset(set_headers)
    if parts.auth is not None and parts.auth.header is not None:
        dropped |= {parts.auth.header.lower().encode()}
    return dropped if native else dropped | DIALECT_HEADERS


def _timeouts(of: Model | RouteSettings | None) -> Any:
    return of.timeouts if of is not None else None


def path_rule(route: RouteSettings, address: Address | None, kind: Provider, operation: str) -> PathRule:
    """How a route's requests for ``operation`` find their path on the upstream host."""
    base = _base(address)
    if route.rewrite is not None and route.rewrite.full_path is not None:
        return PathRule(base, route.rewrite.full_path.encode(), None)
    if route.rewrite is not None and route.rewrite.prefix is not None:
        return PathRule(base, None, route.rewrite.prefix.encode())
    own = kind.paths.get(operation)
    return PathRule(base, raw_path(base, own.encode()) if own is not None else None, None, kind.query)


def _base(address: Address | None) -> bytes:
    return address.path if address is not None else b""


def _static_head(
    address: Address | None, credential: Credential | Passthrough | Authoriser, set_headers: Mapping[bytes, bytes]
) -> bytes:
    lines = [b"host: %s\r\n" % (address.host_header if address is not None else b"echo")]
    lines.append(b"accept-encoding: identity\r\n")
    if isinstance(credential, Credential):
        lines.append(credential.line)
    lines += [b"%s: %s\r\n" % header for header in set_headers.items()]
    return b"".join(lines)
