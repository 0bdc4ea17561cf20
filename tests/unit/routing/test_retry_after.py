"""When providers want to be asked again, in all the ways they say it."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.routing.retry_after import duration, retry_after

NOW = 1_790_000_000.0


def said(told: float | None = None, **headers: str) -> float | None:
    return retry_after(
        [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()], told, NOW
    )


class HeaderTests(unittest.TestCase):
    """What headers say."""

    def test_retry_after(self) -> None:
        self.assertEqual(said(retry_after="7"), 7.0)
        self.assertEqual(said(retry_after="1.5"), 1.5)
        self.assertEqual(said(retry_after="0"), 0.0)
        self.assertEqual(said(retry_after=formatdate(NOW + 90, usegmt=True)), 90.0)
        self.assertEqual(said(retry_after=formatdate(NOW - 90, usegmt=True)), 0.0)

    def test_milliseconds_are_more_exact(self) -> None:
        self.assertEqual(said(retry_after="2", retry_after_ms="1250"), 1.25)

    def test_resets_of_limits_that_are_used_up(self) -> None:
        """The last of them: until then there is nothing to be had."""
        self.assertEqual(
            said(
                x_ratelimit_remaining_requests="0",
                x_ratelimit_reset_requests="1m30.5s",
                x_ratelimit_remaining_tokens="100",
                x_ratelimit_reset_tokens="6m0s",
            ),
            90.5,
        )
        self.assertEqual(
            said(
                x_ratelimit_remaining_requests="0",
                x_ratelimit_reset_requests="20ms",
                x_ratelimit_remaining_tokens="0",
                x_ratelimit_reset_tokens="7.66s",
            ),
            7.66,
        )

    def test_azure_has_plain_seconds(self) -> None:
        self.assertEqual(said(x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="27"), 27.0)

    def test_anthropic_has_points_in_time(self) -> None:
        at = "2026-09-21T14:13:40Z"  # 20 s after NOW
        self.assertEqual(
            said(anthropic_ratelimit_tokens_remaining="0", anthropic_ratelimit_tokens_reset=at),
            20.0,
        )
        self.assertIsNone(said(anthropic_ratelimit_tokens_remaining="5", anthropic_ratelimit_tokens_reset=at))

    def test_points_in_time_as_numbers(self) -> None:
        """OpenRouter counts milliseconds since 1970, others seconds."""
        self.assertEqual(said(x_ratelimit_reset=f"{NOW + 30:.0f}000"), 30.0)
        self.assertEqual(said(x_ratelimit_reset=f"{NOW + 30:.0f}"), 30.0)

    def test_retry_after_is_nearer_to_the_truth_than_resets(self) -> None:
        """OpenAI's reset says when the limit is whole again, not when one call fits."""
        self.assertEqual(
            said(retry_after="2", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="6m0s"), 2.0
        )

    def test_numbers_and_dates_have_bounds(self) -> None:
        """What is longer than any of them is none, and is not read at all."""
        zoned = "Mon, 21 Sep 2026 14:13:40 +" + "9" * 20
        for text in ("9" * 5000, "9" * 60_000, "1s" * 30_000, "1" * 16 + "s", zoned, "0001-01-01T00:00:00+23:59"):
            for name in ("retry_after", "retry_after_ms", "x_ratelimit_reset", "anthropic_ratelimit_tokens_reset"):
                self.assertIn(said(**{name: text}), (None, 0.0), text[:80])

    def test_nonsense_says_nothing(self) -> None:
        for headers in (
            {},
            {"retry_after": "soon"},
            {"retry_after": "-3"},
            {"retry_after": "1e9"},
            {"retry_after": "99999999999"},
            {"retry_after": "inf"},
            {"retry_after_ms": ""},
            {"x_ratelimit_reset_requests": "6 minutes"},
            {"x_ratelimit_reset": "²"},
            {"x_should_retry": "true"},
        ):
            self.assertIsNone(said(**headers), headers)

    @given(
        st.dictionaries(st.sampled_from(["retry_after", "retry_after_ms", "x_ratelimit_reset"]), st.text(max_size=40))
    )
    def test_no_text_is_too_strange(self, headers: dict[str, str]) -> None:
        found = said(**headers)
        self.assertTrue(found is None or 0 <= found <= 30 * 86400.0)


class DurationTests(unittest.TestCase):
    """As Go writes them."""

    def test_forms(self) -> None:
        for text, seconds in (
            ("1s", 1.0),
            ("6m0s", 360.0),
            ("1h2m3.5s", 3723.5),
            ("20ms", 0.02),
            ("250µs", 0.00025),
            (".5s", 0.5),
            ("3", 3.0),
        ):
            self.assertAlmostEqual(duration(text) or 0.0, seconds, 9, text)
        for text in ("", "s", "1x", "1s2", "-1s", "1 s", "١s"):
            self.assertIsNone(duration(text), text)


class BodyTests(unittest.TestCase):
    """Google says it in the body only."""

    def test_body(self) -> None:
        self.assertEqual(said(34.07), 34.07)
        self.assertEqual(said(34.0, retry_after="3"), 3.0)
        self.assertEqual(said(34.0, x_ratelimit_reset="3"), 34.0)
