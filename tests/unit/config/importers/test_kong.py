"""Kong's entities, plugins and precedence, in aigw's words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from tests.unit.config.importers.imports import SERVICE, ImportTestCase

MODEL = "model: {provider: openai, name: %s}, route_type: llm/v1/chat"


def plugin(model: str, *scopes: str) -> str:
    """A flat ai-proxy with its scopes."""
    scope = "".join(f", {kind}: {kind[0]}" for kind in scopes)
    return f"- {{name: ai-proxy, config: {{{MODEL % model}}}{scope}}}\n"


class ClosedTests(ImportTestCase):
    """Whatever decides who may come in keeps a route closed."""

    def test_plugins_about_access(self) -> None:
        for name in ("ace", "ai-mcp-oauth2", "basic-auth", "ip-restriction", "jwt", "opa", "openid-connect"):
            text = f"{SERVICE}plugins: [{{name: {name}, config: {{a: b}}}}]"
            self.assertNotIn("auth", self.tables(text)["routes"]["r"], name)
            self.warned(text, f"plugin {name}, global: not imported", "stays closed")

    def test_what_is_not_an_llm_is_named(self) -> None:
        """It is no reason to close a route, nor to leave it out."""
        for name, words in (("ai-mcp-proxy", "it serves MCP"), ("ai-a2a-proxy", "it serves agents")):
            text = f"{SERVICE}plugins: [{{name: {name}, config: {{a: b}}}}]"
            self.assertEqual(self.tables(text)["routes"]["r"]["auth"], "none")
            self.warned(text, f"plugin {name}, global: not imported", words)


class VariableTests(ImportTestCase):
    """decK's variables, wherever they stand: decK fills them in before it reads the file."""

    text = """
        services:
        - name: s
          routes: [{name: r, paths: ['/${{ env "DECK_PATH" }}'], hosts: ['${{ env "DECK_HOST" }}']}]
          plugins:
          - name: ai-proxy-advanced
            config:
              targets:
              - route_type: llm/v1/chat
                model:
                  provider: anthropic
                  model_alias: ${{ env "DECK_ALIAS" }}
                  name: claude
                  options:
                    anthropic_version: ${{ env "DECK_VERSION" }}
                    temperature: ${{ env "DECK_TEMPERATURE" | toFloat }}
    """
    environ = {
        "DECK_PATH": "chat",
        "DECK_HOST": "api.example.com",
        "DECK_ALIAS": "fast",
        "DECK_VERSION": "2023-06-01",
        "DECK_TEMPERATURE": "0.5",
    }

    def test_they_are_filled_in(self) -> None:
        tables = self.tables(self.text, environ=self.environ)
        self.assertEqual(
            (tables["routes"]["r"]["paths"], tables["routes"]["r"]["hosts"]), (["/chat"], ["api.example.com"])
        )
        (backend,) = tables["backends"].values()
        self.assertEqual((backend["api_version"], backend["overrides"]), ("2023-06-01", {"temperature": 0.5}))
        self.assertEqual(list(tables["models"]), ["fast"])

    def test_each_that_is_not_set_is_named(self) -> None:
        for name in self.environ:
            environ = {key: value for key, value in self.environ.items() if key != name}
            said = "\n".join(map(str, self.problems(self.text, environ=environ)))
            self.assertIn(f"has ${name} in it, which is not set: set it for the import", said)

    def test_the_end_of_an_expression_is_no_variable(self) -> None:
        tables = self.tables(SERVICE.replace("paths: [/r]", "paths: ['~/r$']"))
        self.assertEqual(tables["routes"]["r"]["paths"], ["~/r$"])


class ExampleTests(ImportTestCase):
    """``{% entity_example %}`` of Kong's documentation: one entity, of a type that is said beside it."""

    def test_plugin(self) -> None:
        page = """
            ---
            title: A provider
            ---

            {% entity_example %}
            type: plugin
            data:
              name: ai-proxy
              config:
                route_type: llm/v1/chat
                auth: {header_name: x-api-key, header_value: "${key}"}
                model: {provider: anthropic, name: claude}
            variables:
              key: {value: $ANTHROPIC_API_KEY, description: A key}
            formats: [deck]
            {% endentity_example %}

            {% entity_example %}
            type: consumer
            data: {username: alice, keyauth_credentials: [{key: "sha256:%s"}]}
            {% endentity_example %}
        """
        tables = self.tables(page.replace("%s", "a" * 64))
        self.assertEqual(tables["backends"]["anthropic"]["model"], "claude")
        self.assertEqual(list(tables["secrets"].values()), [{"env": "ANTHROPIC_API_KEY"}])
        self.assertEqual((tables["routes"]["all"]["paths"], list(tables["consumers"])), (["/"], ["alice"]))


