"""What becomes of a failed attempt: the table, row by row; waits and budgets."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

import aigw
from aigw.http.failures import KINDS as WIRE_KINDS
from aigw.routing.budget import RetryBudget
from aigw.routing.retry import KINDS, Failure, RetryRules, Where, backoff, kind_of_status, where_next

AGAIN, OTHER, STOP = Where.AGAIN, Where.OTHER, Where.STOP
ALL = RetryRules()

#: Kind, whether the request was sent, where it goes on, what must be in ``retry.on``, whether the breaker counts it.
ROWS = [
    ("connect", False, AGAIN, "connect", True),
    ("dns", False, AGAIN, "connect", True),
    ("tls", False, OTHER, "connect", True),
    ("credential", False, OTHER, "connect", True),
    ("connect_timeout", False, OTHER, "timeout", True),
    ("queue_full", False, OTHER, "", False),
    ("reset", True, AGAIN, "connect", True),
    ("cut", True, AGAIN, "connect", True),
    ("protocol", True, OTHER, "connect", True),
    ("invalid_answer", True, OTHER, "5xx", True),
    ("first_byte_timeout", True, OTHER, "timeout", True),
    ("first_token_timeout", True, OTHER, "timeout", True),
    ("idle_timeout", True, OTHER, "timeout", True),
    ("total_timeout", False, STOP, "timeout", False),
    ("total_timeout", True, STOP, "timeout", False),
    ("not_continued", True, STOP, "", False),
    ("rate_limit", True, AGAIN, "429", True),
    ("quota", True, OTHER, "429", True),
    ("overloaded", True, AGAIN, "5xx", True),
    ("server_error", True, AGAIN, "5xx", True),
    ("request_timeout", True, AGAIN, "timeout", True),
    ("context_length", True, OTHER, "", False),
    ("content_filter", True, STOP, "", False),
    ("conflict", True, STOP, "", False),
    ("refused", True, STOP, "", False),
]


class TableTests(unittest.TestCase):
    """Contract section 6."""

    def test_each_row(self) -> None:
        for kind, sent, where, _, counts in ROWS:
            self.assertIs(where_next(Failure(kind, sent), ALL), where, (kind, sent))
            self.assertIs(KINDS[kind].counts, counts, kind)

    def test_there_is_no_row_that_is_not_here(self) -> None:
        self.assertEqual(
            {(kind, sent) for kind, sent, *_ in ROWS},
            {
                (kind, sent)
                for kind, row in KINDS.items()
                for sent, where in ((False, row.unsent), (True, row.sent))
                if where is not None
            },
        )

    def test_what_is_not_in_retry_on_stops(self) -> None:
        """And what is no matter of choice does not."""
        for kind, sent, where, word, _ in ROWS:
            without = RetryRules(on=ALL.on - {word})
            self.assertIs(where_next(Failure(kind, sent), without), STOP if word else where, kind)
            only = RetryRules(on=frozenset((word,)))
            self.assertIs(where_next(Failure(kind, sent), only), where, kind)

    def test_the_wire_has_a_row_for_each_of_its_failures(self) -> None:
        self.assertEqual(set(WIRE_KINDS) - set(KINDS), set())

    def test_what_may_not_be_done_twice_is_not(self) -> None:
        """Unless it never was sent, or the upstream says that it did nothing."""
        for kind, sent, where, _, _ in ROWS:
            expected = where if not sent or KINDS[kind].unserved else STOP
            self.assertIs(where_next(Failure(kind, sent, repeatable=False), ALL), expected, kind)
        self.assertEqual(
            {kind for kind, row in KINDS.items() if row.unserved},
            {"rate_limit", "quota", "overloaded", "context_length"},
        )

    def test_should_retry_false_spares_the_target(self) -> None:
        """Another one may still be asked."""
        for kind, sent, where, _, _ in ROWS:
            expected = OTHER if where is AGAIN else where
            self.assertIs(where_next(Failure(kind, sent, should_retry=False), ALL), expected, kind)

    def test_should_retry_true_reopens_what_is_in_doubt(self) -> None:
        """Never 400, 401, 403, 404, 422, nor a content filter, nor a target that was silent."""
        for kind, sent, where, _, _ in ROWS:
            expected = AGAIN if kind == "conflict" else where
            self.assertIs(where_next(Failure(kind, sent, should_retry=True), ALL), expected, kind)


class DocumentationTests(unittest.TestCase):
    """``docs/operations.md``."""

    def test_it_has_the_same_table(self) -> None:
        """Every row, and nothing else."""
        text = (Path(aigw.__file__).parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
        section = text.partition("## When providers fail")[2].partition("\n## ")[0]
        found = re.findall(r"^\| `(\w+)` \| (.+) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|$", section, re.MULTILINE)

        def word(where: Where | None) -> str:
            return "–" if where is None else where.value

        self.assertEqual(
            found,
            [
                (
                    name,
                    row.what,
                    word(row.unsent),
                    word(row.sent),
                    f"`{row.on}`" if row.on else "–",
                    ["no", "yes"][row.counts],
                )
                for name, row in KINDS.items()
            ],
        )


class StatusTests(unittest.TestCase):
    """From an answer to its row."""

    def test_never_retried(self) -> None:
        for status in (400, 401, 403, 404, 422):
            self.assertEqual(kind_of_status(status), "refused")

    def test_an_account_without_money_goes_elsewhere_whatever_the_status(self) -> None:
        for status in (400, 401, 402, 403, 412, 422, 429, 500, 503):
            kind = kind_of_status(status, "quota")
            self.assertEqual(kind, "quota")
            self.assertIs(where_next(Failure(kind), RetryRules()), Where.OTHER)
            self.assertIs(where_next(Failure(kind), RetryRules(on=frozenset(("5xx",)))), Where.STOP)

    def test_statuses(self) -> None:
        for status, kind in (
            (402, "quota"),
            (405, "refused"),
            (408, "request_timeout"),
            (409, "conflict"),
            (413, "context_length"),
            (429, "rate_limit"),
            (500, "server_error"),
            (501, "server_error"),
            (502, "server_error"),
            (503, "overloaded"),
            (504, "server_error"),
            (529, "overloaded"),
            (599, "server_error"),
        ):
            self.assertEqual(kind_of_status(status), kind, status)

    def test_reasons(self) -> None:
        for status, reason, kind in (
            (400, "context_length", "context_length"),
            (422, "context_length", "context_length"),
            (400, "content_filter", "content_filter"),
            (403, "content_filter", "content_filter"),
            (429, "quota", "quota"),
            (402, "quota", "quota"),
            (429, "context_length", "rate_limit"),
            (500, "content_filter", "server_error"),
            (502, "invalid_answer", "invalid_answer"),
        ):
            self.assertEqual(kind_of_status(status, reason), kind, (status, reason))

    @given(st.integers(400, 599), st.sampled_from(["", "context_length", "content_filter", "quota", "invalid_answer"]))
    def test_every_error_has_a_row(self, status: int, reason: str) -> None:
        self.assertIn(kind_of_status(status, reason), KINDS)


class BackoffTests(unittest.TestCase):
    """Exponential with full jitter."""

    def test_it_doubles_up_to_the_longest_wait(self) -> None:
        rules = RetryRules(backoff=0.25, max_wait=1.5)
        self.assertEqual([backoff(rules, n, lambda: 1.0) for n in range(1, 6)], [0.25, 0.5, 1.0, 1.5, 1.5])

    def test_jitter_is_full(self) -> None:
        """Anything from 0 up: a crowd that failed together does not come back together."""
        chance = random.Random(7).random
        waits = sorted(backoff(RetryRules(), 3, chance) for _ in range(1000))
        self.assertLess(waits[0], 0.01)
        self.assertGreater(waits[-1], 0.99)
        self.assertLess(abs(sum(waits) / 1000 - 0.5), 0.05)


class BudgetTests(unittest.TestCase):
    """At most a fifth more."""

    def test_a_fifth_of_the_load(self) -> None:
        """Beyond what was saved up: 10,000 calls in a moment, all of which want to be repeated."""
        budget, repeated = RetryBudget(0.2), 0
        for _ in range(10_000):
            budget.deposit()
            repeated += budget.withdraw(0.0)
        self.assertLessEqual(repeated, 10 + 2000)
        self.assertGreaterEqual(repeated, 2000)

    def test_a_quiet_gateway_may_repeat(self) -> None:
        """One a second, whatever the load."""
        budget = RetryBudget(0.2)
        while budget.withdraw(0.0):
            pass
        self.assertFalse(budget.withdraw(0.5))
        self.assertTrue(budget.withdraw(1.1))
        self.assertFalse(budget.withdraw(1.2))

    def test_a_long_good_time_is_no_licence(self) -> None:
        """However many calls went well, only so many repetitions are saved up."""
        budget = RetryBudget(0.2)
        for _ in range(10_000):
            budget.deposit()
        self.assertEqual(sum(budget.withdraw(0.0) for _ in itertools.repeat(None, 1000)), 100)

    def test_none_at_all(self) -> None:
        budget = RetryBudget(0.0)
        self.assertFalse(budget.withdraw(100.0))
