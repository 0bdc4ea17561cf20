"""Tests of aigw. Warnings that its own code causes are errors."""

import os
import warnings

from hypothesis import HealthCheck, settings

for category in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
    warnings.filterwarnings("error", category=category, module=r"aigw(\.|$)")

# How long an example takes says something of the machine, and of what else it does; not of the program. CI tries the same
# examples each time: what it says is of the change, and new ones are looked for everywhere else.
settings.register_profile(
    "aigw",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("aigw")
