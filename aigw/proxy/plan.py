"""Everything about a call that does not depend on the call: compiled once, looked up for each request.

A :class:`Plan` belongs to one combination of route, backend, model and consumer. It knows the upstream, the bytes
of the request head that are the same every time, which of the client's headers stay behind, how the body is
adjusted and how long each phase may take. Plans are made on first use and kept as long as their snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.logger import Logger

from aigw.consumers.key_filter import KeyFilter
from aigw.errors import BadRequest
from aigw.http.headers import Header
from aigw.llm.body import Adjustments, serialise, serialise_translated
from aigw.llm.operations import CHAT, MESSAGES, RAW, STREAMED
from aigw.llm.providers.anthropic.sampling import leave_out_sampling
from aigw.llm.rescue import RescuableTranslation, Said, rescuable, takes_prefill
from aigw.llm.signatures import SIGNED, leave_out_others, may_have_others
from aigw.llm.taps import add_usage_option, asks_for_usage
from aigw.llm.translation import Pair, Pairing, Translating
from aigw.llm.wire import WireRequest
from aigw.proxy.client_body import ClientBody
from aigw.proxy.forwarding import PLAIN, stays_here
from aigw.redaction import Redactor
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.credential import Credential, Passthrough
from aigw.upstream.target import PathRule, raw_path
from aigw.upstream.upstream import Payload, Upstream

_log: Final = Logger()

#: Further ones where the call is translated: they speak of the client's dialect, not of the provider's.
DIALECT_HEADERS: Final = frozenset(
    (
        b"accept",
        b"anthropic-beta",
        b"anthropic-dangerous-direct-browser-access",
        b"anthropic-version",
        b"content-type",
        b"openai-beta",
        b"originator",
        b"session_id",
        b"user-agent",
        b"x-app",
        b"x-claude-code-session-id",
    )
)


@dataclass(frozen=True)
class Timeouts:
    """How long each phase of a call may take, in seconds (contract section 2).

    :ivar connect: until a connection is there and the request is on it, waiting in the pool's queue included.
    :ivar first_byte: from then to the response's head.
    :ivar first_token: from the head of a stream to its first event.
    :ivar idle: between two pieces of a response.
    :ivar total: from the beginning to the end.
    """

    connect: float
    first_byte: float
    first_token: float
    idle: float
    total: float


@dataclass(frozen=True, repr=False)
class Plan:
    """See the module's head.

    :ivar model: what the provider is asked for; None leaves it to the client.
    :ivar public_model: the name under which a consumer may ask for it, beside ``model`` itself.
    :ivar on_model_mismatch: ``override``, ``reject`` or ``allow``.
    :ivar down_lines: header lines that every response of this plan has.
    :ivar static_head: header lines that every request has: host, credential, what the configuration sets.
    :ivar drop: the client's headers that stay behind.
    :ivar keys: tells this gateway's keys from a provider's tokens.
    :ivar asks_usage: whether a stream's usage is asked for where the client did not.
    :ivar label_of: a model's name as metrics may show it: a configured one or ``other``.
    :ivar header_defaults: headers that a request has where the client's own do not say them.
    :ivar rescue: translates streams that another target may have to take up, also where the dialect is the same.
    :ivar queue_timeout: seconds for which a call may wait for a place at the backend.
    :ivar listing: translates lists of models, by whether the client reads Anthropic's shape, and what it may see.
    :ivar version: the version of Anthropic's API that requests name whatever the client's do, or where they name none.
    :ivar told: fields of which the log says that they were left out.
    :ivar origin: scheme, host and port of the backend, as in ``https://api.example.com:443``; empty where it has none.
    :ivar secrets: what the upstream is sent that nobody else may know; of a credential that is made, what does not
        change.
    :ivar redactor: takes them, and what is made, out of texts.
    :ivar pairing: translates, where client and backend do not speak one dialect; then ``path_rule`` and
        ``adjustments`` are not used.
    """

    backend: str
    provider: str
    genai_name: str
    upstream: Upstream
    operation: str
    path_rule: PathRule
    model: str | None
    public_model: str | None
    on_model_mismatch: str
    adjustments: Adjustments
    adjusts: bool
    credential: Credential | Passthrough | Authoriser
    static_head: bytes
    drop: frozenset[bytes]
    timeouts: Timeouts
    streaming: str
    asks_usage: bool
    keys: KeyFilter
    label_of: Callable[[str], str]
    down_lines: bytes
    header_defaults: Sequence[Header] = ()
    pairing: Pairing | None = None
    listing: Callable[[bool, Callable[[str], bool] | None, bool], Translating | None] | None = None
    queue_timeout: float = 10.0
    rescue: Pair | None = None
    version: tuple[str | None, str | None] = (None, None)
    told: set[str] = field(default_factory=set)
    origin: bytes = b""
    secrets: tuple[str, ...] = ()
    redactor: Redactor = field(default_factory=Redactor)

    def __repr__(self) -> str:
        return f"<Plan {self.backend} {self.operation}>"  # never the credential in it

    @property
    def shares_limits(self) -> bool:
        """Whether a limit that one call has reached is one for the others, too: not where clients have accounts of
        their own at the provider."""
        return not isinstance(self.credential, Passthrough)

    def deciding_model(self, asked: str | None) -> str | None:
        """The name that decides which model answers when the client asks for ``asked``: where the backend's takes its
        place, that one, even if the call is then refused."""
        if self.model is None or (asked and self.on_model_mismatch == "allow"):
            return asked
        return self.model

    def wanted_model(self, asked: str | None) -> str | None:
        """The model to ask the provider for, when the client asks for ``asked``.

        :raises BadRequest: the backend is for one model and refuses others, or nobody names one.
        """
        if self.model is None or (asked and self.on_model_mismatch == "allow"):
            if not asked and self.operation != RAW:
                raise BadRequest(
                    "model parameter not found in request, nor in gateway configuration",
                    param="model",
                    code="model_required",
                )
            return asked
        if self.on_model_mismatch == "reject" and asked and asked not in (self.model, self.public_model):
            raise BadRequest(
                f"cannot use own model - must be: {self.public_model or self.model}",
                param="model",
                code="model_mismatch",
            )
        return self.model

    def adjust(
        self, body: bytes, fields: dict[str, Any], *, large: bool = False, version: bytes | None = None
    ) -> tuple[bytes, bool]:
        """The body to send upstream, byte for byte the client's where nothing needs to change.

        :param fields: ``body``, parsed; changed in place to what is sent.
        :param large: see :func:`aigw.llm.body.serialise`.
        :param version: of Anthropic's API, as the client's header names it.
        :returns: the body, and whether usage was asked for on the gateway's own account and must be hidden.
        :raises BadRequest: the model, or streaming, is refused.
        """
        asked = fields.get("model") or None
        wanted = self.wanted_model(asked)
        changed = False
        if wanted is not None and wanted != fields.get("model"):
            fields["model"] = wanted
            changed = True
        if self.adjusts and self._apply(fields, version):
            changed = True
        if (
            self.operation in SIGNED
            and may_have_others(body, self.operation)
            and leave_out_others(fields, self.operation)
        ):
            changed = True
        if self.streaming != "allow":
            changed |= self._force_streaming(fields)
        hide_usage = False
        if self.asks_usage and asks_for_usage(fields, self.operation):
            add_usage_option(fields)
            hide_usage = changed = True
        return (serialise(fields, large=large) if changed else body), hide_usage

    def _apply(self, fields: dict[str, Any], version: bytes | None) -> bool:
        """The adjustments, but for what Anthropic's model or API does not take; returns whether anything changed."""
        if self.operation != MESSAGES:
            return self.adjustments.apply(fields)
        sent = dict(fields)
        changed = self.adjustments.apply(fields)
        always, usually = self.version
        asked = version.decode("latin-1") if version is not None else usually
        self.leave_out(leave_out_sampling(fields, sent, str(fields.get("model")), always or asked))
        return changed

    def leave_out(self, names: Sequence[str]) -> None:
        """Say once that fields were left out, since the provider would refuse the call for them."""
        new = [name for name in names if name not in self.told]
        if new:
            self.told.update(new)
            _log.warn(
                "backend {backend}: {names} left out: {model} does not take it",
                backend=self.backend,
                names=", ".join(new),
                model=self.model or "the model",
            )

    def translate(self, fields: dict[str, Any], answer_id: str, now: float, betas: tuple[str, ...] = ()) -> Translating:
        """The translation of the client's request.

        :param fields: its body, parsed; changed in place.
        :param answer_id: see :class:`~aigw.llm.translation.Pairing`.
        :param now: seconds since the epoch.
        :param betas: those of Anthropic's that the client's header names.
        :raises BadRequest: the model, streaming, or something that has no counterpart is refused.
        """
        assert self.pairing is not None
        self._settle(fields)
        translation = self.pairing.translate(fields, answer_id, now, betas)
        self.leave_out(translation.left_out)
        return translation

    def translate_rescuable(
        self,
        fields: dict[str, Any],
        answer_id: str,
        now: float,
        said: Said,
        prefill: bool | None,
        betas: tuple[str, ...] = (),
    ) -> RescuableTranslation:
        """The same, for a stream that another target may have to take up, or that takes up one.

        :param said: what the client has got.
        :param prefill: whether the target takes the beginning of its answer; None: as is known of its model.
        """
        assert self.rescue is not None
        self._settle(fields)
        if prefill is None:
            prefill = takes_prefill(self.provider, fields["model"] or "")
        translation = rescuable(self.rescue, fields, answer_id, now, said, prefill, betas)
        self.leave_out(translation.left_out)
        return translation

    def _settle(self, fields: dict[str, Any]) -> None:
        fields["model"] = self.wanted_model(fields.get("model") or None)
        if self.streaming != "allow":
            self._force_streaming(fields)

    def translated_payload(
        self,
        request: WireRequest,
        headers: Sequence[Header],
        request_id: str,
        nominated: frozenset[bytes],
        client_body: ClientBody,
    ) -> Payload:
        """The provider's request, as a translation made it.

        :param client_body: what it was made of.
        :raises BadRequest: it is out of all proportion to that.
        """
        target = raw_path(self.path_rule.base, request.path)
        body = serialise_translated(request.body, len(client_body.data), large=client_body.large)
        payload = self.payload(b"POST", target, headers, body, request_id, request.body, nominated, request.headers)
        payload.operation = CHAT  # what an upstream that is no wire understands
        return payload

    def _force_streaming(self, fields: dict[str, Any]) -> bool:
        if self.streaming == "deny":
            if fields.get("stream"):
                raise BadRequest(
                    "response streaming is not enabled for this LLM", param="stream", code="streaming_denied"
                )
            return False
        if fields.get("stream") or self.operation not in STREAMED:
            return False
        fields["stream"] = True
        return True

    def payload(
        self,
        method: bytes,
        target: bytes,
        headers: Sequence[Header],
        body: bytes,
        request_id: str,
        fields: dict[str, Any] | None,
        nominated: frozenset[bytes] = frozenset(),
        added: Sequence[Header] = (),
    ) -> Payload:
        """The request as the upstream gets it: our framing, our credential, the client's remaining headers.

        :param nominated: fields that the client's ``Connection`` names.
        :param added: headers that a translation adds.
        """
        drop = self.drop
        if nominated:  # RFC 9110 section 7.6.1
            drop = drop | nominated
        lines = [method, b" ", target, b" HTTP/1.1\r\n", self.static_head]
        keys, via = self.keys, b""
        for name, value in headers:
            if name not in drop and (name in PLAIN or not stays_here(name, drop)) and not keys.holds(value):
                if name == b"via":
                    via += value + b", "
                else:
                    lines.append(b"%s: %s\r\n" % (name, value))
        if self.header_defaults:
            lines += [b"%s: %s\r\n" % each for each in self.header_defaults if not _has(headers, each[0])]
        lines += [b"%s: %s\r\n" % each for each in added]
        credential = self.credential
        authoriser = None
        if isinstance(credential, Passthrough):
            credential = credential.take(headers, keys.is_in)
            lines.append(credential.line)
        elif not isinstance(credential, Credential):
            authoriser = credential
        if body or method in _HAS_BODY:
            lines.append(b"content-length: %d\r\n" % len(body))
        lines += (b"via: ", via, b"1.1 aigw\r\nx-request-id: ")  # RFC 9110 section 7.6.3: behind those before us
        lines.append(request_id.encode("ascii"))
        lines.append(b"\r\n\r\n")
        lines.append(body)
        is_head = method == b"HEAD"
        if self.provider != "echo":
            fields = None  # a wire has no use for it, and it is many times its bytes
        return Payload(b"".join(lines), is_head, credential.partition, self.operation, fields, authoriser)

    def without_secrets(self, text: bytes) -> bytes:
        """An upstream's error text without what only the gateway knows: the credential, and others that are sent."""
        credential, redactor = self.credential, self.redactor
        if not isinstance(credential, (Credential, Passthrough)):
            made = [secret.decode("latin-1") for secret in credential.secrets()]
            redactor.replace((*self.secrets, *made))
        return redactor.clean_bytes(text)


_HAS_BODY: Final = frozenset((b"POST", b"PUT", b"PATCH"))


def _has(headers: Sequence[Header], name: bytes) -> bool:
    return any(header[0] == name for header in headers)
