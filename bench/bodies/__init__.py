"""The large bodies: a request with images, and the upstream that looks whether it came whole."""
