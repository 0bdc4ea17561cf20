"""kgateway's, agentgateway's and Gloo's resources, in aigw's words."""

from __future__ import annotations

import hashlib
from typing import Any

from aigw.config.errors import ConfigError
from tests.unit.config.importers.imports import ImportTestCase

BACKEND = """
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: b, namespace: n}
spec: {type: AI, ai: {llm: {openai: {authToken: {kind: Passthrough}, model: m}}}}
---
"""
ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: n}
spec:
  parentRefs: [{name: gw}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /x}}]
    backendRefs: [{name: b, kind: Backend, group: gateway.kgateway.dev}]
---
"""


def agentgateway(spec: str) -> str:
    return (
        f"apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend\nmetadata: {{name: b}}\nspec: {spec}\n---\n"
    )


TO_AGENTGATEWAY = ROUTE.replace("kind: Backend, group: gateway.kgateway.dev", "kind: AgentgatewayBackend")


ENTERPRISE = agentgateway("{ai: {provider: {openai: {model: m}}}}").replace(
    "agentgateway.dev/v1alpha1\nkind: AgentgatewayBackend",
    "enterpriseagentgateway.solo.io/v1alpha1\nkind: EnterpriseAgentgatewayBackend",
)
TO_ENTERPRISE = ROUTE.replace(
    "kind: Backend, group: gateway.kgateway.dev",
    "kind: EnterpriseAgentgatewayBackend, group: enterpriseagentgateway.solo.io",
)
POLICY = """
apiVersion: enterpriseagentgateway.solo.io/v1alpha1
kind: EnterpriseAgentgatewayPolicy
metadata: {name: p, namespace: n}
spec:
  %s
  traffic: {apiKeyAuthentication: {mode: Strict, secretRef: {name: keys}}}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: n}
stringData: {alice: k-1}
---
"""


class EnterpriseTests(ImportTestCase):
    """Solo's own kinds have the specs of their open siblings."""

    def test_backend(self) -> None:
        """What comes of it is the same but for its name in the comments."""
        imported = self.imported(ENTERPRISE + TO_ENTERPRISE).text
        sibling = self.imported(agentgateway("{ai: {provider: {openai: {model: m}}}}") + TO_AGENTGATEWAY).text
        self.assertEqual(imported.replace("EnterpriseAgentgateway", "Agentgateway"), sibling)

    def test_policy_of_a_backend(self) -> None:
        policy = (
            "apiVersion: enterpriseagentgateway.solo.io/v1alpha1\nkind: EnterpriseAgentgatewayPolicy\n"
            "metadata: {name: p}\nspec: {targetRefs: [{kind: EnterpriseAgentgatewayBackend, name: b}],"
            " backend: {auth: {secretRef: {name: key}}, ai: {defaults: [{field: max_tokens, value: 5}]}}}\n"
        )
        backend = self.tables(ENTERPRISE + TO_ENTERPRISE + policy)["backends"]["b"]
        self.assertEqual((backend["auth"], backend["defaults"]), ({"secret": "key"}, {"max_tokens": 5}))

    def test_what_a_policy_is_for_is_no_loss(self) -> None:
        """Once it was looked at."""
        policy = POLICY.partition("---")[0] % "targetRefs: [{group: g, kind: EnterpriseAgentgatewayBackend, name: b}]"
        policy = policy.replace("traffic: {apiKey", "backend: {ai: {defaults: [{field: a, value: 1}]}, apiKey")
        said = [str(one) for one in self.imported(ENTERPRISE + TO_ENTERPRISE + policy).warnings if "Policy" in one.key]
        self.assertEqual([one for one in said if "targetRefs" in one], [], said)

    def test_policy_about_access(self) -> None:
        tables = self.tables(ENTERPRISE + TO_ENTERPRISE + POLICY % "targetRefs: [{kind: HTTPRoute, name: r}]")
        self.assertNotIn("auth", tables["routes"]["r"])
        self.assertEqual(list(tables["consumers"]), ["alice"])


