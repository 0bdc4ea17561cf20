"""One form for each path, and none for what has no safe one."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.http import target
from aigw.http.target import normalise_path

KEPT = [
    b"/",
    b"/v1/chat",
    b"/v1/chat/",
    b"/V1/Chat",
    b"/v1/chat;x=1",
    b"/v1/..;a=b/admin",  # one segment, not a way up: what is matched is what is forwarded
    b"/v1/...",
    b"/v1/.hidden",
    b"/v1/a..b",
    b"/v1/models/meta-llama%2FLlama-3",
    b"/v1/%2F/x",
    b"/v1/chat%23f",
    b"/v1/chat%3Fx",
    b"/v1/%25",
    b"/v1/%252e%252e/admin",
    b"/v1/a%20b",
    b"/v1/%C3%A4",
    b"/~user/a_b-c.d!$&'()*+,;=:@",
]

CHANGED = {
    b"//v1/chat": b"/v1/chat",
    b"/v1//chat": b"/v1/chat",
    b"/v1/chat//": b"/v1/chat/",
    b"//": b"/",
    b"///admin": b"/admin",
    b"/v1/./chat": b"/v1/chat",
    b"/v1/chat/.": b"/v1/chat/",
    b"/v1/chat/..": b"/v1/",
    b"/v1/..": b"/",
    b"/.": b"/",
    b"/v1/../admin": b"/admin",
    b"/v1/%2e%2e/admin": b"/admin",
    b"/v1/%2E./x": b"/x",
    b"/v1/.%2e/x": b"/x",
    b"/v1/%2e/x": b"/v1/x",
    b"/v1//../x": b"/x",
    b"/v1/%63hat": b"/v1/chat",
    b"/%7euser": b"/~user",
    b"/v1%2fchat": b"/v1%2Fchat",
    b"/v1/%c3%a4": b"/v1/%C3%A4",
}

REFUSED = [
    b"",
    b"v1/chat",
    b"*",
    b"?",
    b"/..",
    b"/../admin",
    b"/v1/../../admin",
    b"/%2e%2e/admin",
    b"/./../admin",
    b"//../admin",
    b"/v1/..%2fadmin",
    b"/v1/%2e%2e%2fadmin",
    b"/v1/%2E%2E%2Fadmin",
    b"/v1/a%2f..",
    b"/v1/a%2f..%2fb",
    b"/v1/a%2f.%2fb",
    b"/v1\\chat",
    b"/v1%5cchat",
    b"/v1/..%5cadmin",
    b"/v1/chat#f",
    b"/v1/chat%00",
    b"/v1/chat%00.json",
    b"/v1/%0d%0aX:1",
    b"/v1/%0A",
    b"/v1/%1f",
    b"/v1/%7f",
    b"/v1/%09",
    b"/v1/chat%",
    b"/v1/chat%2",
    b"/v1/%zz",
    b"/v1/%u002e",
    b"/v1/% 2e",
    b"/v1/%+2",
    b"/%c0%ae%c0%ae/",
    b"/%c0%af",
    b"/%e0%80%ae",
    b"/%ed%a0%80",  # a surrogate
    b"/%ff",
    b"/%c3",
    b"/v1/\xc3\xa4",
    b"/v1/a b",
    b"/v1/a\tb",
    b"/v1/\x00",
    b"/v1/\x7f",
]


class PathTests(unittest.SynchronousTestCase):
    """The corpus of paths that gateways were walked around with."""

    def test_paths_that_have_their_form(self) -> None:
        """Go on byte for byte."""
        for path in KEPT:
            self.assertEqual(normalise_path(path), path)

    def test_paths_with_several_spellings(self) -> None:
        """Become one."""
        for path, normal in CHANGED.items():
            self.assertEqual(normalise_path(path), normal, path)

    def test_paths_without_a_safe_form(self) -> None:
        """Are refused, with a word that programs can read, every time anew."""
        for path in REFUSED * 2:
            error = self.assertRaises(BadRequest, normalise_path, path)
            self.assertEqual((error.status, error.code), (400, "bad_path"), path)

    def test_long_paths(self) -> None:
        """Are judged like short ones."""
        self.assertEqual(normalise_path(b"/" + b"a" * 5000), b"/" + b"a" * 5000)
        self.assertEqual(normalise_path(b"/x" * 2000 + b"/.."), b"/x" * 1999 + b"/")
        self.assertRaises(BadRequest, normalise_path, b"/x" * 2000 + b"/%5c")

    def test_memory_is_bounded(self) -> None:
        """Of all the paths that clients think of, so many are remembered and no more, and no long ones."""
        for number in range(10_000):
            self.assertEqual(normalise_path(b"//%d" % number), b"/%d" % number)
        normalise_path(b"/" + b"a" * 5000)
        self.assertLessEqual(len(target._remembered), 4096)
        self.assertLessEqual(max(map(len, target._remembered)), 512)


#: What paths are made of, and what walks around in them.
pieces = st.sampled_from(
    [b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%2f", b"%2F", b"%5c", b"\\", b"a", b"v1", b";x", b"%41", b"%25", b"%", b"%00", b"%c3%a4", b"%ff", b"~", b"#", b"\x80"]
)  # fmt: skip
paths = st.lists(pieces, max_size=12).map(lambda parts: b"/" + b"".join(parts)) | st.binary(max_size=30)


class PathProperties(unittest.SynchronousTestCase):
    """Whatever is not refused is safe."""

    @settings(max_examples=1000, deadline=None)
    @given(paths)
    def test_normal_form(self, raw: bytes) -> None:
        """Is stable, absolute, printable, without dot or empty segments, also when somebody decodes it once."""
        try:
            path = normalise_path(raw)
        except BadRequest:
            return
        self.assertEqual(normalise_path(path), path)
        self.assertTrue(path.startswith(b"/"))
        self.assertTrue(path.isascii() and path.decode().isprintable() and b" " not in path)
        self.assertNotIn(b"//", path)
        for form in (path, unquote_to_bytes(path)):
            self.assertEqual({b".", b".."} & set(form.split(b"/")), set())
            self.assertNotIn(b"\\", form)
        unquote_to_bytes(path).decode("utf-8")

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.text("abcXYZ019-._~", min_size=1, max_size=6).filter(lambda part: part.strip(".")), max_size=5))
    def test_escaping_what_needs_no_escape_changes_nothing(self, segments: list[str]) -> None:
        """All spellings of a path are one path."""
        plain = "/" + "/".join(segments)
        escaped = "/" + "/".join("".join(f"%{ord(char):02x}" for char in segment) for segment in segments)
        self.assertEqual(normalise_path(plain.encode()), plain.encode())
        self.assertEqual(normalise_path(escaped.encode()), plain.encode())
