"""What a model's name may look like, and which models a path names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm.model_names import (
    MAX_NAME,
    check_model_name,
    check_spelling,
    every_request_names_one,
    names_in_path,
    spellings,
    why_unknown,
)

#: Names as providers have them.
REAL = (
    "gpt-4o",
    "gpt-4.1-mini",
    "ft:gpt-4o:org::id",
    "meta-llama/Llama-3.1-8B",
    "openrouter/auto",
    "qwen/qwen3:free",
    "@cf/meta/llama-3.1-8b",
    "@preset/careful",
    "models/gemini-2.5-pro",
    "publishers/anthropic/models/claude-opus-4-1@20250805",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
    "llama3.2:3b-instruct-q4_K_M",
    "my model",
    "模型",
    "a..b",
    ".hidden",
    "x" * MAX_NAME,
)


class NameTests(unittest.TestCase):
    """check_model_name"""

    def test_providers_names(self) -> None:
        """Are names."""
        for name in REAL:
            check_model_name(name)

    def test_what_leads_elsewhere(self) -> None:
        """By dots between slashes of any kind, plain or escaped, is none."""
        for name in (".", "..", "../a", "a/..", "a/../b", "./a", "a/.", "a/./b", "a\\..\\b", "..\\a"):
            self.refused(name)
        for name in ("%2e%2e", "a/%2e%2E/b", "a%2f..%2fb", "%2e/a", "a%5c..%5Cb"):
            self.refused(name)

    def test_control_characters_and_what_cannot_be_seen(self) -> None:
        """Are no part of one."""
        for character in "\x00\x01\t\n\r\x1b\x7f\x80\x85\u200b\u2028\u202e\ufeff":
            self.refused(f"a{character}b")

    def test_length_in_bytes(self) -> None:
        """Is what a path and a line of the log are made of."""
        for name in ("x" * (MAX_NAME + 1), "é" * (MAX_NAME // 2 + 1), "x" * 3_000_000):
            self.refused(name)
        check_model_name("é" * (MAX_NAME // 2))

    @given(st.text(max_size=300))
    def test_any_name(self, name: str) -> None:
        """That passes has no part of dots, no control character, and no more bytes than there may be."""
        try:
            check_model_name(name)
        except BadRequest:
            return
        self.assertTrue({".", ".."}.isdisjoint(name.split("/")))
        self.assertTrue(name.isprintable())
        self.assertLessEqual(len(name.encode()), MAX_NAME)

    def refused(self, name: str) -> None:
        error = self.assertRaises(BadRequest, check_model_name, name)
        self.assertEqual((error.code, error.param), ("invalid_value", "model"), name)
        self.assertLess(len(error.message), 200)


class SpellingTests(unittest.TestCase):
    """check_spelling"""

    def test_other_cases(self) -> None:
        """Are refused, alone and beside ``model``."""
        for key in ("Model", "MODEL", "modeL", "mOdEl"):
            for fields in ({key: "m"}, {"model": "m", key: "m"}):
                error = self.assertRaises(BadRequest, check_spelling, fields)
                self.assertEqual(error.code, "repeated_parameter")
        check_spelling({"model": "m", "models": [], "modal": 1, "Messages": [], "input": ""})


class PathTests(unittest.TestCase):
    """names_in_path"""

    def test_where_providers_have_it(self) -> None:
        """In all spellings that mean the same; the first is the shortest, or the whole resource name."""
        arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3"
        for path, expected in (
            ("/v1beta/models/gemini-2.5-pro:generateContent", [("gemini-2.5-pro", "models/gemini-2.5-pro")]),
            ("/v1beta/models/gemini-2.5-pro%3AstreamGenerateContent", [("gemini-2.5-pro", "models/gemini-2.5-pro")]),
            ("/v1beta/tunedModels/t-1:generateContent", [("tunedModels/t-1",)]),
            ("/v1beta/dynamic/d:generateContent", [("dynamic/d",)]),
            ("/v1/projects/p/locations/l/endpoints/12:predict", [("endpoints/12", "12")]),
            ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", []),
            ("/model/m.v1%3A0/converse", [("m.v1:0",)]),
            ("/model/arn:x/y/invoke", [("arn:x/y",)]),
            (f"/model/{arn}/converse", [(arn, "anthropic.claude-3")]),
            ("/openai/deployments/d/chat/completions", [("d",)]),
            ("/openai/Deployments/d/images/generations", [("d",)]),
            ("/v1/engines/davinci/completions", [("davinci",)]),
            ("/models/org/name", [("org/name",)]),
            ("/v1/models/org/name/predictions", [("org/name",)]),
            ("/models/chat/completions", []),
            ("/v1/models", []),
            ("/v1/models/", []),
            ("/v1/files/f", []),
            ("/", []),
        ):
            # Where there may be a method, the name with it is one more spelling.
            self.assertEqual([names[:2] for names in names_in_path(path.encode())], expected, path)
        (names,) = names_in_path(b"/v1/p/publishers/meta/models/llama-3@1")
        self.assertEqual(
            set(names), {"llama-3@1", "models/llama-3@1", "meta/llama-3@1", "publishers/meta/models/llama-3@1"}
        )
        (names,) = names_in_path(b"/v1/models/ft:gpt-4o:org:abc")  # no method
        self.assertIn("ft:gpt-4o:org:abc", names)

    def test_an_escaped_slash_is_read_both_ways(self) -> None:
        """Since servers differ on it; a name that is the same in both is one name."""
        self.assertEqual(names_in_path(b"/v1beta/models%2Fx:generateContent"), [("x", "models/x", "x:generateContent")])
        for path in (b"/models/org%2Fname", b"/model/arn:x%2Fy/converse"):
            for names in names_in_path(path):
                self.assertTrue({"org/name", "arn:x/y"} & set(names), path)

    def test_what_the_configuration_says_is_not_looked_at(self) -> None:
        """The first segments may be a backend's own."""
        self.assertEqual(names_in_path(b"/model/v1/files", 2), [])
        self.assertEqual(names_in_path(b"/models/x:y", 1), [("x", "models/x", "x:y")])

    def test_spellings_in_bodies(self) -> None:
        """A resource name is as good as the name that it ends in; a tuned model is not the model of that name."""
        self.assertEqual(spellings("models/gemini-2.5-pro"), ("models/gemini-2.5-pro", "gemini-2.5-pro"))
        whole = "projects/p/locations/l/publishers/google/models/gemini-2.5-pro"
        self.assertEqual(spellings(whole), (whole, "gemini-2.5-pro", "google/gemini-2.5-pro"))
        for name in ("gpt-4o", "tunedModels/gemini-2.5-pro", "my-models/gemini-2.5-pro", "models/", "arn:x:prompt/p"):
            self.assertEqual(spellings(name), (name,))


