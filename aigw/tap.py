"""``twistd aigw``: from the command line to the service tree. The only module that knows the global reactor."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.python import usage

from aigw.config.errors import ConfigError
from aigw.config.settings import load
from aigw.gateway import Gateway
from aigw.http.polling import poll_plainly


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
    from twisted.internet import reactor

    clock: Any = reactor
    # Wall time jumps; every timeout of the gateway must not. Before anything sets a timer.
    clock.seconds = time.monotonic
    poll_plainly(clock)
    try:
        settings = load(options["config"])
        return Gateway(clock, settings)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
    except OSError as error:  # of the access log
        sys.stderr.write(f"{options['config']}: server.access_log: {error}\n")
        raise SystemExit(1) from None
