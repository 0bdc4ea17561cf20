"""The body of a client's request, for as long as somebody needs it, and no longer.

Theory of operation. A parsed body can be thirty times its bytes, so exactly one place has it: this one until an attempt
takes it, which changes it in place, makes its payload of it and lets it go. A further attempt reads the bytes anew. The
bytes are kept until :meth:`ClientBody.release`: when no further attempt can come of the call, or it has ended.
"""

from __future__ import annotations

from typing import Any, Final

from aigw.llm.body import reread


class ClientBody:
    """See the module's head.

    :param data: as it came, without what is this gateway's business.
    :param fields: ``data``, parsed, where the operation is one that is read; given away.
    :param large: what is done with it is work for a thread (:mod:`aigw.proxy.offload`).
    :ivar read: the operation is one that is read.
    """

    __slots__ = ("_fields", "data", "large", "read")

    def __init__(self, data: bytes, fields: dict[str, Any] | None = None, *, large: bool = False) -> None:
        self.data = data
        self.large = large
        self.read = fields is not None
        self._fields = fields

    @property
    def fields(self) -> dict[str, Any] | None:
        """What it says, to look at; None once it was taken, or where nobody reads it."""
        return self._fields

    def take(self) -> dict[str, Any]:
        """What it says, the caller's own."""
        fields, self._fields = self._fields, None
        if fields is not None:
            return fields
        read: dict[str, Any] = reread(self.data, large=self.large)
        return read

    def release(self) -> None:
        """Nobody will make another attempt of it."""
        self.data = b""
        self._fields = None


#: Of a call that was not asked for anything yet.
NO_BODY: Final = ClientBody(b"")
