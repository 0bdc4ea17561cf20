"""As many workers as there should be, serving the same: in no time and without a process."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial import unittest

from aigw.daemon import Refused
from aigw.workers.process import Beat
from aigw.workers.two_phase_reload import ConfigUpdate
from tests.unit.workers.fakes import ABORT, KILL, REFUSAL, FakePort, FakeProcess, FakeSupervisor


class SupervisorTestCase(unittest.TestCase):
    """Two workers that serve."""

    def setUp(self) -> None:
        self.fake = FakeSupervisor()
        self.supervisor, self.clock = self.fake.supervisor, self.fake.clock
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def errors(self) -> list[str]:
        """The errors that were logged."""
        return [formatEvent(event) for event in self.events if event.get("log_level") == LogLevel.error]


class StartTests(SupervisorTestCase):
    """The first ones."""

    def test_each_gets_what_it_needs(self) -> None:
        """The settings, its own socket of each listener or the one of all, the shared counters, its slot."""
        self.supervisor.start(ConfigUpdate(b"first", {"ann": 2}), self.fake.ports)
        self.assertEqual([process.number for process in self.fake.hired], [1, 2])
        for process, sockets in zip(self.fake.hired, ([10, 20], [11, 20]), strict=True):
            self.assertEqual(process.link.payload("serve"), b"first")
            wanted = {"listeners": ["tcp:1", "unix:2"], "rows": {"ann": 2}, "slot": process.number, "slots": 2}
            self.assertEqual(process.link.fields("serve"), {**wanted, "descriptors": [*sockets, 99]})

    def test_complete_when_all_serve(self) -> None:
        self.supervisor.start(ConfigUpdate(b""), self.fake.ports)
        self.fake.hired[1].serve()
        self.assertEqual((self.supervisor.complete(), self.supervisor.lively()), (False, True))
        self.fake.hired[0].serve()
        self.assertTrue(self.supervisor.complete())
        self.assertEqual(self.fake.changes, 2)

    def test_nobody_covers_for_those_who_only_start(self) -> None:
        """The first to be there would get everything."""
        self.supervisor.start(ConfigUpdate(b""), self.fake.ports)
        self.fake.hired[0].serve()
        self.clock.advance(1)
        self.assertEqual(self.fake.hired[0].link.told, [])

    def test_worker_that_cannot_serve(self) -> None:
        """Its words are in the log, every line; it is ended; the start has failed, and nobody takes its slot."""
        self.supervisor.start(ConfigUpdate(b""), self.fake.ports)
        first = self.fake.hired[0]
        first.link.waiting("serve").errback(Refused("one\ntwo"))
        self.assertEqual(first.signals, [KILL])
        self.assertEqual(self.errors(), ["worker 1 cannot serve: one", "worker 1 cannot serve: two"])
        first.end(KILL)
        self.assertEqual((self.fake.reasons, self.fake.failures), (["signal"], 1))
        self.clock.advance(100)
        self.assertEqual(len(self.fake.hired), 2)
        self.assertFalse(self.supervisor.first_complete())

    def test_first_worker_that_cannot_be_made(self) -> None:
        """The start has failed; what a later one could wait out is nothing to begin with."""
        self.fake.fails = 1
        self.supervisor.start(ConfigUpdate(b""), self.fake.ports)
        self.clock.advance(100)
        self.assertEqual((len(self.fake.hired), self.fake.failures), (1, 1))

    def test_worker_that_never_gets_ready(self) -> None:
        """It has two minutes."""
        self.supervisor.start(ConfigUpdate(b""), self.fake.ports)
        self.fake.hired[0].serve()
        self.fake.pass_time(119)
        self.assertEqual(self.fake.hired[1].signals, [])
        self.fake.pass_time(3)
        self.assertEqual(self.fake.hired[1].signals, [ABORT])


class ReplacementTests(SupervisorTestCase):
    """Those who end."""

    def setUp(self) -> None:
        super().setUp()
        self.fake.start()

    def replaced_after(self, process: FakeProcess) -> float:
        """Seconds until somebody is hired in slot of one that has just ended."""
        count, since = len(self.fake.hired), self.clock.seconds()
        process.end(KILL)
        while len(self.fake.hired) == count:
            self.clock.advance(0.25)
        replacement = self.fake.hired[-1]
        self.assertEqual(replacement.number, process.number)
        replacement.serve()
        return self.clock.seconds() - since

    def test_long_lived_one_is_replaced_at_once(self) -> None:
        self.fake.pass_time(61)
        self.fake.hired[0].end(KILL)
        self.assertEqual(len(self.fake.hired), 3)
        self.assertEqual(self.fake.reasons, ["signal"])

    def test_back_off(self) -> None:
        """Those who end young are replaced after longer and longer, up to half a minute; one that lived ends that."""
        pauses = [self.replaced_after(self.fake.hired[0])]
        pauses += [self.replaced_after(self.fake.hired[-1]) for _ in range(8)]
        self.assertEqual(pauses, [0.5, 1, 2, 4, 8, 16, 30, 30, 30])
        self.fake.pass_time(61)
        self.fake.hired[-1].end(KILL)
        self.fake.hired[-1].serve()
        self.assertEqual(self.replaced_after(self.fake.hired[-1]), 0.5)

    def test_places_have_their_own_back_off(self) -> None:
        for _ in range(4):
            process = next(one for one in reversed(self.fake.hired) if one.number == 1)
            self.replaced_after(process)
        self.assertEqual(self.replaced_after(self.fake.hired[1]), 0.5)

    def test_reasons(self) -> None:
        """By itself, or by a signal."""
        self.fake.hired[0].end()
        self.fake.hired[1].end(11)
        self.assertEqual(self.fake.reasons, ["exit", "signal"])

    def test_machine_without_room_for_a_process(self) -> None:
        """It is tried again."""
        self.fake.fails = 1
        self.fake.pass_time(61)
        self.fake.hired[0].end(KILL)
        self.assertEqual(len(self.fake.hired), 2)
        self.assertIn("worker 1 cannot be started: no more processes", self.errors())
        self.fake.pass_time(2)
        self.assertEqual(len(self.fake.hired), 3)

    def test_replacement_gets_what_is_served(self) -> None:
        """What the last reload has brought."""
        self.supervisor.prepare(ConfigUpdate(b"second"), {}, [])
        for process in self.fake.hired:
            process.link.waiting("prepare").callback(b"")
        self.supervisor.commit(self.fake.ports)
        self.replaced_after(self.fake.hired[0])
        self.assertEqual(self.fake.hired[-1].link.payload("serve"), b"second")

    def test_nobody_comes_in_the_middle_of_a_reload(self) -> None:
        """It would be unclear which configuration is its."""
        self.fake.hired[0].end(KILL)
        self.supervisor.prepare(ConfigUpdate(b"second"), {}, [])
        self.fake.pass_time(5)
        self.assertEqual(len(self.fake.hired), 2)
        self.fake.hired[1].link.waiting("prepare").callback(b"")
        self.supervisor.commit(self.fake.ports)
        self.fake.pass_time(1)
        self.assertEqual(self.fake.hired[2].link.payload("serve"), b"second")


class CoverTests(SupervisorTestCase):
    """Connections that the kernel queues for those who do not accept them."""

    def setUp(self) -> None:
        super().setUp()
        self.fake.start()
        self.first, self.second = self.fake.hired

    def test_dead_one_is_covered_until_its_successor_serves(self) -> None:
        """With the dead one's own sockets; those that all share need nobody."""
        self.first.end(KILL)
        self.assertEqual(self.second.link.told, [("cover", {"slot": 1, "listeners": ["tcp:1"], "descriptors": [10]})])
        self.fake.pass_time(2)
        self.assertEqual(self.second.link.verbs(), ["cover"])
        self.fake.hired[-1].serve()
        self.assertEqual(self.second.link.verbs(), ["cover", "uncover"])

    def test_late_one_is_covered_while_it_is_late(self) -> None:
        self.fake.silence(self.first)
        self.fake.pass_time(4)
        self.assertEqual(self.second.link.verbs(), [])
        self.fake.pass_time(3)
        self.assertEqual(self.second.link.verbs(), ["cover"])
        self.first.heard = self.clock.seconds()
        self.clock.advance(1)
        self.assertEqual(self.second.link.verbs(), ["cover", "uncover"])

    def test_cover_that_ends_is_followed_by_another(self) -> None:
        fake = FakeSupervisor(3)
        fake.start()
        fake.hired[0].end(KILL)
        (cover,) = [process for process in fake.hired[1:] if process.link.told]
        (other,) = [process for process in fake.hired[1:] if not process.link.told]
        cover.end(KILL)
        self.assertEqual(sorted(fields["slot"] for _, fields in other.link.told), [1, cover.number])

    def test_nobody_is_left(self) -> None:
        """Then connections wait for the first that comes."""
        self.first.end(KILL)
        self.second.end(KILL)
        self.assertFalse(self.supervisor.lively())
        self.fake.pass_time(2)
        self.fake.hired[-1].serve()
        self.assertEqual(self.fake.hired[-1].link.verbs(), ["cover"])

    def test_reload_in_between(self) -> None:
        """Listeners have changed, so what is covered is as well."""
        self.first.end(KILL)
        ports: dict[str, Any] = {"tcp:3": FakePort(3)}
        self.supervisor.prepare(ConfigUpdate(b"second"), ports, ["tcp:3"])
        self.assertEqual(self.second.link.fields("prepare")["descriptors"], [31])
        self.second.link.waiting("prepare").callback(b"")
        self.supervisor.commit(ports)
        self.second.link.waiting("commit").callback(b"")
        self.assertEqual(self.second.link.verbs(), ["cover", "uncover", "cover"])
        self.assertEqual(self.second.link.told[-1][1], {"slot": 1, "listeners": ["tcp:3"], "descriptors": [30]})


