"""Request bodies are judged as the provider will read them."""

import copy
import json
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.llm import body as module
from aigw.llm.body import Adjustments, is_large, parse, reread, serialise
from aigw.llm.operations import OPERATIONS

MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('abm"\\[{:', max_size=4), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["model", "stream", "messages", "input", "prompt", "temperature", "max_tokens", "max_completion_tokens", "x"]
)
FIELDS = st.dictionaries(NAMES, VALUES, max_size=6)
#: Pieces of which JSON is made, and of which broken or tricky JSON is made even more often.
PIECES = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        " ",
        '"model"',
        '"stream"',
        '"m\\u006fdel"',
        '\\"',
        '"a"',
        "true",
        "1",
        "NaN",
        '"\\ud800"',
        '"messages":[]',
        '{"model":"a"',
        ',"model":"b"}',
        "\ud800".encode("utf-8", "surrogatepass").hex(),
    ]
)


def spelt(name: str, escaped: list[bool]) -> str:
    """A member's name in quotes with some letters escaped."""
    letters = (f"\\u{ord(c):04x}" if e else c for c, e in zip(name, escaped, strict=True))
    return '"' + "".join(letters) + '"'


class ParseTests(unittest.TestCase):
    """parse()"""

    def refused(self, body: bytes, operation: str = "chat") -> BadRequest:
        """The refusal of ``body``, which must be one."""
        error = self.assertRaises(BadRequest, parse, body, operation)
        assert isinstance(error, BadRequest)
        return error

    def test_fields_come_as_they_were_sent(self) -> None:
        """Unknown ones too."""
        body = b'{"model":"m",%s,"stream":true,"x_own":{"a":[1,2.5,null]}}' % MESSAGES
        self.assertEqual(parse(body, "chat"), json.loads(body))

    def test_what_is_not_strict_json_is_refused(self) -> None:
        """Two readers could take it for two things."""
        for body in (
            b"",
            b"{",
            b"nope",
            b"[]",
            b'"text"',
            b"null",
            b"1",
            b'{"a":NaN}',
            b'{"a":Infinity}',
            b'{"a":1e999}',
            b'{"a":01}',
            b'{"a":1,}',
            b"{'a':1}",
            b'{"a":1} x',
            b'{"a":"\\ud800"}',
            b'{"a":"\xff"}',
            b'{"a":"\xed\xa0\x80"}',
            b'{"a":"\n"}',
            b"\xef\xbb\xbf{}",
            b"{}{}",
        ):
            self.assertEqual(self.refused(body, "raw").status, 400, body)

    def test_depth_is_bounded(self) -> None:
        """200 levels pass, 201 do not, however they are made up."""
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            for inner in (b"1", b'"' + b"[{" * 300 + b'"'):
                parse(b'{"x":' + opening * 199 + inner + closing * 199 + b"}", "raw")
                error = self.refused(b'{"x":' + opening * 200 + inner + closing * 200 + b"}", "raw")
                self.assertIn("200", error.message)

    def test_depth_of_a_repeated_member_counts(self) -> None:
        """Though the parser drops it, the provider may not."""
        self.refused(b'{"x":' + b"[" * 250 + b"]" * 250 + b',"x":1}', "raw")

    def test_many_brackets_are_not_depth(self) -> None:
        """Neither side by side nor in strings."""
        parse(b'{"x":[%s]}' % b",".join([b'{"a":[]}'] * 1000), "raw")
        for text in (rb"%s", rb"\"%s\\", rb"\\\"%s", rb"\n\"%s\"\\\\", rb"\u005c%s\\\u0022"):
            for brackets in (b"[" * 1000, b"{" * 1000, b"]" * 1000 + b"[" * 1000):
                parse(b'{"x":"%s","y":[]}' % (text % brackets), "raw")

    def test_repeated_model_is_refused(self) -> None:
        """One reader takes the first, another the last."""
        error = self.refused(b'{"model":"cheap",%s,"model":"dear"}' % MESSAGES)
        self.assertEqual((error.param, error.code), ("model", "repeated_parameter"))

    def test_a_model_s_name_is_a_name(self) -> None:
        """By every operation, before it can become a path, a label or a field of a log."""
        for operation in sorted(OPERATIONS):
            for name in ("..", "a/../b", "a\\u0000", "a\\n", "a" * 257):
                body = b'{"model":"%s",%s,"prompt":"x","input":"x"}' % (name.encode(), MESSAGES)
                self.assertEqual(self.refused(body, operation).code, "invalid_value", body)
            body = b'{"model":"meta-llama/Llama-3.1-8B",%s,"prompt":"x","input":"x"}' % MESSAGES
            self.assertEqual(parse(body, operation)["model"], "meta-llama/Llama-3.1-8B")

    def test_repeated_stream_is_refused(self) -> None:
        """Same for stream."""
        self.assertEqual(self.refused(b'{"stream":true,%s,"stream" :\n false}' % MESSAGES).param, "stream")

    def test_repeated_model_in_escapes_is_refused(self) -> None:
        """The name is what counts, not its spelling."""
        for second in (rb"\u006dodel", rb"mode\u006C", rb"\u006d\u006f\u0064\u0065\u006c", rb"m\u006Fdel"):
            for body in (b'{"model":"a",%s,"%s":"b"}', b'{"model":"\\u00e9\\\\",%s,"%s" \t:"b"}'):
                self.assertEqual(self.refused(body % (MESSAGES, second)).param, "model")
        self.refused(rb'{"\u006dodel":"a","\u006dodel":"b"}', "raw")

    def test_repetition_in_a_long_body_is_refused(self) -> None:
        """Wherever the two are, with few strings or many, short or long, around them."""
        picture = "A" * 20_000
        for strings in (0, 10, *range(120, 128), 1000):
            few = ",".join(['"a"'] * strings)
            for first, second in (("model", "model"), ("stream", "stream"), ("model", "\\u006dodel")):
                for members in (
                    f'"{first}":null,"x":[{few}],"y":"{picture}","{second}":null',
                    f'"x":[{few}],"{first}":null,"y":"{picture}","{second}":null',
                    f'"x":[{few}],"y":"{picture}","{first}":null,"{second}":null',
                    f'"{first}":null,"{second}":null,"y":"{picture}","x":[{few}]',
                ):
                    self.assertEqual(self.refused(f"{{{members}}}".encode(), "raw").code, "repeated_parameter")
            once = f'{{"model":null,"x":[{few}],"y":"{picture}","stream":null,"z":{{"model":1,"stream":2}}}}'
            parse(once.encode(), "raw")

    def test_model_elsewhere_is_no_repetition(self) -> None:
        """In nested objects, as a value, in a text that looks like JSON."""
        body = (
            rb'{"a":{"model":1,"model":2},"b":["model","model"],"model":"m","c":"\"model\":\"x\",","d":"\\",'
            rb'"e":"model","x \"model":1,"y \"model" :{"z":2},"f":[{"model":{"\u006dodel":3}}],"g":"\\\"model\":1","stream":true,"h":{"stream":1}}'
        )
        self.assertEqual(parse(body, "raw")["model"], "m")

    def test_other_repetitions_are_the_providers_business(self) -> None:
        """Only what the gateway decides by must be unambiguous."""
        self.assertEqual(parse(b'{"x":1,"x":2}', "raw"), {"x": 2})

    def test_what_the_operation_needs_must_be_there(self) -> None:
        """The refusal names it."""
        needed = {
            "chat": "messages",
            "completions": "prompt",
            "embeddings": "input",
            "messages": "messages",
            "count_tokens": "messages",
        }
        for operation, name in needed.items():
            for body in (b'{"model":"m"}', b'{"%s":null}' % name.encode()):
                error = self.refused(body, operation)
                self.assertEqual((error.param, error.code), (name, "missing_required_parameter"))
                self.assertIn(name, error.message)
            self.assertEqual(self.refused(b'{"%s":7}' % name.encode(), operation).param, name)
        for operation in ("responses", "raw"):
            self.assertEqual(parse(b"{}", operation), {})

    def test_prompt_and_input_may_be_text_or_list(self) -> None:
        """Messages only a list."""
        for value in (b'"a"', b'["a"]', b"[1,2]"):
            parse(b'{"prompt":%s}' % value, "completions")
            parse(b'{"input":%s}' % value, "embeddings")
        self.refused(b'{"messages":"hi"}', "chat")

    def test_model_and_stream_have_their_types(self) -> None:
        """Null is as good as not sent."""
        for value in (b"1", b"[]", b"{}", b"true"):
            self.assertEqual(self.refused(b'{"model":%s,%s}' % (value, MESSAGES)).param, "model")
        for value in (b"1", b"0", b'"true"', b"[]"):
            self.assertEqual(self.refused(b'{"stream":%s,%s}' % (value, MESSAGES)).param, "stream")
        parse(b'{"model":null,"stream":null,%s}' % MESSAGES, "chat")

    def test_refusal_does_not_quote_the_body(self) -> None:
        """A prompt has no place in an error."""
        self.assertNotIn("secret", self.refused(b'{"messages":["secret", oops]}').message)

    @given(
        st.binary(max_size=60) | st.lists(PIECES, max_size=25).map(lambda p: "".join(p).encode()),
        st.sampled_from(sorted(OPERATIONS)),
    )
    def test_nothing_but_bad_request_comes_out(self, body: bytes, operation: str) -> None:
        """Whatever goes in."""
        try:
            fields = parse(body, operation)
        except BadRequest:
            return
        self.assertEqual(fields, json.loads(body))

    @given(FIELDS, st.sampled_from(sorted(OPERATIONS)), st.booleans())
    def test_json_is_read_or_refused_by_name(self, fields: dict[str, Any], operation: str, ascii_only: bool) -> None:
        """Any JSON object is read as the standard library reads it, or the refusal names a field."""
        body = json.dumps(fields, ensure_ascii=ascii_only).encode()
        try:
            self.assertEqual(parse(body, operation), fields)
        except BadRequest as error:
            self.assertIn(error.param, ("model", "stream", "messages", "prompt", "input"))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["model", "stream", "modem", "xtream", "n"]),
                st.lists(st.booleans(), min_size=6, max_size=6),
                VALUES,
                st.sampled_from(["", " ", "\n\t"]),
            ),
            max_size=5,
        ),
    )
    @example([("model", [True] * 6, ["}"], ""), ("model", [False] * 6, None, " ")])
    @example([("n", [True] * 6, ":", "\n\t  ")])  # a string's end, white space and the next one's begin: no name
    def test_repetition_is_found_where_it_is_and_only_there(self, members: list[Any]) -> None:
        """Against the standard library's list of pairs."""
        texts = [
            f"{spelt(name, escaped[: len(name)])}{space}:{json.dumps(value)}" for name, escaped, value, space in members
        ]
        body = ("{" + ",".join(texts) + "}").encode()
        names = [name for name, _ in json.loads(body, object_pairs_hook=lambda pairs: pairs)]
        repeated = names.count("model") > 1 or names.count("stream") > 1
        try:
            parse(body, "raw")
            self.assertFalse(repeated)
        except BadRequest as error:
            self.assertEqual(error.code == "repeated_parameter", repeated)

    @given(
        st.recursive(
            st.sampled_from(["1", '"[{"', '"\\""']),
            lambda inner: st.lists(inner, max_size=3).map(lambda values: "[" + ",".join(values) + "]"),
        ),
        st.integers(190, 205),
    )
    def test_depth_is_measured_exactly(self, inner: str, more: int) -> None:
        """Against a recursive measure."""
        body = '{"x":' + "[" * more + inner + "]" * more + "}"
        try:
            parse(body.encode(), "raw")
            self.assertLessEqual(depth(orjson.loads(body)), 200)
        except BadRequest:
            self.assertGreater(depth(orjson.loads(body)), 200)


