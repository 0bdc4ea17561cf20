"""What entries say of each other: faults, and warnings about what is allowed and not wise."""

from __future__ import annotations

import hashlib

from aigw.config.errors import ConfigError
from tests.unit.config.files import BACKEND, FileTestCase


class ReferenceTests(FileTestCase):
    """A name that names nothing is a fault, with the one that was probably meant."""

    def test_each_place_that_names_another_entry(self) -> None:
        model = "[models.m]\ntargets = [{ backend = 'echo' }]\n"
        for text, key, meant in (
            ("[backends.b]\nprovider = 'openai'\nauth = { secret = 's' }", "backends.b.auth.secret", "there are none"),
            ("[models.m]\ntargets = [{ backend = 'ehco' }]", "models.m.targets[0].backend", "echo"),
            ("[routes.r]\npaths = ['/r']\nbackend = 'ehco'", "routes.r.backend", "echo"),
            (model + "[routes.r]\npaths = ['/r']\nmodel = 'n'", "routes.r.model", "allowed: m"),
            ("[routes.r]\npaths = ['/r']\nbackend = 'echo'\nauth = 'nne'", "routes.r.auth", "none"),
            ("[auth.a]\nanonymous = 'nobdy'\n[consumers.nobody]", "auth.a.anonymous", "nobody"),
            ("[consumers.c]\nroutes = ['all', 'al']", "consumers.c.routes[1]", "did you mean all?"),
            ("[consumers.c.backends.ehco]", "consumers.c.backends.ehco", "echo"),
            ("[consumers.c.backends.echo]\nauth = { secret = 's' }", "consumers.c.backends.echo.auth.secret", "none"),
        ):
            self.assert_wrong(text, key, meant)

    def test_names_that_are_always_there(self) -> None:
        """The default way in, and none."""
        self.load(
            "[backends.e]\nprovider='echo'\n[routes.a]\nbackend='e'\nauth='none'\n[routes.b]\nbackend='e'\nauth='key'"
        )


