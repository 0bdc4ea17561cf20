"""Credentials taken apart: references stay references, literals are kept out of sight."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.config.importers.credentials import Credential, env_name, secret, understand
from aigw.config.importers.draft import Draft


class UnderstandTests(unittest.TestCase):
    """What a text means."""

    def test_references(self) -> None:
        for text, env, bearer in (
            ('${{ env "DECK_KEY" }}', "DECK_KEY", False),
            ('Bearer ${{ env "DECK_KEY" }}', "DECK_KEY", True),
            ("bearer  $KEY", "KEY", True),
            ("${KEY}", "KEY", False),
            ("${my_key}", "MY_KEY", False),
            ("{vault://env/openai-key}", "OPENAI_KEY", False),
        ):
            self.assertEqual(understand(text, "USUAL"), Credential(env, "", bearer), text)

    def test_variables_of_a_page(self) -> None:
        variables = {"a": "$A_KEY", "b": "Bearer ${a}", "c": "sk-1", "loop": "${loop}"}
        self.assertEqual(understand("Bearer ${a}", "", variables), Credential("A_KEY", "", True))
        self.assertEqual(understand("${b}", "", variables), Credential("A_KEY", "", True))
        self.assertEqual(understand("${c}", "", variables), Credential("", "sk-1"))
        self.assertEqual(understand("${loop}", "", variables).env, "LOOP")

    def test_nothing_there(self) -> None:
        """Placeholders are for the reader to fill in."""
        for text in (
            "",
            "Bearer",
            "Bearer ",
            "<your-key>",
            "Bearer <OPENAI_KEY>",
            "[key]",
            "YOUR_API_KEY",
            "your-key",
            "...",
        ):
            found = understand(text, "USUAL")
            self.assertEqual((found.env, found.literal, "$USUAL" in found.said), ("USUAL", "", True), text)

    def test_vaults(self) -> None:
        found = understand("{vault://hcv/llm/openai-key}", "USUAL")
        self.assertEqual(found.env, "LLM_OPENAI_KEY")
        self.assertIn("vault hcv", found.said)

    def test_put_together_from_parts(self) -> None:
        found = understand('Bearer ${{ env "DECK_A" }}-${{ env "DECK_B" }}', "USUAL")
        self.assertEqual((found.env, found.literal, "parts" in found.said), ("DECK_A_DECK_B", "", True))

    def test_literals_are_not_shown(self) -> None:
        found = understand("Bearer sk-secret", "USUAL")
        self.assertEqual((found.literal, found.bearer), ("sk-secret", True))
        self.assertNotIn("sk-secret", repr(found))

    def test_names_of_variables(self) -> None:
        self.assertEqual(
            [env_name(text) for text in ("openai-secret", "a.b c", "1x")], ["OPENAI_SECRET", "A_B_C", "_1X"]
        )


class SecretTests(unittest.TestCase):
    """Entries of ``[secrets]``."""

    def test_names_that_people_would_give(self) -> None:
        draft = Draft()
        names = [
            secret(draft, env) for env in ("DECK_OPENAI_API_KEY", "OPENAI_KEY", "MISTRAL_TOKEN", "DECK_OPENAI_API_KEY")
        ]
        self.assertEqual(names, ["openai", "openai-2", "mistral", "openai"])
        self.assertEqual(
            [entry.values["env"] for entry in draft.section("secrets")][:2], ["DECK_OPENAI_API_KEY", "OPENAI_KEY"]
        )
