"""Dialects and providers of large language models. No Twisted, no I/O."""