class EntityTests(ImportTestCase):
    """One thing said in several ways."""

    def test_nested_and_flat_are_the_same(self) -> None:
        flat = """
            _format_version: "3.0"
            routes: [{name: r, paths: [/r], service: {name: s}}]
            services: [{name: s}]
            plugins:
            - name: ai-proxy
              service: s
              config:
                route_type: llm/v1/chat
                auth: {header_name: Authorization, header_value: Bearer $KEY}
                model: {provider: openai, name: gpt-4o}
        """
        self.assertEqual(self.tables(flat), self.tables(SERVICE))

    def test_without_a_version_or_as_a_block(self) -> None:
        bare = SERVICE.replace('_format_version: "3.0"\n', "")
        block = "entities:\n" + "".join(f"  {line}\n" for line in bare.strip().splitlines())
        self.assertEqual(self.tables(bare), self.tables(SERVICE))
        self.assertEqual(self.tables(block), self.tables(SERVICE))

    def test_versions(self) -> None:
        for version in ('"1.1"', '"2.1"', '"3.0"', "3.0"):
            self.assertIn("r", self.tables(SERVICE.replace('"3.0"', version))["routes"])
        problem = self.problem(SERVICE.replace('"3.0"', '"4.0"'))
        self.assertEqual((problem.file, problem.line, problem.key), ("1.yaml", 2, "_format_version"))
        self.assertIn("1.1, 2.1, 3.0", problem.message)

    def test_plugins_without_settings(self) -> None:
        """They are said like those with some; a name alone is enough in Kong."""
        for name, words in (
            ("prometheus", "metrics are at"),
            ("unheard-of", "nothing like it"),
            ("pre-function", "no Lua"),
        ):
            self.warned(f"{SERVICE}plugins: [{{name: {name}}}]", f"plugin {name}, global: not imported (name)", words)
        text = f"{SERVICE}- name: t\n  plugins: [{{name: key-auth}}]\n"
        self.warned(text, "plugin key-auth of service t: not imported (name)", "acts on no route")

    def test_body_sizes(self) -> None:
        for size in ("-1", "1099511627777", ".inf", "'x'"):
            problems = self.problems(SERVICE.replace("config:\n", f"config:\n      max_request_body_size: {size}\n"))
            self.assertTrue(any("max_request_body_size: must be a number" in str(one) for one in problems), problems)

    def test_references_by_id(self) -> None:
        text = """
            services: [{name: s, id: 11}]
            routes: [{name: r, paths: [/r], service: {id: 11}}]
            consumers: [{username: c, id: 22}]
            keyauth_credentials: [{key: k1, consumer: {id: 22}}]
            plugins:
            - {name: key-auth, service: 11}
            - {name: ai-proxy, service: {id: 11}, config: {model: {provider: openai}, route_type: llm/v1/chat}}
        """
        tables = self.tables(text)
        self.assertEqual(tables["consumers"], {"c": {"keys": ["k1"]}})
        self.assertEqual(tables["routes"]["r"]["backend"], "s")

    def test_references_to_nothing(self) -> None:
        for wrong, key in (
            ("plugins: [{name: key-auth, service: t}]", "plugin key-auth: service"),
            ("plugins: [{name: key-auth, route: {name: rr}}]", "plugin key-auth: route"),
            ("plugins: [{name: key-auth, config: {anonymous: nobody}}]", "plugin key-auth, global: config.anonymous"),
            ("routes: [{name: q, paths: [/q], service: nix}]", "route q: service"),
            ("consumers: [{username: c}]\nplugins: [{name: x, consumer: d}]", "plugin x: consumer"),
            ("consumer_groups: [{name: g, consumers: [{username: nobody}]}]", "consumer group g: consumers[0]"),
            ("plugins: [{name: key-auth, _config: shared}]", "plugin key-auth, global"),
        ):
            problems = self.problems(SERVICE, wrong)
            found = [one for one in problems if one.file == "2.yaml" and one.line and one.key == key]
            self.assertTrue(found, (wrong, list(map(str, problems))))
            self.assertIn("names no", found[0].message)

    def test_the_same_twice(self) -> None:
        """In one document that is a mistake; of two documents, the later one counts, as when both are applied."""
        self.assertIn("already", self.problem("services: [{name: s}, {name: s}]").message)
        twice = "plugins:\n" + plugin("one") + plugin("two")
        self.assertIn("already", self.problem(SERVICE, twice).message)
        tables = self.tables("plugins:\n" + plugin("one"), "plugins:\n" + plugin("two"))
        self.assertEqual(tables["backends"]["openai"]["model"], "two")
        renewed = self.tables(SERVICE, SERVICE.replace("gpt-4o", "gpt-5").replace("/r", "/new"))
        self.assertEqual((renewed["routes"]["r"]["paths"], renewed["backends"]["s"]["model"]), (["/new"], "gpt-5"))

    def test_shared_configs(self) -> None:
        """decK's ``_plugin_configs``: the plugin's own fields win."""
        text = """
            _format_version: "3.0"
            _plugin_configs: {common: {key_names: [x-a], realm: all}}
            plugins:
            - {name: key-auth, _config: common, config: {realm: own}}
        """
        auth = self.tables(SERVICE, text)["auth"]["key"]
        self.assertEqual((auth["key_names"], auth["realm"]), (["x-a"], "own"))

    def test_names_that_are_none(self) -> None:
        text = SERVICE.replace("name: r,", "name: my route,")
        self.assertEqual(list(self.tables(text)["routes"]), ["my-route"])
        self.assertIn("is called my-route here", self.warned(text, "route my route", "is called").message)

    def test_routes_without_names(self) -> None:
        text = SERVICE.replace("- {name: r, paths: [/r]}", "- {paths: [/r]}\n  - {paths: [/q]}")
        self.assertEqual(list(self.tables(text)["routes"]), ["s", "s-2"])