class TargetTests(ImportTestCase):
    """Policies close the routes that they are for, in whichever way they say which those are."""

    route = ROUTE.replace("name: r, namespace: n", "name: r, namespace: n, labels: {team: a, tier: gold}")
    gateway = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: gw, labels: {env: x}}\n"
        "spec: {listeners: [{name: h, port: 80, protocol: HTTP}]}\n---\n"
    )
    listeners = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: more}\n"
        "spec: {parentRef: {name: gw}, listeners: [{name: h, port: 81, protocol: HTTP}]}\n---\n"
    )

    def closed(self, targets: str, route: str = "") -> bool:
        text = BACKEND + (route or self.route) + self.gateway + self.listeners + POLICY % targets
        return "auth" not in self.tables(text)["routes"]["r"]

    def test_labels(self) -> None:
        """All of them."""
        for kind, labels, closed in (
            ("HTTPRoute", "{team: a}", True),
            ("HTTPRoute", "{team: a, tier: gold}", True),
            ("HTTPRoute", "{team: a, tier: silver}", False),
            ("HTTPRoute", "{team: b}", False),
            ("HTTPRoute", "{}", True),
            ("Gateway", "{env: x}", True),
            ("Gateway", "{env: y}", False),
        ):
            targets = f"targetSelectors: [{{group: g, kind: {kind}, matchLabels: {labels}}}]"
            self.assertEqual(self.closed(targets), closed, targets)

    def test_listeners_that_are_added_to_a_gateway(self) -> None:
        """What closes the Gateway closes them, too."""
        route = self.route.replace("[{name: gw}]", "[{kind: ListenerSet, name: more}]")
        for name, closed in (("gw", True), ("other", False)):
            self.assertEqual(self.closed(f"targetRefs: [{{kind: Gateway, name: {name}}}]", route), closed, name)
        self.assertTrue(self.closed("targetRefs: [{kind: ListenerSet, name: more}]", route))
        self.assertEqual(self.tables(BACKEND + route + self.listeners)["server"]["listen"], ["tcp:81"])

    def test_a_route_that_is_not_imported_is_not_called_open(self) -> None:
        text = BACKEND + ROUTE + ROUTE.replace("name: r,", "name: r2,").replace("name: b,", "name: b2,")
        text += BACKEND.replace("name: b,", "name: b2,").replace("{type: AI, ai: {llm", "{mcp: {targets: []}, x: {y")
        said = [str(one) for one in self.imported(text).warnings if "nobody is asked" in one.message]
        self.assertEqual(len(said), 1, said)
        self.assertIn("HTTPRoute r:", said[0])


class MissingTests(ImportTestCase):
    """Parts that something is missing of."""

    def page(self, *blocks: str) -> str:
        return "".join(f"# Block\n\n```yaml\n{block}\n```\n\n" for block in blocks)

    lost = ROUTE.replace("name: r,", "name: lost,").replace("/x", "/lost").replace("name: b,", "name: gone,")

    def test_references_to_nothing(self) -> None:
        """A mistake in files. A page may lead to what another page has: the rest of it is imported."""
        self.assertIn("names no Backend of these files", str(self.problems(BACKEND + ROUTE + self.lost)))
        page = self.page(BACKEND, ROUTE, self.lost)
        self.assertEqual(list(self.tables(page)["routes"]), ["r"])
        self.warned(page, "backendRefs[0]: names no Backend of these files (allowed: b)")

    def test_a_reference_by_another_kind(self) -> None:
        problem = self.problem(ENTERPRISE + TO_AGENTGATEWAY)
        self.assertIn("(did you mean EnterpriseAgentgatewayBackend b?)", problem.message)

    def test_resources_that_cannot_be_read(self) -> None:
        """One that says who may come in may be what closes the routes."""
        for broken, auth in (
            ("apiVersion: v9\nkind: Backend\nmetadata: {name: old}\nspec: {a: b}", "none"),
            ("apiVersion: v1\nkind: Secret\nstringData: {a: b}", "none"),
            ("apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nspec: {traffic: {a: b}}", None),
        ):
            self.assertRaises(ConfigError, self.imported, BACKEND + ROUTE + broken)
            self.assertEqual(self.tables(self.page(BACKEND, ROUTE, broken))["routes"]["r"].get("auth"), auth, broken)

    def test_a_route_with_a_host_that_is_none(self) -> None:
        """It is left out; it would match everything without its host."""
        route = self.lost.replace("gone", "b").replace("  rules:", "  hostnames: ['a b']\n  rules:")
        text = BACKEND + ROUTE + route
        self.assertEqual(list(self.tables(text)["routes"]), ["r"])
        self.warned(text, "HTTPRoute lost: spec.hostnames[0]", "is not a host")

    def test_variables_in_hosts(self) -> None:
        text = BACKEND + ROUTE.replace("  rules:", "  hostnames: ['api.${DOMAIN}']\n  rules:")
        route = self.tables(text, environ={"DOMAIN": "example.com"})["routes"]["r"]
        self.assertEqual(route["hosts"], ["api.example.com"])
        self.assertIn("has $DOMAIN in it", str(self.problems(text)))


