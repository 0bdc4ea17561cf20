"""Who can reach what, by the warnings about files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aigw.config.reach import Names, meet
from tests.unit.config.files import FileTestCase

DIGEST = "sha256:" + "ab" * 32

#: Backends, models, and a route of each kind; each closed.
FILE = f"""
[backends.echo]
provider = "echo"
[models.smart]
aliases = ["best"]
targets = [{{ backend = "echo" }}]
[models."gpt-4.1*"]
targets = [{{ backend = "echo" }}]
[routes.pick]
paths = ["/v1"]
[consumers.c]
keys = ["{DIGEST}"]
"""


class RouteTests(FileTestCase):
    """unreachable."""

    def test_no_keys_at_all(self) -> None:
        """Neither without consumers nor with one that has none, or an old one."""
        for text, key in (
            (FILE.partition("[consumers")[0], "routes.pick"),
            (FILE.replace(f'keys = ["{DIGEST}"]', ""), "consumers"),
            (FILE.replace(f'"{DIGEST}"', f'{{ key = "{DIGEST}", expires = 2020-01-01T00:00:00Z }}'), "consumers"),
        ):
            found = [each for each in self.warnings(text) if "nobody can use" in each[1]]
            self.assertEqual([each[0] for each in found], [key], found)

    def test_route_that_no_consumer_may_use(self) -> None:
        text = FILE + "routes = ['other']\n[routes.other]\npaths = ['/other']\n"
        message = "no consumer with a valid key may use this route (consumers.NAME.routes)"
        self.assertEqual(self.warnings(text), [("routes.pick", message)])
        self.assertEqual(self.warnings(text + "[consumers.d]\nkeys = ['sha256:" + "cd" * 32 + "']\n"), [])

    def test_open_routes(self) -> None:
        """Nobody needs a key there."""
        alone = FILE.partition("[consumers")[0]
        self.assertEqual(self.warnings(alone + "auth = 'none'"), [])
        self.assertEqual(self.warnings(alone + "[auth.key]\nanonymous = 'a'\n[consumers.a]"), [])


class ModelTests(FileTestCase):
    """unmatched."""

    def odd(self, models: str, text: str = FILE) -> list[str]:
        """The entries of a consumer's models that match nothing."""
        found = self.warnings(text.replace("[consumers.c]", f"[consumers.c]\nmodels = {models}"))
        self.assertTrue(
            all("matches no model that this consumer can ask for" in message for _, message in found), found
        )
        return [key for key, _ in found]

    def test_names_and_patterns(self) -> None:
        good = ["smart", "best", "sm*", "*", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1*", "gpt-*-mini", "*1"]
        self.assertEqual(self.odd(str(good)), [])
        self.assertEqual(
            self.odd("['smrat', 'smart', 'gpt-4o*', 'Smart']"),
            ["consumers.c.models[0]", "consumers.c.models[2]", "consumers.c.models[3]"],
        )

    def test_what_was_meant(self) -> None:
        ((_, message),) = self.warnings(FILE.replace("[consumers.c]", "[consumers.c]\nmodels = ['smrat']"))
        self.assertIn("(did you mean smart?)", message)

    def test_pinned_models_count(self) -> None:
        """By the name that decides: the route's model, the backend's, the consumer's own."""
        route = "[routes.one]\npaths = ['/one']\nbackend = 'pinned'\n[backends.pinned]\nprovider = 'echo'\n"
        pinned = FILE + route + "model = 'gpt-x'\n"
        self.assertEqual(self.odd("['gpt-x', 'smart', 'gpt-y']", pinned), ["consumers.c.models[2]"])
        own = pinned + "[consumers.c.backends.pinned]\nmodel = 'gpt-z'\n"
        self.assertEqual(self.odd("['gpt-z', 'gpt-x']", own), ["consumers.c.models[1]"])
        only = pinned.replace("[consumers.c]", "[consumers.c]\nroutes = ['one']")
        only += "[consumers.d]\nkeys = ['sha256:" + "cd" * 32 + "']\n"
        self.assertEqual(self.odd("['gpt-x', 'smart']", only), ["consumers.c.models[1]"])

    def test_names_that_are_free(self) -> None:
        """Where a backend gets the client's own name, any may fit."""
        for more in ("", "model = 'x'\non_model_mismatch = 'allow'\n"):
            route = f"[routes.one]\npaths = ['/one']\nbackend = 'free'\n[backends.free]\nprovider = 'echo'\n{more}"
            self.assertEqual(self.odd("['anything']", FILE + route), [])


class MeetTests(FileTestCase):
    """meet and Names."""

    def test_both_have_wildcards(self) -> None:
        for one, other, fits in (
            ("a*", "*b", True), ("a*", "b*", False), ("*a*", "*b*", True), ("a*c", "ab*c*", True), ("a*b", "a", False),
            ("*", "", True), ("a*b*c", "a*c", True), ("ab*", "a*c*", True), ("x", "x", True), ("x*", "*y*z", True),
        ):  # fmt: skip
            self.assertEqual((meet(one, other), meet(other, one)), (fits, fits), (one, other))

    @given(st.text("ab*", max_size=6), st.text("ab*", max_size=6), st.text("ab", max_size=4))
    def test_never_blind(self, one: str, other: str, text: str) -> None:
        """A text that fits both is proof."""
        if Names([one]).meets(text) and Names([other]).meets(text):
            self.assertTrue(meet(one, other))
            self.assertTrue(Names([one]).meets(other))
