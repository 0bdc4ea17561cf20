"""The tables of the configuration file, typed: names, defaults, ranges.

Each class is one kind of table and each field one key of it; the text below a field is its description in the JSON
Schema. ``docs/config.md`` has the long form, and a test compares the two. What the entries say of each other is
judged by :mod:`aigw.config.checks`, from what the types declare here: ``exactly_one``, ``at_most_one`` and
:class:`Names`.

The module is long because it is one thing: the file's grammar, to be read from top to bottom.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import attrs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

from aigw.config.listeners import Listener, ListenerOrOff
from aigw.config.units import Duration, Size, SomeTime
from aigw.config.values import (
    BodyFields,
    EditedHeaderName,
    HashOn,
    HeaderName,
    HeaderValue,
    HostRule,
    Method,
    Network,
    PathRule,
    Prefix,
    Realm,
    SetHeaderName,
    Text,
    Token,
    UpstreamPath,
    Url,
    key_digest,
)

T = TypeVar("T")

#: An array: TOML's reader makes lists, which strict mode would not take for tuples.
Many = Annotated[tuple[T, ...], Strict(False)]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
#: What clients ask for: providers' own names have slashes and colons, ``*`` stands for anything.
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/@*+-]+$")]
Count = Annotated[int, Field(ge=1)]
Limit = Annotated[int, Field(ge=0)]


@attrs.frozen
class Names:
    """Marks a string that is the name of another entry.

    :ivar section: whose entries it names.
    :ivar also: names that stand for something without being entries.
    """

    section: str
    also: tuple[str, ...] = ()


SecretName = Annotated[str, Names("secrets")]
BackendName = Annotated[str, Names("backends")]
RouteName = Annotated[str, Names("routes")]


def _given(table: type[Table], name: str) -> dict[str, Any]:
    """A switch that is off is as good as absent."""
    schema: dict[str, Any] = {"required": [name]}
    if table.model_fields[name].annotation is bool:
        schema["properties"] = {name: {"const": True}}
    return schema


def _exclusive(schema: dict[str, Any], table: type[Table]) -> None:
    """``exactly_one`` and ``at_most_one`` in the JSON Schema's words."""
    if table.exactly_one:
        schema["oneOf"] = [_given(table, name) for name in table.exactly_one]
    if table.at_most_one:
        schema["not"] = {"required": list(table.at_most_one)}


class Table(BaseModel):
    """What all tables have in common: nothing unknown, no silent conversions, no changes.

    :cvar exactly_one: keys of which exactly one must be given.
    :cvar at_most_one: keys that exclude each other.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        json_schema_extra=_exclusive,
    )
    exactly_one: ClassVar[tuple[str, ...]] = ()
    at_most_one: ClassVar[tuple[str, ...]] = ()


def _workers(value: Any) -> Any:
    if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 256):
        raise ValueError('must be 1 to 256, or "auto"')
    return value


class Server(Table):
    """``[server]``: the process and its listeners."""

    listen: Annotated[Many[Listener], Field(min_length=1)] = ("tcp:8000",)
    """Where clients connect: Twisted endpoint strings."""
    admin: ListenerOrOff = "tcp:9100:interface=127.0.0.1"
    """Where metrics, health and the status page are; "off" for nowhere."""
    workers: Annotated[Annotated[int, Field(ge=1, le=256)] | Literal["auto"], BeforeValidator(_workers)] = 1
    """Processes; "auto" is one for each core."""
    access_log: Text = "-"
    """One JSON line for each request: "-" for stdout, a file, or "off"."""
    drain_timeout: Duration = 30.0
    """How long requests in flight may take to end when the gateway stops."""
    max_request_body: Size = 32 * 1024 * 1024
    """Larger request bodies are refused with 413."""
    max_connections: Count = 10000
    """Client connections at a time; further ones are answered 503."""
    max_in_flight: Limit = 0
    """Requests at a time; above it 503 with Retry-After. 0 for no limit."""
    max_memory: Size | None = None
    """Resident memory above which new requests are refused with 503; absent: no limit."""
    trusted_proxies: Many[Network] = ()
    """Proxies whose X-Forwarded-For is believed: addresses or networks."""


class SecretSource(Table):
    """``[secrets]``: where a secret is read from at start and at each reload."""

    exactly_one = ("env", "file", "credential")

    env: Text | None = None
    """An environment variable's name."""
    file: Text | None = None
    """A file, relative to the configuration file."""
    credential: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:@-]+$")] | None = None
    """A file in $CREDENTIALS_DIRECTORY: systemd's LoadCredential=."""