class HungTests(SupervisorTestCase):
    """Those whose event loop stands still."""

    def setUp(self) -> None:
        super().setUp()
        self.fake.start()
        self.first, self.second = self.fake.hired

    def test_last_words_then_the_end(self) -> None:
        """SIGABRT once, for the traceback; SIGKILL when that does not help."""
        self.fake.silence(self.first)
        self.fake.pass_time(20)
        self.assertEqual(self.first.signals, [])
        self.fake.pass_time(2)
        self.assertEqual(self.first.signals, [ABORT])
        self.fake.pass_time(2)
        self.assertEqual(self.first.signals[:2], [ABORT, KILL])
        self.assertEqual(self.second.signals, [])
        self.first.end(KILL)
        self.assertEqual(self.fake.reasons, ["hung"])

    def test_lively_while_one_is(self) -> None:
        """What the service manager is told."""
        self.fake.silence(self.first)
        self.fake.pass_time(10)
        self.assertTrue(self.supervisor.lively())
        self.fake.silence(self.second)
        self.fake.pass_time(10)
        self.assertFalse(self.supervisor.lively())

    def test_parent_that_was_away(self) -> None:
        """Stopped, or starved: what the workers said meanwhile it has not read yet, so nobody is to blame."""
        self.clock.advance(3600)
        self.assertEqual([process.signals for process in self.fake.hired], [[], []])
        self.fake.pass_time(5)
        self.assertEqual([process.signals for process in self.fake.hired], [[], []])


