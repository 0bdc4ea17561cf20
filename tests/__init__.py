"""Tests of aigw. Warnings that its own code causes are errors."""

import warnings

from hypothesis import settings

for category in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
    warnings.filterwarnings("error", category=category, module=r"aigw(\.|$)")

# How long an example takes says something of the machine, and of what else it does; not of the program.
settings.register_profile("aigw", deadline=None)
settings.load_profile("aigw")
