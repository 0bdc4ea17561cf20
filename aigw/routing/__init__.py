"""Which route and which target: pure functions and small state."""
