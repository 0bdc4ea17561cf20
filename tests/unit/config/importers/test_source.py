"""Configuration in pages and in shell commands, in its place."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.config.errors import ConfigError
from aigw.config.importers.source import read

RESOURCE = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n"


class SourceTestCase(unittest.TestCase):
    """Tests that read texts."""

    def unread(self, text: str) -> list[tuple[int, str]]:
        """Line and reason of what could not be read."""
        return [(part.problem.line, part.problem.message) for part in read("f", text).unread]

    def found(self, text: str) -> list[tuple[int, object]]:
        """Line and value of the first key of each document."""
        documents = read("f", text).documents
        return [(document.line, document.children()[0].content) for document in documents]


class SourceTests(SourceTestCase):
    """What :func:`read` finds."""

    def test_yaml(self) -> None:
        self.assertEqual(self.found("a: 1\n---\nb: 2\n"), [(1, "1"), (3, "2")])

    def test_byte_order_mark_and_windows_lines(self) -> None:
        self.assertEqual(self.found("\ufeffa: 1\r\n---\r\nb: 2\r\n"), [(1, "1"), (3, "2")])

    def test_fences(self) -> None:
        """Of those, the ones that look like configuration."""
        text = "# Page\n\n```yaml\nkind: A\n```\n\n- item:\n\n  ~~~\n  kind: B\n  c: 1\n  ~~~\n\n```json\n{}\n```\n```\ncurl x\n```\n"
        self.assertEqual(self.found(text), [(4, "A"), (10, "B")])

    def test_a_fence_that_never_ends(self) -> None:
        self.assertEqual(self.found("```yaml\nkind: A\n"), [(2, "A")])

    def test_kongs_blocks(self) -> None:
        text = (
            "---\ntitle: x\nentities:\n  - service\n---\n\nprose: yes\n\n{% entity_examples %}\nkind: A\n"
            "{% endentity_examples %}\n\n{% validation %}\nkind: no\n{% endvalidation %}\n"
        )
        self.assertEqual(self.found(text), [(10, "A")])

    def test_here_documents(self) -> None:
        text = (
            "set -e\nkubectl apply -f- <<EOF\nkind: A\n---\nkind: B\nEOF\ncat > x.yaml << 'END'\nkind: C\nEND\n"
            'cat <<EOF > x.py\nkind: int = 3\nEOF\ncat <<-"EOF" | kubectl apply -f -\n\tkind: D\n\tEOF\n'
        )
        self.assertEqual(self.found(text), [(3, "A"), (5, "B"), (8, "C"), (14, "D")])

    def test_merge_keys_are_no_here_documents(self) -> None:
        self.assertEqual(self.found("kind: &A x\nb:\n  <<: {c: 1}\n"), [(1, "x")])

    def test_echo(self) -> None:
        """As Kong's pages show it for decK."""
        text = 'echo \'\n_format_version: "3.0"\nplugins:\n- name: "x"\n\' | deck gateway apply -\n'
        self.assertEqual(self.found(text), [(2, "3.0")])

    def test_escapes(self) -> None:
        """In a here-document whose word has no quotes, and in double quotes, as the shell has it."""
        for text, value in (
            ("kubectl apply -f - <<EOF\nkind: a\\$b\nEOF\n", "a$b"),
            ("kubectl apply -f - <<'EOF'\nkind: a\\$b\nEOF\n", "a\\$b"),
            ('echo "\nkind: a\\$b\\"\n" | x\n', 'a$b"'),
        ):
            ((_, found),) = self.found(text)
            self.assertEqual(found, value, text)

    def test_assignments(self) -> None:
        """A script that keeps its YAML in variables, to show it and to apply it."""
        text = (
            'set -e\nROUTE_YAML="apiVersion: a\nb: \\"c\\"\nd: $E"\n\nshow "$ROUTE_YAML"\n'
            'echo "$ROUTE_YAML" | kubectl apply -f -\nexport B=\'apiVersion: f\ng: h\'\nNAME="x"\n'
            "kubectl apply -f - <<EOF\nkind: K\nEOF\n"
        )
        self.assertEqual(self.found(text), [(2, "a"), (8, "f"), (12, "K")])

    def test_shortcodes(self) -> None:
        """What a site's generator would fill in; decK's variables stay."""
        text = (
            'kind: {{< reuse "docs/snippets/backend.md" >}}\nb: {{% reuse "x/own-name.md" %}}\nc: "{{site.base_gateway}}"\n'
            'd: ${{ env "DECK_X" }}\n'
        )
        (document,) = read("f", text).documents
        values = [child.content for child in document.children()]
        self.assertEqual(values, ["AgentgatewayBackend", "own-name", "site.base_gateway", '${{ env "DECK_X" }}'])

    def test_secrets_on_the_command_line(self) -> None:
        for text in (
            'kubectl create secret generic s -n ns --from-literal="Authorization=Bearer $X" --dry-run=client\n',
            "kubectl create secret generic s -n ns \\\n  --from-literal='Authorization=Bearer $X' \\\n  -oyaml\n",
            "kubectl --context c create secret generic s --from-literal=Authorization=$X -n ns\n",
            'Make it. kubectl create secret generic s -n ns \\ --from-literal="Authorization=Bearer $X" \\ --dry-run\n',
        ):
            (command,) = read("f", "```\n" + text + "```\n").secrets
            self.assertEqual((command.name, command.line, command.values["Authorization"][-2:]), ("s", 2, "$X"), text)

    def test_exports(self) -> None:
        self.assertEqual(read("f", "```\nexport A=1\n  export B_C='x'\n```\n").exports, ["A", "B_C"])

    def test_lost_line_breaks(self) -> None:
        """The only thing to do is to say so."""
        for text in (
            "x\nkubectl apply -f- <<EOF apiVersion: v1 kind: Secret metadata: name: s EOF\n",
            "x\napiVersion: v1 kind: Secret metadata: name: s\n",
            'x\nfoo <<EOF _format_version: "3.0" services: - name: s EOF bar\n',
        ):
            error = self.assertRaises(ConfigError, read, "f", text)
            (problem,) = error.problems
            self.assertEqual((problem.line, "line breaks" in problem.message), (2, True), text)

    def test_faults_have_the_lines_of_the_page(self) -> None:
        error = self.assertRaises(
            ConfigError, read, "f", "# A\n\n```yaml\nkind: [\n```\n\n```yaml\nkind: A\nkind: B\n```\n"
        )
        self.assertEqual([problem.line for problem in error.problems], [4, 9])


