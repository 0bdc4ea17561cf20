"""What a portal gives out."""

from __future__ import annotations

from zope.interface import Attribute, Interface


class IConsumer(Interface):
    """What a portal gives out for an API key: who came in, and what they may do."""

    name = Attribute("As the configuration calls it, a string.")

    def may_use_route(route: str) -> bool:  # noqa: N805, interfaces have no self
        """Whether it may go to ``route``."""

    def may_use_model(name: str) -> bool:  # noqa: N805
        """Whether it may ask for model ``name``."""
