"""Coarse timers: never early, at most one tick late, cheap to move."""

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.http.deadlines import Deadlines


class DeadlineTests(unittest.TestCase):
    """One wheel on a clock that the test turns."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wheel = Deadlines(self.clock, resolution=0.05)
        self.fired: list[float] = []

    def after(self, seconds: float):
        return self.wheel.after(seconds, lambda: self.fired.append(self.clock.seconds()))

    def run_clock(self, seconds: float, step: float = 0.01) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def test_fires_once_not_early_and_at_most_a_tick_late(self) -> None:
        """The promise that every timeout of the gateway rests on."""
        self.after(0.32)
        self.run_clock(2)
        self.assertEqual(len(self.fired), 1)
        self.assertTrue(0.32 <= self.fired[0] <= 0.32 + 0.05 + 0.011, self.fired)

    def test_late_loop_reads_before_anything_fires(self) -> None:
        """What moves a deadline may have come while the loop was busy: it gets one turn, and no more."""
        deadline = self.after(0.2)
        other = self.after(0.3)
        self.clock.callLater(20, lambda: deadline.restart(5))
        self.clock.advance(20)
        self.assertEqual((self.fired, other.active), ([20], False))
        self.run_clock(6)
        self.assertEqual(len(self.fired), 2)
        self.assertGreaterEqual(self.fired[1], 25)

    def test_restart_moves_it_later(self) -> None:
        """An idle timer that is restarted with every chunk does not fire while chunks come."""
        deadline = self.after(0.2)
        for _ in range(20):
            self.run_clock(0.1)
            deadline.restart(0.2)
        self.assertEqual(self.fired, [])
        self.run_clock(0.3)
        self.assertEqual(len(self.fired), 1)

    def test_restart_moves_it_sooner(self) -> None:
        """A deadline that is brought forward does not wait for its old bucket."""
        deadline = self.after(60)
        deadline.restart(0.1)
        self.run_clock(0.2)
        self.assertEqual(len(self.fired), 1)
        self.run_clock(61, step=0.5)
        self.assertEqual(len(self.fired), 1)

    def test_cancelled_never_fires_but_may_be_restarted(self) -> None:
        """cancel() holds until restart()."""
        deadline = self.after(0.1)
        deadline.cancel()
        self.run_clock(1)
        self.assertEqual(self.fired, [])
        deadline.restart(0.1)
        self.run_clock(0.2)
        self.assertEqual(len(self.fired), 1)

    def test_idle_deadline_waits_for_restart(self) -> None:
        """A connection makes its deadline once and starts it when a phase begins."""
        deadline = self.wheel.idle(lambda: self.fired.append(self.clock.seconds()))
        self.run_clock(1)
        self.assertEqual(self.fired, [])
        deadline.restart(0.1)
        self.run_clock(0.2)
        self.assertEqual(len(self.fired), 1)

    def test_far_deadline_fires_at_its_time(self) -> None:
        """The horizon only splits the way into steps."""
        self.after(7.5)
        self.run_clock(7.4)
        self.assertEqual(self.fired, [])
        self.run_clock(0.2)
        self.assertEqual(len(self.fired), 1)

    def test_discarded_deadline_lets_go_of_its_callback(self) -> None:
        """What a finished call holds is freed with it, not when the timer would have fired."""

        class Holder:
            def fire(self) -> None:
                pass

        holder = Holder()
        gone = weakref.ref(holder)
        deadline = self.wheel.after(600, holder.fire)
        deadline.discard()
        del holder
        gc.collect()
        self.assertIsNone(gone())

    def test_discarded_deadline_leaves_nothing(self) -> None:
        """Tens of thousands are discarded in a second; none of them waits for its turn."""
        kept = self.after(0.5)
        for _ in range(1000):
            self.after(0.5).discard()
        self.assertEqual([list(bucket) for bucket in self.wheel._buckets.values()], [[kept]])
        self.run_clock(1)
        self.assertEqual(len(self.fired), 1)

    def test_discarded_by_another_of_the_same_tick(self) -> None:
        """As when a call ends its neighbour: it does not fire, and the rest of the bucket does."""
        later = []
        self.wheel.after(0.1, lambda: later[0].discard())
        later += [self.after(0.1) for _ in range(3)]
        self.run_clock(0.3)
        self.assertEqual(len(self.fired), 2)

    def test_discarded_after_it_was_moved(self) -> None:
        """Sooner, which puts it into another bucket, or later, which does not; discarded twice is discarded."""
        for seconds in (0.1, 3.0):
            deadline = self.after(0.7)
            deadline.restart(seconds)
            deadline.discard()
            deadline.discard()
        self.run_clock(4)
        self.assertEqual((self.fired, self.wheel._buckets), ([], {}))

    def test_wheel_rests_when_nothing_waits(self) -> None:
        """No reactor timer turns for nobody, and none is leaked."""
        self.after(0.1)
        self.after(0.1).cancel()
        self.run_clock(2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_failing_callback_spares_the_others(self) -> None:
        """One call's bug does not switch off the timeouts of the rest."""
        self.wheel.after(0.1, lambda: 1 / 0)
        self.after(0.1)
        self.run_clock(0.3)
        self.assertEqual(len(self.fired), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    @given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), st.booleans()), min_size=1, max_size=20))
    def test_many_moved_deadlines_each_keep_their_time(self, moves: list[tuple[float, float, bool]]) -> None:
        """Whatever the mix, each fires exactly once within a tick of its last time; a discarded one never."""
        clock = Clock()
        wheel = Deadlines(clock, resolution=0.05)
        fired: dict[int, float] = {}
        wanted: dict[int, float] = {}
        for number, (first, second, discarded) in enumerate(moves):
            deadline = wheel.after(first, lambda number=number: fired.__setitem__(number, clock.seconds()))
            deadline.restart(second)
            if discarded:
                deadline.discard()
            else:
                wanted[number] = second
        for _ in range(400):
            clock.advance(0.01)
        self.assertEqual(set(fired), set(wanted))
        for number, at in wanted.items():
            self.assertTrue(at - 1e-6 <= fired[number] <= at + 0.0611, (at, fired[number]))