class PrecedenceTests(ImportTestCase):
    """The most special instance acts, whole; none is merged with another."""

    def model(self, *plugins: str) -> str:
        """What route r asks for."""
        text = "services: [{name: s}]\nroutes: [{name: r, paths: [/r], service: s}]\nplugins:\n" + "".join(plugins)
        tables = self.tables(text)
        backend = tables["routes"]["r"]["backend"]
        return str(tables["backends"][backend]["model"])

    def test_each_scope_against_each_other(self) -> None:
        order: list[tuple[str, ...]] = [("route", "service"), ("route",), ("service",), ()]
        for special, general in combinations(order, 2):
            for plugins in (
                (plugin("a", *special), plugin("b", *general)),
                (plugin("b", *general), plugin("a", *special)),
            ):
                self.assertEqual(self.model(*plugins), "a", (special, general))

    def test_not_what_is_switched_off(self) -> None:
        off = plugin("off", "route").replace("name: ai-proxy,", "name: ai-proxy, enabled: false,")
        self.assertEqual(self.model(off, plugin("on")), "on")

    def of_consumer(self, *plugins: str) -> Any:
        """What consumer c has of its own."""
        text = (
            "services: [{name: s}]\nroutes: [{name: r, paths: [/r], service: s}]\n"
            "consumers: [{username: c, keyauth_credentials: [{key: k1}]}]\n"
            "plugins:\n- {name: key-auth}\n" + plugin("base", "service") + "".join(plugins)
        )
        return self.tables(text)["consumers"]["c"].get("backends", {}).get("s", {})

    def test_consumers_before_everything_without_one(self) -> None:
        order: list[tuple[str, ...]] = [
            ("route", "service", "consumer"),
            ("route", "consumer"),
            ("service", "consumer"),
            ("consumer",),
        ]
        for special, general in combinations(order, 2):
            self.assertEqual(self.of_consumer(plugin("b", *general), plugin("a", *special)), {"model": "a"})
        self.assertEqual(self.of_consumer(plugin("route-wins-not", "route"), plugin("a", "consumer")), {})

    def test_groups_behind_consumers(self) -> None:
        group = """
            consumer_groups:
            - name: gold
              consumers: [c]
              plugins: [{name: ai-proxy, config: {model: {provider: openai, name: of-gold}, route_type: llm/v1/chat}}]
        """
        consumer = (
            "consumers: [{username: c, keyauth_credentials: [{key: k1}], groups: []}]\nplugins: [{name: key-auth}]"
        )
        own = self.tables(SERVICE, consumer, group)["consumers"]["c"]
        self.assertEqual((own["groups"], own["backends"]["s"]["model"]), (["gold"], "of-gold"))
        both = self.tables(SERVICE, consumer, group, "plugins:\n" + plugin("of-c", "consumer"))
        self.assertEqual(both["consumers"]["c"]["backends"]["s"]["model"], "of-c")


