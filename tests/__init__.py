"""Tests of aigw. Warnings that its own code causes are errors."""

import warnings

for category in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
    warnings.filterwarnings("error", category=category, module=r"aigw(\.|$)")