class ReloadTests(SupervisorTestCase):
    """All, or none."""

    def setUp(self) -> None:
        super().setUp()
        self.fake.start()
        self.first, self.second = self.fake.hired

    def prepare(self) -> Deferred[None]:
        return self.supervisor.prepare(
            ConfigUpdate(b"second", {"bob": 3}), {**self.fake.ports, "tcp:3": FakePort(3)}, ["tcp:3"]
        )

    def test_nobody_swaps_before_all_are_prepared(self) -> None:
        preparing = self.prepare()
        wanted = {"listeners": ["tcp:3"], "rows": {"bob": 3}, "descriptors": [31]}
        self.assertEqual(self.second.link.fields("prepare"), wanted)
        self.first.link.waiting("prepare").callback(b"")
        self.assertNoResult(preparing)
        self.second.link.waiting("prepare").callback(b"")
        self.successResultOf(preparing)
        committing = self.supervisor.commit(self.fake.ports)
        for process in self.fake.hired:
            self.assertNoResult(committing)
            process.link.waiting("commit").callback(b"")
        self.successResultOf(committing)

    def refused(self, preparing: Deferred[None]) -> str:
        """Why it failed; and that everybody has dropped it, and is asked for nothing more."""
        why = str(self.failureResultOf(preparing, Refused).value)
        self.supervisor.drop()
        for process in self.fake.hired[:2]:
            if process.pid:
                self.assertEqual(process.link.verbs()[-1], "drop")
        self.assertEqual(
            [verb for process in self.fake.hired for verb, *_ in process.link.asked if verb == "commit"], []
        )
        return why

    def test_one_refuses(self) -> None:
        """Then nobody swaps; what both say is said once."""
        preparing = self.prepare()
        self.first.link.waiting("prepare").callback(b"")
        self.second.link.waiting("prepare").errback(REFUSAL)
        self.assertEqual(self.refused(preparing), "a.toml:1: x: is bad")
        preparing = self.prepare()
        for process in self.fake.hired:
            process.link.waiting("prepare").errback(Refused("a.toml:1: x: is bad"))
        self.assertEqual(self.refused(preparing), "a.toml:1: x: is bad")

    def test_one_ends(self) -> None:
        """It may be the new configuration that has ended it."""
        preparing = self.prepare()
        self.first.link.waiting("prepare").callback(b"")
        self.second.end(KILL)
        self.assertEqual(self.refused(preparing), "worker 2 ended while it prepared the configuration")
        self.fake.pass_time(1)
        self.assertEqual(self.fake.hired[-1].link.payload("serve"), b"first")

    def test_one_takes_too_long(self) -> None:
        preparing = self.prepare()
        self.first.link.waiting("prepare").callback(b"")
        self.fake.pass_time(121)
        self.assertIn("worker 2 did not prepare", self.refused(preparing))

    def test_one_that_only_starts_and_ends(self) -> None:
        """It has not served before, so the new configuration is not to blame; its successor gets what is served."""
        self.fake.pass_time(61)
        self.first.end(KILL)
        starting = self.fake.hired[-1]
        preparing = self.prepare()
        self.second.link.waiting("prepare").callback(b"")
        starting.end(KILL)
        self.successResultOf(preparing)

    def test_one_that_only_starts_comes_along(self) -> None:
        """It has the old configuration on its way, and takes the step with the others."""
        self.fake.pass_time(61)
        self.first.end(KILL)
        starting = self.fake.hired[-1]
        preparing = self.prepare()
        self.second.link.waiting("prepare").callback(b"")
        self.assertNoResult(preparing)
        starting.serve()
        starting.link.waiting("prepare").callback(b"")
        self.successResultOf(preparing)
        self.supervisor.commit(self.fake.ports)
        starting.link.waiting("commit").callback(b"")

    def leave(self, process: FakeProcess) -> None:
        """Somebody has sent it SIGTERM."""
        process.ready, process.leaving = False, True

    def test_one_that_drains_takes_no_part(self) -> None:
        """A reload does not wait for its streams, and it is not ended for having swapped nothing."""
        self.leave(self.first)
        preparing = self.prepare()
        self.second.link.waiting("prepare").callback(b"")
        self.successResultOf(preparing)
        committing = self.supervisor.commit(self.fake.ports)
        self.second.link.waiting("commit").callback(b"")
        self.successResultOf(committing)
        self.assertEqual([verb for verb, *_ in self.first.link.asked], ["serve"])
        self.first.end()
        self.fake.pass_time(1)
        self.assertEqual(self.fake.hired[-1].link.payload("serve"), b"second")

    def test_one_that_begins_to_drain_meanwhile(self) -> None:
        """It is let go: before it has prepared anything, and afterwards."""
        preparing = self.prepare()
        self.leave(self.first)
        self.first.link.waiting("prepare").errback(Refused("this worker drains"))
        self.second.link.waiting("prepare").callback(b"")
        self.successResultOf(preparing)
        committing = self.supervisor.commit(self.fake.ports)
        self.leave(self.second)
        self.first.link.waiting("commit").errback(Refused("this worker drains"))
        self.second.link.waiting("commit").errback(Refused("this worker drains"))
        self.successResultOf(committing)
        self.assertEqual((self.first.signals, self.second.signals), ([], []))

    def test_one_that_is_told_to_end_while_it_starts(self) -> None:
        """Is not taken for one that serves."""
        self.fake.pass_time(61)
        self.first.end(KILL)
        starting = self.fake.hired[-1]
        self.leave(starting)
        starting.serve()
        self.assertFalse(self.supervisor.complete())

    def test_new_listeners_are_nobodys_before_the_swap(self) -> None:
        """Who covers for one that ends meanwhile does not open them ahead of all others, nor keeps them open."""
        preparing = self.prepare()
        self.first.link.waiting("prepare").callback(b"")
        self.second.end(KILL)
        self.failureResultOf(preparing, Refused)
        covers = [fields["listeners"] for verb, fields in self.first.link.told if verb == "cover"]
        self.assertEqual(covers, [["tcp:1"]])

    def test_one_that_does_not_swap_is_replaced(self) -> None:
        """All others have: nobody must serve the old configuration."""
        preparing = self.prepare()
        for process in self.fake.hired:
            process.link.waiting("prepare").callback(b"")
        self.successResultOf(preparing)
        committing = self.supervisor.commit(self.fake.ports)
        self.first.link.waiting("commit").callback(b"")
        self.second.link.waiting("commit").errback(Refused("a bug"))
        self.assertEqual(self.second.signals, [KILL])
        self.successResultOf(committing)
        self.second.end(KILL)
        self.fake.pass_time(1)
        self.assertEqual(self.fake.hired[-1].link.payload("serve"), b"second")