class SameConditionTests(ImportTestCase):
    """Rules with the same conditions: the first gets all requests."""

    second = ROUTE.replace("name: r,", "name: second,")

    def test_the_first_stays(self) -> None:
        text = BACKEND + ROUTE + self.second
        self.assertEqual(list(self.tables(text)["routes"]), ["r"])
        self.warned(text, "HTTPRoute second", "has the same conditions as route r, which comes first")

    def test_some_paths(self) -> None:
        """Those that only the second has are its own."""
        text = BACKEND + ROUTE + self.second.replace("value: /x}}", "value: /x}}, {path: {type: Exact, value: /y}}")
        self.assertEqual(self.tables(text)["routes"]["second"]["paths"], ["=/y"])
        self.warned(text, "HTTPRoute second", "has a path under the same conditions as route r, which comes first")

    def test_of_another_gateway(self) -> None:
        """Which is no reason to refuse the first."""
        text = BACKEND + ROUTE + self.second.replace("name: gw", "name: other")
        self.assertEqual(list(self.tables(text)["routes"]), ["r"])
        self.warned(text, "HTTPRoute second", "as route r, which is another Gateway's, of which aigw has one")

    def test_other_conditions(self) -> None:
        for second in (
            self.second.replace("  rules:", "  hostnames: [example.com]\n  rules:"),
            self.second.replace("value: /x}}", "value: /x}, method: POST}"),
            self.second.replace("PathPrefix", "Exact"),
        ):
            self.assertEqual(list(self.tables(BACKEND + ROUTE + second)["routes"]), ["r", "second"], second)

    def test_one_open_one_closed(self) -> None:
        """Which comes first in a cluster is no file's to say: the check refuses both."""
        text = BACKEND + ROUTE + self.second + POLICY % "targetRefs: [{kind: HTTPRoute, name: second}]"
        self.assertEqual(list(self.tables(text)["routes"]), ["r", "second"])

    def test_one_key_of_two_consumers(self) -> None:
        """aigw knows a caller by the key."""
        policy = POLICY % "targetRefs: [{kind: HTTPRoute, name: r}]"
        text = BACKEND + ROUTE + policy.replace("{alice: k-1}", "{alice: k-1, bob: k-1}")
        self.assertEqual(list(self.tables(text)["consumers"]), ["alice"])
        self.warned(text, "the key of bob is alice's, too")


class OtherBackendTests(ImportTestCase):
    """What is behind a route and no LLM is named as what it is."""

    def test_what_they_are(self) -> None:
        for spec, words in (
            ("{mcp: {targets: []}}", "is an MCP backend (spec.mcp)"),
            ("{entMcp: {targets: []}}", "is an MCP backend (spec.entMcp)"),
            ("{static: {host: a, port: 1}}", "is a backend at a fixed address"),
            ("{dynamicForwardProxy: {}}", "is a forward proxy"),
            ("{policies: {tls: {}}}", "has no LLM (spec.ai)"),
        ):
            for backend, route in (
                (agentgateway(spec), TO_AGENTGATEWAY),
                (ENTERPRISE.replace("{ai: {provider: {openai: {model: m}}}}", spec), TO_ENTERPRISE),
                (
                    BACKEND.replace(
                        "{type: AI, ai: {llm: {openai: {authToken: {kind: Passthrough}, model: m}}}}", spec
                    ),
                    ROUTE,
                ),
            ):
                said = "\n".join(map(str, self.problems(backend + route)))
                self.assertIn(words, said)

    def test_workloads_are_no_loss(self) -> None:
        """They say what runs, not how a gateway is to be."""
        text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 1}\n"
        imported = self.imported(BACKEND + ROUTE + text)
        self.assertEqual([one for one in imported.warnings if "Deployment" in one.key], [])
        self.assertEqual(len([one for one in imported.notes if "Deployment" in one.key]), 1)

    def test_others_resources(self) -> None:
        """What can be done instead."""
        for api, kind, words in (
            ("configuration.konghq.com/v1", "KongPlugin", "deck gateway dump"),
            ("aigateway.envoyproxy.io/v1alpha1", "AIGatewayRoute", "Envoy AI Gateway"),
        ):
            text = f"apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{a: b}}\n"
            self.warned(BACKEND + ROUTE + text, kind, words)

    def test_variables_for_whole_parts(self) -> None:
        self.assertIn("$SPEC stands for", str(self.problems(agentgateway("$SPEC") + TO_AGENTGATEWAY)))
        self.assertIn("$RULES stands for", str(self.problems(BACKEND + ROUTE.partition("rules:")[0] + "rules: $RULES")))