class ConsumerTests(ImportTestCase):
    """What one consumer has of its own."""

    CONSUMER = "consumers: [{username: c, keyauth_credentials: [{key: k1}]}]\nplugins: [{name: key-auth}]\n"

    def own(self, config: str) -> str:
        return f"plugins: [{{name: ai-proxy, consumer: c, config: {{{config}}}}}]"

    def test_another_key_and_other_options(self) -> None:
        config = (
            "route_type: llm/v1/chat, auth: {header_name: Authorization, header_value: Bearer $OTHER},"
            " model: {provider: openai, name: gpt-4o, options: {max_tokens: 9}}"
        )
        own = self.tables(SERVICE, self.CONSUMER, self.own(config))["consumers"]["c"]["backends"]["s"]
        self.assertEqual(own, {"auth": {"secret": "other"}, "overrides": {"max_tokens": 9}})

    def test_what_cannot_be_taken_away(self) -> None:
        """Kong's plugin takes the place of the other one; what the backend has besides stays here."""
        base = SERVICE.replace("name: gpt-4o", "name: gpt-4o, options: {max_tokens: 5, top_p: 0.5}")
        config = "route_type: llm/v1/chat, model: {provider: openai, name: gpt-4o, options: {max_tokens: 9}}"
        imported = self.imported(base, self.CONSUMER, self.own(config))
        (warning,) = [one for one in imported.warnings if "takes the place" in one.message]
        self.assertEqual((warning.file, warning.key), ("3.yaml", "plugin ai-proxy of consumer c"))
        self.assertIn("overrides.top_p", warning.message)

    def test_format_of_a_provider(self) -> None:
        """The option decides what is called; one that nobody here speaks is refused at its place."""
        base = (
            "route_type: llm/v1/chat, model: {provider: llama2, name: m, options: {upstream_url: http://l:1, FORMAT}}"
        )
        for name, provider in (("ollama", "ollama"), ("openai", "openai-compatible")):
            config = base.replace("FORMAT", f"llama2_format: {name}")
            made = self.tables(f"plugins: [{{name: ai-proxy, config: {{{config}}}}}]")["backends"]
            self.assertEqual([backend["provider"] for backend in made.values()], [provider])
        config = base.replace("FORMAT", "llama2_format: raw")
        plugin = f"{{name: ai-proxy, config: {{{config}}}}}"
        other = f"name: other, url: 'http://x', routes: [{{paths: [/o]}}], plugins: [{plugin}]"
        imported = self.imported(SERVICE, f"services: [{{{other}}}]")
        (warning,) = [one for one in imported.warnings if "llama2_format" in one.key]
        self.assertIn("does not speak (allowed: ollama, openai)", warning.message)

    def test_nothing_to_hash_on(self) -> None:
        """Kong takes any text for a header's name."""
        balancer = "balancer: {algorithm: consistent-hashing, hash_on_header: a b}"
        targets = "targets: [{model: {provider: openai, name: a}}, {model: {provider: openai, name: b}}]"
        problems = self.problems(f"plugins: [{{name: ai-proxy-advanced, config: {{{balancer}, {targets}}}}}]")
        self.assertTrue(any(each.key.endswith("balancer.hash_on_header") for each in problems), problems)

    def test_another_provider(self) -> None:
        config = "route_type: llm/v1/chat, model: {provider: mistral, name: m, options: {mistral_format: openai}}"
        imported = self.imported(SERVICE, self.CONSUMER, self.own(config))
        (warning,) = [one for one in imported.warnings if "another provider" in one.message]
        self.assertIn("config.model.provider", warning.message)

    def test_keys(self) -> None:
        """As they are; what would be taken for a digest is made one; what no header can carry is left out."""
        text = """
            consumers:
            - username: c
              keyauth_credentials: [{key: 0123}, {key: "sha256:x"}, {key: "ü"}, {tags: [a]}, {key: '${{ env "K" }}', ttl: 5}]
        """
        imported = self.imported(SERVICE, text, environ={"K": "from-env"})
        keys = self.tables(SERVICE, text, environ={"K": "from-env"})["consumers"]["c"]["keys"]
        self.assertEqual((keys[0], [key[:7] for key in keys[1:]]), ("0123", ["sha256:", "sha256:"]))
        self.assertNotIn("from-env", imported.text)
        said = "\n".join(map(str, imported.warnings))
        for words in ("key: not imported: is not a key that a header can carry", "has no key", "ttl: not imported"):
            self.assertIn(words, said)
        unset = self.imported(SERVICE, text)
        self.assertIn("not in the environment", "\n".join(map(str, unset.warnings)))

    def test_one_key_for_two(self) -> None:
        """An error of the whole, said of the consumer in the input."""
        text = "consumers: [{username: a, keyauth_credentials: [{key: k}]}, {username: b, keyauth_credentials: [{key: k}]}]"
        imported = self.imported(SERVICE, text)
        problem = imported.at_home(self.problem_of("consumers.b.keys[0]"))
        self.assertEqual((problem.file, problem.line, problem.key), ("2.yaml", 1, "consumer b"))

    def problem_of(self, key: str) -> Any:
        from aigw.config.errors import Problem

        return Problem("gateway.toml", 1, key, "is wrong")