class FitTests(FileTestCase):
    """Keys that do not go together."""

    def test_exactly_one(self) -> None:
        for value in (
            "{}",
            "{ secret = 's', inline = 'x' }",
            "{ inline = 'x', passthrough = true }",
            "{ passthrough = false }",
        ):
            text = f"[secrets]\ns = {{ env = 'S' }}\n[backends.b]\nprovider = 'openai'\nauth = {value}"
            problem = self.problem(BACKEND + text, {"S": "x"})
            self.assertEqual(problem.key, "backends.b.auth", problem)
            self.assertIn("exactly one", problem.message)
        self.assert_wrong("[secrets]\ns = {}", "secrets.s", "needs one of env, file, credential")
        self.assert_wrong("[secrets]\ns = { env = 'A', file = 'b' }", "secrets.s", "more than one")
        route = "[routes.r]\npaths = ['/r']\nbackend = 'echo'\n"
        self.assert_wrong(route + "rewrite = { full_path = '/a', prefix = '/b' }", "routes.r.rewrite", "more than one")
        self.assert_wrong(route + "rewrite = {}", "routes.r.rewrite", "one of")

    def test_route_with_backend_and_model(self) -> None:
        text = "[models.m]\ntargets = [{ backend = 'echo' }]\n[routes.r]\nbackend = 'echo'\nmodel = 'm'"
        self.assert_wrong(text, "routes.r", "backend and model exclude")

    def test_route_to_nowhere(self) -> None:
        self.assert_wrong("[routes.r]\npaths = ['/r']", "routes.r", "has no backend")
        self.load(BACKEND + "[models.m]\ntargets = [{ backend = 'echo' }]\n[routes.r]\npaths = ['/r']")

    def test_prefix_of_a_regular_expression(self) -> None:
        """Nothing says what of the path it would replace."""
        text = "[routes.r]\npaths = ['/a', '~^/v1']\nbackend = 'echo'\nrewrite = {}"
        self.assert_wrong(text.format("{ prefix = '/x' }"), "routes.r.paths[1]", "no prefix")
        self.load(BACKEND + text.format("{ full_path = '/x' }"))

    def test_provider_without_a_usual_place(self) -> None:
        """Nobody else knows where those are."""
        for provider in ("azure", "openai-compatible"):
            self.assert_wrong(f"[backends.b]\nprovider = '{provider}'", "backends.b", "url is missing")
        self.assert_wrong("[backends.b]\nprovider = 'bedrock'", "backends.b", "region is missing")
        self.assert_wrong("[backends.b]\nprovider = 'vertex'", "backends.b", "project is missing")

    def test_keys_of_another_provider(self) -> None:
        """A key that could have no effect is an error, with the providers that it is for."""
        backend = "[backends.b]\nprovider = 'openai'\n"
        self.assert_wrong(backend + "region = 'eu-central-1'", "backends.b.region", 'only for provider = "bedrock"')
        self.assert_wrong(backend + "api_version = '1'", "backends.b.api_version", '"gemini" or "vertex"')
        self.assert_wrong(backend + "auth = { ambient = true }", "backends.b.auth.ambient", '"bedrock" or "vertex"')

    def test_half_a_pair_of_aws_keys(self) -> None:
        """An id without its secret signs nothing."""
        backend = "[backends.b]\nprovider = 'bedrock'\nregion = 'eu-central-1'\n"
        auth = "auth = { ambient = true, access_key = 'AKIAIOSFODNN7EXAMPLE' }"
        self.assert_wrong(backend + auth, "backends.b.auth.access_key", "secret access key")

    def test_delay_without_echo(self) -> None:
        self.assert_wrong("[backends.b]\nprovider = 'openai'\ndelay = 1", "backends.b.delay", "echo")

    def test_passthrough_takes_the_clients_header_as_it_is(self) -> None:
        text = "[backends.b]\nprovider = 'openai'\nauth = { passthrough = true, prefix = 'x' }"
        self.assert_wrong(text, "backends.b.auth.prefix", "no effect")

    def test_one_header_set_in_two_ways(self) -> None:
        auth = "[backends.b]\nprovider = 'openai'\nauth = { inline = 'x', header = 'X-Key' }\n"
        self.assert_wrong(auth + "headers = { set = { x-key = 'y' } }", "backends.b.headers.set.x-key", "auth")
        edits = "[backends.b]\nprovider = 'openai'\nheaders = { set = { X-A = 'y', x-a = 'z' } }"
        self.assert_wrong(edits, "backends.b.headers.set.x-a", "twice")

    def test_listeners_are_there_once(self) -> None:
        self.assert_wrong("[server]\nlisten = ['tcp:1', 'tcp:1']", "server.listen[1]", "twice")
        self.assert_wrong("[server]\nlisten = ['tcp:1']\nadmin = 'tcp:1'", "server.admin", "listener in server.listen")

    def test_targets_without_weight(self) -> None:
        """Each priority needs one that can be chosen."""
        text = "[models.m]\ntargets = [{{ backend = 'echo' }}, {{ backend = 'echo', weight = {}, priority = 1 }}]"
        self.assert_wrong(text.format(0), "models.m.targets", "priority 1")
        self.load(BACKEND + text.format(1))

    def test_ways_in_that_are_none(self) -> None:
        self.assert_wrong("[auth.a]\nbearer = false\nkey_in_header = false", "auth.a", "keys from nowhere")
        self.assert_wrong("[auth.a]\nkey_names = ['x-key', 'X-Key']", "auth.a.key_names[1]", "twice")
        self.assert_wrong("[auth.none]", "auth.none", "no authentication")


class KeyTests(FileTestCase):
    """A key says who somebody is, so it is held once."""

    def test_two_consumers_with_one_key(self) -> None:
        """In plain text, as a digest, or one of each; the message has neither."""
        plain, digest = "the-shared-key", f"sha256:{hashlib.sha256(b'the-shared-key').hexdigest()}"
        for one, two in (
            (plain, plain),
            (plain, digest),
            (digest, plain),
            (digest, digest.upper().replace("SHA", "sha")),
        ):
            text = f"[consumers.a]\nkeys = ['x', '{one}']\n[consumers.b]\nkeys = [{{ key = '{two}' }}]"
            error = self.assertRaises(ConfigError, self.load, text)
            (problem,) = error.problems
            self.assertEqual((problem.line, problem.key), (4, "consumers.b.keys[0]"))
            self.assertIn("consumer a", problem.message)
            self.assertNotIn(one, str(error))

    def test_one_consumer_with_one_key_twice(self) -> None:
        self.assert_wrong("[consumers.a]\nkeys = ['x', 'x']", "consumers.a.keys[1]", "same key")


