"""Connections to an upstream that are gone are freed. Apart from the pool's other tests, since ``make test-compiled`` leaves
this out: of a class on top of an interpreted one, mypyc does not clear the weak references, and reading one is fatal."""

from __future__ import annotations

import gc
import weakref

from twisted.internet import reactor
from twisted.internet.task import deferLater

from aigw.http.endpoints import client_endpoint
from aigw.http.pool import Pool
from tests.wire.test_upstream_pool import PoolTestCase


class FreedTests(PoolTestCase):
    """Memory of connections."""

    async def test_connection_that_is_gone_is_free(self) -> None:
        """Without the garbage collector, to which a connection that was open for long is the last to look."""
        gc.disable()
        self.addCleanup(gc.enable)
        for host in ("127.0.0.1", "localhost"):
            self.pool.retire()
            endpoint = client_endpoint(reactor, host, self.upstream.port, False)
            self.pool = Pool(endpoint, self.deadlines, name="provider")
            await self.ask()
            (lane,) = self.pool._lanes.values()
            gone = [weakref.ref(lane.idle[0].transport), weakref.ref(lane.idle[0])]
            lane.idle[0].close()
            del lane
            await self.upstream.no_connections()
            while self.pool.size or any(one() is not None for one in gone):
                await deferLater(reactor, 0.01)
