"""An AI gateway for bare metal, in one Twisted daemon. ``docs/architecture.md`` is the map."""

__version__ = "0.1.0"
