"""Usage is told in many ways and booked in one."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.llm.usage import Usage, from_anthropic, from_openai


class FromOpenAITests(unittest.TestCase):
    """from_openai()"""

    def test_chat(self) -> None:
        """With its details, which are parts of the whole."""
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0},
        }
        self.assertEqual(from_openai(usage), Usage(100, 50, cached_input=64, cache_write=8, reasoning=20))

    def test_responses(self) -> None:
        """The same under other names."""
        usage = {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 64},
            "output_tokens": 50,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 150,
        }
        self.assertEqual(from_openai(usage), Usage(100, 50, cached_input=64, reasoning=20))

    def test_embeddings_write_nothing(self) -> None:
        """They have no completion."""
        self.assertEqual(from_openai({"prompt_tokens": 8, "total_tokens": 8}), Usage(input=8))

    def test_what_is_missing_or_null_is_zero(self) -> None:
        """Compatible servers leave out what they like."""
        told = {"prompt_tokens": None, "completion_tokens": 3, "prompt_tokens_details": None}
        self.assertEqual(from_openai(told), Usage(output=3))

    def test_numbers_may_be_floats_or_text(self) -> None:
        """Some servers' are."""
        self.assertEqual(from_openai({"prompt_tokens": 7.0, "completion_tokens": "3"}), Usage(7, 3))

    def test_nonsense_is_zero(self) -> None:
        """No counter goes backwards, none jumps to infinity, no log line bursts."""
        for nonsense in (-1, "many", [], {}, float("inf"), float("nan"), 10**30, "1e300", "-5"):
            self.assertEqual(from_openai({"prompt_tokens": nonsense, "completion_tokens": 1}), Usage(output=1))

    def test_deepseek_tells_cache_hits_beside(self) -> None:
        """At the top level of its usage."""
        told = {
            "prompt_tokens": 10,
            "completion_tokens": 1,
            "prompt_cache_hit_tokens": 6,
            "prompt_cache_miss_tokens": 4,
        }
        self.assertEqual(from_openai(told), Usage(10, 1, cached_input=6))

    def test_xai_tells_reasoning_beside(self) -> None:
        """The total has it, the completion does not."""
        told = {
            "prompt_tokens": 10,
            "completion_tokens": 1,
            "total_tokens": 41,
            "completion_tokens_details": {"reasoning_tokens": 30},
        }
        self.assertEqual(from_openai(told), Usage(10, 31, reasoning=30))

    def test_what_tells_no_tokens_is_no_usage(self) -> None:
        """So it displaces none that was told before."""
        for told in (None, {}, [], "x", 5, {"type": "duration", "seconds": 3}, {"prompt_token": 1}):
            self.assertIsNone(from_openai(told))

    @given(
        st.dictionaries(
            st.sampled_from(
                [
                    "prompt_tokens",
                    "completion_tokens",
                    "input_tokens",
                    "output_tokens",
                    "total_tokens",
                    "prompt_tokens_details",
                    "completion_tokens_details",
                    "output_tokens_details",
                ]
            ),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), inner, max_size=2)
                ),
                max_leaves=4,
            ),
        )
    )
    def test_never_raises_and_never_counts_below_zero(self, told: dict[str, object]) -> None:
        """An upstream cannot break the books."""
        usage = from_openai(told)
        if usage is not None:
            counts = (usage.input, usage.output, usage.cached_input, usage.cache_write, usage.reasoning)
            for count in counts:
                self.assertIs(type(count), int)
                self.assertTrue(0 <= count < 2**63)


class FromAnthropicTests(unittest.TestCase):
    """from_anthropic()"""

    def test_cache_is_part_of_the_input(self) -> None:
        """As it is everywhere else, though Anthropic tells it beside."""
        usage = {
            "input_tokens": 15,
            "cache_creation_input_tokens": 13,
            "cache_read_input_tokens": 12,
            "cache_creation": {"ephemeral_5m_input_tokens": 11, "ephemeral_1h_input_tokens": 2},
            "output_tokens": 21,
            "output_tokens_details": {"thinking_tokens": 7},
            "service_tier": "standard",
        }
        told = Usage(40, 21, cached_input=12, cache_write=13, reasoning=7, cache_write_1h=2)
        self.assertEqual(from_anthropic(usage), told)
        self.assertEqual((told + told).cache_write_1h, 4)
        self.assertEqual(((told + Usage()).cache_write_1h, (Usage() + Usage()).cache_write_1h), (2, None))
        self.assertEqual(told.cut(5).cache_write_1h, 2)

    def test_what_is_missing_or_nonsense_is_zero(self) -> None:
        """In any member."""
        for told in ({"output_tokens": 3}, {"output_tokens": "3", "input_tokens": None, "cache_read_input_tokens": []}):
            self.assertEqual(from_anthropic(told), Usage(0, 3))

    def test_what_tells_no_tokens_is_no_usage(self) -> None:
        """Such as the usage that only counts searches."""
        for told in (None, [], "x", {}, {"server_tool_use": {"web_search_requests": 1}}):
            self.assertIsNone(from_anthropic(told))


class CompatibleUsageTests(unittest.TestCase):
    """from_openai() of servers that only look like OpenAI (wire.md, part 3)."""

    def test_cached_input_by_any_name(self) -> None:
        """In the details, or beside them at DeepSeek and Moonshot."""
        told = {"prompt_tokens": 10, "completion_tokens": 1}
        for more in (
            {"prompt_tokens_details": {"cached_tokens": 6}},
            {"prompt_tokens_details": {"cached_tokens": 6}, "prompt_cache_hit_tokens": 5},
            {"prompt_tokens_details": None, "prompt_cache_hit_tokens": 6},
            {"cached_tokens": 6},
        ):
            self.assertEqual(from_openai({**told, **more}), Usage(10, 1, cached_input=6), more)

    def test_cache_writes_by_any_name(self) -> None:
        """OpenAI's, and those of proxies in front of Anthropic."""
        for name in ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"):
            told = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {name: 4}}
            self.assertEqual(from_openai(told), Usage(10, 1, cache_write=4))

    def test_thoughts_that_are_in_the_total_only(self) -> None:
        """Gemini's compatible API; recorded. With details nothing is guessed."""
        told = {"prompt_tokens": 7, "completion_tokens": 12, "total_tokens": 402}
        self.assertEqual(from_openai(told), Usage(7, 395, reasoning=383))
        detailed = {**told, "completion_tokens_details": {"reasoning_tokens": 0}}
        self.assertEqual(from_openai(detailed), Usage(7, 12))
        self.assertEqual(from_openai({"prompt_tokens": 8, "total_tokens": 9}), Usage(8))

    def test_more_thoughts_than_output(self) -> None:
        """Must be beside it, whatever the total says."""
        told = {"prompt_tokens": 10, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 30}}
        self.assertEqual(from_openai(told), Usage(10, 31, reasoning=30))

    def test_reasoning_inside_of_the_output_stays_there(self) -> None:
        """OpenAI, vLLM, Groq and OpenRouter count it once."""
        told = {"prompt_tokens": 10, "completion_tokens": 40, "total_tokens": 50}
        for more in ({"completion_tokens_details": {"reasoning_tokens": 30}}, {"reasoning_tokens": 30}):
            self.assertEqual(from_openai({**told, **more}), Usage(10, 40, reasoning=30))

    def test_timings_and_prices_are_nothing(self) -> None:
        """Groq's and OpenRouter's."""
        told = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "queue_time": 0.1, "cost": 0.5}
        self.assertEqual(from_openai({**told, "prompt_audio_seconds": None}), Usage(1, 2))
