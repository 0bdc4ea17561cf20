"""Recognising formats, refusing what is none, writing what people would write."""

from __future__ import annotations

import tomllib
from typing import Any

from twisted.trial import unittest

from aigw.config.importers import import_texts
from aigw.config.importers.draft import Draft
from aigw.config.importers.upstreams import KINDS
from aigw.config.importers.write import document
from aigw.config.tables import Tables
from aigw.llm.providers import PROVIDERS
from tests.unit.config.importers.imports import SERVICE, ImportTestCase
from tests.unit.config.importers.test_kubernetes import BACKEND, ROUTE


class FormatTests(ImportTestCase):
    """Whose configuration it is, by its content."""

    def test_both_in_one_go(self) -> None:
        tables = self.tables(SERVICE, BACKEND + ROUTE)
        self.assertEqual(sorted(tables["routes"]), ["r", "r-2"])

    def test_something_else(self) -> None:
        for text, words in (
            ("model_list: [{model_name: a}]", "LiteLLM"),
            ("binds: [{port: 3000}]", "agentgateway's own configuration file"),
            ("a: 1", "neither Kong's configuration nor a Kubernetes resource"),
            ("- a\n- b", "neither Kong's configuration nor a Kubernetes resource"),
            ("just words", "neither Kong's configuration nor a Kubernetes resource"),
        ):
            problem = self.problem(text)
            self.assertEqual(problem.line, 1, text)
            self.assertIn(words, problem.message)
        problem = self.problem(SERVICE, "image: {tag: latest}")
        self.assertEqual((problem.file, problem.line), ("2.yaml", 1))
        self.assertIn("import the others without it", problem.message)
        for empty in ("", "# nothing\n", "# A page\n\n```sh\ncurl x\n```\n"):
            self.assertIn("no configuration in it", self.problem(empty).message)

    def test_every_fault_at_once(self) -> None:
        problems = self.problems("_format_version: '9'", "a: [", SERVICE)
        self.assertEqual([one.file for one in problems], ["2.yaml"])  # what cannot be read comes first
        problems = self.problems("_format_version: '9'", SERVICE.replace("name: r,", "name: r, service: nix,"), "x: 1")
        self.assertEqual([one.file for one in problems], ["1.yaml", "3.yaml"])

    def test_nothing_of_use(self) -> None:
        problems = self.problems("_format_version: '3.0'\nconsumers: [{username: c}]")
        self.assertIn("nothing that aigw could serve", problems[0].message)


class ConfigMapTests(ImportTestCase):
    """Kong without a database, in a cluster: its configuration is a string of a ConfigMap."""

    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kong}\ndata:\n  other: x\n  kong.yml: |\n"
    text += "".join(f"    {line}\n" for line in SERVICE.strip().splitlines())

    def test_it_is_read(self) -> None:
        self.assertEqual(self.tables(self.text), self.tables(SERVICE))
        self.warned(self.text, "1.yaml:17: route r: nobody is asked for a key")
        said = [one.key for one in self.imported(self.text).notes if "in it is read" in one.message]
        self.assertEqual(said, ["ConfigMap kong"])

    def test_beside_other_resources(self) -> None:
        self.assertEqual(sorted(self.tables(self.text + "---\n" + BACKEND + ROUTE)["routes"]), ["r", "r-2"])

    def test_faults_have_the_lines_of_the_file(self) -> None:
        problem = self.problem(self.text + "    services: []\n")
        self.assertEqual((problem.line, problem.message), (18, "is there twice"))

    def test_another_configmap(self) -> None:
        """It is named as anything else that there is nothing like here."""
        text = BACKEND + ROUTE + "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: 'b: c'}\n"
        self.warned(text, "ConfigMap m: not imported", "nothing like it")


