"""The resource tree that a snapshot serves, and the admin site."""
