"""Numbers and dates off the wire: what is one, and that nothing raises."""

from __future__ import annotations

import ast
import math
import pathlib
from email.utils import formatdate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

import aigw
from aigw import numbers

NOW = 1_790_000_000.0
ROOT = pathlib.Path(aigw.__file__).parent
MOST = 2**63 - 1

#: Functions that read numbers and dates of any length, or raise on some: whoever uses one on a text bounds it before.
#: Each place that does, and why it may.
BOUNDED = {
    # files and the environment: the operator's own
    "systemd.py": "the service manager's microseconds",
    "memory.py": "the kernel's pages",
    "launch.py": "20 characters of the process identifier file; what raises is caught there",
    "listener.py": "the configuration's, 5 digits by its expression",
    "http/listeners.py": "the configuration's, 5 digits by its expression",
    "http/liveness.py": "the configuration's seconds, and counts of the kernel's",
    "cli.py": "the command line's, 5 digits by its expression",
    "config/": "files; faults are told with their lines",
    # by an expression, or a length, in front of it
    "numbers.py": "this is where it is done",
    "routing/retry_after.py": "15 digits by its expression",
    "http/request_head.py": "20 digits",
    "http/peer_address.py": "an address that was read",
    "web/admin_site.py": "no number: a set that is disjoint",
    "http/agent.py": "20 digits by the response's reader",
    "http/request.py": "what our own resources set",
    "http/target.py": "two digits by its expression",
    "proxy/relay.py": "20 digits by the response's reader; 64 bytes of Retry-After",
    "llm/dialects/responses/sealed.py": "9 digits",
    "llm/errors.py": "3 digits",
    "llm/echo/__init__.py": "3 digits by its expression",
    "llm/providers/gemini/thinking.py": "4 digits by its expression",
    "llm/providers/anthropic/models.py": "2 digits by its expression",
    "llm/providers/openai_chat/errors.py": "4 digits by its expression",
    "llm/providers/openai_chat/models.py": "3 digits by its expression",
    # of numbers, not of texts; what raises is caught there
    "http/channel.py": "lengths of buffers",
    "instruments.py": "infinity",
    "llm/counting.py": "sizes of pictures",
    "llm/dialects/chat_reply.py": "the clock",
    "llm/dialects/completions.py": "the clock",
    "llm/dialects/models.py": "the epoch",
    "llm/dialects/responses/reply.py": "the clock",
    "llm/lenient.py": "whole numbers that JSON had; too large ones are no JSON",
    "llm/options.py": "numbers below 2**53",
    "llm/providers/gemini/request.py": "numbers that JSON had, none of them infinite",
    "llm/usage.py": "whatever raises counts nothing",
    "proxy/access_line.py": "the clock",
    "routing/balance.py": "a constant",
    "routing/breaker.py": "the clock",
    "logs.py": "the clock",
    "workers/": "what workers say to each other",
}
READS = ("int", "float", "datetime.fromisoformat", "datetime.strptime", "fromtimestamp", "parsedate_to_datetime")


class WholeTests(unittest.TestCase):
    """``whole``."""

    def test_digits_only(self) -> None:
        for text, number in (("0", 0), ("007", 7), (b"42", 42), (str(MOST), MOST), ("0" * 19 + "5", 5)):
            self.assertEqual(numbers.whole(text, MOST), number)
        for wrong in (
            "",
            b"",
            None,
            "+1",
            "-1",
            "1_0",
            " 1",
            "1 ",
            "1.0",
            "²",
            "٣",
            "0x1",
            str(MOST + 1),
            "0" * 20 + "5",
        ):
            self.assertIsNone(numbers.whole(wrong, MOST), wrong)

    @given(st.text(max_size=40) | st.binary(max_size=40) | st.integers().map(str), st.integers(0, MOST))
    def test_any_text(self, text: str | bytes, most: int) -> None:
        found = numbers.whole(text, most)
        self.assertTrue(found is None or 0 <= found <= most)


class DecimalTests(unittest.TestCase):
    """``decimal``."""

    def test_forms(self) -> None:
        for text, number in (("7", 7.0), ("1.5", 1.5), ("3.", 3.0), ("9" * 15, 10**15 - 1.0)):
            self.assertEqual(numbers.decimal(text), number)
        for wrong in ("", None, "inf", "nan", "1e5", "-1", ".5", "9" * 16, "1." + "0" * 10, "1_0", " 1", "١"):
            self.assertIsNone(numbers.decimal(wrong), wrong)


class CountTests(unittest.TestCase):
    """``count``."""

    def test_numbers_of_json(self) -> None:
        for value, number in ((0, 0), (12.0, 12), (12.9, 12), (10**12, 10**12)):
            found = numbers.count(value, 10**12)
            self.assertEqual((found, type(found)), (number, int))
        for wrong in (True, -1, 10**12 + 1, 1e308, math.inf, -math.inf, math.nan, 10**5000, "1", None, [], {}):
            self.assertIsNone(numbers.count(wrong, 10**12))


class DateTests(unittest.TestCase):
    """``http_date`` and ``timestamp``."""

    def test_forms_of_http(self) -> None:
        """RFC 9110 section 5.6.7: the one that is written, and the two that are read."""
        for text in (
            formatdate(784111777, usegmt=True),
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 09:49:37 +0100",
        ):
            self.assertEqual(numbers.http_date(text), 784111777.0, text)

    def test_forms_of_rfc_3339(self) -> None:
        for text in (
            "2026-09-21T14:13:40Z",
            "2026-09-21t14:13:40.0z",
            "2026-09-21T16:13:40+02:00",
            "2026-09-21 14:13:40",
        ):
            self.assertEqual(numbers.timestamp(text), NOW + 20, text)

    def test_none_is_too_strange(self) -> None:
        """No year, no zone, no length raises."""
        for wrong in (
            "Mon, 21 Sep 2026 14:13:40 +" + "9" * 20,
            "Mon, 21 Sep 99999 14:13:40 GMT",
            "Mon, 99 Sep 2026 14:13:40 GMT",
            "Mon, 21 Sep 2026 99:99:99 GMT",
            "Mon, " + "9" * 40,
            "x" * 100_000,
            "",
        ):
            self.assertIsNone(numbers.http_date(wrong), wrong[:60])
        for wrong in ("99999-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "9" * 5000, ""):
            self.assertIsNone(numbers.timestamp(wrong), wrong[:60])
        for edge in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
            self.assertIsInstance(numbers.timestamp(edge), float)

    @given(st.text("0123456789 :,+-.TZGMTSunoveb", max_size=50) | st.text(max_size=60))
    def test_any_text(self, text: str) -> None:
        for read in (numbers.http_date, numbers.timestamp):
            found = read(text)
            self.assertTrue(found is None or math.isfinite(found))


class PlacesTests(unittest.TestCase):
    """Where numbers and dates are read otherwise."""

    def test_each_has_a_bound(self) -> None:
        """A new place uses this module, or says here what bounds it."""
        places = set()
        for path in ROOT.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(READS):
                    name = ast.unparse(node.func)
                    if name in ("int", "float") or "." in name or name in READS:
                        places.add(str(path.relative_to(ROOT)))
        unknown = {place for place in places if not place.startswith(tuple(BOUNDED))}
        self.assertEqual(unknown, set())
        self.assertEqual({name for name in BOUNDED if not any(place.startswith(name) for place in places)}, set())
