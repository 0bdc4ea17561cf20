"""The errors that the gateway answers with: one tree, each with its status, type and code.

Every error that a client can see is a :class:`GatewayError`. Its body is read by all clients at once: what Kong
clients read (``message``, ``request_id``), what the OpenAI SDK reads (``error.message``, ``.type``, ``.code``,
``.param``) and, where the client speaks Anthropic's dialect, ``"type": "error"``. The wire, the proxy and the
resource tree raise them; nobody else builds an error body.

They stand in modules that are not compiled: of an exception's class in a compiled one, mypyc leaves out what the class
says, and the answer would be its base's, a 500.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

Header = tuple[bytes, bytes]


class GatewayError(Exception):
    """An answer that the gateway makes itself, instead of what was asked for.

    :param message: for the person who reads it; names the place and the remedy, never a secret or a prompt.
    :param param: the request field at fault, for the SDKs' ``error.param``.
    :param code: a stable word for programs; each subclass has its own default.
    :param headers: further response headers.
    :param retry_after: seconds after which a new try makes sense; sent as ``Retry-After``, rounded up.
    :param detail: what ``error.message`` says where ``message`` has to be the word that Kong's clients know.
    :cvar anthropic_type: what Anthropic calls it, where that is another word than :attr:`type`.
    """

    status = 500
    type = "api_error"
    anthropic_type = ""
    default_code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Sequence[Header] = (),
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.param = param
        self.code = code or self.default_code
        self.headers: tuple[Header, ...] = tuple(headers)
        self.retry_after = retry_after

    def response_headers(self) -> list[Header]:
        """The headers that belong to this error, ``Retry-After`` included; not the content type."""
        headers = list(self.headers)
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(1, -(-self.retry_after // 1))))
        return headers

    def as_dict(self) -> dict[str, str | None]:
        """The ``error`` object as the SDKs read it."""
        return {"message": self.detail or self.message, "type": self.type, "code": self.code, "param": self.param}

    def body(self, request_id: str, *, anthropic: bool = False) -> bytes:
        """The JSON body for every kind of client (contract section 4).

        :param anthropic: also say ``"type": "error"`` at the top, as Anthropic's SDK expects it.
        """
        fields: dict[str, object] = {"type": "error"} if anthropic else {}
        error = self.as_dict()
        if anthropic and self.anthropic_type:
            error["type"] = self.anthropic_type
        fields.update(message=self.message, request_id=request_id, error=error)
        return orjson.dumps(fields)


class BadRequest(GatewayError):
    """The request cannot be understood or lacks what its operation needs."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"


class Unauthorized(GatewayError):
    """No key, an unknown one, or two of them. ``headers`` carries ``WWW-Authenticate``."""

    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class Forbidden(GatewayError):
    """A known consumer that may not use this route or model."""

    status = 403
    type = "permission_error"
    default_code = "forbidden"


class NoRoute(GatewayError):
    """No route matches."""

    status = 404
    type = "not_found_error"
    default_code = "no_route"


class ModelNotFound(GatewayError):
    """A model that nobody serves here, or not for this consumer: who may not use it need not know it.

    OpenAI answers with this status, type and code, of which its SDKs make their ``NotFoundError``; of Anthropic's error
    Claude Code makes its advice to choose another model (https://platform.claude.com/docs/en/api/errors).
    """

    status = 404
    type = "invalid_request_error"
    anthropic_type = "not_found_error"
    default_code = "model_not_found"


class MethodNotAllowed(GatewayError):
    """The path has routes, none of them for this method. ``headers`` carries ``Allow``."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class RequestTimeout(GatewayError):
    """The client did not send its request in time."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class BodyTooLarge(GatewayError):
    """The request body is larger than ``max_request_body``."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class UnsupportedEncoding(GatewayError):
    """A ``Content-Encoding`` that is not decoded here. ``headers`` carries ``Accept-Encoding`` (RFC 9110 section
    15.5.16)."""

    status = 415
    type = "invalid_request_error"
    default_code = "unsupported_encoding"


class ExpectationFailed(GatewayError):
    """An ``Expect`` that is not ``100-continue`` (RFC 9110 section 10.1.1)."""

    status = 417
    type = "invalid_request_error"
    default_code = "expectation_failed"


class UpgradeRequired(GatewayError):
    """A WebSocket where none is served; what has to be spoken instead is in ``Upgrade`` (RFC 9110 section 15.5.22).

    Clients that try a WebSocket first, such as Codex, go on over HTTP after this status and after no other.
    """

    status = 426
    type = "invalid_request_error"
    default_code = "upgrade_required"


class HeadTooLarge(GatewayError):
    """The request's headers are more, or longer, than the server takes (RFC 6585 section 5)."""

    status = 431
    type = "invalid_request_error"
    default_code = "headers_too_large"


class LimitReached(GatewayError):
    """A limit of this consumer is reached; the message names it."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class NotSupported(GatewayError):
    """What this gateway does not implement: a method or a transfer coding (RFC 9110 section 15.6.2)."""

    status = 501
    type = "invalid_request_error"
    default_code = "not_supported"


class UpstreamFailed(GatewayError):
    """The backend could not be reached, or answered with something that is not HTTP."""

    status = 502
    type = "upstream_error"
    default_code = "upstream_failed"


class Overloaded(GatewayError):
    """The gateway itself has too much in flight, or is draining."""

    status = 503
    type = "overloaded_error"
    default_code = "overloaded"


class NoHealthyTarget(GatewayError):
    """Every target of a model is out of service."""

    status = 503
    type = "overloaded_error"
    default_code = "no_healthy_target"


class UpstreamTimeout(GatewayError):
    """One of a call's five timeouts ran out; ``which`` names it.

    :param which: ``connect``, ``first_byte``, ``first_token``, ``idle`` or ``total``.
    """

    status = 504
    type = "timeout_error"

    def __init__(self, message: str, *, which: str) -> None:
        super().__init__(message, code=f"{which}_timeout")
        self.which = which


def short_of_memory() -> Overloaded:
    """The process has, or would have, more than ``max_memory``."""
    return Overloaded("the gateway is short of memory", code="short_of_memory", retry_after=2)