class BackendAuth(Table):
    """A backend's ``auth``: which credential the provider gets, and in which header."""

    exactly_one = ("secret", "inline", "passthrough", "ambient", "service_account")

    secret: SecretName | None = None
    """The name of one of [secrets]."""
    inline: Annotated[Token | None, Field(repr=False)] = None
    """The token itself; the file is then a secret as well."""
    passthrough: bool = False
    """The client's own credential goes on to the provider."""
    ambient: bool = False
    """What the machine has: AWS's credential chain ("bedrock"), Google's default credentials ("vertex")."""
    service_account: SecretName | None = None
    """The name of one of [secrets] that is a Google service account's JSON key; provider "vertex"."""
    access_key: Token | None = None
    """The id of an AWS access key whose secret the other keys give; provider "bedrock"."""
    session_token: SecretName | None = None
    """The name of one of [secrets]: the session token of temporary AWS keys; beside access_key."""
    header: EditedHeaderName | None = None
    """The header it is sent in, instead of the provider's usual one."""
    prefix: Annotated[Prefix | None, Field(repr=False)] = None
    """What stands before the token, instead of the usual "Bearer " or nothing."""


class HeaderEdits(Table):
    """A backend's ``headers``: what changes in the request on the way to the provider."""

    set: Annotated[dict[SetHeaderName, HeaderValue], Field(repr=False)] = {}
    """Headers with their values, in place of the client's."""
    remove: Many[EditedHeaderName] = ()
    """Headers of the client's that stay behind."""


class Timeouts(Table):
    """A backend's ``timeouts``: one for each phase of a call."""

    connect: SomeTime = 5.0
    """Until a connection is there, waiting for a free one included."""
    first_byte: SomeTime = 60.0
    """From the request's end to the answer's head."""
    first_token: SomeTime = 60.0
    """From the head of a stream to its first event."""
    idle: SomeTime = 60.0
    """Between two pieces of an answer."""
    total: SomeTime = 600.0
    """The whole call."""


class SomeTimeouts(Table):
    """``timeouts`` of a route or a model: those given here win over the backend's."""

    connect: SomeTime | None = None
    """Until a connection is there, waiting for a free one included."""
    first_byte: SomeTime | None = None
    """From the request's end to the answer's head."""
    first_token: SomeTime | None = None
    """From the head of a stream to its first event."""
    idle: SomeTime | None = None
    """Between two pieces of an answer."""
    total: SomeTime | None = None
    """The whole call."""


class Pool(Table):
    """A backend's ``pool`` of connections."""

    max_connections: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Connections at a time; further calls wait for one. Absent: server.max_connections."""
    idle_timeout: SomeTime = 55.0
    """How long an unused connection is kept."""


class Queue(Table):
    """A backend's ``queue``: where calls wait for a place among its ``max_in_flight``."""

    size: Limit = 100
    """Calls that may wait; one more is refused with 503, or goes to another target. 0: none waits."""
    timeout: SomeTime = 10.0
    """How long one may wait."""


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


PlaceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.:-]*$")]
NativeOperation = Literal["chat", "completions", "embeddings", "responses", "messages", "count_tokens", "models"]


class Backend(Table):
    """``[backends.NAME]``: one upstream account of one provider."""

    provider: ProviderName
    """Whose API it is."""
    url: Url | None = None
    """Where it is, path included; absent: the provider's own."""
    region: PlaceName | None = None
    """The AWS region; provider "bedrock"."""
    project: PlaceName | None = None
    """The Google Cloud project; provider "vertex"."""
    location: PlaceName | None = None
    """The Google Cloud location, or "global"; provider "vertex"."""
    api_version: Text | None = None
    """The version of the API that is asked for; providers "azure", "anthropic", "gemini" and "vertex"."""
    ca: Text | None = None
    """A PEM file of certificates to trust instead of the system's, relative to the configuration file."""
    model: Text | None = None
    """What the provider is asked for; absent: what the client names."""
    on_model_mismatch: Mismatch = "override"
    """When the client names another model: replace it, refuse with 400, or let it through."""
    auth: BackendAuth | None = None
    """The credential that the provider gets; absent: none."""
    defaults: Annotated[BodyFields, Field(repr=False)] = {}
    """Body fields that are filled in where the client sent none."""
    overrides: Annotated[BodyFields, Field(repr=False)] = {}
    """Body fields that win over the client's."""
    drop_unsupported: bool = False
    """Leave out what the provider has nothing like, instead of refusing it with 400."""
    operations: Many[NativeOperation] | None = None
    """What it has itself, where that is less than its provider usually has; the rest is translated or refused."""
    headers: HeaderEdits = HeaderEdits()
    """What changes in the request's headers."""
    timeouts: Timeouts = Timeouts()
    """How long each phase of a call may take."""
    pool: Pool = Pool()
    """Its connections."""
    max_in_flight: Limit = 0
    """Calls at a time; further ones wait in its queue. 0 for no limit."""
    queue: Queue = Queue()
    """Where calls wait for a place."""
    retry_budget: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Repeated calls for each call that is a first one."""
    probe: SomeTime | None = None
    """So often it is asked for its list of models, to know whether it is there; absent: never."""
    delay: Duration = 0.02
    """Between two words of a stream; provider "echo" only."""


class Target(Table):
    """One of a model's ``targets``."""

    backend: BackendName
    """The name of one of [backends]."""
    model: Text | None = None
    """What the provider is asked for; absent: the backend's model, or else the name that was asked for."""
    weight: Annotated[int, Field(ge=0, le=65535)] = 1
    """Its share among the targets of its priority; 0 for none."""
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    """Targets with a higher number are for when none with a lower one is healthy."""
    prefill: bool | None = None
    """Whether it takes the beginning of its answer; absent: as is known of its model."""


