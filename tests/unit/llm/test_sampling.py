"""Sampling that Claude does not take is left out, the client's as the configuration's."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.llm.body import Adjustments
from aigw.llm.operations import CHAT, MESSAGES, RESPONSES
from aigw.llm.pairing import pairing
from aigw.llm.providers import Place, provider
from aigw.llm.providers.anthropic.sampling import leave_out_sampling

NEWER = "2026-10-21"
NAMES = {"temperature": 0.5, "top_p": 0.5, "top_k": 5}


def made(operation: str, name: str, model: str, config: Adjustments, version: str | None = None, **fields: Any) -> Any:
    """A translation."""
    kind = provider(name)
    pair = pairing(operation, kind.at(kind, Place(None, "us-east-1", "p", None, version)), config, False)
    assert pair is not None
    asked = {"input": "q"} if operation == RESPONSES else {"messages": [{"role": "user", "content": "q"}]}
    return pair.translate({"model": model, **asked, **fields}, "a", 0.0)


def adjusting(how: str, **fields: Any) -> Adjustments:
    """A configuration's ``defaults`` or ``overrides``."""
    return Adjustments(fields, {}) if how == "defaults" else Adjustments({}, fields)


class TranslatedTests(unittest.TestCase):
    """Calls of other dialects."""

    def test_the_newer_version(self) -> None:
        """Has none: a client's values are left out, and named but for those that ask for nothing."""
        for operation in (CHAT, RESPONSES):
            for name, value in NAMES.items():
                nothing = adjusting("defaults")
                asked = (operation, "anthropic", "claude-sonnet-4-5", nothing, NEWER)
                translation = made(*asked, **{name: value})
                self.assertNotIn(name, translation.request.body)
                self.assertEqual(translation.left_out, (name,))
                self.assertEqual(made(*asked[:4], **{name: value}).request.body[name], value)
        quiet = made(CHAT, "anthropic", "claude-sonnet-4-5", adjusting("defaults"), NEWER, temperature=1, top_p=1)
        self.assertFalse(NAMES.keys() & quiet.request.body.keys())
        self.assertEqual(quiet.left_out, ())

    def test_the_configuration_s(self) -> None:
        """Is left out and named: no call fails for what its client cannot mend."""
        for how in ("defaults", "overrides"):
            for operation in (CHAT, RESPONSES):
                for model, version in (("claude-sonnet-4-5", NEWER), ("claude-opus-4-7", None)):
                    translation = made(operation, "anthropic", model, adjusting(how, **NAMES), version)
                    self.assertFalse(NAMES.keys() & translation.request.body.keys())
                    self.assertEqual(translation.left_out, ("temperature", "top_p", "top_k"))

    def test_elsewhere(self) -> None:
        """The same of Claude on Vertex AI and Bedrock, and of whatever else a provider has nothing like."""
        bedrock, vertex = "anthropic.claude-opus-4-7-v1:0", "claude-opus-4-7"
        for name, model, operation in (
            ("bedrock", bedrock, MESSAGES),
            ("bedrock", bedrock, CHAT),
            ("vertex", vertex, CHAT),
        ):
            translation = made(operation, name, model, adjusting("overrides", temperature=0.5))
            self.assertNotIn("0.5", repr(translation.request.body))
            self.assertEqual(translation.left_out, ("temperature",), (name, operation))
        translation = made(CHAT, "anthropic", "claude-sonnet-4-5", adjusting("defaults", seed=5, temperature=0.5))
        self.assertEqual(translation.left_out, ("seed",))
        self.assertEqual(translation.request.body["temperature"], 0.5)

    def test_other_fields(self) -> None:
        """Than options, too: an effort of a model that does not reason."""
        translation = made(CHAT, "anthropic", "claude-3-5-haiku-latest", adjusting("defaults", reasoning_effort="high"))
        self.assertEqual(translation.left_out, ("reasoning_effort",))
        self.assertNotIn("thinking", translation.request.body)

    def test_a_client_s_own(self) -> None:
        """Nor does a call fail for what its client sends with each: aider, ``temperature = 0``."""
        for name, model in (
            ("anthropic", "claude-sonnet-5-5"),
            ("bedrock", "anthropic.claude-opus-4-7-v1:0"),
            ("vertex", "claude-opus-4-7"),
        ):
            for operation in (CHAT, RESPONSES):
                translation = made(operation, name, model, adjusting("defaults"), temperature=0)
                self.assertNotIn("temperature", repr(translation.request.body), (name, operation))
                self.assertEqual(translation.left_out, ("temperature",), (name, operation))


class PassingTests(unittest.TestCase):
    """leave_out_sampling: bodies of Anthropic's own."""

    def left(self, sent: dict[str, Any], config: dict[str, Any], model: str, version: str | None) -> Any:
        """What is left of a body, and the names of what is not."""
        body = {**sent, **config}
        names = leave_out_sampling(body, sent, model, version)
        return body, names

    def test_versions(self) -> None:
        """From the newer one on; what is no date is no version of theirs."""
        for version, kept in (
            (NEWER, False),
            ("2027-01-01", False),
            ("2023-06-01", True),
            (None, True),
            ("vertex-2023", True),
        ):
            body, names = self.left({}, {"temperature": 0.5}, "claude-sonnet-4-5", version)
            self.assertEqual((body, names), ({"temperature": 0.5}, ()) if kept else ({}, ("temperature",)), version)

    def test_the_client_s_own(self) -> None:
        """Is between it and the provider, also where it is what the configuration says."""
        body, names = self.left({"temperature": 0.5}, {"temperature": 0.5}, "claude-opus-4-7", NEWER)
        self.assertEqual((body, names), ({"temperature": 0.5}, ()))

    def test_models(self) -> None:
        """By what each takes; others than Claude are not known."""
        self.assertEqual(self.left({}, {"top_k": 5}, "claude-opus-4-7", None), ({}, ("top_k",)))
        self.assertEqual(self.left({}, {"top_k": 5}, "claude-opus-4-5", None), ({"top_k": 5}, ()))
        self.assertEqual(self.left({}, {"top_k": 5}, "deepseek-chat", NEWER), ({"top_k": 5}, ()))
        both = self.left({"temperature": 0.5}, {"top_p": 0.9}, "claude-opus-4-5", None)
        self.assertEqual(both, ({"temperature": 0.5}, ("top_p",)))

    def test_while_it_thinks(self) -> None:
        """None, but what asks for nothing is not even worth a word."""
        sent = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        self.assertEqual(self.left(sent, {"temperature": 0.5}, "claude-opus-4-5", None), (sent, ("temperature",)))
        self.assertEqual(self.left(sent, {"temperature": 1.0}, "claude-opus-4-5", None), (sent, ()))
        self.assertEqual(self.left(sent, {"top_p": 0.97}, "claude-opus-4-5", None), ({**sent, "top_p": 0.97}, ()))

    def test_wrong_types(self) -> None:
        """Of a configuration or a client."""
        for wrong in ("x", [], {}, True):
            self.left({"thinking": wrong, "temperature": wrong}, {"top_p": wrong}, "claude-opus-4-5", None)
            self.left({"thinking": {"type": "enabled"}}, {"top_p": wrong}, "claude-opus-4-5", None)
