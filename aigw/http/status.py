"""Status lines, made once."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

#: Status to its line, for all that the IANA registry names; and two that LLM providers made up.
STATUS_LINES: Final = {
    status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode("ascii")) for status in HTTPStatus
}
STATUS_LINES[498] = b"HTTP/1.1 498 Flex Tier Capacity Exceeded\r\n"
STATUS_LINES[529] = b"HTTP/1.1 529 Overloaded\r\n"


def status_line(status: int) -> bytes:
    """The line of a status without a name; the reason phrase may be empty (RFC 9112 section 4)."""
    return b"HTTP/1.1 %03d \r\n" % status
