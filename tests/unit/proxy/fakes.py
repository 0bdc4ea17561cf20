"""A client's request and an upstream without sockets: they remember what was done to them."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from aigw.consumers.key_filter import KeyFilter
from aigw.http.deadlines import Deadlines
from aigw.llm.body import Adjustments
from aigw.llm.translation import Translating
from aigw.proxy.account import Account
from aigw.proxy.attempt import Attempt
from aigw.proxy.client_body import ClientBody
from aigw.proxy.client_call import ClientCall
from aigw.proxy.credentials import credential_secrets
from aigw.proxy.exchange import Exchange
from aigw.proxy.forwarding import NEVER_UPSTREAM
from aigw.proxy.plan import Plan, Timeouts
from aigw.redaction import Redactor
from aigw.routing.balance import Balance
from aigw.routing.budget import RetryBudget
from aigw.routing.health import Health
from aigw.routing.retry import ONCE
from aigw.routing.targets import Candidate, Group, Tier
from aigw.upstream.credential import Credential
from aigw.upstream.target import PathRule


class FakeRequest:
    """What an exchange uses of :class:`aigw.http.request.Request`."""

    def __init__(self, clock: Clock, method: bytes = b"POST") -> None:
        self.method = method
        self.path = b"/v1/chat/completions"
        self.request_id = "req-1"
        self.anthropic = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.nominated: frozenset[bytes] = frozenset()
        self.received = self.complete = clock.seconds()
        self.status = 0
        self.bytes_in = self.bytes_out = 0
        self.disconnected = False
        self.gone: Any = None
        self.body = b""
        self.length: int | None = None
        self.response_headers: dict[bytes, bytes] = {}
        self.ended = ""
        self.writes = 0
        self.producer: Any = None
        self.held, self.room = 0, 1 << 40

    def header(self, name: bytes) -> bytes | None:
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: bytes) -> list[bytes]:
        return [value for known, value in self.headers if known == name]

    def respond(self, status: int, headers: Any, body: bytes, lines: bytes = b"") -> None:
        assert not self.status, "answered twice"
        self.status, self.body, self.ended = status, body, "finished"
        self.response_headers = {**dict(headers), **parsed(lines)}

    def start(self, status: int, headers: Any, length: int | None = None, extra: bytes = b"") -> None:
        assert not self.status, "answered twice"
        self.status, self.length = status, length
        self.response_headers = {**dict(headers), **parsed(extra)}

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        self.writes += 1
        self.body += data

    def finish(self) -> None:
        assert not self.ended, "ended twice"
        self.ended = "finished"

    def abort(self) -> None:
        assert not self.ended, "ended twice"
        self.ended = "aborted"

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def hold(self, size: int) -> bool:
        self.held += size
        return self.held <= self.room

    def may_parse(self, body: bytes | bytearray) -> bool:
        return len(body) <= self.room

    @property
    def finished(self) -> bool:
        return bool(self.ended)

    def leave(self) -> None:
        """The client's connection is lost."""
        self.disconnected = True
        gone, self.gone = self.gone, None
        if gone is not None:
            gone()


def parsed(lines: bytes) -> dict[bytes, bytes]:
    """Header lines as a mapping."""
    return dict(line.split(b": ", 1) for line in lines.split(b"\r\n")[:-1])  # type: ignore[misc]


class FakeCall:
    """One call under way.

    :ivar queued: see :class:`aigw.upstream.calling.Calling`.
    """

    def __init__(self) -> None:
        self.queued = False
        self.cancelled = False
        self.paused = False

    def cancel(self) -> None:
        self.cancelled = True

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class FakeUpstream:
    """Takes calls; the test plays the upstream through ``sink``."""

    def __init__(self) -> None:
        self.name = "openai"
        self.payloads: list[Any] = []
        self.sink: Any = None
        self.call = FakeCall()

    def send(self, payload: Any, sink: Any) -> FakeCall:
        self.payloads.append(payload)
        self.sink = sink
        return self.call

    def retire(self) -> None:
        pass


class FakeLedger:
    """Remembers which accounts were closed."""

    def __init__(self) -> None:
        self.closed: list[Account] = []
        self.outcomes: list[tuple[str, str]] = []
        self.timeouts: list[tuple[str, str]] = []
        self.metrics = self

    def attempt(self, backend: str, outcome: str) -> None:
        self.outcomes.append((backend, outcome))

    def timed_out(self, backend: str, which: str) -> None:
        self.timeouts.append((backend, which))

    def close(self, account: Account) -> None:
        assert not account.closed, "closed twice"
        account.closed = True
        self.closed.append(account)


