"""The life of one call, from the consumer's request to the settled account."""