def depth(value: object) -> int:
    """How deep a parsed value is nested."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


class AdjustmentsTests(unittest.TestCase):
    """Adjustments.apply()"""

    def adjusted(
        self, fields: dict[str, Any], defaults: dict[str, Any] | None = None, overrides: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], bool]:
        """What becomes of ``fields``, and whether that is said to be a change."""
        fields = dict(fields)
        return fields, Adjustments(defaults=defaults or {}, overrides=overrides or {}).apply(fields)

    def test_default_fills_what_the_client_left_out(self) -> None:
        """And nothing else."""
        self.assertEqual(self.adjusted({}, {"temperature": 1}), ({"temperature": 1}, True))
        self.assertEqual(self.adjusted({"temperature": 0}, {"temperature": 1}), ({"temperature": 0}, False))

    def test_null_counts_as_sent(self) -> None:
        """It is the client's way to say "none"."""
        self.assertEqual(self.adjusted({"stop": None}, {"stop": "x"}), ({"stop": None}, False))

    def test_override_wins(self) -> None:
        """Over what the client sent, and where it sent nothing."""
        self.assertEqual(self.adjusted({"a": 1}, overrides={"a": 2, "b": 3}), ({"a": 2, "b": 3}, True))

    def test_override_beats_default(self) -> None:
        """Of the same configuration."""
        self.assertEqual(self.adjusted({}, {"a": 1}, {"a": 2}), ({"a": 2}, True))

    def test_override_that_changes_nothing_is_no_change(self) -> None:
        """So that the body can go as it came."""
        for value in (1, "x", None, {"a": [1]}):
            self.assertEqual(self.adjusted({"a": value}, overrides={"a": value}), ({"a": value}, False))

    def test_equal_in_python_is_not_equal_in_json(self) -> None:
        """true, 1 and 1.0 are three things to a provider."""
        for sent, wanted in ((1, True), (1, 1.0), ([1], [True]), ({"a": 1}, {"a": 1.0})):
            fields, changed = self.adjusted({"a": sent}, overrides={"a": wanted})
            self.assertTrue(changed)
            self.assertEqual(serialise(fields), serialise({"a": wanted}))

    def test_max_tokens_has_two_names(self) -> None:
        """The client's spelling is kept, the configuration's holds where the client sent none."""
        for one, other in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
            self.assertEqual(self.adjusted({one: 9}, {other: 5}), ({one: 9}, False))
            self.assertEqual(self.adjusted({one: 9}, overrides={other: 5}), ({one: 5}, True))
            self.assertEqual(self.adjusted({}, {one: 5}), ({one: 5}, True))
            self.assertEqual(self.adjusted({}, {one: 5}, {other: 7}), ({other: 7}, True))

    def test_sending_both_spellings_evades_no_override(self) -> None:
        """A client that sends both has both overridden."""
        sent = {"max_tokens": 9, "max_completion_tokens": 99}
        self.assertEqual(
            self.adjusted(sent, overrides={"max_tokens": 5})[0], {"max_tokens": 5, "max_completion_tokens": 5}
        )

    @given(FIELDS, FIELDS, FIELDS)
    def test_what_is_sent_is_what_was_meant(
        self, fields: dict[str, Any], defaults: dict[str, Any], overrides: dict[str, Any]
    ) -> None:
        """For names without a second spelling: overrides over the client's over defaults, and nothing else touched."""
        for some in (fields, defaults, overrides):
            some.pop("max_completion_tokens", None)
        before = copy.deepcopy((defaults, overrides))
        meant = {**defaults, **fields, **overrides}
        sent = dict(fields)
        changed = Adjustments(defaults=defaults, overrides=overrides).apply(sent)
        self.assertEqual(json.loads(serialise(sent)), meant)
        self.assertEqual((defaults, overrides), before)
        if not changed:
            self.assertEqual(serialise(sent), serialise(fields))

    @given(FIELDS, FIELDS, FIELDS)
    def test_an_override_of_max_tokens_always_holds(
        self, fields: dict[str, Any], defaults: dict[str, Any], overrides: dict[str, Any]
    ) -> None:
        """Whatever else was sent or configured."""
        overrides.pop("max_completion_tokens", None)
        overrides["max_tokens"] = 17
        Adjustments(defaults=defaults, overrides=overrides).apply(fields)
        limits = [fields[name] for name in ("max_tokens", "max_completion_tokens") if name in fields]
        self.assertEqual(set(limits), {17})


