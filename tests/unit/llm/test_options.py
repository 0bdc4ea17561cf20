"""Options by table, adjusted by configuration, refused where nothing corresponds."""

from __future__ import annotations

from typing import Any

from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.adjusting import adjust_call, adjust_request
from aigw.llm.body import Adjustments
from aigw.llm.call import Call, ReasoningWish, ResponseFormat, ToolChoice
from aigw.llm.options import To, at_most, number, one_of, strings, whole_number, write_options

TABLE = {
    "max_tokens": To("generation.limit", whole_number),
    "temperature": To("generation.temperature", at_most(1)),
    "stop": To("stop_sequences", strings),
    "service_tier": To("tier", one_of("auto", "flex")),
}


def written(drop: bool = False, names: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """What the options become in the body of a provider with :data:`TABLE`."""
    body: dict[str, Any] = {}
    write_options(Call("m", (), options=options, names=names or {}, drop_unsupported=drop), TABLE, body, "acme")
    return body


class TableTests(unittest.TestCase):
    """A provider's table, and what is not in it."""

    def test_places_and_values(self) -> None:
        """Objects on the way are made."""
        body = written(max_tokens=5.0, temperature=1.7, stop="END")
        self.assertEqual(body, {"generation": {"limit": 5, "temperature": 1}, "stop_sequences": ["END"]})

    def test_null_is_nothing(self) -> None:
        """As at OpenAI."""
        self.assertEqual(written(temperature=None, seed=None), {})

    def test_what_asks_for_nothing_is_left_out(self) -> None:
        """Neutral values and hints need no counterpart; true is not 1."""
        neutral = {"n": 1, "logprobs": False, "presence_penalty": 0, "logit_bias": {}, "store": False, "user": "u"}
        self.assertEqual(written(**neutral, metadata={"a": "b"}), {})
        self.assertRaises(BadRequest, written, n=True)

    def test_what_has_no_counterpart_is_refused(self) -> None:
        """By the client's own name for it."""
        error = self.assertRaises(BadRequest, written, n=2)
        self.assertEqual((error.param, error.code), ("n", "unsupported_parameter"))
        self.assertIn("acme", error.message)
        error = self.assertRaises(BadRequest, written, names={"top_k": "topK"}, top_k=4)
        self.assertEqual(error.param, "topK")

    def test_or_left_out_where_that_is_allowed(self) -> None:
        """The configuration says so."""
        self.assertEqual(written(drop=True, n=2, seed=4, temperature=0.5), {"generation": {"temperature": 0.5}})

    def test_what_nobody_knows_goes_to_the_provider(self) -> None:
        """It can tell best; but it replaces nothing."""
        self.assertEqual(written(novelty=3), {"novelty": 3})

    def test_wrong_values_are_named(self) -> None:
        """With what would be right."""
        for name, value, what in (
            ("max_tokens", 0, "whole number"),
            ("max_tokens", "many", "whole number"),
            ("temperature", True, "number"),
            ("stop", [1], "list of strings"),
            ("service_tier", "gold", "auto, flex"),
        ):
            error = self.assertRaises(BadRequest, written, **{name: value})
            self.assertEqual(error.param, name)
            self.assertIn(what, error.message)

    def test_values(self) -> None:
        """The converters by themselves."""
        self.assertEqual((number(0.5), strings(["a", ""]), strings("a")), (0.5, ["a"], ["a"]))


class AdjustingTests(unittest.TestCase):
    """``defaults`` and ``overrides`` on translated calls."""

    def adjusted(self, call: Call, **adjustments: dict[str, Any]) -> Call:
        adjust_call(call, Adjustments(**{"defaults": {}, "overrides": {}, **adjustments}))
        return call

    def test_overrides_win(self) -> None:
        """Under any spelling."""
        call = Call("m", (), options={"max_tokens": 9, "temperature": 2})
        self.adjusted(call, overrides={"max_completion_tokens": 5, "temperature": 0})
        self.assertEqual(call.options, {"max_tokens": 5, "temperature": 0})

    def test_defaults_do_not(self) -> None:
        """They fill in."""
        call = Call("m", (), options={"max_tokens": 9})
        self.adjusted(call, defaults={"max_tokens": 5, "top_p": 0.5})
        self.assertEqual(call.options, {"max_tokens": 9, "top_p": 0.5})

    def test_what_is_no_option(self) -> None:
        """Reasoning, tools, format have places of their own."""
        fields = {
            "reasoning_effort": "low",
            "tool_choice": "required",
            "response_format": {"type": "json_object"},
            "parallel_tool_calls": False,
        }
        for how in ("overrides", "defaults"):
            call = self.adjusted(Call("m", ()), **{how: fields})
            self.assertEqual(call.reasoning, ReasoningWish(effort="low"))
            self.assertEqual((call.tool_choice, call.format), (ToolChoice("any"), ResponseFormat("json")))
            self.assertIs(call.parallel_tools, False)
        kept = self.adjusted(Call("m", (), parallel_tools=True), defaults=fields)
        self.assertIs(kept.parallel_tools, True)

    def test_the_providers_own_fields(self) -> None:
        """Are merged into its request, and never shared with the configuration."""
        settings = {"safety": {"level": "low"}, "thinking": {"type": "on"}, "temperature": 1}
        body: dict[str, Any] = {"safety": {"level": "high", "log": True}}
        adjust_request(body, Adjustments(defaults={}, overrides=settings))
        self.assertEqual(body, {"safety": {"level": "low", "log": True}, "thinking": {"type": "on"}})
        body["thinking"]["type"] = "off"
        self.assertEqual(settings["thinking"], {"type": "on"})
        body = {"safety": {"level": "high"}}
        adjust_request(body, Adjustments(defaults={"safety": {"level": "low", "log": True}}, overrides={}))
        self.assertEqual(body, {"safety": {"level": "high", "log": True}})
