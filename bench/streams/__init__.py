"""The two ends of the streaming work: an upstream that sends and a client that checks, a process each."""