class BackendTests(ImportTestCase):
    """What stands behind a route."""

    def backend(self, llm: str, more: str = "") -> Any:
        text = BACKEND.replace("{openai: {authToken: {kind: Passthrough}, model: m}}", llm)
        return self.tables(text + ROUTE + more)["backends"]["b"]

    def test_tokens(self) -> None:
        for token, auth in (
            ("{kind: Passthrough}", {"passthrough": True}),
            ("{kind: Inline, inline: sk-1}", {"inline": "sk-1"}),
            ("{kind: Inline, inline: $TOKEN}", {"secret": "token"}),
            ("{kind: SecretRef, secretRef: {name: my-secret}}", {"secret": "my-secret"}),
        ):
            self.assertEqual(self.backend(f"{{openai: {{authToken: {token}}}}}")["auth"], auth, token)

    def test_secrets(self) -> None:
        """References at most; never what a Secret has."""
        llm = "{openai: {authToken: {kind: SecretRef, secretRef: {name: my-secret}}}}"
        text = BACKEND.replace("{openai: {authToken: {kind: Passthrough}, model: m}}", llm) + ROUTE
        secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: my-secret}\n%s\n"
        for held, env, warned in (
            ("stringData: {Authorization: $OPENAI}", "OPENAI", ""),
            ("stringData: {Authorization: 'Bearer ${OPENAI}'}", "OPENAI", ""),
            ("stringData: {other: $OPENAI}", "OPENAI", ""),
            ("stringData: {Authorization: sk-literal}", "MY_SECRET", "is not written down"),
            ("data: {Authorization: c2stbGl0ZXJhbA==}", "MY_SECRET", "is not written down"),
        ):
            imported = self.imported(text + secret % held)
            self.assertIn(f'my-secret = {{ env = "{env}" }}', imported.text, held)
            said = "\n".join(map(str, imported.warnings))
            self.assertIn(warned, said)
            self.assertNotIn("sk-literal", imported.text + said)
            self.assertNotIn("c2stbGl0ZXJhbA", imported.text + said)
        self.assertIn("is not in these files", str(self.imported(text).warnings))

    def test_namespaces_keep_secrets_apart(self) -> None:
        llm = "{openai: {authToken: {kind: SecretRef, secretRef: {name: s}}}}"
        text = BACKEND.replace("{openai: {authToken: {kind: Passthrough}, model: m}}", llm) + ROUTE
        other = (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: other}\nstringData: {Authorization: $WRONG}\n"
        )
        self.assertNotIn("WRONG", self.imported(text + other).text.replace("# ", ""))

    def test_providers(self) -> None:
        for llm, wanted in (
            (
                "{provider: {anthropic: {authToken: {kind: Passthrough}, model: c}}}",
                {"provider": "anthropic", "model": "c"},
            ),
            (
                "{azureopenai: {endpoint: 'https://e.openai.azure.com', deploymentName: d, apiVersion: v, authToken: {kind: Passthrough}}}",
                {"provider": "azure", "url": "https://e.openai.azure.com", "model": "d", "api_version": "v"},
            ),
            (
                "{gemini: {model: g, apiVersion: v1beta, authToken: {kind: Passthrough}}}",
                {"provider": "gemini", "model": "g"},
            ),
            (
                "{vertexai: {model: g, projectId: p, location: l, publisher: GOOGLE, authToken: {kind: Passthrough}}}",
                {"provider": "vertex", "project": "p", "location": "l"},
            ),
            (
                "{bedrock: {model: x, region: eu-west-1}}",
                {"provider": "bedrock", "region": "eu-west-1", "auth": {"ambient": True}},
            ),
            ("{mistral: {authToken: {kind: Passthrough}}}", {"provider": "mistral"}),
        ):
            found = self.backend(llm)
            self.assertEqual({key: found.get(key) for key in wanted}, wanted, llm)

    def test_hosts_and_paths(self) -> None:
        for llm, url in (
            ("{hostOverride: {host: llm, port: 8000}, openai: {authToken: {kind: Passthrough}}}", "http://llm:8000/v1"),
            (
                "{hostOverride: {host: llm.example, port: 443}, openai: {authToken: {kind: Passthrough}}}",
                "https://llm.example/v1",
            ),
            (
                "{hostOverride: {host: llm, port: 80}, pathOverride: {fullPath: /api/chat/completions},"
                " openai: {authToken: {kind: Passthrough}}}",
                "http://llm/api",
            ),
        ):
            self.assertEqual(self.backend(llm)["url"], url, llm)

    def test_header_override(self) -> None:
        found = self.backend(
            "{authHeaderOverride: {headerName: X-Key, prefix: Token}, openai: {authToken: {kind: Inline, inline: sk-1}}}"
        )
        self.assertEqual(found["auth"], {"inline": "sk-1", "header": "X-Key", "prefix": "Token "})

    def test_providers_that_aigw_has_not(self) -> None:
        text = BACKEND.replace("openai: {authToken: {kind: Passthrough}, model: m}", "watsonx: {model: m}") + ROUTE
        problems = self.problems(text)
        found = [one for one in problems if one.key == "Backend b: spec.ai.llm.watsonx"]
        self.assertEqual(
            [(one.line, "does not have" in one.message) for one in found], [(5, True)], list(map(str, problems))
        )

    def test_what_is_left_out_is_left_out_whole(self) -> None:
        """Nothing of a backend that cannot be had counts as imported, whatever was read before."""
        llm = "{openai: {model: gpt-4o, authToken: {kind: [SecretRef]}}}"
        text = BACKEND.replace("{openai: {authToken: {kind: Passthrough}, model: m}}", llm) + ROUTE
        self.problems(text)
        other = BACKEND.replace("name: b", "name: c") + ROUTE.replace("name: b", "name: c").replace("/x", "/y")
        warning = self.warned(text + other.replace("name: r,", "name: q,"), "Backend b: not imported (")
        self.assertIn("spec.ai.llm.openai.model", warning.message)

    def test_providers_that_are_no_mappings(self) -> None:
        for wrong in ("text", "[]"):
            problems = self.problems(
                BACKEND.replace("{openai: {authToken: {kind: Passthrough}, model: m}}", f"{{openai: {wrong}}}") + ROUTE
            )
            self.assertTrue(
                any("spec.ai.llm.openai" in str(one) and "mapping" in str(one) for one in problems), problems
            )

    def test_resources_with_nothing_in_them(self) -> None:
        """They are said, too."""
        empty = "apiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {name: p}\n"
        notes = [str(note) for note in self.imported(BACKEND + ROUTE + empty).notes]
        self.assertTrue(any("AgentgatewayPolicy p: has nothing in it" in note for note in notes), notes)

    def test_agentgateways_policies(self) -> None:
        """The provider's own before the resource's, before those of a policy for it."""
        groups = "{ai: {groups: [{providers: [{name: p, openai: {}%s}]}]}%s}"
        policy = """
            apiVersion: agentgateway.dev/v1alpha1
            kind: AgentgatewayPolicy
            metadata: {name: q}
            spec: {targetRefs: [{kind: AgentgatewayBackend, name: b}], backend: {auth: {key: $OUTER}}}
        """
        import textwrap

        inner, outer = ", policies: {auth: {key: $INNER}}", ", policies: {auth: {key: $MIDDLE}}"
        for spec, secret in (
            (groups % (inner, outer), "inner"),
            (groups % ("", outer), "middle"),
            (groups % ("", ""), "outer"),
        ):
            text = agentgateway(spec) + TO_AGENTGATEWAY + textwrap.dedent(policy)
            self.assertEqual(self.tables(text)["backends"]["b"]["auth"], {"secret": secret})

    def test_body_fields(self) -> None:
        spec = (
            "{ai: {provider: {openai: {}}}, policies: {auth: {passthrough: {}}, ai: {defaults: [{field: max_tokens, value: 5}],"
            " overrides: [{field: model, value: m2}, {field: seed, value: 1}]}}}"
        )
        found = self.tables(agentgateway(spec) + TO_AGENTGATEWAY)["backends"]["b"]
        self.assertEqual(
            (found["defaults"], found["overrides"], found["model"]), ({"max_tokens": 5}, {"seed": 1}, "m2")
        )

    def test_priorities(self) -> None:
        spec = "{ai: {groups: [{providers: [{name: p1, openai: {}}, {name: p2, anthropic: {}}]}, {providers: [{name: p3, gemini: {}}]}]}}"
        tables = self.tables(agentgateway(spec) + TO_AGENTGATEWAY)
        self.assertEqual(
            tables["models"]["b"]["targets"], [{"backend": "p1"}, {"backend": "p2"}, {"backend": "p3", "priority": 1}]
        )
        self.assertEqual(tables["routes"]["r"]["model"], "b")

    def test_replaced_resources(self) -> None:
        """Of two with one name the later one counts, as ``kubectl apply`` has it; both in other places are two."""
        twice = BACKEND + BACKEND.replace("model: m", "model: later") + ROUTE
        self.assertEqual(self.tables(twice)["backends"]["b"]["model"], "later")
        self.warned(twice, "Backend b", "is replaced by the one further down")

    def test_lists(self) -> None:
        import textwrap

        items = "".join(
            textwrap.indent(f"- {part.strip()}".replace("\n", "\n  "), "  ") + "\n"
            for part in (BACKEND + ROUTE).split("---")
            if part.strip()
        )
        text = f"apiVersion: v1\nkind: List\nmetadata: {{}}\nitems:\n{items}"
        self.assertEqual(self.tables(text), self.tables(BACKEND + ROUTE))

    def test_versions(self) -> None:
        problem = self.problems(BACKEND.replace("v1alpha1", "v9") + ROUTE)[0]
        self.assertEqual((problem.line, problem.key), (2, "Backend b: apiVersion"))


