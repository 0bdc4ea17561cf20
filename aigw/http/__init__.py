"""The wire: HTTP/1.1 server channel, pooled client, SSE framing. Knows nothing of LLMs."""
