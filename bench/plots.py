"""Plots as SVG, written by hand so that nothing has to be installed: bars of a case's table, lines over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.tables import LIMIT

_WIDTH = 760
_NAMES = 250
_VALUES = 90
_BAR = 18
_GAP = 6
_TITLE = 34
_OURS, _OTHERS = "#2563a8", "#a9b4c0"
_FRAME = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    'font-family="Helvetica, Arial, sans-serif" font-size="12">\n'
    '<rect width="100%" height="100%" fill="white"/>\n{parts}\n</svg>\n'
)


@dataclass(frozen=True)
class Panel:
    """Bars of one figure.

    :param metric: a field of the case's samples; :param scale: what its values are divided by.
    :param logarithmic: bars begin at the power of ten below the smallest value; each further one is as far again.
    """

    title: str
    metric: str
    scale: float = 1.0
    digits: int = 0
    logarithmic: bool = False


_REQUESTS = Panel("requests/s", "requests_per_second")
_CPU = Panel("CPU µs a request (logarithmic)", "cpu_us_per_request", digits=1, logarithmic=True)
_PLAIN_CPU = Panel("CPU µs a request", "cpu_us_per_request", digits=1)
_CALLS = (_REQUESTS, _CPU)
_STREAM = (
    Panel("CPU µs a chunk (logarithmic)", "cpu_us_per_chunk", digits=1, logarithmic=True),
    Panel("delay of a chunk, 99th percentile, ms (logarithmic)", "delay_p99_us", 1000, 2, True),
)
_PANELS: Mapping[str, Sequence[Panel]] = {
    "stream": _STREAM,
    "translated": _STREAM,
    "memory": (
        Panel("MB, idle", "idle_bytes", 1e6, 1),
        Panel("kB a stream", "bytes_per_stream", 1e3, 1),
        Panel("kB an idle connection", "bytes_per_connection", 1e3, 1),
    ),
    "growth": (_PLAIN_CPU,),
    "workers": (_REQUESTS, _PLAIN_CPU),
    "start": (Panel("start, ms", "start_us", 1000), Panel("reload, ms", "reload_us", 1000)),
}


def bars(case: str, title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """The case as SVG: a panel for each figure, a bar for each row that has it."""
    parts = [_text(_WIDTH / 2, 22, title, anchor="middle", extra=' font-size="15" font-weight="bold"')]
    top = 40.0
    for panel in _PANELS.get(case, _CALLS):
        values = {name: row[panel.metric] / panel.scale for name, row in rows.items() if _shown(name, panel, row)}
        if values:
            parts += _panel(panel, values, top)
            top += _TITLE + len(values) * (_BAR + _GAP) + 10
    return _FRAME.format(width=_WIDTH, height=round(top), parts="\n".join(parts))


def _shown(name: str, panel: Panel, row: Mapping[str, float]) -> bool:
    """``direct`` has no processor time of its own."""
    return panel.metric in row and not (name == LIMIT and panel.metric.startswith("cpu_"))


def _panel(panel: Panel, values: Mapping[str, float], top: float) -> list[str]:
    parts = [_text(_NAMES, top + 22, panel.title, extra=' font-weight="bold"')]
    room = _WIDTH - _NAMES - _VALUES
    for at, (name, value) in enumerate(values.items()):
        y = top + _TITLE + at * (_BAR + _GAP)
        length = max(1.0, room * _share(panel, value, values))
        colour = _OURS if name.startswith("aigw") else _OTHERS
        parts.append(_text(_NAMES - 8, y + 13, name, anchor="end"))
        parts.append(f'<rect x="{_NAMES}" y="{y:.0f}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>')
        parts.append(_text(_NAMES + length + 6, y + 13, f"{value:,.{panel.digits}f}"))
    return parts


def _share(panel: Panel, value: float, values: Mapping[str, float]) -> float:
    """How much of the room a value's bar takes."""
    most = max(values.values())
    if not panel.logarithmic:
        return value / most if most > 0 else 0.0
    positive = [each for each in values.values() if each > 0]
    if value <= 0:
        return 0.0
    floor = math.floor(math.log10(min(positive))) - 0.5
    return (math.log10(value) - floor) / (math.log10(most) - floor)


def line(title: str, unit: str, points: Sequence[tuple[float, float]]) -> str:
    """Values over minutes as SVG. The upright axis begins at 0, so that what looks flat is flat.

    :param points: minute and value, in order; at least one.
    """
    left, right, top, bottom = 70.0, _WIDTH - 20.0, 46.0, 250.0
    end, most = max(points[-1][0], 1e-9), max(value for _, value in points) * 1.1 or 1.0
    place = [
        f"{left + minute / end * (right - left):.1f},{bottom - value / most * (bottom - top):.1f}"
        for minute, value in points
    ]
    parts = [_text(_WIDTH / 2, 22, title, anchor="middle", extra=' font-size="15" font-weight="bold"')]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * (bottom - top)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#dde2e8"/>')
        parts.append(_text(left - 8, y + 4, f"{share * most:,.0f}", anchor="end"))
        parts.append(_text(left + share * (right - left), bottom + 18, f"{share * end:.1f}", anchor="middle"))
    parts.append(f'<polyline points="{" ".join(place)}" fill="none" stroke="{_OURS}" stroke-width="1.5"/>')
    parts.append(_text(right, bottom + 36, "minutes", anchor="end"))
    parts.append(_text(left - 8, top - 10, unit, anchor="end"))
    return _FRAME.format(width=_WIDTH, height=300, parts="\n".join(parts))


def _text(x: float, y: float, text: str, *, anchor: str = "start", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{escape(text)}</text>'