class PageTests(SourceTestCase):
    """Pages that are not as they should be: what is YAML is read, the rest is named."""

    def test_a_here_document_that_its_fence_ends(self) -> None:
        text = "```bash\nkubectl apply -f - <<'EOF'\nkind: A\n```\n\nWords: more words.\n\n```\nkind: B\n```\n"
        self.assertEqual((self.found(text), self.unread(text)), ([(3, "A"), (9, "B")], []))

    def test_a_here_document_that_the_next_one_ends(self) -> None:
        """A last line further down is the next one's, whatever its word."""
        for word in ("EOF", "END"):
            text = f"kubectl apply -f - <<EOF\nkind: A\nkubectl apply -f - <<{word}\nkind: B\n{word}\n"
            self.assertEqual(self.found(text), [(2, "A"), (4, "B")], word)

    def test_a_fence_that_the_next_one_ends(self) -> None:
        """A line with an info string ends no fence in CommonMark; here it shows that the end was forgotten."""
        self.assertEqual(self.found("```yaml\nkind: A\n\n```yaml\nkind: B\n```\n"), [(2, "A"), (5, "B")])
        self.assertEqual(self.found("````yaml\nkind: A\nb: |\n  ```yaml\n  kind: B\n````\n"), [(2, "A")])

    def test_quoted_fences(self) -> None:
        self.assertEqual(self.found("> ```yaml\n> kind: A\n> b:\n>   - c\n> ```\n"), [(2, "A")])

    def test_drawings(self) -> None:
        text = "```\n   kind: drawing\n +----+\n | a: b |\n +----+\n```\n\n```yaml\nkind: A\n```\n"
        self.assertEqual(self.found(text), [(9, "A")])
        self.assertEqual([line for line, _ in self.unread(text)], [3])

    def test_one_document_of_several(self) -> None:
        text = "kubectl apply -f - <<EOF\nkind: A\n---\nkind: [\n---\nkind: B\nEOF\n"
        self.assertEqual((self.found(text), self.unread(text)[0][0]), ([(2, "A"), (6, "B")], 5))

    def test_one_flattened_part_of_several(self) -> None:
        text = "```yaml\nkind: A\n```\n\nkubectl apply -f- <<EOF apiVersion: v1 kind: Secret metadata: name: s EOF\n"
        self.assertEqual((self.found(text), self.unread(text)[0][0]), ([(2, "A")], 5))

    def test_files_are_read_whole(self) -> None:
        """What is in the strings of a file that is YAML is a string, not a page."""
        text = (
            "# ```\n---\napiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    cat <<EOF > x.yaml\n    kind: no\n    EOF\n"
            "  b: |\n    ```yaml\n    kind: no\n    ```\n"
        )
        self.assertEqual(self.found(text), [(3, "v1")])
        self.assertRaises(ConfigError, read, "f", "kind: A\n---\nkind: [\n")

    def test_front_matter_is_no_file(self) -> None:
        text = "---\nkind: page\n---\n\n```yaml\nkind: A\n```\n"
        self.assertEqual(self.found(text), [(6, "A")])

    def test_what_may_be_about_access_is_known(self) -> None:
        """Nobody knows what a part says that cannot be read; it may be what closes a route."""
        for broken, about in (
            ("kind: TrafficPolicy\na: [", True),
            ("kind: AuthConfig\na: [", True),
            ("plugins:\n- name: key-auth\n  a: [", True),
            ("kind: AgentgatewayBackend\nauth: [", False),
        ):
            source = read("f", f"```yaml\nkind: A\n```\n```yaml\n{broken}\n```\n")
            self.assertEqual([part.about_access for part in source.unread], [about], broken)


class VariableTests(SourceTestCase):
    """What stands for more than a value."""

    def test_whole_lines_are_named(self) -> None:
        """Variables and commands of the shell; not what would be in their place without one."""
        for line, name in (
            ("$EXTRA", "$EXTRA"),
            ("${EXTRA:-sk-1}", "$EXTRA"),
            ("- ${EXTRA}", "$EXTRA"),
            ("$(cat secret.txt)", "$(…)"),
        ):
            for text in ("kind: A\nspec:\n  {}\n\n  # more\n  b: c\n", "kind: A\nspec:\n  b: c\n  {}\n  d: e\n"):
                (problem,) = self.assertRaises(ConfigError, read, "f", text.format(line)).problems
                self.assertIn(f"{name} stands for lines that are not in the file", problem.message, line)
                self.assertNotIn("s" + "k-1", problem.message)
                self.assertEqual(problem.line, text.split("\n").index("  {}") + 1, line)

    def test_templates(self) -> None:
        text = "kind: A\nspec:\n  {{- if .Values.x }}\n  b: c\n  {{- end }}\n"
        (problem,) = self.assertRaises(ConfigError, read, "f", text).problems
        self.assertIn("has to be rendered first", problem.message)
