"""The upstream path: contract section 2, "Operation and upstream path"."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.upstream.target import PathRule, join, raw_path, replace_prefix

segments = st.lists(st.from_regex(rb"[a-z0-9]{1,4}", fullmatch=True), max_size=4).map(
    lambda parts: b"".join(b"/" + part for part in parts)
)


class TargetTests(unittest.TestCase):
    """Paths are joined with one slash, versions are not doubled, prefixes go by whole segments."""

    def test_version_is_not_doubled(self) -> None:
        """An SDK works with and without /v1 in its base URL."""
        self.assertEqual(raw_path(b"/v1", b"/v1/files"), b"/v1/files")
        self.assertEqual(raw_path(b"/v1", b"/files"), b"/v1/files")
        self.assertEqual(raw_path(b"/openai/v1", b"/v1/files/f-1"), b"/openai/v1/files/f-1")

    def test_other_versions_are_kept(self) -> None:
        """/v1beta is not /v1."""
        self.assertEqual(raw_path(b"/v1", b"/v1beta/x"), b"/v1/v1beta/x")
        self.assertEqual(raw_path(b"/v2", b"/v1/x"), b"/v2/v1/x")

    def test_nothing_left_is_the_backends_path(self) -> None:
        """A request for the prefix itself asks for the backend's own path."""
        self.assertEqual(raw_path(b"/v1", b""), b"/v1")
        self.assertEqual(raw_path(b"", b""), b"/")

    def test_replaced_prefix(self) -> None:
        """The whole table of the Gateway API (``HTTPPathModifier.replacePrefixMatch``)."""
        for path, matched, replacement, modified in (
            (b"/foo/bar", b"/foo", b"/xyz", b"/xyz/bar"),
            (b"/foo/bar", b"/foo", b"/xyz/", b"/xyz/bar"),
            (b"/foo/bar", b"/foo/", b"/xyz", b"/xyz/bar"),
            (b"/foo/bar", b"/foo/", b"/xyz/", b"/xyz/bar"),
            (b"/foo", b"/foo", b"/xyz", b"/xyz"),
            (b"/foo/", b"/foo", b"/xyz", b"/xyz/"),
            (b"/foo/bar", b"/foo", b"", b"/bar"),
            (b"/foo/", b"/foo", b"", b"/"),
            (b"/foo", b"/foo", b"", b"/"),
            (b"/foo/", b"/foo", b"/", b"/"),
            (b"/foo", b"/foo", b"/", b"/"),
            (b"/foo/bar", b"/foo", b"/", b"/bar"),
        ):
            self.assertEqual(replace_prefix(path, matched, replacement), modified, (path, matched, replacement))

    @given(segments, segments)
    def test_join_has_one_slash_between(self, base: bytes, rest: bytes) -> None:
        """No double slash, whatever is joined, and never an empty path."""
        joined = join(base + b"/", b"/" + rest)
        self.assertNotIn(b"//", joined)
        self.assertTrue(joined.startswith(b"/"))

    def test_a_segment_below(self) -> None:
        """Is encoded, so that it stays one, and stands before the query."""
        rule = PathRule(b"/v1beta", b"/v1beta/models", None, {"a": "1"})
        self.assertEqual(rule.target(b"/x", b"/x", b"b=2", None, "org/m?x"), b"/v1beta/models/org%2Fm%3Fx?b=2&a=1")
        self.assertEqual(rule.target(b"/x", b"/x", None, None, "ft:gpt-4o:a"), b"/v1beta/models/ft:gpt-4o:a?a=1")