class UnknownTests(unittest.TestCase):
    """why_unknown, every_request_names_one"""

    def test_files(self) -> None:
        """Have models in them."""
        for path in (b"/v1/files", b"/upload/v1beta/files", b"/v1beta/files:upload", b"/v1/uploads/u/complete",
                     b"/v1/batches", b"/v1/batch/jobs", b"/v1%2Fbatches", b"/v1/Files", b"/v1/evals/e/runs"):  # fmt: skip
            self.assertTrue(why_unknown(path, None), path)
            self.assertTrue(why_unknown(path, {"model": "m"}), path)
        for path in (b"/v1/chat/completions", b"/v1/profiles", b"/v1beta/models/x:batchGenerateContent"):
            self.assertFalse(why_unknown(path, None), path)

    def test_batches_whose_requests_are_there(self) -> None:
        """Can be judged if each of them says its model."""
        self.assertEqual(why_unknown(b"/v1/messages/batches", {"requests": [{"params": {"model": "m"}}]}), "")
        for requests in (None, [], {}, "x", [{}], [{"params": {}}], [{"params": {"model": ""}}], [None],
                         [{"params": {"model": "m"}}, {"params": {"model": None}}]):  # fmt: skip
            self.assertFalse(every_request_names_one({"requests": requests}), requests)
