"""The events of a stream, byte for byte: what the upstream sends is what the client must get.

Every chunk is told apart by the stream's name, its index and the time at which it was sent, so that a chunk
that is lost, doubled, out of order or in another's stream cannot pass. The fingerprint carries the
temperature that the upstream was asked for, so that a gateway whose override does not arrive cannot pass
either.
"""

from __future__ import annotations

from bench.traffic import PROMPT_TOKENS

STAMP_DIGITS = 19

_FRAME = (
    b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":1790000000,'
    b'"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_%s","choices":[%s],"usage":%s,"obfuscation":"'
)
_DELTA = b'{"index":0,"delta":{"content":" word%04d"},"finish_reason":null}'
_FINISH = b'{"index":0,"delta":{},"finish_reason":"stop"}'
_USAGE = b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}'
TAIL = b'"}\n\n'
DONE = b"data: [DONE]\n\n"


def beginning(stream: bytes, fingerprint: bytes) -> bytes:
    """What comes before the first chunk: nothing."""
    return b""


def chunk_head(stream: bytes, fingerprint: bytes, index: int) -> bytes:
    """A chunk up to its stamp: STAMP_DIGITS digits of monotonic nanoseconds, which TAIL follows."""
    return _FRAME % (stream, fingerprint, _DELTA % index, b"null")


def ending(stream: bytes, fingerprint: bytes, chunks: int) -> list[bytes]:
    """The events behind the last chunk: the finish chunk, the usage chunk, ``[DONE]``."""
    usage = _USAGE % (PROMPT_TOKENS, chunks, PROMPT_TOKENS + chunks)
    finish = _FRAME % (stream, fingerprint, _FINISH, b"null")
    return [finish + TAIL, _FRAME % (stream, fingerprint, b"", usage) + TAIL, DONE]


def framed(data: bytes) -> bytes:
    """One chunk of HTTP's chunked coding."""
    return b"%x\r\n%s\r\n" % (len(data), data)
