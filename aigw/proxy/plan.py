"""Everything about a call that does not depend on the call: compiled once, looked up for each request.

A :class:`Plan` belongs to one combination of route, backend, model and consumer. It knows the upstream, the bytes
of the request head that are the same every time, which of the client's headers stay behind, how the body is
adjusted and how long each phase may take. Plans are made on first use and kept as long as their snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from aigw.errors import BadRequest
from aigw.http.headers import HOP_BY_HOP, Header
from aigw.llm.body import Adjustments, serialise
from aigw.llm.operations import RAW
from aigw.llm.taps import add_usage_option, asks_for_usage
from aigw.upstream.credential import Credential, Passthrough
from aigw.upstream.target import raw_path, replace_prefix
from aigw.upstream.upstream import Payload, Upstream

#: The client's headers that never go upstream, besides hop-by-hop ones and all names a consumer key may have:
#: credentials of any kind, framing, what names the client or the way it came, and what the SDKs add about
#: themselves. ``accept-encoding`` is ours, since the response is read for usage.
NEVER_UPSTREAM = frozenset(
    (
        b"accept-encoding",
        b"api-key",
        b"authorization",
        b"content-length",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"openai-organization",
        b"openai-project",
        b"origin",
        b"proxy-authorization",
        b"referer",
        b"x-api-key",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-goog-api-key",
        b"x-real-ip",
        b"x-request-id",
    )
) | frozenset(HOP_BY_HOP)

_NEVER_PREFIXES = (b"x-stainless-", b"sec-")


@attrs.frozen
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


@attrs.frozen
class PathRule:
    """How a request's path becomes the upstream's.

    :ivar base: the path of the backend's ``url``.
    :ivar full: the whole upstream path, if it is always the same.
    :ivar prefix: what replaces the matched prefix, if the route says so.
    """

    base: bytes
    full: bytes | None
    prefix: bytes | None

    def target(self, path: bytes, matched: bytes, query: bytes | None) -> bytes:
        """The request target on the upstream host.

        :param matched: the part of ``path`` that the route matched.
        """
        if self.full is not None:
            upstream = self.full
        elif self.prefix is not None:
            upstream = replace_prefix(path, matched, self.prefix)
        else:
            upstream = raw_path(self.base, path[len(matched.rstrip(b"/")) :])
        return upstream if query is None else upstream + b"?" + query


@attrs.frozen
class Plan:
    """See the module's head.

    :ivar model: what the provider is asked for; None leaves it to the client.
    :ivar public_model: the name under which a consumer may ask for it, beside ``model`` itself.
    :ivar on_model_mismatch: ``override``, ``reject`` or ``allow``.
    :ivar down_lines: header lines that every response of this plan has.
    :ivar static_head: header lines that every request has: host, credential, what the configuration sets.
    :ivar drop: the client's headers that stay behind.
    :ivar is_consumer_key: tells one of this gateway's keys from a provider's token.
    :ivar asks_usage: whether a stream's usage is asked for where the client did not.
    :ivar label_of: a model's name as metrics may show it: a configured one or ``other``.
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
    credential: Credential | Passthrough
    static_head: bytes = attrs.field(repr=False)
    drop: frozenset[bytes]
    timeouts: Timeouts
    streaming: str
    asks_usage: bool
    is_consumer_key: Callable[[bytes], bool]
    label_of: Callable[[str], str]
    down_lines: bytes

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

    def adjust(self, body: bytes, fields: dict[str, Any]) -> tuple[bytes, bool]:
        """The body to send upstream, byte for byte the client's where nothing needs to change.

        :param fields: ``body``, parsed; changed in place to what is sent.
        :returns: the body, and whether usage was asked for on the gateway's own account and must be hidden.
        :raises BadRequest: the model, or streaming, is refused.
        """
        asked = fields.get("model") or None
        wanted = self.wanted_model(asked)
        changed = False
        if wanted is not None and wanted != fields.get("model"):
            fields["model"] = wanted
            changed = True
        if self.adjusts and self.adjustments.apply(fields):
            changed = True
        if self.streaming != "allow":
            changed |= self._force_streaming(fields)
        hide_usage = False
        if self.asks_usage and asks_for_usage(fields, self.operation):
            add_usage_option(fields)
            hide_usage = changed = True
        return (serialise(fields) if changed else body), hide_usage

    def _force_streaming(self, fields: dict[str, Any]) -> bool:
        if self.streaming == "deny":
            if fields.get("stream"):
                raise BadRequest(
                    "response streaming is not enabled for this LLM", param="stream", code="streaming_denied"
                )
            return False
        if fields.get("stream"):
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
    ) -> Payload:
        """The request as the upstream gets it: our framing, our credential, the client's remaining headers.

        :param nominated: fields that the client's ``Connection`` names.
        """
        drop = self.drop
        if nominated:  # RFC 9110 section 7.6.1
            drop = drop | nominated
        lines = [
            b"%s: %s\r\n" % header
            for header in headers
            if header[0] not in drop and not header[0].startswith(_NEVER_PREFIXES)
        ]
        credential = self.credential
        if isinstance(credential, Passthrough):
            credential = credential.take(headers, self.is_consumer_key)
            lines.append(credential.line)
        framing = b"content-length: %d\r\n" % len(body) if body or method in _HAS_BODY else b""
        head = b"%s %s HTTP/1.1\r\n%sx-request-id: %s\r\n%s%s\r\n" % (
            method,
            target,
            self.static_head,
            request_id.encode("ascii"),
            b"".join(lines),
            framing,
        )
        return Payload(head + body, method == b"HEAD", credential.partition, self.operation, fields)

    def secrets(self) -> tuple[bytes, ...]:
        """What must not be shown in an upstream's error text."""
        if isinstance(self.credential, Credential) and len(self.credential.secret) >= 8:
            return (self.credential.secret,)
        return ()


_HAS_BODY = frozenset((b"POST", b"PUT", b"PATCH"))
