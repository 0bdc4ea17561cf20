"""``python -m bench [--quick]`` measures; ``profile`` shows where time goes, ``instructions`` counts it, ``soak`` looks
whether memory grows, ``mixup`` whether anybody gets what is another's."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import body, chat, growth, machine, memory, peers, profiling, start, stream, tls, workers
from bench.errors import BenchError
from bench.instructions import instructions
from bench.mixup import mixup
from bench.peers.peer import Peer
from bench.plan import FULL, LOAD_CORE, QUICK, SMALL, Plan
from bench.programs import ROOT
from bench.report import Report
from bench.soak import soak

Work = Callable[[Plan, list[Peer], Path], dict[str, Any]]
WORKS: dict[str, Work] = {
    "chat": chat.run,
    "stream": stream.run,
    "memory": memory.run,
    "body": body.run,
    "tls": tls.run,
    "growth": growth.run,
    "start": start.run,
    "workers": workers.run,
}
RESULTS = ROOT / "bench" / "results"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; see README.md."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, under three minutes")
    parser.add_argument(
        "--peers", default=",".join(peer.name for peer in peers.ALL), help="which, by comma (default: all)"
    )
    parser.add_argument("--works", default=",".join(WORKS), help="which, by comma (default: all)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where latest.md and latest.json go")
    commands = parser.add_subparsers(dest="command")
    profile = commands.add_parser("profile", help="self time by function of a gateway under load")
    profile.add_argument("work", nargs="?", choices=("chat", "stream"), default="chat")
    profile.add_argument("--peer", default="aigw", help="which gateway (default: aigw)")
    profile.add_argument("--seconds", type=int, default=10)
    profile.add_argument("--lines", type=int, default=45, help="how many functions to show")
    profile.add_argument("--native", action="store_true", help="C functions too")
    profile.add_argument("--stacks", help="keep py-spy's collapsed stacks in this file")
    count = commands.add_parser("instructions", help="instructions of aigw's own program a call, by callgrind")
    count.add_argument("work", nargs="?", choices=("chat", "stream"), default="chat")
    count.add_argument("--misses", action="store_true", help="cache misses too, simulated")
    count.add_argument("--consumers", type=int, default=SMALL.consumers, help="whose calls come in turn (default: 10)")
    count.add_argument("--routes", type=int, default=SMALL.routes, help="that the calls ask for in turn (default: 10)")
    long = commands.add_parser("soak", help="half load for a long time; is memory flat?")
    long.add_argument("--peer", default="aigw", help="which gateway (default: aigw)")
    long.add_argument("--minutes", type=float, default=30.0)
    mixed = commands.add_parser("mixup", help="marked calls of 40 consumers, random aborts: is anything another's?")
    mixed.add_argument("--calls", type=int, default=50_000)
    mixed.add_argument("--workers", type=int, default=1)
    mixed.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def bench(options: argparse.Namespace) -> Report:
    """Measure everything that was asked for.

    :raises BenchError: something is missing, or an answer was wrong.
    """
    plan = QUICK if options.quick else FULL
    unknown = set(options.works.split(",")) - set(WORKS)
    if unknown:
        raise BenchError(f"no work {', '.join(sorted(unknown))} (there are {', '.join(WORKS)})")
    ready, skipped = peers.chosen(options.peers.split(","))
    for line in skipped:
        print(line, file=sys.stderr)
    samples: dict[str, Any] = {}
    for name in options.works.split(","):
        samples |= measured(name, plan, ready, skipped)
    return Report(plan.name, plan.rounds, machine.describe(ready), samples, titles(plan), skipped)


def measured(work: str, plan: Plan, ready: list[Peer], skipped: list[str]) -> dict[str, Any]:
    """The samples of one work. A slow peer that fails in it is left out of it, which ``skipped`` then says: its faults
    are not worth the rest of a long run.

    :raises BenchError: one of the others failed.
    """
    chosen = [peer for peer in ready if peer.name in plan.only.get(work, (peer.name,))]
    while True:
        try:
            with TemporaryDirectory(prefix="aigw-bench-") as directory:
                return WORKS[work](plan, chosen, Path(directory))
        except BenchError as error:
            culprit = next((peer for peer in chosen if peer.slow and peer.name in str(error)), None)
            if culprit is None:
                raise
            skipped.append(f"{culprit.name} is left out of {work}: {' '.join(str(error).split())[:300]}")
            print(skipped[-1], file=sys.stderr)
            chosen.remove(culprit)


def titles(plan: Plan) -> dict[str, str]:
    """The heading of each case."""
    load = plan.streams
    chats = {f"chat-{count}": f"Chat calls, {count} connection{'s' * (count > 1)}" for count in plan.connections}
    paced = f"Streams: {load.streams} at once, a chunk each {load.interval * 1000:.0f} ms"
    return {
        **chats,
        "stream": paced,
        "translated": f"{paced}, from Anthropic's dialect to OpenAI's",
        "memory": "Memory: idle connections and open streams",
        "body": f"Chat calls with a body of 1 MiB, {body.CONNECTIONS} connections",
        "tls": f"Chat calls with TLS on both sides, {tls.CONNECTIONS} connections that stay open",
        "tls-new": f"Chat calls with TLS on both sides, {tls.CONNECTIONS} at a time, a connection for each",
        "growth": f"Growth: chat calls, {growth.CONNECTIONS} connections, started anew for each round",
        "start": "Start and reload",
        "workers": f"Workers: chat calls, {workers.CONNECTIONS} connections",
    }


def prepare() -> None:
    """Two cores, enough descriptors; this process itself stays off the gateway's core and ends its children."""
    if (os.cpu_count() or 1) < 2:
        raise BenchError("two cores are needed: one for the gateway, one for the load")
    os.sched_setaffinity(0, {LOAD_CORE})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> int:
    """Exit status 0 if everything was measured and right, whether or not the goals were met."""
    options = parse()
    try:
        prepare()
        if options.command == "profile":
            print(profiling.profile(options))
            return 0
        if options.command == "instructions":
            print(instructions(options))
            return 0
        if options.command == "mixup":
            found = mixup(options)
            found.write(options.results)
            print(found.markdown())
            return 0
        report = soak(options) if options.command == "soak" else bench(options)
    except BenchError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    report.write(options.results)
    print(report.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