TIMEOUTS = Timeouts(connect=5, first_byte=60, first_token=30, idle=20, total=600)
CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'


def make_plan(upstream: Any, **changes: Any) -> Plan:
    """A plan for chat at OpenAI, changed where a test wants it otherwise."""
    values: dict[str, Any] = {
        "backend": "openai",
        "provider": "openai",
        "genai_name": "openai",
        "upstream": upstream,
        "operation": "chat",
        "path_rule": PathRule(b"/v1", b"/v1/chat/completions", None),
        "model": None,
        "public_model": None,
        "on_model_mismatch": "override",
        "adjustments": Adjustments(defaults={}, overrides={}),
        "adjusts": False,
        "credential": Credential.of(b"sk-upstream-secret", b"authorization", b"Bearer "),
        "static_head": b"host: api.openai.com\r\nauthorization: Bearer sk-upstream-secret\r\n",
        "drop": NEVER_UPSTREAM | {b"apikey"},
        "timeouts": TIMEOUTS,
        "streaming": "allow",
        "asks_usage": True,
        "keys": KeyFilter(lambda token: False),
        "label_of": lambda name: name,
        "down_lines": b"via: 1.1 aigw\r\nx-aigw-backend: openai\r\n",
    }
    values.update(changes)
    secrets = (*credential_secrets(values["credential"]), *values.get("secrets", ()))
    values.update(secrets=secrets, redactor=Redactor(secrets))
    return Plan(**values)


def make_candidate(backend: str = "openai", **more: Any) -> Candidate:
    """A target that is well."""
    return Candidate(backend, None, None, Health(), RetryBudget(), name=backend.encode(), **more)


def make_group(*tiers: list[Candidate], **more: Any) -> Group:
    """Targets in tiers, each balanced in turn."""
    balance = Balance("weighted", "consumer", lambda: 0.0)
    return Group("m", tuple(Tier(tuple(tier), balance) for tier in tiers), more.pop("rules", ONCE), **more)


class FakePlans:
    """A plan for each backend."""

    def __init__(self, plans: dict[str, Any]) -> None:
        self.plans = plans

    def plan(self, route: str, candidate: Candidate, consumer: Any, operation: str) -> Any:
        plan = self.plans[candidate.backend]
        if isinstance(plan, Exception):
            raise plan
        return plan


class Scene:
    """An exchange between a fake client and a fake upstream, on a clock that the test turns."""

    def __init__(
        self,
        *,
        stream: bool = False,
        hide_usage: bool = False,
        method: bytes = b"POST",
        translation: Translating | None = None,
        candidate: Candidate | None = None,
        **plan: Any,
    ) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.request = FakeRequest(self.clock, method)
        self.upstream = FakeUpstream()
        self.plan = make_plan(self.upstream, **plan)
        self.ledger = FakeLedger()
        self.account = Account(self.request, "127.0.0.1")  # type: ignore[arg-type]
        self.candidate = candidate or make_candidate()
        call = ClientCall(self.account, b"/v1")
        call.asks(self.plan.operation, None, ClientBody(CHAT), "r", FakePlans({"openai": self.plan}))
        self.exchange = Exchange(
            call,
            make_group([self.candidate]),
            self.ledger,  # type: ignore[arg-type]
            self.deadlines,
        )
        payload = self.plan.payload(method, b"/v1/chat/completions", [], CHAT, "req-1", None)
        self.exchange.start(Attempt(self.candidate, self.plan, payload, stream, b"gpt-4o", hide_usage, translation))

    @property
    def call(self) -> FakeCall:
        return self.upstream.call

    def sent(self) -> Any:
        """The request is on a connection; returns the sink."""
        self.upstream.sink.on_sent()
        return self.upstream.sink

    def head(self, status: int = 200, kind: bytes = b"application/json", **more: bytes) -> Any:
        """The upstream's head is there; returns the sink."""
        sink = self.sent()
        headers = [(b"content-type", kind)]
        headers += [(name.replace("_", "-").encode(), value) for name, value in more.items()]
        sink.on_head(status, headers)
        return sink

    def events(self) -> Any:
        """The upstream begins a stream."""
        return self.head(200, b"text/event-stream")

    def pass_time(self, seconds: float) -> None:
        """Turn the clock in small steps."""
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)