class KeyAuthTests(ImportTestCase):
    """``key-auth``, and who gets in without it."""

    def auth(self, config: str, more: str = "") -> Any:
        return self.tables(SERVICE, f"plugins: [{{name: key-auth, config: {{{config}}}}}]\n{more}")["auth"]["key"]

    def test_all_fields(self) -> None:
        found = self.auth(
            "key_names: [a, B, A], key_in_header: false, key_in_query: false, key_in_body: true, realm: r,"
            " run_on_preflight: false, anonymous: guest",
            "consumers: [{username: guest}]",
        )
        self.assertEqual(
            found,
            {
                "type": "key",
                "key_names": ["a", "B"],
                "bearer": False,
                "key_in_header": False,
                "key_in_query": False,
                "key_in_body": True,
                "realm": "r",
                "anonymous": "guest",
                "run_on_preflight": False,
            },
        )

    def test_kongs_defaults(self) -> None:
        """Clients find what they had: the key in the query as well, and no Bearer tokens."""
        self.assertEqual(self.auth(""), {"type": "key", "key_names": ["apikey"], "bearer": False, "key_in_query": True})

    def test_hide_credentials(self) -> None:
        plugins = "plugins: [{name: key-auth, config: {hide_credentials: %s}}]"
        self.assertNotIn("hide_credentials", str(self.imported(SERVICE, plugins % "true").warnings))
        self.assertIn("never goes on", str(self.imported(SERVICE, plugins % "false").warnings))

    def test_open_routes_are_said(self) -> None:
        self.assertEqual(self.tables(SERVICE)["routes"]["r"]["auth"], "none")
        self.warned(SERVICE, "route r", 'auth = "none"')

    def test_another_way_of_authentication_leaves_the_route_closed(self) -> None:
        for name in ("jwt", "basic-auth", "openid-connect", "mtls-auth"):
            imported = self.imported(SERVICE, f"plugins: [{{name: {name}, route: r}}]")
            self.assertNotIn('auth = "none"', imported.text)
            self.assertIn("stays closed", str(imported.warnings))

    def test_several_tables(self) -> None:
        text = SERVICE.replace("- {name: r, paths: [/r]}", "- {name: r, paths: [/r]}\n  - {name: q, paths: [/q]}")
        plugins = "plugins: [{name: key-auth}, {name: key-auth, route: q, config: {key_names: [x]}}]"
        tables = self.tables(text, plugins)
        self.assertEqual(tables["auth"]["key-q"]["key_names"], ["x"])
        self.assertEqual((tables["routes"]["q"]["auth"], "auth" in tables["routes"]["r"]), ("key-q", False))

    def test_acl(self) -> None:
        """Groups of a route become routes of the consumers."""
        text = """
            consumers:
            - {username: a, keyauth_credentials: [{key: k1}], acls: [{group: gold}]}
            - {username: b, keyauth_credentials: [{key: k2}], acls: [{group: silver}]}
            - {username: c, keyauth_credentials: [{key: k3}]}
            plugins: [{name: key-auth}, {name: acl, route: r, config: {%s}}]
        """
        routes = SERVICE.replace("- {name: r, paths: [/r]}", "- {name: r, paths: [/r]}\n  - {name: q, paths: [/q]}")
        for config, allowed in (("allow: [gold]", "a"), ("deny: [gold]", "bc"), ("allow: [gold, silver]", "ab")):
            consumers = self.tables(routes, text % config)["consumers"]
            for name in "abc":
                wanted = None if name in allowed else ["q"]
                self.assertEqual(consumers[name].get("routes"), wanted, (config, name))

    def test_acls_of_several_routes(self) -> None:
        """One that allows, one that denies, a route without any, a consumer without groups."""
        text = """
            consumers:
            - {username: a, keyauth_credentials: [{key: k1}], acls: [{group: gold}, {group: late}]}
            - {username: b, keyauth_credentials: [{key: k2}], acls: [{group: silver}]}
            - {username: c, keyauth_credentials: [{key: k3}]}
            plugins:
            - {name: key-auth}
            - {name: acl, route: r, config: {allow: [gold, silver]}}
            - {name: acl, route: q, config: {deny: [silver, late]}}
        """
        more = "- {name: r, paths: [/r]}\n  - {name: q, paths: [/q]}\n  - {name: o, paths: [/o]}"
        consumers = self.tables(SERVICE.replace("- {name: r, paths: [/r]}", more), text)["consumers"]
        self.assertEqual([consumers[name].get("routes") for name in "abc"], [["r", "o"], ["r", "o"], ["q", "o"]])

    def test_acl_without_authentication_opens_nothing(self) -> None:
        problems = self.problems(SERVICE, "plugins: [{name: acl, config: {allow: [gold]}}]")
        self.assertTrue(any("would be open" in one.message for one in problems), list(map(str, problems)))