class StopTests(SupervisorTestCase):
    """The end of all."""

    def setUp(self) -> None:
        super().setUp()
        self.fake.start()
        self.first, self.second = self.fake.hired

    def test_all_drain_and_all_are_waited_for(self) -> None:
        stopping = self.supervisor.stop(30)
        for process in self.fake.hired:
            self.assertNoResult(stopping)
            self.assertEqual(process.link.verbs(), ["drain"])
            process.end()
        self.successResultOf(stopping)
        self.assertEqual(self.fake.reasons, [])
        self.clock.advance(100)
        self.assertEqual(len(self.fake.hired), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_fails_meanwhile_is_told_of(self) -> None:
        """As where the first workers all fail at their start: the first one's end stops the others."""
        stopping = self.supervisor.stop(30)
        self.first.end()
        self.second.end(status=3)
        self.successResultOf(stopping)
        self.assertEqual(self.errors(), ["worker 2 ended with status 3"])

    def test_one_that_does_not_end(self) -> None:
        """Is killed a little after the drain's own time."""
        stopping = self.supervisor.stop(30)
        self.first.end()
        self.fake.pass_time(34)
        self.assertEqual(self.second.signals, [])
        self.fake.pass_time(1)
        self.assertEqual(self.second.signals, [KILL])
        self.second.end(KILL)
        self.successResultOf(stopping)

    def test_cut_short(self) -> None:
        """All are told, and killed soon after where they do not listen."""
        stopping = self.supervisor.stop(30)
        self.supervisor.cut_short()
        for process in self.fake.hired:
            self.assertEqual(process.link.verbs(), ["drain", "cut_short"])
        self.first.end()
        self.fake.pass_time(4)
        self.assertEqual(self.second.signals, [])
        self.fake.pass_time(1)
        self.assertEqual(self.second.signals, [KILL])
        self.second.end(KILL)
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cut_short_before_it_has_begun(self) -> None:
        self.supervisor.cut_short()
        self.supervisor.stop(30)
        self.assertEqual(self.first.link.verbs(), ["drain", "cut_short"])

    def test_nobody_is_hired_for_those_who_were_about_to_be_replaced(self) -> None:
        self.first.end(KILL)
        stopping = self.supervisor.stop(30)
        self.second.end()
        self.successResultOf(stopping)
        self.clock.advance(100)
        self.assertEqual(len(self.fake.hired), 2)

    def test_slow_drain_is_no_hanging(self) -> None:
        """A worker that drains still gives signs of life; should it not, the drain's time is what it has."""
        self.supervisor.stop(30)
        self.fake.pass_time(15)
        self.assertEqual([process.signals for process in self.fake.hired], [[], []])


class OverviewTests(SupervisorTestCase):
    """The lines of the status page."""

    def test_lines(self) -> None:
        self.supervisor.start(ConfigUpdate(b""), self.fake.ports)
        self.assertIn("starting, process 100", self.supervisor.overview()["1"])
        for process in self.fake.hired:
            process.serve()
        self.fake.hired[0].beat = Beat(3, 2, 80 << 20, 1.0)
        line = "serves, process 100, 3 connections, 2 requests in flight, 80 MiB"
        self.assertEqual(self.supervisor.overview()["1"], line)
        self.fake.hired[1].end(KILL)
        self.assertEqual(self.supervisor.overview()["2"], "none, replaced 1 times")
        self.fake.hired[0].ready, self.fake.hired[0].leaving = False, True
        self.assertIn("drains, process 100", self.supervisor.overview()["1"])
        self.assertEqual(self.supervisor.answering(), self.fake.hired[:1])
        self.fake.hired[0].ready, self.fake.hired[0].leaving = True, False
        self.fake.silence(self.fake.hired[0])
        self.fake.pass_time(6)
        self.assertIn("silent", self.supervisor.overview()["1"])