class RouteTests(ImportTestCase):
    """HTTPRoutes."""

    def routes(self, rules: str, more: str = "") -> Any:
        reference = "backendRefs: [{name: b, kind: Backend}]"
        rule = "  - matches: [{path: {type: PathPrefix, value: /x}}]\n    backendRefs: [{name: b, kind: Backend, group: gateway.kgateway.dev}]\n"
        return self.tables(BACKEND + ROUTE.replace(rule, rules.replace("REF", reference)) + more)["routes"]

    def test_paths(self) -> None:
        for match, path in (
            ("{type: PathPrefix, value: /a/b}", "/a/b"),
            ("{value: /a}", "/a"),
            ("{type: Exact, value: /a}", "=/a"),
            ("{type: RegularExpression, value: '/a/[0-9]+'}", "~(?:/a/[0-9]+)$"),
        ):
            found = self.routes(f"  - {{matches: [{{path: {match}}}], REF}}\n")
            self.assertEqual(found["r"]["paths"], [path])
        self.assertEqual(self.routes("  - {REF}\n")["r"]["paths"], ["/"])

    def test_matches_that_differ_in_more_than_paths(self) -> None:
        found = self.routes(
            "  - {matches: [{path: {value: /a}}, {path: {value: /b}}, {path: {value: /a}, method: POST,"
            " headers: [{name: x-t, value: v}]}], REF}\n"
        )
        self.assertEqual([found["r"]["paths"], found["r-2"]["paths"]], [["/a", "/b"], ["/a"]])
        self.assertEqual((found["r-2"]["methods"], found["r-2"]["headers"]), (["POST"], {"x-t": ["v"]}))

    def test_rewrites(self) -> None:
        """An LLM backend asks for its provider's own path unless the filter names an operation's."""
        rewrite = "{type: URLRewrite, urlRewrite: {path: {type: %s, %s: %s}}}"
        for kind, key, value, wanted in (
            (
                "ReplaceFullPath",
                "replaceFullPath",
                "/v1/chat/completions",
                ({"full_path": "/v1/chat/completions"}, None),
            ),
            ("ReplaceFullPath", "replaceFullPath", "/v1/embeddings", ({"full_path": "/v1/embeddings"}, None)),
            (
                "ReplacePrefixMatch",
                "replacePrefixMatch",
                "/v1/chat/completions",
                ({"prefix": "/v1/chat/completions"}, "chat"),
            ),
            ("ReplacePrefixMatch", "replacePrefixMatch", "/", (None, "chat")),
        ):
            rule = f"  - {{matches: [{{path: {{value: /x}}}}], filters: [{rewrite % (kind, key, value)}], REF}}\n"
            found = self.routes(rule)["r"]
            self.assertEqual((found.get("rewrite"), found.get("operation")), wanted, (kind, value))

    def test_rewrite_without_effect(self) -> None:
        """It is said where it stands."""
        rewrite = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}"
        rule = f"  - {{filters: [{rewrite}], backendRefs: [{{name: b, kind: Backend}}]}}\n"
        imported = self.imported(BACKEND + ROUTE[: ROUTE.index("  - matches")] + rule)
        (note,) = [each for each in imported.notes if "own path for the operation" in each.message]
        self.assertTrue(note.key.endswith("filters[0].urlRewrite.path"), note)

    def test_path_that_no_route_asks_for(self) -> None:
        """A backend's own, where the routes that lead to it cannot have it."""
        backend = agentgateway("{ai: {provider: {path: /p, host: llm, port: 443, openai: {}}}}")
        second = BACKEND.replace("name: b", "name: c")
        references = "[{name: b, kind: AgentgatewayBackend}, {name: c, kind: Backend}]"
        alone = "  - backendRefs: [{name: c, kind: Backend}]\n"
        both = f"  - matches: [{{path: {{value: /y}}}}]\n    backendRefs: {references}\n"
        text = backend + second + ROUTE[: ROUTE.index("  - matches")] + alone + both
        (warning,) = [each for each in self.imported(text).warnings if "asks for it" in each.message]
        self.assertTrue(warning.key.endswith("ai.provider.path"), warning)

    def test_two_rewrites(self) -> None:
        """Which of them counts is nobody's to say."""
        rewrite = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}"
        rule = f"  - {{matches: [{{path: {{value: /x}}}}], filters: [{rewrite}, {rewrite}], REF}}\n"
        text = (
            BACKEND
            + ROUTE[: ROUTE.index("  - matches")]
            + rule.replace("REF", "backendRefs: [{name: b, kind: Backend}]")
        )
        problems = self.problems(text)
        self.assertTrue(any("filters[1]: rewrites" in str(problem) for problem in problems), problems)

    def test_operations_by_path(self) -> None:
        found = self.routes("  - {matches: [{path: {value: /v1/embeddings}}], REF}\n")
        self.assertNotIn("operation", found["r"])

    def operations(self, routes: str, route: str = TO_AGENTGATEWAY) -> Any:
        policies = f"policies: {{auth: {{passthrough: {{}}}}, ai: {{routes: {routes}}}}}"
        return self.tables(agentgateway(f"{{ai: {{provider: {{openai: {{}}}}}}, {policies}}}") + route)["routes"]

    def test_all_that_is_not_told_is_chat(self) -> None:
        """Unless ``*`` says otherwise; what is told gets a route with the ends of the paths."""
        (only,) = self.operations("{/v1/chat/completions: Completions}").values()
        self.assertEqual((only["paths"], only["operation"]), (["/x"], "chat"))
        for star in ("", ", '*': Completions"):
            rest, told = self.operations(f"{{/v1/responses: Responses, /v1/models: Passthrough{star}}}").values()
            self.assertEqual((rest["paths"], rest["operation"]), (["/x"], "chat"))
            self.assertEqual(told["paths"], ["~/x(?:/.*)?(?:/v1/responses|/v1/models)$"])
            self.assertNotIn("operation", told)
        (other,) = self.operations("{'*': Messages}").values()
        self.assertEqual(other["operation"], "messages")
        (passed,) = self.operations("{/v1/chat/completions: Completions, '*': Passthrough}").values()
        self.assertNotIn("operation", passed)

    def test_paths_of_what_is_told(self) -> None:
        """An exact path is one operation or the other."""
        route = TO_AGENTGATEWAY.replace(
            "[{path: {type: PathPrefix, value: /x}}]",
            "[{path: {type: Exact, value: /x}}, {path: {type: Exact, value: /x/v1/models}}]",
        )
        rest, told = self.operations("{/v1/models: Models}", route).values()
        self.assertEqual((rest["paths"], rest["operation"]), (["=/x"], "chat"))
        self.assertEqual(told["paths"], ["=/x/v1/models"])
        rewrite = (
            "    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]"
        )
        route = TO_AGENTGATEWAY.replace("    backendRefs", f"{rewrite}\n    backendRefs")
        for each in self.operations("{/v1/models: Models}", route).values():
            self.assertNotIn("rewrite", each)

    def test_operations_that_paths_do_not_tell(self) -> None:
        policies = (
            "policies: {auth: {passthrough: {}}, ai: {routes: {/talk: Realtime, /v1/models: Messages, '*': Rerank}}}"
        )
        text = agentgateway(f"{{ai: {{provider: {{openai: {{}}}}}}, {policies}}}") + TO_AGENTGATEWAY
        warning = self.warned(text, "not imported", "ends of paths")
        for end in ("/talk", "/v1/models", "*"):
            self.assertIn(f"spec.policies.ai.routes.{end}", str(warning))

    def test_pools_that_differ_in_operations(self) -> None:
        """They are as with the first."""
        spec = "{ai: {provider: {openai: {}}}, policies: {auth: {passthrough: {}}, ai: {routes: {'*': %s}}}}"
        text = agentgateway(spec % "Passthrough") + agentgateway(spec % "Messages").replace("name: b", "name: c")
        reference = "{name: b, kind: AgentgatewayBackend}"
        route = TO_AGENTGATEWAY.replace(reference, f"{reference}, {reference.replace('name: b', 'name: c')}")
        self.warned(text + route, "as with the first")

    def test_headers(self) -> None:
        """They are a backend's here; one that other routes want without gets a twin."""
        edit = (
            "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: '1'}], add: [{name: x-b, value: '2'}],"
            " remove: [x-c]}}"
        )
        rules = f"  - {{matches: [{{path: {{value: /a}}}}], REF}}\n  - {{matches: [{{path: {{value: /b}}}}], filters: [{edit}], REF}}\n"
        reference = "backendRefs: [{name: b, kind: Backend}]"
        rule = "  - matches: [{path: {type: PathPrefix, value: /x}}]\n    backendRefs: [{name: b, kind: Backend, group: gateway.kgateway.dev}]\n"
        tables = self.tables(BACKEND + ROUTE.replace(rule, rules.replace("REF", reference)))
        self.assertEqual(tables["backends"]["b-2"]["headers"], {"set": {"x-a": "1", "x-b": "2"}, "remove": ["x-c"]})
        self.assertEqual((tables["routes"]["r"]["backend"], tables["routes"]["r-2"]["backend"]), ("b", "b-2"))

    def test_weights(self) -> None:
        other = BACKEND.replace("name: b,", "name: c,")
        found = self.tables(
            BACKEND
            + other
            + ROUTE.replace(
                "[{name: b, kind: Backend, group: gateway.kgateway.dev}]",
                "[{name: b, kind: Backend, weight: 90}, {name: c, kind: Backend, weight: 10}]",
            )
        )
        self.assertEqual(
            found["models"]["r"]["targets"], [{"backend": "b", "weight": 90}, {"backend": "c", "weight": 10}]
        )
        self.assertEqual(found["routes"]["r"]["model"], "r")

    def test_timeouts(self) -> None:
        for duration, wanted in (("10s", "10s"), ("1m30s", "90s"), ("500ms", "500ms"), ("1h", "3600s")):
            found = self.routes(f"  - {{timeouts: {{request: {duration}}}, REF}}\n")
            self.assertEqual(found["r"]["timeouts"], {"total": wanted})

    def test_rules_that_cannot_be_had(self) -> None:
        """Left out whole, with the place; the others stay."""
        for rule in (
            "{matches: [{path: {value: /b}, queryParams: [{name: a, value: b}]}], REF}",
            "{matches: [{path: {value: /b}, headers: [{type: RegularExpression, name: a, value: b}]}], REF}",
            "{matches: [{path: {value: /b}}], backendRefs: [{name: web, port: 80}]}",
            "{matches: [{path: {value: /b}}], filters: [{type: RequestRedirect, requestRedirect: {hostname: h}}]}",
        ):
            rules = f"  - {{matches: [{{path: {{value: /a}}}}], REF}}\n  - {rule}\n"
            found = self.routes(rules)
            self.assertEqual([route["paths"] for route in found.values()], [["/a"]], rule)

    def test_references_to_nothing(self) -> None:
        problem = self.problem(ROUTE)
        self.assertEqual((problem.line, problem.key), (9, "HTTPRoute r: spec.rules[0].backendRefs[0]"))
        self.assertIn("names no Backend", problem.message)
        problem = self.problem(BACKEND.replace("namespace: n", "namespace: elsewhere") + ROUTE)
        self.assertIn("names no Backend", problem.message)

    def test_gateways(self) -> None:
        gateway = """
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: x
  listeners: [{name: http, port: 8080, protocol: HTTP}, {name: https, port: 8443, protocol: HTTPS}]
"""
        text = BACKEND + ROUTE + gateway
        self.assertEqual(self.tables(text)["server"], {"listen": ["tcp:8080"]})
        self.warned(text, "Gateway gw", "spec.listeners[1]", "PEM files")
        for wrong, words in (
            ("port: 80800", "from 1 to 65535"),
            ("port: 80.5", "from 1 to 65535"),
            ("port: [80]", "must be a number"),
        ):
            problem = self.problem(text.replace("port: 8080", wrong))
            self.assertIn("Gateway gw: spec.listeners[0].port", problem.key)
            self.assertIn(words, problem.message)
        problem = self.problem(text.replace("{name: http, port: 8080, protocol: HTTP}", "http"))
        self.assertIn("must be a mapping", problem.message)


