"""Configuration in pages and in shell commands, in its place."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.config.errors import ConfigError
from aigw.config.importers.source import read

RESOURCE = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n"


class SourceTests(unittest.TestCase):
    """What :func:`read` finds."""

    def found(self, text: str) -> list[tuple[int, object]]:
        """Line and value of the first key of each document."""
        documents = read("f", text).documents
        return [(document.line, document.children()[0].content) for document in documents]

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
