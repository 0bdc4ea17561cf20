"""Compiles the modules on every request's path with mypyc, where this machine can.

The code is the same: what is compiled is type-checked Python, and what is not compiled runs as it is. A compiled
gateway spends less than half of the processor time on a request (docs/performance.md). ``AIGW_COMPILE=0`` leaves
it, ``AIGW_COMPILE=1`` insists on it; otherwise it is done where a C compiler and Python's headers are there. An
editable install is never compiled: changes to a module would not show.

Everything else about the package is in setup.cfg.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup

#: What every request and every chunk of a stream goes through. Not compiled: classes that zope.interface or attrs
#: decorate in ways that mypyc does not know, and whatever runs once a configuration.
ON_THE_WAY = (
    "aigw/bounded_cache.py",
    "aigw/consumers/authenticator.py",
    "aigw/consumers/consumer.py",
    "aigw/consumers/key_filter.py",
    "aigw/http/peer_address.py",
    "aigw/http/channel.py",
    "aigw/http/client.py",
    "aigw/http/deadlines.py",
    "aigw/http/failures.py",
    "aigw/http/headers.py",
    "aigw/http/request_head.py",
    "aigw/http/lanes.py",
    "aigw/http/polling.py",
    "aigw/http/pool.py",
    "aigw/http/reader.py",
    "aigw/http/request.py",
    "aigw/http/response.py",
    "aigw/http/secure.py",
    "aigw/http/server.py",
    "aigw/http/sse.py",
    "aigw/http/status.py",
    "aigw/http/target.py",
    "aigw/http/writer.py",
    "aigw/instruments.py",
    "aigw/llm/body.py",
    "aigw/llm/body_models.py",
    "aigw/llm/errors.py",
    "aigw/llm/events.py",
    "aigw/llm/frames.py",
    "aigw/llm/large_json.py",
    "aigw/llm/lenient.py",
    "aigw/llm/model_names.py",
    "aigw/llm/operations.py",
    "aigw/llm/taps.py",
    "aigw/llm/unexpected.py",
    "aigw/llm/usage.py",
    "aigw/logs.py",
    "aigw/memory.py",
    "aigw/metrics.py",
    "aigw/proxy/access_line.py",
    "aigw/proxy/account.py",
    "aigw/proxy/attempt.py",
    "aigw/proxy/client_body.py",
    "aigw/proxy/client_call.py",
    "aigw/proxy/event_body.py",
    "aigw/proxy/exchange.py",
    "aigw/proxy/forwarding.py",
    "aigw/proxy/plan.py",
    "aigw/proxy/plan_cache.py",
    "aigw/proxy/relay.py",
    "aigw/proxy/ways.py",
    "aigw/routing/breaker.py",
    "aigw/routing/budget.py",
    "aigw/routing/health.py",
    "aigw/routing/retry.py",
    "aigw/routing/targets.py",
    "aigw/upstream/target.py",
    "aigw/upstream/upstream.py",
    "aigw/web/clients.py",
    "aigw/web/labels.py",
    "aigw/web/reading.py",
    "aigw/web/route.py",
    "aigw/web/dispatcher.py",
)


def can_compile() -> bool:
    """Whether this machine has what it takes."""
    compiler = os.environ.get("CC") or (sysconfig.get_config_var("CC") or "cc").split()[0]
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(compiler) is not None and headers.exists()


def wanted() -> bool:
    """Whether to compile; see the module's head."""
    if "editable_wheel" in sys.argv or "develop" in sys.argv:
        return False
    asked = os.environ.get("AIGW_COMPILE", "")
    return asked == "1" or (asked != "0" and can_compile())


def extensions() -> list[object]:
    """The extension modules, if they are wanted."""
    if not wanted() or not {"build_ext", "bdist_wheel", "install", "build"} & set(sys.argv):
        return []
    from mypyc.build import mypycify

    modules: list[object] = list(mypycify([*ON_THE_WAY], opt_level="2", debug_level="0"))
    return modules


setup(ext_modules=extensions())
