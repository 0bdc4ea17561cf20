"""Secrets in texts of others: found in each form, whatever is around them."""

from __future__ import annotations

import base64
import html
import json
import sys
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.redaction import Redactor

SECRET = "sk-prov-Jd83hfKq0+/=xY7zWm"
TOKENS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12, max_size=60)


def upper(text: str) -> str:
    """Hexadecimal digits of escapes in the other case."""
    return quote(text, safe="").replace("%2b", "%2B").replace("%2F", "%2f")


class FormTests(unittest.TestCase):
    """Each way in which a provider may quote a key."""

    def setUp(self) -> None:
        self.redactor = Redactor([SECRET, "a-second-secret"])

    def assert_gone(self, text: str, rest: str) -> None:
        self.assertEqual(self.redactor.clean(text), rest)
        self.assertEqual(self.redactor.clean_bytes(text.encode()), rest.encode())

    def test_as_it_is(self) -> None:
        """Each time; the words around it stay, "Bearer" among them."""
        self.assert_gone(f"bad key {SECRET} (Bearer {SECRET})", "bad key *** (Bearer ***)")

    def test_percent_encoded(self) -> None:
        """By strict encoders and lax ones, in upper and lower case, also twice."""
        for form in (
            quote(SECRET, safe=""),
            quote(SECRET),
            quote_plus(SECRET),
            upper(SECRET),
            quote(SECRET, safe="").lower().replace(SECRET.lower()[:16], SECRET[:16]).replace("xy7zwm", "xY7zWm"),
            quote(quote(SECRET, safe=""), safe=""),
        ):
            self.assert_gone(f"?key={form}&a=1", "?key=***&a=1")

    def test_in_json(self) -> None:
        """PHP writes a slash as backslash and slash, Go and Gson write = and others by their codes."""
        for form in (
            SECRET.replace("/", "\\/"),
            SECRET.replace("=", "\\u003d").replace("+", "\\u002b"),
            SECRET.replace("=", "\\u003D").replace("+", "\\u002B").replace("/", "\\u002F"),
            SECRET.replace("/", "\\\\/"),
        ):
            self.assert_gone(f'{{"message": "bad key {form}"}}', '{"message": "bad key ***"}')

    def test_in_html(self) -> None:
        """An error page."""
        for form in (SECRET.replace("/", "&#x2F;"), SECRET.replace("+", "&#43;").replace("=", "&#x3d;")):
            self.assert_gone(f"<p>{form}</p>", "<p>***</p>")

    @given(st.binary(max_size=7), st.binary(max_size=7), st.booleans())
    def test_in_base64(self, before: bytes, after: bytes, escaped: bool) -> None:
        """Wherever it begins in the encoded text, in both alphabets, escaped in its turn."""
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(before + SECRET.encode() + after).decode()
            text = quote(text, safe="") if escaped else text
            self.assertLess(len(self.redactor.clean(text)), len(text) - len(SECRET))

    def test_in_credentials_of_a_user(self) -> None:
        """What Basic authentication makes of it (RFC 7617), and the word Bearer within."""
        for before in (b"", b"user:", b"api:", b"Bearer ", b"key=", b"xx", b"xxx"):
            text = base64.b64encode(before + SECRET.encode() + b":").decode()
            self.assertIn("***", self.redactor.clean(f"Basic {text}"))

    @given(TOKENS, st.text(max_size=30), st.text(max_size=30))
    def test_any_secret_in_any_form(self, secret: str, before: str, after: str) -> None:
        """Nothing of its form is left, whatever it is made of."""
        secret = f"x{secret}9"
        redactor = Redactor([secret])
        for form in (
            secret,
            quote(secret, safe=""),
            quote(secret, safe="").replace("%2F", "%2f"),
            json.dumps(secret)[1:-1],
            json.dumps(secret)[1:-1].replace("/", "\\/"),
            html.escape(secret),
            "".join(c if c.isalnum() or c == "\\" else f"\\u{ord(c):04x}" for c in secret),
        ):
            found = redactor.clean(f"{before}\x00{form}\x00{after}".replace("***", ""))
            self.assertEqual(found.count("***"), 1, (form, found))
            self.assertNotIn(secret, found)

    def test_backslashes_in_a_row(self) -> None:
        """Doubled by JSON; and where there are too few behind them, that is seen at once."""
        secret = "a-key" + "\\" * 60 + "b"
        redactor = Redactor([secret])
        self.assertEqual(redactor.clean(json.dumps(f"x {secret} y")), '"x *** y"')
        near = "a-key" + "\\" * 200 + "c key"
        self.assertEqual(redactor.clean(near), near)

    def test_bytes_that_are_no_text_stay(self) -> None:
        """An error may be in any encoding."""
        data = bytes(range(256))
        self.assertEqual(self.redactor.clean_bytes(data + SECRET.encode() + data), data + b"***" + data)
        self.assertIs(self.redactor.clean_bytes(data), data)

    def test_longer_one_first(self) -> None:
        redactor = Redactor(["sk-abcdef", "sk-abcdef-and-more"])
        self.assertEqual(redactor.clean("sk-abcdef-and-more sk-abcdef"), "*** ***")

    def test_words_stay(self) -> None:
        """A secret as short as a word would have words redacted, and is none."""
        redactor = Redactor(["on", "", "Bearer x"])
        self.assertEqual(redactor.clean("nothing on x"), "nothing on x")
        self.assertEqual(redactor.clean_bytes(b"nothing on x"), b"nothing on x")

    def test_it_shows_none(self) -> None:
        self.assertNotIn(SECRET, repr(self.redactor))


class WorkTests(unittest.TestCase):
    """What the search costs."""

    def test_no_expression_is_made_where_nothing_is_found(self) -> None:
        """Nor for a secret that is a document."""
        redactor = Redactor([SECRET, "{" + '"a": "b", ' * 5000 + "}"])
        redactor.clean("an error that quotes nothing" * 1000)
        self.assertTrue(all(form._pattern is None for form in redactor._forms))
        self.assertEqual(redactor.clean("{" + '"a": "b", ' * 5000 + "}"), "***")
        self.assertTrue(all(form._pattern is None for form in redactor._forms))

    def test_the_same_secrets_are_prepared_once(self) -> None:
        """A backend whose tokens are made is told of them at each error."""
        redactor = Redactor([SECRET])
        forms = redactor._forms
        redactor.replace([SECRET])
        self.assertIs(redactor._forms, forms)
        redactor.replace(["another-secret"])
        self.assertIsNot(redactor._forms, forms)

    def test_work_does_not_grow_with_the_text(self) -> None:
        """In calls: the searches themselves are the interpreter's, one pass each."""

        def calls(text: str) -> int:
            counted = 0

            def count(frame: object, event: str, argument: object) -> None:
                nonlocal counted
                counted += 1

            redactor = Redactor([SECRET])
            redactor.clean(text)
            sys.setprofile(count)
            try:
                redactor.clean(text)
            finally:
                sys.setprofile(None)
            return counted

        near = SECRET[:-1] + " "
        self.assertEqual(calls(near * 10), calls(near * 40))
