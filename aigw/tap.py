"""``twistd aigw``: from the command line to the service tree. The only module that knows the global reactor.

Run as a program it is a worker: ``python -m aigw.tap NUMBER REACTOR``, as :mod:`aigw.workers.process` has it.
"""

from __future__ import annotations

import faulthandler
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.logger import globalLogBeginner
from twisted.python import usage

from aigw import logs
from aigw.config.errors import ConfigError
from aigw.config.settings import load_served
from aigw.gateway import Gateway
from aigw.http.polling import poll_plainly
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


def makeService(options: Options) -> IService:
    """The gateway of ``options``, checked and compiled, not yet listening.

    :raises SystemExit: the file is bad; every problem was written to stderr, a line each.
    """
    clock = _reactor()
    try:
        settings = load_served(options["config"])
        service = Gateway(clock, settings) if worker_count(settings) == 1 else Parent(clock, settings)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
    except OSError as error:  # of the access log
        sys.stderr.write(f"{options['config']}: server.access_log: {error}\n")
        raise SystemExit(1) from None
    logs.free_standard_output()
    return service


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
