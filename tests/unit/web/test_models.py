"""From the configuration's ``[models]`` to the targets that calls are put to."""

from __future__ import annotations

from aigw.bounded_cache import LONGEST, MOST
from aigw.routing.breaker import BreakerRules
from aigw.routing.health import HealthRegistry
from aigw.routing.targets import Group
from aigw.web.labels import Labels
from aigw.web.models import Models, limits
from tests.unit.config.files import FileTestCase

CONFIG = """
[backends.a]
provider = "echo"
model = "model-of-a"
[backends.b]
provider = "echo"
max_in_flight = 3
queue = { size = 7 }
retry_budget = 0.5
[backends.c]
provider = "echo"

[models.main]
aliases = ["best", "gpt-*"]
balance = "least-busy"
targets = [
  { backend = "c", priority = 5 },
  { backend = "a", weight = 3 },
  { backend = "b", model = "x", prefill = true },
  { backend = "c", weight = 0 },
]
fallback = ["second", "third"]
retry = { attempts = 7, on = ["429"], backoff = "1s", max_wait = "2s" }
breaker = { failures = 4, when_all_open = "refuse" }
patience = "9s"
[models.second]
targets = [{ backend = "b" }]
fallback = ["last"]
[models.third]
targets = [{ backend = "c" }]
fallback = ["last"]
breaker = { failures = 0 }
[models.last]
targets = [{ backend = "a", model = "z" }]
[models."any-*"]
targets = [{ backend = "c" }]

[routes.all]
paths = ["/"]
"""


class ModelsTests(FileTestCase):
    """One configuration, everything in it."""

    def setUp(self) -> None:
        self.settings = self.load(CONFIG)
        self.registry = HealthRegistry()
        self.models = Models(self.settings, self.registry)

    def group(self, name: str) -> Group:
        found = self.models.choose(name)
        assert found is not None
        return found

    def tiers(self, name: str) -> list[list[str]]:
        return [
            [f"{each.public_model}:{each.backend}:{each.model or ''}" for each in tier.candidates]
            for tier in self.group(name).tiers
        ]

    def test_priorities_then_fallback_each_once(self) -> None:
        """Depth first, as the configuration names them; targets without weight are none."""
        self.assertEqual(
            self.tiers("main"),
            [["main:a:", "main:b:x"], ["main:c:"], ["second:b:"], ["last:a:z"], ["third:c:"]],
        )
        self.assertEqual(self.tiers("third"), [["third:c:"], ["last:a:z"]])

    def test_aliases_and_patterns(self) -> None:
        for name in ("main", "best", "gpt-4o"):
            self.assertIs(self.group(name), self.group("main"))
        self.assertEqual(self.group("any-thing").public_model, "any-*")
        self.assertIsNone(self.models.choose("nothing"))
        names = [name for name, _ in self.models.owners()]
        self.assertEqual(names, ["main", "best", "second", "third", "last"])

    def test_rules(self) -> None:
        group = self.group("main")
        self.assertEqual((group.rules.attempts, group.rules.on, group.rules.max_wait), (7, frozenset({"429"}), 2.0))
        self.assertEqual((group.use_unhealthy, group.patience), (False, 9.0))
        a, b = group.tiers[0].candidates
        self.assertEqual((a.weight, b.weight, a.prefill, b.prefill), (3, 1, None, True))
        self.assertIsNone(self.group("third").tiers[0].candidates[0].breaker)

    def test_what_is_one_target_is_known_as_one(self) -> None:
        """The backend and what it is asked for, whatever leads there; places and budget are the backend's."""
        main, last, second = (self.group(name).tiers[0].candidates for name in ("main", "last", "second"))
        a, b = main
        self.assertIs(a.health, self.registry.health(("a", "model-of-a")))
        self.assertIsNot(a.health, last[0].health)
        self.assertIs(a.budget, last[0].budget)
        self.assertIs(b.slots, second[0].slots)
        self.assertIsNone(a.slots)

    def test_a_backend_by_itself(self) -> None:
        """Once, and nobody else."""
        group = self.models.alone("b")
        self.assertIs(group, self.models.alone("b"))
        assert group.only is not None
        self.assertEqual((group.only.backend, group.only.breaker, group.rules.attempts), ("b", None, 1))
        self.assertIs(group.only.slots, self.registry.slots("b"))

    def test_what_the_book_has_to_remember(self) -> None:
        self.models.alone("c")
        usual, four = BreakerRules(), BreakerRules(failures=4)
        a, b, c = ("a", "model-of-a"), ("b", "x"), ("c", "")
        self.assertEqual(
            self.models.targets(),
            {(a, four), (b, four), (c, four), (("b", ""), usual), (c, None), (("a", "z"), usual), (c, usual)},
        )
        held = limits(self.settings.backends)["b"]
        self.assertEqual((held.max_in_flight, held.queue, held.retry_budget), (3, 7, 0.5))

    def test_aliases_are_names_in_metrics(self) -> None:
        labels = Labels(self.settings)
        self.assertEqual(labels.label_of("best"), "best")
        self.assertEqual(labels.label_of("worst"), "other")

    def test_names_in_metrics_after_many_made_up_ones(self) -> None:
        """Clients' inventions come and go: so many are remembered and no more, the last ones among them, no long ones."""
        labels = Labels(self.settings)
        for number in range(25_000):
            self.assertEqual(labels.label_of(f"made-up-{number}"), "other")
            self.assertEqual(labels.label_of("best"), "best")
        self.assertLessEqual(len(labels._made_up), MOST)
        self.assertIn("made-up-24999", labels._made_up)
        self.assertEqual(labels.label_of("x" * 5000), "other")
        self.assertLessEqual(max(map(len, labels._made_up)), LONGEST)