class AccessTests(ImportTestCase):
    """Who may come in."""

    KEYS = """
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: n, labels: {team: ml}}
stringData: {alice: sk-alice, bob: '{"key": "sk-bob", "metadata": {}}'}
"""

    def policy(self, traffic: str, target: str = "{kind: Gateway, name: gw}") -> str:
        return (
            "---\napiVersion: agentgateway.dev/v1alpha1\nkind: AgentgatewayPolicy\nmetadata: {name: p, namespace: n}\n"
            f"spec: {{targetRefs: [{target}], traffic: {traffic}}}\n"
        )

    def test_open_routes_are_said(self) -> None:
        self.assertEqual(self.tables(BACKEND + ROUTE)["routes"]["r"]["auth"], "none")
        self.warned(BACKEND + ROUTE, "HTTPRoute r", 'auth = "none"')

    def test_api_keys_become_consumers(self) -> None:
        """By their digests: a Secret's values are in no output."""
        for where in ("secretRef: {name: keys}", "secretSelector: {matchLabels: {team: ml}}"):
            for target in ("{kind: Gateway, name: gw}", "{kind: HTTPRoute, name: r}"):
                policy = self.policy(f"{{apiKeyAuthentication: {{mode: Strict, {where}}}}}", target)
                imported = self.imported(BACKEND + ROUTE + policy + self.KEYS)
                tables = self.tables(BACKEND + ROUTE + policy + self.KEYS)
                self.assertNotIn("auth", tables["routes"]["r"])
                for name in ("alice", "bob"):
                    digest = hashlib.sha256(f"sk-{name}".encode()).hexdigest()
                    self.assertEqual(tables["consumers"][name], {"keys": [f"sha256:{digest}"]})
                self.assertNotIn("sk-alice", imported.text)

    def test_any_other_way_leaves_the_route_closed(self) -> None:
        for traffic in (
            "{jwtAuthentication: {mode: Strict}}",
            "{extAuth: {backendRef: {name: x}}}",
            "{authorization: {a: b}}",
        ):
            imported = self.imported(BACKEND + ROUTE + self.policy(traffic))
            self.assertNotIn('auth = "none"', imported.text, traffic)
            self.assertIn("stays closed", str(imported.warnings), traffic)

    def test_policies_about_something_else_close_nothing(self) -> None:
        text = BACKEND + ROUTE + self.policy("{rateLimit: {local: [{requests: 1}]}}")
        self.assertEqual(self.tables(text)["routes"]["r"]["auth"], "none")
        self.warned(text, "AgentgatewayPolicy p", "not imported")
        elsewhere = BACKEND + ROUTE + self.policy("{jwtAuthentication: {a: b}}", "{kind: HTTPRoute, name: other}")
        self.assertEqual(self.tables(elsewhere)["routes"]["r"]["auth"], "none")
