"""Secrets in texts that others have made: found in each form in which they may stand there, replaced by ``***``.

One :class:`Redactor` serves the daemon's log, another one each backend whose errors are shown to clients. Both know a
secret as it is, percent-encoded (in URLs and forms), escaped (in JSON and HTML), and inside base64, wherever in the
encoded text it begins (``Basic`` credentials are ``user:secret``), in both alphabets, escaped once more or not.

Theory of operation. No encoder touches letters and digits, so of each form the longest run of them must be in the text
as it is: one search for these bytes rules out all forms of nearly all texts. Only where such a run was found, a regular
expression looks for the form itself. It is made then, once, and is a plain sequence of alternatives, one for each
character: without repetition its work is at most proportional to the text and the secret.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Final

#: Shorter secrets are let through: ordinary words would be redacted.
SHORTEST: Final = 8

#: Characters above which a secret is looked for as it is only: a document, not a token.
_LONGEST_TOKEN: Final = 4096

_RUN: Final = re.compile(r"[A-Za-z0-9]+")
_PIECE: Final = re.compile(r"\\+|[^\\]", re.DOTALL)

#: HTML's names of the characters that it escapes.
_ENTITIES: Final = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}

#: The two characters in which base64's alphabets differ (RFC 4648 sections 4 and 5).
_OTHER_ALPHABET: Final = {"+": "-", "/": "_"}

_HIDDEN: Final = "***"


class _Form:
    """One way in which a secret may be written.

    :param text: the characters that somebody may have escaped.
    :param encoded: they are base64, so that those of the other alphabet are as good.
    """

    def __init__(self, text: str, encoded: bool = False) -> None:
        self._text = text
        self._encoded = encoded
        self._run = max(_RUN.findall(text), key=len, default="")
        self._pattern: re.Pattern[str] | None = None

    def hide(self, text: str) -> str:
        """``text`` without it."""
        if self._run not in text:
            return text
        if len(self._text) > _LONGEST_TOKEN:
            return text.replace(self._text, _HIDDEN)
        if self._pattern is None:
            self._pattern = re.compile("".join(map(self._piece, _PIECE.findall(self._text))))
        return self._pattern.sub(_HIDDEN, text)

    def _piece(self, piece: str) -> str:
        other = _OTHER_ALPHABET.get(piece) if self._encoded else None
        return f"(?:{_escapes(piece)}|{_escapes(other)})" if other is not None else _escapes(piece)


def _escapes(piece: str) -> str:
    """A regular expression for a character as it is, and as encoders write it; or for backslashes in a row."""
    if piece[0] == "\\":
        # Together: one by one, each could be up to four in the text, and there would be many ways to tell them apart.
        return rf"(?:(?:%(?:25)?5[cC]){{{len(piece)}}}|\\{{{len(piece)},{4 * len(piece)}}})"
    character, code = piece, ord(piece)
    if character.isalnum() or code > 0x7E:
        return re.escape(character)
    digits = "".join(f"[{digit}{digit.upper()}]" for digit in f"{code:02x}")
    ways = [
        r"\\{0,3}" + re.escape(character),  # JSON's \/ and \", also inside another string
        rf"%(?:25)?{digits}",  # percent-encoding, also twice
        rf"\\{{1,2}}u00{digits}",  # JSON
        rf"&#[xX]0?{digits};",
        rf"&#0?{code};",
    ]
    if character in _ENTITIES:
        ways.append(f"&{_ENTITIES[character]};")
    if character == " ":
        ways.append(r"\+")
    return f"(?:{'|'.join(ways)})"


class Redactor:
    """See the module's head.

    :param secrets: as they are configured, with a leading ``Bearer`` or without. Those of less than
        :data:`SHORTEST` characters are not looked for.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self._forms: list[_Form] = []
        self.replace(secrets)

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._secrets)} secrets>"

    def replace(self, secrets: Iterable[str]) -> None:
        """These are the secrets from now on; nothing is done where they are the same as before."""
        secrets = tuple(secrets)
        if secrets == self._secrets:
            return
        self._secrets = secrets
        bare = {_bare(secret) for secret in secrets}
        # Longest first: a secret may be the beginning of another.
        known = sorted((secret for secret in bare if len(secret) >= SHORTEST), key=len, reverse=True)
        self._forms = [form for secret in known for form in _forms(secret)]

    def clean(self, text: str) -> str:
        """``text`` without secrets."""
        for form in self._forms:
            text = form.hide(text)
        return text

    def clean_bytes(self, data: bytes) -> bytes:
        """The same for a text whose encoding is not known; ASCII secrets only."""
        if not self._forms:
            return data
        text = data.decode("latin-1")  # each byte is a character, and comes back as that byte
        clean = self.clean(text)
        return data if clean is text else clean.encode("latin-1")


def _bare(secret: str) -> str:
    """A secret that is configured as "Bearer sk-…" may be sent, and told, without that word."""
    secret = secret.strip()
    return secret[7:].strip() if secret[:7].lower() == "bearer " else secret


def _forms(secret: str) -> Iterator[_Form]:
    yield _Form(secret)
    if len(secret) > _LONGEST_TOKEN:
        return
    # In base64 the letters depend on where in a group of three a text begins, and those at its ends on its
    # neighbours (as in "user:secret"): what is sure are the letters made of the secret alone.
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        first = -(-before * 8 // 6)
        whole = (before + len(data)) * 8 // 6
        yield _Form(base64.b64encode(bytes(before) + data)[first:whole].decode("ascii"), encoded=True)
