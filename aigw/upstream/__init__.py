"""A backend ready to be called."""