class ProxyTests(ImportTestCase):
    """``ai-proxy``: the backend."""

    def backend(self, model: str, auth: str = "", environ: Mapping[str, str] = {}, more: str = "") -> Any:
        text = f"plugins:\n- name: ai-proxy\n  config: {{route_type: llm/v1/chat, {auth} model: {{{model}}}{more}}}\n"
        (found,) = self.tables(text, environ=environ)["backends"].values()
        return found

    def test_options_win(self) -> None:
        found = self.backend("provider: openai, options: {max_tokens: 5, temperature: 0, top_p: 0.5, top_k: 3}")
        self.assertEqual(found["overrides"], {"max_tokens": 5, "temperature": 0, "top_p": 0.5, "top_k": 3})
        self.assertNotIn("model", found)

    def test_a_model_is_the_only_one(self) -> None:
        self.assertEqual(self.backend("provider: openai, name: m")["on_model_mismatch"], "reject")

    def test_places(self) -> None:
        for provider, url, base in (
            ("openai", "https://llm.example.com/v1/chat/completions", "https://llm.example.com/v1"),
            ("openai", "https://llm.example.com/openai/chat/completions", "https://llm.example.com/openai"),
            ("anthropic", "https://a.example.com/v1/messages", "https://a.example.com/v1"),
            ("cohere", "https://c.example.com/v2/chat", "https://c.example.com/v2"),
            (
                "azure",
                "https://z.example.com/openai/deployments/d/chat/completions?api-version=1",
                "https://z.example.com",
            ),
        ):
            found = self.backend(f"provider: {provider}, options: {{upstream_url: '{url}'}}")
            self.assertEqual(found["url"], base, url)

    def test_a_path_of_its_own(self) -> None:
        text = """
            plugins:
            - name: ai-proxy
              config:
                route_type: llm/v1/chat
                model: {provider: openai, options: {upstream_url: "http://llm:8000/my/llm"}}
        """
        tables = self.tables(text)
        self.assertEqual(tables["backends"]["openai"]["url"], "http://llm:8000")
        self.assertEqual(tables["routes"]["all"]["rewrite"], {"full_path": "/my/llm"})

    def test_clouds(self) -> None:
        bedrock = self.backend(
            "provider: bedrock, name: m, options: {bedrock: {aws_region: eu-central-1}}",
            "auth: {aws_access_key_id: AKIA1, aws_secret_access_key: $AWS_KEY},",
        )
        self.assertEqual(bedrock["auth"], {"access_key": "AKIA1", "secret": "aws"})
        self.assertEqual(bedrock["region"], "eu-central-1")
        vertex = self.backend(
            "provider: gemini, name: m, options: {gemini: {project_id: p, location_id: l1,"
            " api_endpoint: l1-aiplatform.googleapis.com}}",
            "auth: {gcp_use_service_account: true, gcp_service_account_json: $GCP_JSON},",
        )
        self.assertEqual(
            {key: vertex[key] for key in ("provider", "project", "location", "auth")},
            {"provider": "vertex", "project": "p", "location": "l1", "auth": {"service_account": "gcp-json"}},
        )
        azure = self.backend(
            "provider: azure, name: gpt-4o, options: {azure_instance: i, azure_deployment_id: d, azure_api_version: v}",
            "auth: {header_name: api-key, header_value: $AZ},",
        )
        self.assertEqual(
            azure,
            {
                "provider": "azure",
                "url": "https://i.openai.azure.com",
                "api_version": "v",
                "model": "d",
                "on_model_mismatch": "override",
                "auth": {"secret": "az"},
            },
        )

    def test_credentials_in_other_headers(self) -> None:
        found = self.backend("provider: openai", "auth: {header_name: X-Key, header_value: $K},")
        self.assertEqual(found["auth"], {"secret": "k", "header": "X-Key", "prefix": ""})
        found = self.backend("provider: anthropic", "auth: {header_name: x-api-key, header_value: $K},")
        self.assertEqual(found["auth"], {"secret": "k"})

    def test_no_credential(self) -> None:
        """Kong lets the client's own through."""
        self.assertEqual(self.backend("provider: openai")["auth"], {"passthrough": True})

    def test_literal_credentials(self) -> None:
        text = "plugins: [{name: ai-proxy, config: {auth: {header_name: Authorization, header_value: Bearer sk-1}, model: {provider: openai}}}]"
        warning = self.warned(text, "config.auth.header_value", "plain text")
        self.assertEqual(warning.line, 1)
        self.assertIn('auth = { inline = "sk-1" }', self.imported(text).text)

    def test_dialects_and_operations(self) -> None:
        for config, operation in (
            ("route_type: llm/v1/chat", "chat"),
            ("route_type: llm/v1/completions", "completions"),
            ("route_type: llm/v1/embeddings", "embeddings"),
            ("route_type: llm/v1/responses", "responses"),
            ("route_type: llm/v1/chat, llm_format: anthropic", "messages"),
            ("route_type: preserve", None),
        ):
            text = f"plugins: [{{name: ai-proxy, config: {{{config}, model: {{provider: openai}}}}}}]"
            self.assertEqual(self.tables(text)["routes"]["all"].get("operation"), operation, config)

    def test_what_aigw_has_not(self) -> None:
        for config, key in (
            ("model: {provider: huggingface, name: m}", "config.model.provider"),
            ("route_type: image/v1/images/generations, model: {provider: openai}", "config.route_type"),
            ("llm_format: bedrock, model: {provider: bedrock}", "config.llm_format"),
            ("model: {provider: azure}", "config.model"),
            ("model: {provider: vllm}", "config.model"),
            (
                "model: {provider: openai, options: {upstream_url: 'http://$(headers.x)/'}}",
                "config.model.options.upstream_url",
            ),
            ("model: {name: m}", "config.model"),
        ):
            problems = self.problems(f"plugins:\n- name: ai-proxy\n  config: {{{config}}}\n")
            found = [one for one in problems if one.key == f"plugin ai-proxy, global: {key}" and one.line == 3]
            self.assertTrue(found, (config, list(map(str, problems))))

    def test_a_route_that_cannot_be_had_falls_back_to_nothing(self) -> None:
        """It is left out whole: what is more general was not meant for it."""
        text = SERVICE.replace(
            "- {name: r, paths: [/r]}",
            "- {name: r, paths: [/r]}\n  - {name: q, paths: [/q], plugins: [{name: ai-proxy, config: {model: {provider: xyz}}}]}",
        )
        self.assertEqual(list(self.tables(text)["routes"]), ["r"])
        self.warned(text, "xyz is a provider that aigw does not have", "config.model.provider:")
        self.warned(text, ": route q: not imported (name, paths[0], ", "xyz")

    def test_streaming_and_timeouts(self) -> None:
        text = SERVICE.replace("- name: s\n", "- name: s\n  connect_timeout: 1500\n  read_timeout: 30000\n").replace(
            "route_type: llm/v1/chat", "route_type: llm/v1/chat\n      response_streaming: deny"
        )
        route = self.tables(text)["routes"]["r"]
        wanted = {"connect": "1500ms", "first_byte": "30s", "first_token": "30s", "idle": "30s"}
        self.assertEqual((route["streaming"], route["timeouts"]), ("deny", wanted))

    def test_the_largest_body(self) -> None:
        """One limit for the server: no plugin's clients are refused what they could send."""
        plugins = "plugins:\n" + "".join(
            f"- {{name: ai-proxy, route: {name}, config: {{max_request_body_size: {size}, {MODEL % name}}}}}\n"
            for name, size in (("a", 8192), ("b", 1048576), ("c", 100))
        )
        tables = self.tables(
            "routes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}, {name: c, paths: [/c]}]\n" + plugins
        )
        self.assertEqual(tables["server"], {"max_request_body": 1048576})

    def test_variables_in_names(self) -> None:
        """Filled in at import: aigw's file has none."""
        model = "provider: openai, name: '${{ env \"DECK_MODEL\" }}'"
        self.assertEqual(self.backend(model, environ={"DECK_MODEL": "m1"})["model"], "m1")
        problems = self.problems(f"plugins: [{{name: ai-proxy, config: {{model: {{{model}}}}}}}]")
        self.assertTrue(any("$DECK_MODEL" in one.message and one.line == 1 for one in problems))