class WarningTests(FileTestCase):
    """Allowed, and not wise."""

    def test_a_good_file_has_none(self) -> None:
        digest = "sha256:" + "ab" * 32
        text = (
            f"[models.m]\ntargets = [{{ backend = 'echo' }}]\nretry = {{ attempts = 1 }}\n"
            f"[routes.r]\npaths = ['/r']\n[consumers.a]\nkeys = ['{digest}']"
        )
        self.assertEqual(self.warnings(BACKEND + text), [])

    def test_each_warning_has_its_place(self) -> None:
        model = "[models.m]\ntargets = [{ backend = 'echo' }]\n"
        digest = "sha256:" + "ab" * 32
        for text, key, word in (
            ("[consumers.a]\nkeys = ['x']", "consumers.a.keys[0]", "plain text"),
            ("[backends.echo.auth]\ninline = 'x'", "backends.echo.auth.inline", "plain text"),
            (
                f"[consumers.a]\nkeys = ['{digest}']\nbackends.echo.auth.inline = 'x'",
                "consumers.a.backends.echo.auth.inline",
                "plain text",
            ),
            ("[backends.b]\nprovider = 'echo'", "backends.b", "no route and no model"),
            (model, "models", "no route uses [models]"),
            ("[consumers.a]", "consumers.a", "no key"),
            (
                f"[consumers.a]\nkeys = [{{ key = '{digest}', expires = 2001-01-01T00:00:00Z }}]",
                "consumers.a.keys[0]",
                "expired",
            ),
        ):
            ((found, message),) = self.warnings(BACKEND + text)
            self.assertEqual(found, key)
            self.assertIn(word, message)

    def test_a_model_has_each_name_once(self) -> None:
        """Aliases are names like others."""
        model = "[models.{}]\ntargets = [{{ backend = 'echo' }}]\naliases = {}\n"
        one, other = model.format("m", "['a', 'm']"), model.format("n", "['b', 'a']")
        self.assert_wrong(one.replace(", 'm'", "") + other, "models.n.aliases[1]", "model m")
        self.load(BACKEND + one.replace("'m'", "'x'") + "[routes.r]\npaths = ['/r']\n")

    def test_models_do_not_fall_back_in_circles(self) -> None:
        """Each circle is told once, with the way around it."""
        model = "[models.{}]\ntargets = [{{ backend = 'echo' }}]\nfallback = {}\n"
        text = model.format("a", "['b', 'c']") + model.format("b", "['c']")
        self.assert_wrong(text + model.format("c", "['a']"), "models.c.fallback[0]", "a -> b -> c -> a")
        self.assert_wrong(model.format("a", "['a']"), "models.a.fallback[0]", "a -> a")
        self.assert_wrong(model.format("a", "['d']"), "models.a.fallback[0]", "is not in [")
        self.load(BACKEND + text + model.format("c", "[]") + "[routes.r]\npaths = ['/r']\n")

    def test_what_a_hash_goes_by(self) -> None:
        model = "[models.m]\ntargets = [{{ backend = 'echo' }}]\nbalance = 'hash'\nhash_on = '{}'\n"
        for bad in ("model", "header:", "header:a b", "consumer:x"):
            self.assert_wrong(model.format(bad), "models.m.hash_on", "consumer", "header:NAME")
        for good in ("consumer", "header:x-session"):
            self.load(BACKEND + model.format(good) + "[routes.r]\npaths = ['/r']\n")

    def test_the_anonymous_consumer_needs_no_key(self) -> None:
        self.assertEqual(self.warnings(BACKEND + "[auth.key]\nanonymous = 'a'\n[consumers.a]"), [])

    def test_what_means_nothing_by_itself(self) -> None:
        """A file may say it; whoever wrote it should know."""
        model = "[models.m]\ntargets = [{{ backend = 'echo' }}]\n{}\n[routes.r]\npaths = ['/r']\nauth = 'none'"
        for text, key, word in (
            (model.format("hash_on = 'header:x'"), "models.m.hash_on", "balance"),
            (model.format("on_stream_cut = 'continue'"), "models.m.on_stream_cut", "a second target"),
            ("[backends.b]\nprovider = 'echo'\nqueue = { size = 3 }\n[routes.b]\npaths = ['/b']\nbackend = 'b'\nauth = 'none'",
             "backends.b.queue", "max_in_flight"),
        ):  # fmt: skip
            ((found, message),) = self.warnings(BACKEND + text)
            self.assertEqual(found, key)
            self.assertIn(word, message)