class PageTests(ImportTestCase):
    """Pages that have more in them than what is imported."""

    def page(self, *blocks: str) -> str:
        return "".join(f"# Block\n\n```yaml\n{block.strip()}\n```\n\n" for block in blocks)

    def test_what_is_no_configuration_is_named(self) -> None:
        """A file of something else is a mistake, a block of a page is not."""
        others = "services:\n  web: {image: x, environment: [KEY=sk-1]}", "kind: drawing\n | a: b |"
        imported = self.imported(self.page(*others, BACKEND + ROUTE))
        self.assertEqual(list(tomllib.loads(imported.text)["routes"]), ["r"])
        said = [str(one) for one in imported.warnings if "not imported" in one.message]
        self.assertEqual(len(said), 2, said)
        self.assertIn("1.yaml:4: not imported: is neither Kong's configuration", said[0])
        self.assertIn("1.yaml:12: not imported: not YAML: ", said[1])
        for one in said:
            self.assertIn(f"# {one.partition('not imported')[1]}: ", imported.text)
        self.assertNotIn("sk-1", imported.text)

    def test_a_page_without_anything_says_why(self) -> None:
        problem = self.problem(self.page("kind: drawing\n | a: b |"))
        self.assertIn("not YAML", problem.message)

    def test_routes_stay_closed_where_a_policy_may_be_among_what_cannot_be_read(self) -> None:
        """Kong's and the Kubernetes gateways'."""
        for good, broken in (
            (BACKEND + ROUTE, "kind: TrafficPolicy\nspec: ["),
            (SERVICE, "plugins:\n- name: key-auth\n  config: ["),
        ):
            open_, closed = self.tables(self.page(good)), self.tables(self.page(good, broken))
            self.assertEqual([each["routes"]["r"].get("auth") for each in (open_, closed)], ["none", None])
            self.warned(self.page(good, broken), "could not be read")


class ProviderTests(unittest.TestCase):
    """What is known of providers, held against the program."""

    def test_their_usual_places(self) -> None:
        for kind in KINDS.values():
            known = PROVIDERS[kind.provider]
            if known.available and known.default_url and kind.url:
                self.assertEqual(kind.url, known.default_url, kind)

    def test_their_usual_headers(self) -> None:
        """What is written as different from them must be different."""
        for kind in KINDS.values():
            known = PROVIDERS[kind.provider]
            if known.available and kind.provider not in ("bedrock", "echo"):
                self.assertEqual(
                    (kind.header, kind.prefix), (known.key_header.decode(), known.key_prefix.decode()), kind
                )


class WriterTests(unittest.TestCase):
    """The file."""

    def test_sections_and_keys_in_the_order_of_the_documentation(self) -> None:
        draft = Draft(server={"max_request_body": 5})
        draft.add("consumers", "c", {"groups": ["g"], "keys": ["k"]})
        draft.add("routes", "r", {"backend": "b", "paths": ["/"]})
        draft.add("backends", "b", {"auth": {"secret": "s"}, "provider": "openai"})
        draft.add("secrets", "s", {"env": "S"})
        text = document(draft, ["kong.yaml"])
        order = [line for line in text.splitlines() if line.startswith("[")]
        self.assertEqual(order, ["[server]", "[secrets]", "[backends.b]", "[routes.r]", "[consumers.c]"])
        self.assertLess(text.index("paths"), text.index("backend ="))
        self.assertLess(text.index("keys ="), text.index("groups ="))
        self.assertEqual(
            list(tomllib.loads(text)), [key for key in Tables.model_fields if key not in ("models", "auth")]
        )

    def test_names_and_values_that_need_quotes(self) -> None:
        draft = Draft()
        values: dict[str, Any] = {
            "keys": ['a"b', "c\\d"],
            "backends": {"x.y": {"overrides": {"a b": [1, {"c": True}]}}},
        }
        draft.add("consumers", "a.b", values)
        self.assertEqual(tomllib.loads(document(draft, ["f"]))["consumers"]["a.b"], values)

    def test_comments_stay_comments(self) -> None:
        """Whatever is in them."""
        draft = Draft()
        entry = draft.add("routes", "r", {"paths": ["/"]})
        entry.comments.append("evil\n[server]\nlisten = []\x00 " + "long words " * 30)
        entry.beside["paths"] = "also\nevil = 1"
        self.assertEqual(tomllib.loads(document(draft, ["a\nb"])), {"routes": {"r": {"paths": ["/"]}}})

    def test_long_arrays(self) -> None:
        draft = Draft()
        paths = [f"/a-rather-long-path/number-{number}" for number in range(9)]
        draft.add("routes", "r", {"paths": paths})
        text = document(draft, ["f"])
        self.assertEqual(tomllib.loads(text)["routes"]["r"]["paths"], paths)
        self.assertLess(max(map(len, text.splitlines())), 120)

    def test_hidden_in_comments(self) -> None:
        """Values of fields that may be credentials are not repeated."""
        text = "plugins: [{name: x, config: {client_secret: abc123, header_value: abc124, limit: 5}}]"
        imported = import_texts([("f", SERVICE), ("g", text)], {})
        self.assertIn("config.client_secret = ***", imported.text)
        self.assertIn("config.limit = 5", imported.text)
        self.assertNotIn("abc12", imported.text)
