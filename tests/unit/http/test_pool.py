"""Which call gets which connection, and when: the pool without sockets, on a clock that the test turns."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.error import ConnectionLost, DNSLookupError
from twisted.trial import unittest

from aigw.http.failures import CallFailure
from tests.unit.http.fakes import GET, HELLO, OK, POST, Scene, Sink, Wire


class ReuseTests(unittest.TestCase):
    """Idle connections."""

    def test_idle_connection_is_used_at_once(self) -> None:
        """Without a dial; the request is written before call() returns."""
        scene = Scene()
        wire = scene.idle()
        sink, call = scene.begin(GET)
        self.assertEqual((wire.taken(), sink.events), (GET, ["sent"]))
        self.assertEqual((call.reused, call.attempts, scene.upstream.attempts), (True, 1, []))

    def test_first_call_of_a_connection_is_not_reused(self) -> None:
        scene = Scene()
        sink, call, wire = scene.connected(GET)
        self.assertEqual((call.reused, call.attempts, sink.events, wire.taken()), (False, 1, ["sent"], GET))

    def test_latest_first(self) -> None:
        """LIFO, so that the others may expire."""
        scene = Scene()
        wires = [scene.connected()[2] for _ in range(3)]
        for wire in (wires[1], wires[0], wires[2]):
            wire.taken()
            wire.send(HELLO)
        for wire in (wires[2], wires[0], wires[1]):
            scene.begin(GET)
            self.assertEqual(wire.taken(), GET)

    def test_any_byte_on_an_idle_connection_spoils_it(self) -> None:
        scene = Scene()
        wire = scene.idle()
        wire.send(b"H")
        self.assertEqual((wire.disconnected, scene.pool.size), (True, 0))
        scene.begin(GET)
        self.assertEqual((wire.taken(), len(scene.upstream.attempts)), (b"", 1))

    def test_end_of_an_idle_connection(self) -> None:
        scene = Scene()
        scene.idle().lose()
        self.assertEqual((scene.pool.size, scene.pool.idle_count), (0, 0))
        scene.begin()
        self.assertEqual(len(scene.upstream.attempts), 1)

    def test_connection_that_is_to_be_closed_is_not_kept(self) -> None:
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.send(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi")
        self.assertEqual((sink.delimited, wire.closed, scene.pool.size), (True, True, 0))

    def test_expired_ones_are_closed_in_an_orderly_way(self) -> None:
        """The oldest first, each at its own time."""
        scene = Scene(idle_timeout=10)
        first, _, wire_of_first = scene.connected()
        second, _, wire_of_second = scene.connected()
        wire_of_first.send(HELLO)
        scene.pass_time(5)
        wire_of_second.send(HELLO)
        scene.pass_time(5.2)
        self.assertEqual((wire_of_first.disconnecting, wire_of_second.disconnecting), (True, False))
        scene.pass_time(5.2)
        self.assertTrue(wire_of_second.disconnecting)
        self.assertEqual((scene.pool.size, first.over, second.over), (0, True, True))

    def test_used_again_starts_anew(self) -> None:
        scene = Scene(idle_timeout=10)
        wire = scene.idle()
        for _ in range(5):
            scene.pass_time(6)
            scene.begin()
            wire.send(HELLO)
        self.assertFalse(wire.closed)
        scene.pass_time(10.2)
        self.assertTrue(wire.closed)

    def test_busy_connection_does_not_expire(self) -> None:
        scene = Scene(idle_timeout=10)
        wire = scene.idle()
        sink, _ = scene.begin()
        scene.pass_time(30)
        wire.send(HELLO)
        self.assertEqual(sink.body, b"hello")


class ReplayTests(unittest.TestCase):
    """A reused connection that dies before one byte of the response."""

    def test_sent_once_more_on_a_fresh_connection(self) -> None:
        scene = Scene()
        idle_beside, wire = scene.connected()[2], scene.connected()[2]
        idle_beside.send(HELLO)
        wire.send(HELLO)
        wire.taken(), idle_beside.taken()
        sink, call = scene.begin(POST)
        wire.lose(ConnectionLost())
        self.assertEqual((idle_beside.taken(), sink.events), (b"", ["sent"]))
        fresh = scene.upstream.accept()
        self.assertEqual((fresh.taken(), call.attempts, call.reused), (POST, 2, False))
        fresh.send(HELLO)
        self.assertEqual((sink.events, sink.body), (["sent", "sent", "head", "data", "end"], b"hello"))

    def test_only_once(self) -> None:
        scene = Scene()
        wire = scene.idle()
        sink, _ = scene.begin()
        wire.lose()
        scene.upstream.accept().lose()
        self.assertEqual((sink.kind, sink.failure and sink.failure.began), ("reset", False))
        self.assertEqual(scene.upstream.attempts, [])

    def test_not_on_a_fresh_connection(self) -> None:
        """Whoever closes before its first answer may do so because of the request."""
        scene = Scene()
        sink, _, wire = scene.connected()
        wire.lose()
        self.assertEqual((sink.kind, scene.upstream.attempts), ("reset", []))

    def test_not_after_one_byte(self) -> None:
        scene = Scene()
        wire = scene.idle()
        sink, _ = scene.begin()
        wire.send(b"H")
        wire.lose()
        self.assertEqual((sink.kind, scene.upstream.attempts), ("cut", []))

    def test_not_after_an_informational_response(self) -> None:
        scene = Scene()
        wire = scene.idle()
        sink, _ = scene.begin()
        wire.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        wire.lose()
        self.assertEqual(sink.kind, "cut")

    def test_not_when_cancelled(self) -> None:
        scene = Scene()
        wire = scene.idle()
        sink, call = scene.begin()
        call.cancel()
        wire.settle()
        self.assertEqual((sink.events, scene.upstream.attempts), (["sent"], []))

    def test_does_not_take_a_connection_that_was_used(self) -> None:
        """At the cap, its own slot is free, and a neighbour that comes free goes to others."""
        scene = Scene(max_connections=2)
        first, second = scene.connected()[2], scene.connected()[2]
        first.send(HELLO)
        sink, _ = scene.begin()
        waiting, _ = scene.begin()
        first.lose()
        second.send(HELLO)
        second.taken()
        self.assertEqual((sink.events, waiting.events), (["sent"], ["sent"]))
        scene.upstream.accept().send(HELLO)
        self.assertEqual(sink.body, b"hello")

    def test_comes_before_what_waits(self) -> None:
        scene = Scene(max_connections=1)
        wire = scene.idle()
        sink, _ = scene.begin()
        waiting, _ = scene.begin()
        wire.lose()
        scene.upstream.accept()
        self.assertEqual((len(sink.events), waiting.events), (2, []))

    def test_no_connection_for_it(self) -> None:
        scene = Scene()
        wire = scene.idle()
        sink, _ = scene.begin()
        wire.lose()
        scene.upstream.refuse()
        self.assertEqual(sink.kind, "connect")


class QueueTests(unittest.TestCase):
    """More calls than connections."""

    def test_first_come_first_served(self) -> None:
        scene = Scene(max_connections=1)
        _, _, wire = scene.connected()
        sinks = [scene.begin()[0] for _ in range(3)]
        self.assertEqual((scene.pool.queued_count, scene.upstream.attempts), (3, []))
        for number in range(3):
            wire.send(HELLO)
            self.assertEqual(
                [len(sink.events) for sink in sinks[: number + 2]], ([4] * number + [1, 0])[:3][: number + 2]
            )
        wire.send(HELLO)
        self.assertTrue(all(sink.body == b"hello" for sink in sinks))
        self.assertEqual(scene.pool.queued_count, 0)

    def test_cap_counts_those_that_connect(self) -> None:
        scene = Scene(max_connections=3)
        for _ in range(5):
            scene.begin()
        self.assertEqual((len(scene.upstream.attempts), scene.pool.queued_count), (3, 5))
        for _ in range(3):
            scene.upstream.accept()
        self.assertEqual((scene.pool.size, scene.pool.busy_count, scene.pool.queued_count), (3, 3, 2))

    def test_whatever_comes_first_serves_the_first(self) -> None:
        """A connection that comes free is not left waiting for a dial."""
        scene = Scene()
        _, _, wire = scene.connected()
        sink, _ = scene.begin()
        wire.send(HELLO)
        self.assertEqual(sink.events, ["sent"])
        scene.upstream.accept()
        self.assertEqual((scene.pool.size, scene.pool.idle_count), (2, 1))

    def test_lost_connection_makes_room(self) -> None:
        scene = Scene(max_connections=1)
        _, _, wire = scene.connected()
        waiting, _ = scene.begin()
        wire.lose()
        scene.upstream.accept()
        self.assertEqual(waiting.events, ["sent"])

    def test_cancelled_call_makes_room(self) -> None:
        scene = Scene(max_connections=1)
        _, call, wire = scene.connected()
        waiting, _ = scene.begin()
        call.cancel()
        wire.settle()
        scene.upstream.accept()
        self.assertEqual(waiting.events, ["sent"])

    def test_too_many_waiting(self) -> None:
        """The caller learns of it later, not from inside call()."""
        scene = Scene(max_connections=1, queue_limit=2)
        scene.connected()
        for _ in range(2):
            scene.begin()
        sink, _ = scene.begin()
        self.assertEqual(sink.events, [])
        scene.pass_time(0.1)
        self.assertEqual(sink.kind, "queue_full")
        self.assertEqual(scene.pool.queued_count, 2)

    def test_what_a_call_waits_for(self) -> None:
        """A connection that is being made for it, or one that comes free: that is what its time is spent on."""
        scene = Scene(max_connections=2)
        _, dialled = scene.begin()
        self.assertFalse(dialled.queued)
        scene.upstream.accept()
        self.assertFalse(dialled.queued)
        _, second = scene.begin()
        waiting = [scene.begin()[1] for _ in range(3)]
        self.assertEqual([call.queued for call in (second, *waiting)], [False, True, True, True])
        scene.upstream.accept()
        self.assertEqual([call.queued for call in waiting], [True, True, True])
        waiting[0].cancel()
        self.assertEqual([call.queued for call in waiting], [False, True, True])

    def test_nobody_can_be_reached(self) -> None:
        """All places are taken by attempts to connect: then it is the upstream that is waited for."""
        scene = Scene(max_connections=2)
        calls = [scene.begin()[1] for _ in range(4)]
        self.assertEqual([call.queued for call in calls], [False] * 4)

    def test_cap_that_changes(self) -> None:
        """What waits is helped when something next comes or goes."""
        scene = Scene(max_connections=1)
        scene.connected()
        _, waiting = scene.begin()
        scene.pool.max_connections = 3
        scene.begin()
        self.assertFalse(waiting.queued)

    def test_too_many_waiting_and_cancelled(self) -> None:
        scene = Scene(max_connections=1, queue_limit=0)
        scene.connected()
        sink, call = scene.begin()
        call.cancel()
        scene.pass_time(0.1)
        self.assertEqual(sink.events, [])

    def test_those_with_a_dial_do_not_count_as_waiting(self) -> None:
        scene = Scene(max_connections=5, queue_limit=0)
        sinks = [scene.begin()[0] for _ in range(5)]
        scene.pass_time(0.1)
        self.assertEqual([sink.events for sink in sinks], [[]] * 5)

    def test_withdrawn_call_gives_its_dial_up(self) -> None:
        scene = Scene()
        sink, call = scene.begin()
        call.cancel()
        self.assertEqual((scene.upstream.cancelled, scene.pool.queued_count, scene.pool.dialling), (1, 0, 0))
        self.assertEqual(sink.events, [])

    def test_withdrawn_call_leaves_the_others_their_dials(self) -> None:
        scene = Scene(max_connections=2)
        calls = [scene.begin() for _ in range(3)]
        calls[0][1].cancel()
        self.assertEqual(scene.upstream.cancelled, 0)
        calls[1][1].cancel()
        self.assertEqual(scene.upstream.cancelled, 1)
        scene.upstream.accept()
        self.assertEqual([sink.events for sink, _ in calls], [[], [], ["sent"]])

    def test_cancel_twice_is_harmless(self) -> None:
        scene = Scene()
        _, call = scene.begin()
        call.cancel()
        call.cancel()
        self.assertEqual(scene.upstream.cancelled, 1)


class FailureTests(unittest.TestCase):
    """No connection comes about."""

    def test_each_dial_fails_one_call(self) -> None:
        scene = Scene(max_connections=2)
        sinks = [scene.begin()[0] for _ in range(3)]
        scene.upstream.refuse()
        self.assertEqual([sink.kind for sink in sinks], ["connect", "", ""])
        self.assertEqual(len(scene.upstream.attempts), 2)

    def test_message_names_upstream_and_reason(self) -> None:
        scene = Scene()
        sink, _ = scene.begin()
        scene.upstream.refuse(DNSLookupError())
        self.assertEqual((sink.kind, str(sink.failure)), ("dns", "provider:443: no address found for its name"))

    def test_failure_at_once_is_told_later(self) -> None:
        scene = Scene()
        scene.upstream.fail_at_once = ValueError("invalid hostname")
        sink, _ = scene.begin()
        self.assertEqual(sink.events, [])
        scene.pass_time(0.1)
        self.assertEqual((sink.kind, scene.pool.dialling, scene.pool.queued_count), ("connect", 0, 0))

    def test_call_from_inside_a_failure(self) -> None:
        """A retry begun by the sink is a call like any other."""
        scene = Scene()
        again: list[Sink] = []
        sink = Sink(failure=lambda: again.append(scene.begin()[0]))
        scene.begin(sink=sink)
        scene.upstream.refuse()
        scene.upstream.accept().send(HELLO)
        self.assertEqual((sink.kind, again[0].body), ("connect", b"hello"))


class PartitionTests(unittest.TestCase):
    """Connections of different credentials."""

    def test_are_not_shared(self) -> None:
        scene = Scene()
        wires = {name: scene.idle(name) for name in (b"one", b"two")}
        scene.begin(GET, partition=b"one")
        self.assertEqual((wires[b"one"].taken(), wires[b"two"].taken()), (GET, b""))
        scene.begin(GET, partition=b"three")
        self.assertEqual((wires[b"two"].taken(), len(scene.upstream.attempts)), (b"", 1))

    def test_released_one_does_not_serve_another_partition(self) -> None:
        scene = Scene(max_connections=1)
        _, _, wire = scene.connected(partition=b"one")
        waiting, _ = scene.begin(partition=b"two")
        wire.taken()
        wire.send(HELLO)
        self.assertEqual((wire.taken(), wire.closed, waiting.events), (b"", True, []))
        scene.upstream.accept()
        self.assertEqual(waiting.events, ["sent"])

    def test_oldest_idle_one_of_another_makes_room(self) -> None:
        scene = Scene(max_connections=2)
        old = scene.idle(b"one")
        scene.pass_time(1)
        young = scene.idle(b"two")
        sink, _ = scene.begin(partition=b"three")
        self.assertEqual((old.closed, young.closed), (True, False))
        scene.upstream.accept().send(HELLO)
        self.assertEqual(sink.body, b"hello")

    def test_first_come_first_served_across_partitions(self) -> None:
        scene = Scene(max_connections=1)
        wire = scene.connected(partition=b"one")[2]
        second = scene.begin(partition=b"two")[0]
        third = scene.begin(partition=b"three")[0]
        wire.lose()
        scene.upstream.accept().lose()
        self.assertEqual((second.kind, third.kind), ("reset", ""))
        scene.upstream.accept().lose()
        self.assertEqual(third.kind, "reset")

    def test_nothing_is_kept_of_a_partition_without_connections(self) -> None:
        """Or every key that ever passed through would stay."""
        scene = Scene()
        lanes = scene.pool._lanes
        for number in range(20):
            wire = scene.idle(b"%d" % number)
            wire.lose()
            _, call = scene.begin(partition=b"x%d" % number)
            call.cancel()
        self.assertEqual(len(lanes), 0)


class RetireTests(unittest.TestCase):
    """After a reload that does without this upstream."""

    def test_idle_ones_close_now_busy_ones_after_their_response(self) -> None:
        scene = Scene()
        busy_sink, _, busy = scene.connected()
        idle = scene.idle()
        scene.pool.retire()
        self.assertEqual((idle.closed, busy.closed), (True, False))
        busy.send(HELLO)
        self.assertEqual((busy_sink.body, busy.closed), (b"hello", True))

    def test_waiting_calls_are_still_served(self) -> None:
        scene = Scene(max_connections=1)
        _, _, wire = scene.connected()
        sink, _ = scene.begin()
        scene.pool.retire()
        wire.send(HELLO)
        wire.send(HELLO)
        self.assertEqual((sink.body, wire.closed), (b"hello", True))

    def test_connection_that_nobody_waits_for_is_closed(self) -> None:
        scene = Scene()
        _, _, wire = scene.connected()
        scene.begin()
        wire.send(HELLO)  # serves the second call
        scene.pool.retire()
        self.assertTrue(scene.upstream.accept().closed)


class CountTests(unittest.TestCase):
    """What metrics are made of."""

    def test_changes_are_told(self) -> None:
        scene = Scene()
        wire = scene.idle()
        scene.begin()
        scene.connected()
        self.assertEqual((scene.pool.size, scene.changes, scene.pool.idle_count, scene.pool.busy_count), (2, 2, 0, 2))
        wire.send(HELLO)
        self.assertEqual(scene.pool.idle_count, 1)
        scene.pool.close_idle()
        wire.settle()
        self.assertEqual((scene.pool.size, scene.changes), (1, 1))

    def test_finished_calls_are_freed_at_once(self) -> None:
        """Without the garbage collector, which would otherwise have work with each call."""
        scene = Scene()
        wire = scene.idle()
        gc.disable()
        try:
            sink, call = scene.begin()
            freed = weakref.ref(sink)
            wire.send(HELLO)
            del sink, call
            self.assertIsNone(freed())
        finally:
            gc.enable()


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, the pool's promises hold."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene(max_connections=3, queue_limit=4)
        self.calls: list[tuple[Sink, Any]] = []

    def wires(self) -> list[Wire]:
        return [wire for wire in self.scene.upstream.wires if not getattr(wire, "gone", False)]

    @rule(partition=st.sampled_from([b"", b"one"]))
    def call(self, partition: bytes) -> None:
        self.calls.append(self.scene.begin(partition=partition))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        sink, call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        events = list(sink.events)
        call.cancel()
        assert sink.events == events
        sink.failure = CallFailure("connect", "cancelled", began=False)  # from now on the sink refuses to be called

    @precondition(lambda self: self.scene.upstream.attempts)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        self.scene.upstream.accept(data.draw(st.integers(0, len(self.scene.upstream.attempts) - 1)))

    @precondition(lambda self: self.scene.upstream.attempts)
    @rule()
    def refuse(self) -> None:
        self.scene.upstream.refuse()

    @precondition(lambda self: self.wires())
    @rule(data=st.data(), part=st.sampled_from([HELLO, HELLO[:9], HELLO[:-1], HELLO + HELLO, b"x"]))
    def send(self, data: st.DataObject, part: bytes) -> None:
        wire = data.draw(st.sampled_from(self.wires()))
        if not wire.closed:
            wire.send(part)

    @precondition(lambda self: self.wires())
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        wire = data.draw(st.sampled_from(self.wires()))
        wire.gone = True  # type: ignore[attr-defined]
        wire.lose()

    @rule()
    def pass_time(self) -> None:
        self.scene.clock.advance(0.2)

    @rule()
    def close_idle(self) -> None:
        self.scene.pool.close_idle()

    @invariant()
    def counts_agree(self) -> None:
        pool, upstream = self.scene.pool, self.scene.upstream
        open_wires = [wire for wire in self.wires() if not wire.closed]
        assert pool.size == self.scene.changes == len(open_wires)
        assert pool.dialling == len(upstream.attempts)
        assert pool.size + pool.dialling <= 3
        assert pool.queued_count == sum(len(lane.waiting) for lane in pool._lanes.values())
        assert all(not lane.empty for lane in pool._lanes.values())

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """A call that waits has a dial under way, or every connection is taken."""
        pool = self.scene.pool
        for lane in pool._lanes.values():
            if lane.wants:
                closing = [wire for wire in self.wires() if wire.closed]
                assert pool.size + pool.dialling == 3 or closing, "a call waits for nothing"
                assert not [one for one in lane.idle if not lane.waiting[0].attempts], "beside an idle connection"


class AnyOrderTests(unittest.TestCase):
    """The machine above, run."""

    def test_promises_hold_in_any_order(self) -> None:
        run_state_machine_as_test(AnyOrder, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