class Retry(Table):
    """A model's ``retry``."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often a request is tried in all, the first time and other targets included."""
    on: Many[Literal["connect", "timeout", "429", "5xx"]] = ("connect", "timeout", "429", "5xx")
    """What leads to another attempt."""
    backoff: Duration = 0.25
    """The longest wait before the first repetition at one target; doubles with each."""
    max_wait: Duration = 10.0
    """The longest wait before any; a target that wants a longer one is not tried again."""


class Breaker(Table):
    """A model's ``breaker``: when a target is left alone for a while."""

    failures: Limit = 5
    """So many failures in a row …; 0: no breaker."""
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """… or this part of at least twice as many calls …"""
    window: SomeTime = 30.0
    """… within this time …"""
    cool_down: SomeTime = 10.0
    """… keep a target out for this long."""
    when_all_open: Literal["try", "refuse"] = "try"
    """When all targets are out: try the one that is back first, or answer 503 with Retry-After."""


class Model(Table):
    """``[models.NAME]``: a public model name and what stands behind it."""

    aliases: Many[ModelName] = ()
    """Further names for the same."""
    balance: Literal["weighted", "least-busy", "lowest-latency", "hash"] = "weighted"
    """How one of several targets is chosen."""
    hash_on: HashOn = "consumer"
    """What balance = "hash" goes by: "consumer" or "header:NAME"."""
    targets: Annotated[Many[Target], Field(min_length=1)]
    """The backends that answer."""
    fallback: Many[Annotated[str, Names("models")]] = ()
    """Other models, whose targets are tried when none of this one's answers."""
    retry: Retry = Retry()
    """When a failed attempt is repeated."""
    breaker: Breaker = Breaker()
    """When a target is left alone."""
    on_stream_cut: Literal["error", "continue"] = "error"
    """When a stream breaks in the middle: say so, or have another target go on."""
    patience: SomeTime | None = None
    """After this long without a first event, a stream's client gets its 200 and comments."""
    timeouts: SomeTimeouts = SomeTimeouts()
    """Win over the backend's."""


class KeyAuth(Table):
    """``[auth.NAME]``: a way to recognise consumers by a key."""

    type: Literal["key"] = "key"
    """How consumers are recognised."""
    key_names: Annotated[Many[HeaderName], Field(min_length=1)] = ("apikey", "x-api-key", "api-key", "x-goog-api-key")
    """Names under which a key may come, in the order they are looked for."""
    bearer: bool = True
    """Also Authorization: Bearer, as the OpenAI SDK sends it."""
    key_in_header: bool = True
    """Look for the names among the headers."""
    key_in_query: bool = False
    """Look for the names in the query."""
    key_in_body: bool = False
    """Look for the names in a JSON or form body."""
    realm: Realm = ""
    """What a 401's WWW-Authenticate names."""
    anonymous: Annotated[str, Names("consumers", also=("",))] = ""
    """A consumer's name: who callers without a valid key are."""
    run_on_preflight: bool = True
    """Ask for a key on OPTIONS requests, too."""


class Rewrite(Table):
    """A route's ``rewrite``: the path on the upstream host."""

    exactly_one = ("full_path", "prefix")

    full_path: UpstreamPath | None = None
    """Replaces the whole path."""
    prefix: UpstreamPath | None = None
    """Replaces the part that the route's path matched."""


