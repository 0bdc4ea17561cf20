"""The report: tables in Markdown, the same as JSON with every round's sample."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.plan import GOALS, Goal
from bench.plots import bars
from bench.statistics import median_ratio, medians
from bench.tables import added, columns, table

STRANGERS_LIMIT = 0.05
Samples = Mapping[str, Mapping[str, Sequence[Any]]]
"""By case, then by peer: one sample a round."""


@dataclass(frozen=True)
class Verdict:
    """A goal and what came out."""

    goal: Goal
    ratio: float

    @property
    def met(self) -> bool:
        return self.goal.met(self.ratio)


@dataclass(frozen=True)
class Report:
    """All that one run found."""

    plan: str
    rounds: int
    facts: Mapping[str, str]
    samples: Samples
    titles: Mapping[str, str]
    skipped: Sequence[str] = field(default_factory=list)

    def verdicts(self) -> list[Verdict]:
        """The goals for which both sides were measured."""
        found = []
        for goal in GOALS:
            ours, theirs = (
                [getattr(sample, goal.metric) for sample in self.samples.get(side.case, {}).get(side.row, ())]
                for side in (goal.ours, goal.theirs)
            )
            if ours and theirs:
                found.append(Verdict(goal, median_ratio(ours, theirs)))
        return found

    def disturbed(self) -> list[str]:
        """A line for each measurement during which others used the gateway's core."""
        return [
            f"{case}, {peer}, round {number}: others used {sample.strangers_share:.0%} of the gateway's core"
            for case, peers in self.samples.items()
            for peer, samples in peers.items()
            for number, sample in enumerate(samples, 1)
            if getattr(sample, "strangers_share", 0.0) > STRANGERS_LIMIT
        ]

    def markdown(self) -> str:
        """The report to read."""
        return "\n".join([*self._heading(), *self._tables(), *self._ratios(), *self._remarks()]) + "\n"

    def _heading(self) -> list[str]:
        facts = [f"| {name} | {value} |" for name, value in self.facts.items()]
        rounds = "1 round" if self.rounds == 1 else f"medians of {self.rounds} rounds"
        return [f"# Benchmark, {self.plan} run, {rounds}", "", "| | |", "|---|---|", *facts]

    def _tables(self) -> list[str]:
        lines: list[str] = []
        for case, rows in self._medians().items():
            if rows:
                lines += ["", f"## {self.titles[case]}", "", *table(added(rows), columns(case))]
                lines += ["", f"![{self.titles[case]}]({case}.svg)"]
        return lines

    def _ratios(self) -> list[str]:
        lines = [
            f"| {verdict.goal.title}, {verdict.goal.ours.row} : {verdict.goal.theirs.row} | {verdict.ratio:.2f} "
            f"| {'≥' if verdict.goal.at_least else '≤'} {verdict.goal.limit} "
            f"| {'met' if verdict.met else '**missed**'} |"
            for verdict in self.verdicts()
        ]
        heading = ["", "## Goals", "", "| ratio | now | goal | |", "|---|---:|---:|---|"]
        return [*heading, *lines] if lines else ["", "No goal could be judged: of none were both sides measured."]

    def _remarks(self) -> list[str]:
        remarks = [*self.skipped, *self.disturbed()]
        if any(not getattr(sample, "prompt", True) for sample in self._all()):
            remarks.append("the load client had no real-time priority: its own waiting is in the delays")
        return ["", *(f"- {remark}" for remark in remarks)] if remarks else []

    def _medians(self) -> dict[str, dict[str, dict[str, float]]]:
        """By case and row."""
        return {
            case: {name: medians(samples) for name, samples in rows.items() if samples}
            for case, rows in self.samples.items()
        }

    def _all(self) -> Iterator[Any]:
        for peers in self.samples.values():
            for samples in peers.values():
                yield from samples

    def write(self, directory: Path) -> None:
        """``latest.md``, ``latest.json`` and a plot for each case; the plots of former runs go."""
        directory.mkdir(parents=True, exist_ok=True)
        for case in {*self.titles, *(path.stem for path in directory.glob("chat-*.svg"))}:
            (directory / f"{case}.svg").unlink(missing_ok=True)
        for case, rows in self._medians().items():
            (directory / f"{case}.svg").write_text(bars(case, self.titles[case], rows))
        (directory / "latest.md").write_text(self.markdown())
        (directory / "latest.json").write_text(json.dumps(self._plain(), indent=1) + "\n")

    def _plain(self) -> dict[str, Any]:
        return {
            "plan": self.plan,
            "rounds": self.rounds,
            "facts": dict(self.facts),
            "skipped": list(self.skipped),
            "disturbed": self.disturbed(),
            "goals": [
                {"goal": asdict(verdict.goal), "ratio": verdict.ratio, "met": verdict.met}
                for verdict in self.verdicts()
            ],
            "medians": self._medians(),
            "samples": {
                case: {name: [asdict(sample) for sample in samples] for name, samples in peers.items()}
                for case, peers in self.samples.items()
            },
        }
