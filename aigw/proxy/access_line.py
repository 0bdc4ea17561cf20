"""The access log's line: what a request came to, as one JSON object (contract section 7).

Theory of operation. All lines have the same fields, and most of them the same few words, so a line is put together as
text; making a dictionary and having that serialised costs twice as much. What is not known to be harmless (a path, an
address, a model) is written by orjson, and what comes again and again is remembered as it was written. Names of the
configuration, the methods that the wire lets in, ids and the gateway's own words hold no character that JSON writes
otherwise.

A line has a bounded length: what comes from outside is cut where it is longer than anybody needs, and ends in ``…``.
"""

from __future__ import annotations

from time import gmtime, strftime, time
from typing import TYPE_CHECKING, Final

import orjson

from aigw.bounded_cache import remember

if TYPE_CHECKING:
    from aigw.proxy.account import Account

#: What a line has at most: characters of a path, and of any other text from outside (a model, an address); attempts.
_LONGEST_PATH: Final = 1024
_LONGEST_TEXT: Final = 256
_MOST_TRIED: Final = 16

#: Texts as they are written.
_remembered: Final[dict[str, str]] = {}
_NUMBERS: Final = [str(number) for number in range(1000)]
_THOUSANDTHS: Final = [f"{number:03d}" for number in range(1000)]
_time: Final = time
_dumps: Final = orjson.dumps


class _WallClock:
    """UTC, RFC 3339 with milliseconds; the part down to the second is made once a second."""

    def __init__(self) -> None:
        self.second = 0
        self.text = ""

    def read(self) -> int:
        """Look at it.

        :returns: milliseconds of the second; :attr:`text` is the rest.
        """
        now = _time()
        second = int(now)
        if second != self.second:
            self.second = second
            self.text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        return int((now - second) * 1000)


_clock: Final = _WallClock()


def access_line(account: Account, consumer: str, status: int, now: float, overhead: float) -> bytes:
    """The line, with its line feed.

    :param consumer: its name, empty if there is none.
    :param now: the clock of the account's times, seconds.
    :param overhead: our own time in the request, seconds.
    """
    request, plan = account.request, account.plan
    thousandth = _clock.read()
    took, own = _microseconds(now - request.received), _microseconds(overhead)
    backend = provider = ""
    if plan is not None:
        backend, provider = plan.backend, plan.provider
    line = (
        f'{{"time":"{_clock.text}.{_THOUSANDTHS[thousandth]}Z","request_id":"{request.request_id}",'
        f'"client":{_text(account.client)},"consumer":"{consumer}","route":"{account.route}",'
        f'"operation":"{account.operation}","method":"{_method(request.method)}",'
        f'"path":{_path(request.path)},"status":{_number(status)},'
        f'"backend":"{backend}","provider":"{provider}",'
        f'"model":{_text(account.asked_model or "")},{_upstream_model(account.sent_model)}'
        f'"response_model":{_text(account.response_model or "")},'
        f'"stream":{"true" if account.stream else "false"},"attempts":{_number(account.attempts)},{_tokens(account)},'
        f'"bytes_in":{_number(request.bytes_in)},"bytes_out":{_number(request.bytes_out)},'
        f'"duration_ms":{_number(took // 1000)}.{_THOUSANDTHS[took % 1000]},"upstream_ms":{_upstream_ms(account, now)},'
        f'"overhead_ms":{_number(own // 1000)}.{_THOUSANDTHS[own % 1000]},"ttft_ms":{_ttft_ms(account)},'
        f'"error":{_text(account.error)}{_rarely(account)}}}\n'
    )
    return line.encode("utf-8")


def _upstream_model(model: bytes) -> str:
    """What the target was asked for: not there where nothing was asked, or what was is no model."""
    return f'"upstream_model":{_text(model.decode("ascii"))},' if model else ""


def _tokens(account: Account) -> str:
    usage = account.usage
    if usage is None:
        return '"input_tokens":null,"output_tokens":null,"cached_input_tokens":null,"reasoning_tokens":null'
    return (
        f'"input_tokens":{_number(usage.input)},"output_tokens":{_number(usage.output)},'
        f'"cached_input_tokens":{_number(usage.cached_input)},"reasoning_tokens":{_number(usage.reasoning)}'
    )


def _upstream_ms(account: Account, now: float) -> str:
    if not account.started_at:
        return "null"
    return _milliseconds((account.upstream_done_at or now) - account.started_at)


def _ttft_ms(account: Account) -> str:
    if not account.first_token_at:
        return "null"
    return _milliseconds(account.first_token_at - account.request.received)


def _rarely(account: Account) -> str:
    """The fields that few lines have."""
    fields = ""
    if len(account.tried) > 1:
        tried = [
            f'{{"backend":"{backend}","model":{_text(model)},"outcome":"{outcome}","ms":{_milliseconds(seconds)},'
            f'"error":{_text(error)}}}'
            for backend, model, outcome, seconds, error in account.tried[:_MOST_TRIED]
        ]
        fields = f',"tried":[{",".join(tried)}]'
    if account.continued:
        fields += ',"continued":true'
    if account.usage is not None and account.usage.partial:
        fields += ',"usage_partial":true'
    return fields


def server_timing(own: float, upstream: float) -> bytes:
    """``Server-Timing`` as the contract's section 4 has it, in milliseconds.

    :param own: our own time, seconds.
    :param upstream: the upstream's.
    """
    ours, theirs = _microseconds(own), _microseconds(upstream)
    value = (
        f"gw;dur={_number(ours // 1000)}.{_THOUSANDTHS[ours % 1000]}, "
        f"upstream;dur={_number(theirs // 1000)}.{_THOUSANDTHS[theirs % 1000]}"
    )
    return value.encode("ascii")


def _microseconds(seconds: float) -> int:
    """Whole ones; what is below 0 is 0."""
    return int(seconds * 1e6) if seconds > 0 else 0


def _milliseconds(seconds: float) -> str:
    """With three decimals, such as ``12.030``."""
    whole = _microseconds(seconds)
    return f"{_number(whole // 1000)}.{_THOUSANDTHS[whole % 1000]}"


def _number(number: int) -> str:
    return _NUMBERS[number] if 0 <= number < 1000 else str(number)


def _method(method: bytes) -> str:
    return method[:32].decode("latin-1")


def _path(path: bytes) -> str:
    text = path.decode("latin-1")
    return _written(text if len(text) <= _LONGEST_PATH else text[:_LONGEST_PATH] + "…")


def _text(text: str) -> str:
    """``text`` as JSON, cut where it is too long, and remembered."""
    written = _remembered.get(text)
    if written is None:
        written = _written(text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…")
        remember(_remembered, text, written, len(text))
    return written


def _written(text: str) -> str:
    try:
        return _dumps(text).decode()
    except TypeError:  # half of a surrogate pair, which is no Unicode
        return _dumps(text.encode("utf-8", "replace").decode()).decode()
