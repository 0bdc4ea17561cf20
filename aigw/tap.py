"""``twistd aigw`` and ``aigw run``: from the command line to the service tree. The only module that knows the global
reactor.

Run as a program it is a worker: ``python -m aigw.tap NUMBER REACTOR``, as :mod:`aigw.workers.process` has it.
"""

from __future__ import annotations

import faulthandler
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.logger import globalLogBeginner
from twisted.python import usage

from aigw import logs
from aigw.config.errors import ConfigError
from aigw.config.run_options import RunOptions
from aigw.config.settings import Settings, load_served
from aigw.daemon import Daemon
from aigw.gateway import Gateway
from aigw.http.polling import poll_plainly
from aigw.launch import Launch, obstacle
from aigw.os_error_text import os_error_text
from aigw.version import version_text
from aigw.workers.parent import Parent, worker_count
from aigw.workers.process import LINK
from aigw.workers.worker import Worker


class Options(usage.Options):
    """``twistd [twistd options] aigw -c gateway.toml``."""

    synopsis = "-c FILE"
    longdesc = "An AI gateway. 'aigw check FILE' says what is wrong with a configuration file."
    optParameters = [["config", "c", None, "The configuration file (TOML)."]]

    def postOptions(self) -> None:
        """The file is remembered by its absolute path: twistd changes its directory, reloads come later."""
        if not self["config"]:
            raise usage.UsageError("a configuration file is needed: aigw -c gateway.toml")
        self["config"] = str(Path(self["config"]).absolute())
        why = obstacle(self.parent) if self.parent is not None else None
        if why is not None:
            sys.stderr.write(f"{why}\n")
            raise SystemExit(1)

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"{version_text()}\n")
        raise SystemExit(0)


def makeService(options: Options) -> IService:
    """The gateway of ``options``, checked and compiled, not yet listening.

    :raises SystemExit: the file is bad; every problem was written to stderr, a line each.
    """
    service = _daemon(_reactor(), options["config"], load_served)
    if options.parent is not None:
        service.launch = Launch(options.parent)
    logs.free_standard_output()
    return service


def serve(path: str, options: RunOptions) -> None:
    """Run the gateway in this process until a signal ends it: no process identifier file, no plugins, no other folder.

    The daemon's log goes to standard error as text, the access log to where the file says.

    :param path: of the configuration file.
    :param options: of the command line; they hold for reloads, too.
    :raises SystemExit: it cannot start; why was written to stderr, a line for each reason.
    """
    reactor = _reactor()
    service = _daemon(reactor, str(Path(path).absolute()), partial(load_served, options=options))
    service.privilegedStartService()
    # Only now: why it cannot listen is one line, and nothing else.
    globalLogBeginner.beginLoggingTo([logs.text()], redirectStandardIO=False)
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


def _daemon(reactor: Any, path: str, load: Callable[[str], Settings]) -> Daemon:
    """What serves the file ``path``.

    :raises SystemExit: the file is bad.
    """
    try:
        settings = load(path)
        kind = Gateway if worker_count(settings) == 1 else Parent
        try:
            return kind(reactor, settings, load)
        except OSError as error:  # of the access log
            problem = settings.problem(("server", "access_log"), os_error_text(error))
            raise ConfigError([problem]) from None
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


def _reactor() -> Any:
    from twisted.internet import reactor

    clock: Any = reactor
    # Wall time jumps; every timeout of the gateway must not. Before anything sets a timer.
    clock.seconds = time.monotonic
    poll_plainly(clock)
    return clock


def work(reactor_module: str) -> None:
    """Be a worker until the parent has it end.

    :param reactor_module: of the parent's event loop.
    """
    faulthandler.enable()  # where it stood, if it has to be ended
    import_module(reactor_module).install()
    globalLogBeginner.beginLoggingTo([logs.json()], redirectStandardIO=False)
    clock = _reactor()
    Worker(clock).start(LINK)
    clock.run()


if __name__ == "__main__":
    work(sys.argv[2])
