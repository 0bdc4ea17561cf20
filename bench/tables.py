"""The tables of the report: what is shown of a sample, and how a table is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading and how a peer's medians become a cell."""

    heading: str
    cell: Callable[[Mapping[str, float]], str]


def _number(name: str, digits: int = 0, scale: float = 1.0) -> Callable[[Mapping[str, float]], str]:
    return lambda row: f"{row[name] / scale:,.{digits}f}" if name in row else "-"


def _share(name: str) -> Callable[[Mapping[str, float]], str]:
    return lambda row: f"{row[name]:.0%}"


LIMIT = "direct"
_CPU = Column("CPU µs/request", _number("cpu_us_per_request", 1))
_RATE = Column("requests/s", _number("requests_per_second"))
_TIMES = (Column("p50 ms", _number("p50_us", 2, 1000)), Column("p99 ms", _number("p99_us", 2, 1000)))
_SHARES = (Column("gateway core", _share("gateway_share")), Column("load core", _share("load_core_share")))
_CALLS = (
    _RATE,
    *_TIMES,
    Column("added p50", _number("added_p50_us", 2, 1000)),
    Column("added p99", _number("added_p99_us", 2, 1000)),
    _CPU,
    *_SHARES,
)
_OWN = (_RATE, *_TIMES, _CPU, *_SHARES)
_STREAM = (
    Column("streams", _number("streams")),
    Column("CPU µs/chunk", _number("cpu_us_per_chunk", 1)),
    Column("delay p50 ms", _number("delay_p50_us", 2, 1000)),
    Column("delay p99 ms", _number("delay_p99_us", 2, 1000)),
    Column("added p50", _number("added_delay_p50_us", 2, 1000)),
    Column("added p99", _number("added_delay_p99_us", 2, 1000)),
    Column("first token p50", _number("first_p50_us", 2, 1000)),
    Column("first token p99", _number("first_p99_us", 2, 1000)),
    *_SHARES,
)
_MEMORY = (
    Column("idle MB", _number("idle_bytes", 1, 1e6)),
    Column("connections", _number("connections")),
    Column("kB/connection", _number("bytes_per_connection", 1, 1e3)),
    Column("streams", _number("streams")),
    Column("streaming MB", _number("open_bytes", 1, 1e6)),
    Column("kB/stream", _number("bytes_per_stream", 1, 1e3)),
)
_START = (
    Column("start ms", _number("start_us", 0, 1000)),
    Column("reload ms", _number("reload_us", 0, 1000)),
    Column("longest call meanwhile ms", _number("stall_us", 1, 1000)),
    Column("MB", _number("bytes", 1, 1e6)),
)
_COLUMNS: Mapping[str, Sequence[Column]] = {
    "stream": _STREAM,
    "translated": _STREAM,
    "memory": _MEMORY,
    "start": _START,
    "growth": _OWN,
    "workers": _OWN,
}


def columns(case: str) -> Sequence[Column]:
    """The columns of a case's table; those of calls, if it has none of its own."""
    return _COLUMNS.get(case, _CALLS)


def added(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The rows with what each peer's times are above those without a gateway, as ``added_…``."""
    limit = rows.get(LIMIT, {})
    return {
        name: {**row, **{f"added_{key}": row[key] - limit[key] for key in limit if key.endswith("_us")}}
        if name != LIMIT
        else dict(row)
        for name, row in rows.items()
    }


def table(rows: Mapping[str, Mapping[str, float]], chosen: Sequence[Column]) -> list[str]:
    """A Markdown table whose columns are also aligned as plain text."""
    cells = [["", *(column.heading for column in chosen)]]
    cells += [[name, *(column.cell(row) for column in chosen)] for name, row in rows.items()]
    widths = [max(3, *(len(row[at]) for row in cells)) for at in range(len(chosen) + 1)]
    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return [_line(row, widths) for row in (cells[0], ruler, *cells[1:])]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0].ljust(widths[0])
    others = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
    return f"| {' | '.join([first, *others])} |"
