"""The tables of the configuration file, typed: names, defaults, ranges. What they mean is in ``docs/config.md``.

Each class is one kind of table; the description of a field is what the JSON Schema and the documentation's test
know of it.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from aigw.config.units import Duration, Size

NAME = r"^[A-Za-z0-9_.-]+$"
MODEL_NAME = r"^[A-Za-z0-9_.:/@*+-]+$"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")


class Table(BaseModel):
    """What all tables have in common: nothing unknown, no silent conversions, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("must be a header's name")
    return name


def _header_value(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError("must be a header's value: printable ASCII, no line breaks")
    return value


HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Fields = dict[str, Any]


class Server(Table):
    """``[server]``: the process and its listeners."""

    listen: Annotated[tuple[str, ...], Field(min_length=1)] = ("tcp:8000",)
    admin: str = "tcp:9100:interface=127.0.0.1"
    workers: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = 1
    access_log: str = "-"
    drain_timeout: Duration = 30.0
    max_request_body: Size = 32 * 1024 * 1024
    max_connections: Annotated[int, Field(ge=1)] = 10000
    max_in_flight: Annotated[int, Field(ge=0)] = 0
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()


class SecretSource(Table):
    """``[secrets]``: where a secret is; exactly one of these."""

    env: str | None = None
    file: str | None = None
    credential: str | None = None

    @model_validator(mode="after")
    def _one(self) -> SecretSource:
        if sum(one is not None for one in (self.env, self.file, self.credential)) != 1:
            raise ValueError("needs exactly one of env, file and credential")
        return self


class BackendAuth(Table):
    """A backend's ``auth``: exactly one of the first three."""

    secret: str | None = None
    inline: Annotated[str | None, Field(repr=False)] = None
    passthrough: bool = False
    header: HeaderName | None = None
    prefix: HeaderValue | None = None

    @model_validator(mode="after")
    def _one(self) -> BackendAuth:
        if (self.secret is not None) + (self.inline is not None) + self.passthrough != 1:
            raise ValueError("needs exactly one of secret, inline and passthrough = true")
        if self.inline is not None and (not self.inline.strip() or not _VALUE.fullmatch(self.inline)):
            raise ValueError("inline must be a header's value: printable ASCII, not empty")
        return self


class HeaderEdits(Table):
    """A backend's ``headers``: what is set and what is removed on the way up."""

    set: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    remove: tuple[HeaderName, ...] = ()


class Timeouts(Table):
    """``timeouts`` of a backend: one for each phase of a call."""

    connect: Duration = 5.0
    first_byte: Duration = 60.0
    first_token: Duration = 60.0
    idle: Duration = 60.0
    total: Duration = 600.0


class SomeTimeouts(Table):
    """``timeouts`` of a route or a model: those given here win over the backend's."""

    connect: Duration | None = None
    first_byte: Duration | None = None
    first_token: Duration | None = None
    idle: Duration | None = None
    total: Duration | None = None


class Pool(Table):
    """A backend's ``pool`` of connections."""

    max_connections: Annotated[int, Field(ge=1, le=65536)] = 512
    idle_timeout: Duration = 55.0


Mismatch = Literal["override", "reject", "allow"]
ProviderName = Literal[
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "vertex",
    "mistral",
    "bedrock",
    "cohere",
    "ollama",
    "openai-compatible",
    "echo",
]


class Backend(Table):
    """``[backends.NAME]``: one upstream account of one provider."""

    provider: ProviderName
    url: str | None = None
    ca: str | None = None
    model: str | None = None
    on_model_mismatch: Mismatch = "override"
    auth: BackendAuth | None = None
    defaults: Fields = Field(default_factory=dict)
    overrides: Fields = Field(default_factory=dict)
    headers: HeaderEdits = Field(default_factory=HeaderEdits)
    timeouts: Timeouts = Field(default_factory=Timeouts)
    pool: Pool = Field(default_factory=Pool)
    delay: Duration = 0.02


class Target(Table):
    """One of a model's ``targets``."""

    backend: str
    model: str | None = None
    weight: Annotated[int, Field(ge=0, le=65535)] = 1
    priority: Annotated[int, Field(ge=0, le=100)] = 0


RetryOn = Literal["connect", "timeout", "429", "5xx"]


class Retry(Table):
    """A model's ``retry``."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    on: tuple[RetryOn, ...] = ("connect", "timeout", "429", "5xx")


class Breaker(Table):
    """A model's ``breaker``."""

    failures: Annotated[int, Field(ge=1)] = 5
    window: Duration = 30.0
    cool_down: Duration = 10.0


class Model(Table):
    """``[models.NAME]``: a public model name and what stands behind it."""

    balance: Literal["weighted", "least-busy", "lowest-latency", "hash"] = "weighted"
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    retry: Retry = Field(default_factory=Retry)
    breaker: Breaker = Field(default_factory=Breaker)
    on_stream_cut: Literal["error", "continue"] = "error"
    fallback: tuple[str, ...] = ()
    timeouts: SomeTimeouts = Field(default_factory=SomeTimeouts)


class KeyAuth(Table):
    """``[auth.NAME]``: a way to recognise consumers."""

    type: Literal["key"] = "key"
    key_names: Annotated[tuple[HeaderName, ...], Field(min_length=1)] = (
        "apikey",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
    )
    bearer: bool = True
    key_in_header: bool = True
    key_in_query: bool = False
    key_in_body: bool = False
    realm: Annotated[str, Field(pattern=r"^[\x20\x21\x23-\x5b\x5d-\x7e]*$")] = ""
    anonymous: str = ""
    run_on_preflight: bool = True


class Rewrite(Table):
    """A route's ``rewrite``: exactly one of these."""

    full_path: Annotated[str | None, Field(pattern=r"^/[!-~]*$")] = None
    prefix: Annotated[str | None, Field(pattern=r"^/[!-~]*$")] = None

    @model_validator(mode="after")
    def _one(self) -> Rewrite:
        if (self.full_path is None) == (self.prefix is None):
            raise ValueError("needs exactly one of full_path and prefix")
        return self


Operation = Literal["chat", "completions", "embeddings", "responses", "messages", "count_tokens", "models", "raw"]


class Route(Table):
    """``[routes.NAME]``: which requests go where."""

    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]+$")], ...] = ()
    headers: dict[HeaderName, tuple[str, ...]] = Field(default_factory=dict)
    operation: Operation | None = None
    backend: str | None = None
    model: str | None = None
    auth: str = "key"
    rewrite: Rewrite | None = None
    streaming: Literal["allow", "deny", "always"] = "allow"
    timeouts: SomeTimeouts = Field(default_factory=SomeTimeouts)