class AdvancedTests(ImportTestCase):
    """``ai-proxy-advanced``: several targets."""

    def test_weights_and_choice(self) -> None:
        text = """
            plugins:
            - name: ai-proxy-advanced
              config:
                balancer: {algorithm: %s, retries: 2, failover_criteria: [error, timeout, http_429, http_503%s],
                           max_fails: 3, fail_timeout: 10000, connect_timeout: 5000}
                targets:
                - {route_type: llm/v1/chat, weight: 20, model: {provider: openai, name: a}}
                - {route_type: llm/v1/chat, model: {provider: mistral, name: b, options: {mistral_format: openai}}}
        """
        for algorithm, balance in (("round-robin", None), ("least-connections", "least-busy"), ("lowest-latency",) * 2):
            tables = self.tables(text % (algorithm, ", non_idempotent"))
            model = tables["models"]["openai"]
            self.assertEqual(model.get("balance"), balance)
            self.assertEqual([target.get("weight") for target in model["targets"]], [20, 100])
            self.assertEqual(model["retry"], {"attempts": 3, "on": ["connect", "timeout", "429", "5xx"]})
            self.assertEqual(model["breaker"], {"failures": 3, "window": "10s", "cool_down": "10s"})
            self.assertEqual(model["timeouts"], {"connect": "5s"})
            self.assertEqual(tables["routes"]["all"]["model"], "openai")
        self.assertEqual(self.tables(text % ("round-robin", ""))["models"]["openai"]["retry"]["on"], ["connect"])

    def test_targets_of_several_operations(self) -> None:
        text = """
            plugins:
            - name: ai-proxy-advanced
              config:
                targets:
                - {route_type: llm/v1/chat, model: {provider: openai}}
                - {route_type: llm/v1/completions, model: {provider: openai}}
        """
        self.assertTrue(any("several route_types" in one.message for one in self.problems(text)))

    def test_no_half_made_backends(self) -> None:
        """Of a plugin that is refused nothing is left."""
        text = """
            plugins:
            - name: ai-proxy-advanced
              route: q
              config: {balancer: {algorithm: semantic}, targets: [{model: {provider: openai}}, {model: {provider: mistral}}]}
            routes: [{name: q, paths: [/q]}]
        """
        self.assertEqual(list(self.tables(SERVICE, text)["backends"]), ["s"])