class Route(Table):
    """``[routes.NAME]``: which requests go where, and who may send them."""

    at_most_one = ("backend", "model")

    paths: Many[PathRule] = ()
    """ "/x" and what is below it, "=/x" exactly, "~^/v[0-9]+/" a regular expression; none: every path."""
    hosts: Many[HostRule] = ()
    """Exact, or with * as the first or last label; none: every host."""
    methods: Many[Method] = ()
    """None: every method."""
    headers: Annotated[dict[HeaderName, Annotated[Many[HeaderValue], Field(min_length=1)]], Field(repr=False)] = {}
    """Each of these headers must have one of its values."""
    operation: (
        Literal["chat", "completions", "embeddings", "responses", "messages", "count_tokens", "models", "raw"] | None
    ) = None
    """What is asked for; absent: what the end of the path says."""
    backend: BackendName | None = None
    """The one backend that answers."""
    model: Annotated[str, Names("models")] | None = None
    """The one of [models] that answers; with neither, the request's own model picks it."""
    auth: Annotated[str, Names("auth", also=("key", "none"))] = "key"
    """A name from [auth], or "none" to let everybody in."""
    rewrite: Rewrite | None = None
    """The path on the upstream host; absent: the provider's own for the operation."""
    streaming: Literal["allow", "deny", "always"] = "allow"
    """Whether clients may, may not or must have streams."""
    timeouts: SomeTimeouts = SomeTimeouts()
    """Win over the model's and the backend's."""


class Key(Table):
    """One of a consumer's ``keys``: a string, or a table with ``key`` and ``expires``.

    :ivar digest: SHA-256 of the key, hexadecimal. The key itself is not kept.
    :ivar plain: the file has the key itself.
    :ivar expires: when it becomes void.
    """

    digest: Annotated[str, Field(repr=False)]
    plain: bool
    expires: datetime | None = None


def _key(value: Any) -> Any:
    """A key from what the file has."""
    if isinstance(value, Key):
        return value
    expires = None
    if isinstance(value, dict):
        if set(value) - {"key", "expires"}:
            raise ValueError("unknown key (allowed: key, expires)")
        expires, value = value.get("expires"), value.get("key")
        if expires is not None and (not isinstance(expires, datetime) or expires.tzinfo is None):
            raise ValueError(
                "expires must be a date and time with a zone (such as 2027-01-01T00:00:00Z, without quotes)"
            )
    digest, plain = key_digest(value)
    return Key(digest=digest, plain=plain, expires=expires)


_KEY = {"type": "string", "minLength": 1}
_KEY_TABLE = {
    "type": "object",
    "properties": {"key": _KEY, "expires": {"type": "string", "format": "date-time"}},
    "required": ["key"],
    "additionalProperties": False,
}
AnyKey = Annotated[Key, BeforeValidator(_key), WithJsonSchema({"anyOf": [_KEY, _KEY_TABLE]})]


class ConsumerBackend(Table):
    """``[consumers.NAME.backends.BACKEND]``: this consumer's own settings of a backend; those given here win."""

    model: Text | None = None
    """What the provider is asked for."""
    on_model_mismatch: Mismatch | None = None
    """When the client names another model."""
    auth: BackendAuth | None = None
    """The credential that the provider gets."""
    defaults: Annotated[BodyFields, Field(repr=False)] = {}
    """Laid over the backend's, field by field."""
    overrides: Annotated[BodyFields, Field(repr=False)] = {}
    """Laid over the backend's, field by field."""
    headers: HeaderEdits | None = None
    """Added to the backend's."""


class Consumer(Table):
    """``[consumers.NAME]``: the holder of a key, and what it may do."""

    keys: Many[AnyKey] = ()
    """Its keys, as they are or as "sha256:…"."""
    models: Many[Text] | None = None
    """What it may ask for, * for anything; absent: everything."""
    routes: Many[RouteName] | None = None
    """Where it may go; absent: everywhere."""
    groups: Many[Name] = ()
    """Groups that it belongs to."""
    max_in_flight: Limit = 0
    """Its requests at a time; 0 for no limit."""
    backends: dict[BackendName, ConsumerBackend] = {}
    """Its own settings of backends."""


class Tables(Table):
    """The whole file."""

    server: Server = Server()
    """The process and its listeners."""
    secrets: dict[Name, SecretSource] = {}
    """Where secrets are read from."""
    backends: dict[Name, Backend] = {}
    """The providers' accounts."""
    models: dict[ModelName, Model] = {}
    """The model names that clients may ask for."""
    auth: dict[Name, KeyAuth] = {}
    """The ways to recognise consumers; "key" is there without being written down."""
    routes: dict[Name, Route] = {}
    """Which requests go where."""
    consumers: dict[Name, Consumer] = {}
    """Who may come in."""
