"""A file to settings: the defaults, each kind of fault at its place, all of them at once, no secret in any."""

from __future__ import annotations

import gc
import traceback
from datetime import UTC, datetime

from aigw.config.errors import ConfigError, allowed
from aigw.config.settings import load
from tests.unit.config.files import BACKEND, FileTestCase

SECRET = "sk-4f9a-very-secret"


class GoodTests(FileTestCase):
    """What a good file comes to."""

    def test_an_empty_file_is_all_defaults(self) -> None:
        settings = self.load("")
        self.assertEqual(settings.server.listen, ("tcp:8000",))
        self.assertEqual(settings.server.admin, "tcp:9100:interface=127.0.0.1")
        self.assertEqual((settings.server.drain_timeout, settings.server.max_request_body), (30.0, 32 * 1024 * 1024))
        self.assertEqual(list(settings.auth), ["key"])
        self.assertEqual(settings.auth["key"].key_names, ("apikey", "x-api-key", "api-key", "x-goog-api-key"))

    def test_the_default_way_in_stays_beside_others(self) -> None:
        settings = self.load('[auth.other]\nkey_names = ["x"]\n[auth.key]\nbearer = false')
        self.assertEqual(list(settings.auth), ["key", "other"])
        self.assertFalse(settings.auth["key"].bearer)

    def test_a_backends_timeouts_are_never_open(self) -> None:
        settings = self.load(BACKEND + '[backends.two]\nprovider = "echo"\ntimeouts = { total = "1h" }\n')
        timeouts = settings.backends["two"].timeouts
        self.assertEqual((timeouts.connect, timeouts.idle, timeouts.total), (5.0, 60.0, 3600.0))
        self.assertIsNone(settings.routes["all"].timeouts.total)

    def test_keys_are_kept_as_digests(self) -> None:
        """Whatever the file has; with the time they end."""
        digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
        settings = self.load(
            f'[consumers.a]\nkeys = ["secret", {{ key = "sha256:{"AB" * 32}", expires = 2027-01-01T00:00:00Z }}]\n'
        )
        plain, hashed = settings.consumers["a"].keys
        self.assertEqual((plain.digest, plain.plain, plain.expires), (digest, True, None))
        self.assertEqual((hashed.digest, hashed.plain), ("ab" * 32, False))
        self.assertEqual(hashed.expires, datetime(2027, 1, 1, tzinfo=UTC))

    def test_relative_files_are_beside_the_configuration(self) -> None:
        path = self.write('[server]\naccess_log = "access.log"\n')
        self.assertEqual(load(path, {}).server.access_log, str(path.parent / "access.log"))

    def test_digest_and_path(self) -> None:
        """What metrics and the status page name."""
        path = self.write("")
        settings = load(path, {})
        self.assertEqual(settings.path, path)
        self.assertEqual(settings.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

    def test_settings_cannot_be_changed(self) -> None:
        settings = self.load("")
        self.assertRaises(AttributeError, setattr, settings, "path", None)
        self.assertRaises(ValueError, setattr, settings.server, "workers", 2)


class FaultTests(FileTestCase):
    """What is wrong with one key: its place, and what would be right."""

    def test_a_fault_is_one_line_with_file_and_place(self) -> None:
        path = self.write('# first\n[server]\nlisten = "tcp:8000"\n')
        error = self.assertRaises(ConfigError, load, path, {})
        self.assertEqual(str(error), f"{path}:3: server.listen: must be an array, not a string")

    def test_unknown_key(self) -> None:
        self.assert_wrong("[server]\nacess_log = 'off'", "server.acess_log", "unknown key", "did you mean access_log?")
        self.assert_wrong("[server]\nxyz = 1", "server.xyz", "allowed: access_log, admin,")
        self.assert_wrong("[severs]", "severs", "did you mean server?")
        self.assert_wrong(
            "[models.m]\ntargets = [{ backend = 'echo', weigth = 1 }]", "models.m.targets[0].weigth", "weight"
        )

    def test_a_misspelt_key_is_not_missing_as_well(self) -> None:
        self.assert_wrong("[backends.b]\nproviderr = 'echo'", "backends.b.providerr", "did you mean provider?")
        self.assert_wrong("[secrets]\na = { enf = 'A' }", "secrets.a.enf", "did you mean env?")

    def test_missing_key(self) -> None:
        self.assert_wrong("[backends.b]\nmodel = 'x'", "backends.b.provider", "is missing", "openai", "echo")
        self.assert_wrong("[models.m]", "models.m.targets", "is missing")

    def test_wrong_type(self) -> None:
        for value, given in (("1", "an integer"), ("1.5", "a float"), ("[]", "an array"), ("{}", "a table")):
            self.assert_wrong(f"[auth.a]\nbearer = {value}", "auth.a.bearer", f"must be true or false, not {given}")
        self.assert_wrong("[auth.a]\nrealm = 2027-01-01", "auth.a.realm", "must be a string, not a date")
        self.assert_wrong("[consumers.c]\nmax_in_flight = true", "consumers.c.max_in_flight", "must be an integer")
        self.assert_wrong("[consumers]\nc = 'x'", "consumers.c", "must be a table, not a string")

    def test_section_that_is_no_table(self) -> None:
        problem = self.problem("consumers = 3\n" + BACKEND)
        self.assertEqual((problem.key, problem.message), ("consumers", "must be a table, not an integer"))

    def test_out_of_range(self) -> None:
        self.assert_wrong("[server]\nmax_connections = 0", "server.max_connections", "at least 1")
        self.assert_wrong("[server]\nmax_in_flight = -1", "server.max_in_flight", "at least 0")
        self.assert_wrong("[server]\nlisten = []", "server.listen", "at least 1")
        self.assert_wrong("[server]\nworkers = 0", "server.workers", '"auto"')
        target = "[models.m]\ntargets = [{{ backend = 'echo', {} }}]"
        self.assert_wrong(target.format("weight = 65536"), "models.m.targets[0].weight", "at most 65535")
        self.assert_wrong(target.format("priority = -1"), "models.m.targets[0].priority", "at least 0")
        self.assert_wrong(target.format("weight = 1.5"), "models.m.targets[0].weight", "an integer")

    def test_none_of_a_few_words(self) -> None:
        self.assert_wrong("[backends.b]\nprovider = 'opnai'", "backends.b.provider", "did you mean openai?")
        self.assert_wrong(
            "[routes.r]\npaths=['/r']\nbackend='echo'\nstreaming = 'Allow'", "routes.r.streaming", "allow"
        )
        self.assert_wrong("[auth.a]\ntype = 'jwt'", "auth.a.type", "allowed: key")

    def test_values_with_a_form(self) -> None:
        """Each is judged by aigw.config.values; here, that it is asked at each place."""
        for text, key in (
            ("[server]\nadmin = 'nowhere'", "server.admin"),
            ("[server]\ndrain_timeout = 'long'", "server.drain_timeout"),
            ("[server]\nmax_request_body = 'much'", "server.max_request_body"),
            ("[server]\ntrusted_proxies = ['x']", "server.trusted_proxies[0]"),
            ("[backends.b]\nprovider = 'openai'\nurl = 'x'", "backends.b.url"),
            ("[backends.b]\nprovider = 'openai'\nmodel = ''", "backends.b.model"),
            ("[backends.b]\nprovider = 'echo'\ndelay = -1", "backends.b.delay"),
            ("[backends.b]\nprovider = 'echo'\ntimeouts = { idle = 0 }", "backends.b.timeouts.idle"),
            ("[backends.b]\nprovider = 'echo'\npool = { idle_timeout = 0 }", "backends.b.pool.idle_timeout"),
            ("[backends.b]\nprovider = 'echo'\ndefaults = { model = 'x' }", "backends.b.defaults"),
            ("[backends.b]\nprovider = 'echo'\noverrides = { a = nan }", "backends.b.overrides"),
            ("[backends.b]\nprovider = 'echo'\nheaders = { set = { host = 'x' } }", "backends.b.headers.set.host"),
            ("[backends.b]\nprovider = 'echo'\nheaders = { set = { x-a = 'ü' } }", "backends.b.headers.set.x-a"),
            ("[backends.b]\nprovider = 'echo'\nheaders = { remove = ['te'] }", "backends.b.headers.remove[0]"),
            ("[backends.b]\nprovider = 'echo'\nauth = { inline = '' }", "backends.b.auth.inline"),
            ("[routes.r]\nbackend = 'echo'\npaths = ['x']", "routes.r.paths[0]"),
            ("[routes.r]\nbackend = 'echo'\nhosts = ['x:1']", "routes.r.hosts[0]"),
            ("[routes.r]\nbackend = 'echo'\nmethods = ['FETCH']", "routes.r.methods[0]"),
            ("[routes.r]\nbackend = 'echo'\nheaders = { x-a = [] }", "routes.r.headers.x-a"),
            ("[routes.r]\nbackend = 'echo'\nrewrite = { full_path = 'x' }", "routes.r.rewrite.full_path"),
            ("[auth.a]\nrealm = '\"'", "auth.a.realm"),
            ("[auth.a]\nkey_names = ['a b']", "auth.a.key_names[0]"),
            ("[consumers.c]\ngroups = ['a b']", "consumers.c.groups[0]"),
            ("[consumers.c]\nmodels = ['']", "consumers.c.models[0]"),
        ):
            self.assert_wrong(text, key)

    def test_names(self) -> None:
        for section in ("secrets", "backends", "auth", "routes", "consumers"):
            keys = [problem.key for problem in self.problems(f'[{section}."a b"]\nx = 1')]
            self.assertIn(f'{section}."a b"', keys)
        self.load(BACKEND + '[models."meta-llama/Llama-3.1:free"]\ntargets = [{ backend = "echo" }]')
        self.load(BACKEND + '[models."claude-*"]\ntargets = [{ backend = "echo" }]')
        self.assert_wrong('[models."a b"]\ntargets = [{ backend = "echo" }]', 'models."a b"', "not a model's name")

    def test_keys_of_consumers(self) -> None:
        for key in ('""', '"sha256:12"', "3", '{ key = "x", expires = 2027-01-01 }', '{ kye = "x" }', '" x"'):
            self.assert_wrong(f'[consumers.c]\nkeys = ["good", {key}]', "consumers.c.keys[1]")

    def test_a_time_without_a_zone_is_refused(self) -> None:
        """It would mean another moment on another machine."""
        text = "[consumers.c]\nkeys = [{ key = 'x', expires = 2027-01-01T00:00:00 }]"
        self.assert_wrong(text, "consumers.c.keys[0]", "2027-01-01T00:00:00Z")


class AllAtOnceTests(FileTestCase):
    """One bad entry hides no other, one bad key no other of the same table."""

    def test_every_fault_is_found(self) -> None:
        problems = self.problems("""
            [server]
            listen = ["foo:1"]
            workers = "many"
            [secrets]
            gone = { env = "GONE" }
            [backends.a]
            provider = "opnai"
            url = "x"
            auth = { secret = "nowhere", inline = "y" }
            [routes.r]
            paths = ["x", "~("]
            backend = "b"
            model = "m"
            auth = "kee"
            streaming = "no"
            [consumers.c]
            keys = ["k", 3, "k"]
            routes = ["s"]
        """)
        self.assertEqual(
            [(problem.line, problem.key) for problem in problems],
            [
                (3, "server.listen[0]"),
                (4, "server.workers"),
                (6, "secrets.gone.env"),
                (8, "backends.a.provider"),
                (9, "backends.a.url"),
                (10, "backends.a.auth"),
                (10, "backends.a.auth.secret"),
                (11, "routes.r"),
                (12, "routes.r.paths[0]"),
                (12, "routes.r.paths[1]"),
                (13, "routes.r.backend"),
                (14, "routes.r.model"),
                (15, "routes.r.auth"),
                (16, "routes.r.streaming"),
                (18, "consumers.c.keys[1]"),
                (18, "consumers.c.keys[2]"),
                (19, "consumers.c.routes[0]"),
            ],
        )

    def test_a_bad_entry_is_still_there_for_others(self) -> None:
        """The route's backend exists, whatever is wrong with it."""
        problem = self.problem('[backends.b]\nprovider = "echo"\nurl = "x"\n[routes.r]\nbackend = "b"')
        self.assertEqual(problem.key, "backends.b.url")


class SecrecyTests(FileTestCase):
    """No secret in a message, a repr or a traceback."""

    places = (
        f'secrets.s = "{SECRET}"',
        f'secrets.s = {{ env = ["{SECRET}"] }}',
        f'backends.b = {{ provider = "{SECRET}" }}',
        f'backends.b = {{ provider = "openai", auth = "{SECRET}" }}',
        f'backends.b = {{ provider = "openai", auth = {{ secret = "{SECRET}" }} }}',
        f'backends.b = {{ provider = "openai", auth = {{ inline = "{SECRET}\\n" }} }}',
        f'backends.b = {{ provider = "openai", auth = {{ inline = ["{SECRET}"] }} }}',
        f'backends.b = {{ provider = "openai", auth = {{ inline = "{SECRET}", passthrough = true }} }}',
        f'backends.b = {{ provider = "openai", url = "https://user:{SECRET}@host/" }}',
        f'backends.b = {{ provider = "openai", url = "https://host/?key={SECRET}" }}',
        f'backends.b = {{ provider = "openai", headers = {{ set = {{ x-key = "{SECRET}\\n" }} }} }}',
        f'backends.b = {{ provider = "openai", overrides = {{ model = "{SECRET}" }} }}',
        f'consumers.c = {{ keys = "{SECRET}" }}',
        f'consumers.c = {{ keys = ["{SECRET}", "{SECRET}"] }}',
        f'consumers.c = {{ keys = ["sha256:{SECRET}"] }}',
        f'consumers.c = {{ keys = [{{ key = "{SECRET}", expires = 1 }}] }}',
        f'consumers.c = {{ keys = [["{SECRET}"]] }}',
        f'routes.r = {{ auth = "{SECRET}" }}',
        f'server.workers = "{SECRET}"',
        f'consumers.c.keys = ["{SECRET}]',
    )

    def test_messages_and_tracebacks(self) -> None:
        for place in self.places:
            try:
                self.load(place + "\n")
            except ConfigError as error:
                text = "".join(traceback.format_exception(error)) + repr(error) + repr(error.problems)
                self.assertNotIn(SECRET, text)
            else:
                self.fail(f"{place} was taken")

    def test_settings(self) -> None:
        settings = self.load(
            BACKEND
            + f"""
            [secrets]
            s = {{ env = "S" }}
            [backends.b]
            provider = "openai"
            auth = {{ inline = "{SECRET}-inline" }}
            headers = {{ set = {{ x-key = "{SECRET}" }} }}
            [consumers.c]
            keys = ["{SECRET}-key"]
            """,
            {"S": f"{SECRET}-value"},
        )
        self.assertEqual(settings.secret_values, {"s": f"{SECRET}-value"})
        digest = settings.consumers["c"].keys[0].digest
        for text in (repr(settings), str(settings.backends), *map(str, settings.warnings)):
            self.assertNotIn(SECRET, text)
            self.assertNotIn(digest, text)

    def test_plain_keys_are_not_kept(self) -> None:
        """Nowhere in the settings, not even unseen."""
        settings = self.load(f'[consumers.c]\nkeys = ["{SECRET}-key"]')
        seen: list[object] = [settings]
        known = {id(settings)}
        for one in seen:
            for other in gc.get_referents(one):
                # Not into classes and modules, where the whole program is.
                if id(other) not in known and not callable(other) and not isinstance(other, type(gc)):
                    known.add(id(other))
                    seen.append(other)
        texts = [repr(one) for one in seen if isinstance(one, str | bytes)]
        self.assertIn(repr(settings.consumers["c"].keys[0].digest), texts)
        self.assertFalse([text for text in texts if SECRET in text])


class AllowedTests(FileTestCase):
    """What a message offers."""

    def test_the_nearest_name(self) -> None:
        self.assertEqual(allowed("acess", ["access", "admin"]), " (did you mean access?)")
        self.assertEqual(allowed("get", ["GET", "PUT"]), " (did you mean GET?)")

    def test_all_names_where_none_is_near(self) -> None:
        self.assertEqual(allowed("xyz", ["b", "a"]), " (allowed: a, b)")
        self.assertEqual(allowed("xyz", []), " (there are none)")

    def test_among_thousands(self) -> None:
        self.assertEqual(
            allowed("producton", [*map(str, range(5000)), "production", "zeta"]), " (did you mean production?)"
        )

    def test_thousands_of_names_are_not_listed(self) -> None:
        self.assertLess(len(allowed("xyz", [f"consumer-{n}" for n in range(5000)])), 500)