class RouteTests(ImportTestCase):
    """When a route matches."""

    def route(self, fields: str, version: str = "3.0") -> Any:
        text = SERVICE.replace("3.0", version).replace("paths: [/r]", fields)
        return self.tables(text)["routes"]["r"]

    def test_conditions(self) -> None:
        found = self.route(
            "paths: [/a, /b c], hosts: [Example.com, '*.x.org'], methods: [post], headers: {x-a: [b, c]}"
        )
        self.assertEqual(
            (found["paths"], found["hosts"], found["methods"], found["headers"]),
            (["/a", "/b%20c"], ["example.com", "*.x.org"], ["POST"], {"x-a": ["b", "c"]}),
        )

    def test_regular_expressions(self) -> None:
        self.assertEqual(self.route(r"paths: ['~/a/(?<id>\d+)$']")["paths"], [r"~/a/(?P<id>\d+)$"])
        self.assertEqual(self.route(r"paths: ['/a/\d+', /b]", "2.1")["paths"], [r"~/a/\d+", "/b"])

    def test_their_order(self) -> None:
        """aigw takes the first in the file, so the highest priority comes first."""
        text = SERVICE.replace(
            "- {name: r, paths: [/r]}", "- {name: low, paths: [~/x]}\n  - {name: high, paths: [~/.], regex_priority: 9}"
        )
        self.assertEqual(list(self.tables(text)["routes"]), ["high", "low"])

    def test_conditions_that_aigw_has_not(self) -> None:
        """Without them the route would match what it should not."""
        for fields in (
            "paths: [/r], snis: [a.example]",
            "paths: [/r], headers: {a: ['~*b']}",
            "expression: 'http.path == \"/\"'",
        ):
            problems = self.problems(SERVICE.replace("paths: [/r]", fields))
            self.assertTrue(any(one.key.startswith("route r: ") for one in problems), list(map(str, problems)))

    def test_hosts_with_ports(self) -> None:
        text = SERVICE.replace("paths: [/r]", "hosts: ['example.com:8443']")
        self.assertEqual(self.tables(text)["routes"]["r"]["hosts"], ["example.com"])
        self.warned(text, "hosts[0]", "no ports")

    def test_what_kong_fills_in_is_no_warning(self) -> None:
        """A dump of a database has all of it."""
        fields = (
            "paths: [/r], strip_path: true, preserve_host: false, regex_priority: 0, path_handling: v0, protocols: [http, https],"
            " https_redirect_status_code: 426, request_buffering: true, response_buffering: true, id: x, created_at: 1,"
            " updated_at: 1, tags: [a], snis: null, sources: null"
        )
        before = {str(one.message) for one in self.imported(SERVICE).warnings}
        after = {str(one.message) for one in self.imported(SERVICE.replace("paths: [/r]", fields)).warnings}
        self.assertEqual(before, after)

    def test_services_without_ai_are_not_for_aigw(self) -> None:
        text = "services: [{name: web, url: 'http://web', routes: [{name: web, paths: [/web]}]}]"
        imported = self.imported(SERVICE, text)
        self.assertNotIn("[routes.web]", imported.text)
        self.assertIn("# not imported: route web: ", imported.text)
        self.assertIn(
            "route web: not imported (name, paths[0]): no AI plugin acts on it", "\n".join(map(str, imported.warnings))
        )

    def test_made_up_routes_do_not_collide(self) -> None:
        text = "plugins:\n" + plugin("a", "service") + plugin("b", "service").replace("service: s", "service: t")
        paths = [route["paths"] for route in self.tables(text)["routes"].values()]
        self.assertEqual(paths, [["/llm/v1/chat"], ["/t/llm/v1/chat"]])
