"""The gateway as one process: the daemon itself serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from aigw.config.settings import Settings, load_served
from aigw.daemon import Daemon
from aigw.http.listeners import endpoints
from aigw.serving import Serving
from aigw.web.admin import AdminRoot
from aigw.web.admin_site import AdminSite


class Gateway(Daemon):
    """One process that serves one configuration file.

    :param reactor: everything's clock and network.
    :param settings: checked.
    :param load: see :class:`~aigw.daemon.Daemon`.
    :raises ConfigError: the settings do not compile, such as two routes that cannot be told apart.
    :raises OSError: the access log cannot be opened.
    """

    def __init__(self, reactor: Any, settings: Settings, load: Callable[[str], Settings] = load_served) -> None:
        self.serving = Serving(reactor, settings, endpoints(reactor))
        super().__init__(reactor, settings, self.serving.metrics, load)
        self.serving.administer(AdminSite(AdminRoot(self.metrics, self)))

    def open(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.serving.open()

    def begin(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.serving.begin()
        self.announce()

    def swap(self, settings: Settings) -> Deferred[None] | None:
        """See :class:`~aigw.daemon.Daemon`."""
        prepared = self.serving.prepare(settings)
        try:
            self.serving.commit(prepared)
        except OSError:
            self.serving.drop(prepared)
            raise
        if settings.server.workers != self.settings.server.workers:
            self.log.warn("workers has changed: that takes a restart; until then there is one process")
        return None

    def reopen(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.serving.access_log.reopen()

    def stop_accepting(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.serving.stop_accepting()

    @inlineCallbacks
    def drain(self) -> Any:
        """See :class:`~aigw.daemon.Daemon`."""
        yield self.serving.drain()
        yield self.serving.end()

    def cut_short(self) -> None:
        """See :class:`~aigw.daemon.Daemon`."""
        self.serving.cut_short()

    def addresses(self) -> dict[str, str]:
        """See :class:`~aigw.daemon.Daemon`."""
        return self.serving.listeners.addresses()

    # -- what the admin site shows

    def healthy(self) -> tuple[bool, str]:
        """Whether the process need not be started anew: the event loop turns, since it answers."""
        return True, "ok"

    def ready(self) -> tuple[bool, str]:
        """Whether traffic should be sent here, and if not, why."""
        if self.draining:
            return False, "draining"
        if not self.settings.routes:
            return False, "no routes"
        return True, "ready"

    def overview(self) -> dict[str, Any]:
        """The status page's facts; no secrets among them."""
        return {**self.facts(), **self.serving.overview()}