class IsLargeTests(unittest.TestCase):
    """is_large()"""

    def test_by_what_is_in_it(self) -> None:
        """Megabytes of a picture are no work, a hundred thousand messages are."""
        self.assertFalse(is_large(b'"' * module._SMALL))
        self.assertTrue(is_large(b'"' * (module._SMALL + 1)))
        self.assertTrue(is_large(b"1," * module._SMALL))
        self.assertFalse(is_large(b'{"url":"' + b"A" * (1 << 20) + b'"}'))
        self.assertTrue(is_large(b"A" * (module._HUGE + 1)))

    def test_large_bodies_are_held_to_the_same(self) -> None:
        """Refused for what small ones are refused for, and read as they are."""
        filling = b'"x":[' + b'{"a":"b,c"},' * 12_000 + b"0]"
        self.assertTrue(is_large(filling))
        fine = b'{"model":"m",%s,%s}' % (MESSAGES, filling)
        self.assertEqual(parse(fine, "chat"), orjson.loads(fine))
        self.assertEqual(reread(fine, large=True), orjson.loads(fine))
        self.assertEqual(serialise(parse(fine, "chat"), large=True), orjson.dumps(orjson.loads(fine)))
        for broken, said in (
            (b'{"model":"m",%s,%s,"m\\u006fdel":"n"}' % (MESSAGES, filling), "model comes twice"),
            (b'{"model":"m",%s,%s,"n":NaN}' % (MESSAGES, filling), "not valid JSON: it .* \\(at [0-9]+\\)$"),
            (b'{"model":"m",%s,%s,"n":%s}' % (MESSAGES, filling, b"[" * 201 + b"]" * 201), "deeper than 200 levels"),
            (b"[%s]" % filling[4:], "must be a JSON object"),
            (b'{"model":7,%s,%s}' % (MESSAGES, filling), "model must be a string"),
            (b'{"model":"m",%s}' % filling, "messages is missing"),
            (b'{"x":[' + b"[]," * 1_000_001 + b"0]}", "has more than 1000000 objects and arrays"),
        ):
            self.assertRaisesRegex(BadRequest, said, parse, broken, "chat")