class Key(Table):
    """One of a consumer's ``keys``.

    :ivar digest: SHA-256 of the key, hexadecimal. The key itself is not kept.
    :ivar plain: it stands in the file as it is.
    """

    digest: Annotated[str, Field(repr=False)]
    plain: bool
    expires: datetime | None = None


def _key(value: Any) -> Any:
    """A key from what the file has: a string, or a table with ``key`` and ``expires``."""
    expires = None
    if isinstance(value, dict):
        unknown = set(value) - {"key", "expires"}
        if unknown:
            raise ValueError("a key's table has key and expires only")
        expires, value = _expiry(value.get("expires")), value.get("key")
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a key, its sha256:…, or { key = …, expires = … }")
    if value.startswith("sha256:"):
        match = _DIGEST.fullmatch(value)
        if match is None:
            raise ValueError("sha256: must be followed by 64 hexadecimal digits")
        return {"digest": match[1].lower(), "plain": False, "expires": expires}
    if not _VALUE.fullmatch(value):
        raise ValueError("a key must be printable ASCII")
    return {"digest": hashlib.sha256(value.encode()).hexdigest(), "plain": True, "expires": expires}


def _expiry(value: Any) -> datetime | None:
    """A date and time; one without an offset is UTC."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("expires must be a date and time such as 2027-01-01T00:00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


_KEY_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "properties": {"key": {"type": "string", "minLength": 1}, "expires": {}},
            "required": ["key"],
            "additionalProperties": False,
        },
    ]
}
AnyKey = Annotated[Key, BeforeValidator(_key), WithJsonSchema(_KEY_SCHEMA)]


class ConsumerBackend(Table):
    """``[consumers.NAME.backends.BACKEND]``: this consumer's own settings of a backend."""

    model: str | None = None
    on_model_mismatch: Mismatch | None = None
    auth: BackendAuth | None = None
    defaults: Fields = Field(default_factory=dict)
    overrides: Fields = Field(default_factory=dict)
    headers: HeaderEdits | None = None


class Consumer(Table):
    """``[consumers.NAME]``: the holder of a key."""

    keys: tuple[AnyKey, ...] = ()
    models: tuple[str, ...] | None = None
    routes: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    max_in_flight: Annotated[int, Field(ge=0)] = 0
    backends: dict[str, ConsumerBackend] = Field(default_factory=dict)


class Tables(Table):
    """The whole file."""

    server: Server = Field(default_factory=Server)
    secrets: dict[Annotated[str, Field(pattern=NAME)], SecretSource] = Field(default_factory=dict)
    backends: dict[Annotated[str, Field(pattern=NAME)], Backend] = Field(default_factory=dict)
    models: dict[Annotated[str, Field(pattern=MODEL_NAME)], Model] = Field(default_factory=dict)
    auth: dict[Annotated[str, Field(pattern=NAME)], KeyAuth] = Field(default_factory=dict)
    routes: dict[Annotated[str, Field(pattern=NAME)], Route] = Field(default_factory=dict)
    consumers: dict[Annotated[str, Field(pattern=NAME)], Consumer] = Field(default_factory=dict)
