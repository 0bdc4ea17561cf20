"""The 65 tricky cases that providers, SDKs and other gateways are known for, and the tests that hold each.

Their numbers are those of part 6 of the collection of wire facts that the project began with.
"""

from __future__ import annotations

import attrs
from twisted.python.reflect import namedAny
from twisted.trial import unittest


@attrs.frozen
class Case:
    """One of them.

    :ivar tests: names below ``tests``, the method's without its ``test_``.
    :ivar untested: what of it no test holds, and why.
    """

    title: str
    tests: tuple[str, ...] = ()
    untested: str = ""


def case(title: str, *tests: str, untested: str = "") -> Case:
    return Case(title, tests, untested)


DECODERS = "unit.llm.test_decoders.SseTests."
ANY = "unit.llm.test_any_stream."
FRAMER = "unit.http.test_sse.FramerTests."
REPAIRS = "unit.llm.test_taps_repairs.RepairTests."
TRICKY = "unit.llm.test_tricky_answers."
TRICKY_RELAY = "unit.proxy.test_tricky_answers."
TRICKY_REQUESTS = "dist.test_tricky_requests.TrickyRequestTests."
LENIENT = "unit.llm.test_lenient.LenientTests."
BODY = "unit.llm.test_body.ParseTests."
CHAT_REPLY = "unit.llm.test_openai_chat_reply."
CHAT_REQUEST = "unit.llm.test_openai_chat_request."
CHAT_ERRORS = "unit.llm.test_openai_chat_errors."
CHAT_FRONT = "unit.llm.test_chat_reply.StreamTests."
MESSAGES_FRONT = "unit.llm.test_messages_reply."
RESPONSES_FRONT = "unit.llm.test_responses_front_reply."
TAPS = "unit.llm.test_taps."
ANTHROPIC = "unit.llm.test_anthropic_answer."
ANTHROPIC_REQUEST = "unit.llm.test_anthropic_request."
GEMINI = "unit.llm.test_gemini_reply."
GEMINI_REQUEST = "unit.llm.test_gemini_request."
BEDROCK = "unit.llm.test_bedrock_reply."
BEDROCK_REQUEST = "unit.llm.test_bedrock_request."
MISTRAL = "unit.llm.test_mistral."
AZURE = "unit.llm.test_azure."
FAILOVER = "unit.proxy.test_failover."
EXCHANGE = "unit.proxy.test_exchange."

CASES: dict[int, Case] = {
    # Bytes and framing
    1: case(
        "a UTF-8 character split over two reads",
        FRAMER + "any_split_gives_the_same_events",
        DECODERS + "byte_by_byte",
        ANY + "SplitTests.byte_by_byte",
        ANY + "SplitTests.fronts_byte_by_byte",
    ),
    2: case(
        "many events in one segment, one event over many",
        EXCHANGE + "StreamTests.any_split_gives_the_same_stream",
        ANY + "SplitTests.events",
        ANY + "SplitTests.fronts",
        ANY + "SplitTests.taps",
        GEMINI + "StreamTests.recorded_splits",
    ),
    3: case(
        "a CR at the end of a read, lines that end in CR",
        FRAMER + "carriage_return_at_the_end_may_be_half_of_a_line_end",
        FRAMER + "stream_of_carriage_returns_is_not_one_event_behind",
        FRAMER + "every_mixture_of_line_ends",
        DECODERS + "any_split",
    ),
    4: case(
        "U+2028, U+2029 and U+0085 are no line ends",
        FRAMER + "other_separators_are_text",
        DECODERS + "whole",
        "unit.llm.test_events.EventTests.any_lines_are_read_by_the_standard",
    ),
    5: case(
        "a byte order mark at the start",
        REPAIRS + "byte_order_mark_is_taken_off",
        TRICKY + "MarkTests.byte_order_mark_costs_no_event",
        TRICKY_RELAY + "RepairTests.what_sdks_break_on_does_not_reach_them",
        "unit.http.test_sse.FieldTests.byte_order_mark_is_dropped_once",
    ),
    6: case(
        "data: without a space, comments first, id: lines, event: and id: without data",
        DECODERS + "whole",
        REPAIRS + "events_without_data_are_taken_out",
        TAPS + "ChatStreamTests.done_is_known_in_every_spelling",
        CHAT_REPLY + "StreamTests.comments_and_odd_events_say_nothing",
    ),
    7: case(
        "empty data: events",
        REPAIRS + "events_without_data_are_taken_out",
        TRICKY_RELAY + "RepairTests.what_sdks_break_on_does_not_reach_them",
        DECODERS + "whole",
    ),
    8: case(
        "the last event without its blank line",
        DECODERS + "last_event_without_its_blank_line",
        EXCHANGE + "StreamTests.done_without_its_blank_line_is_whole",
        GEMINI + "StreamTests.no_blank_line_at_the_end",
    ),
    9: case(
        "events that are called JSON, JSON that is called events",
        TRICKY + "MislabelledTests.is_read",
        TRICKY + "MislabelledTests.half_of_one_is_no_answer",
        TRICKY_RELAY + "MislabelledTests.json_that_says_it_were_a_stream_is_no_empty_one",
        CHAT_REPLY + "StreamTests.json_that_says_it_were_a_stream",
        EXCHANGE + "WholeAnswerTests.json_for_a_stream_is_refused",
    ),
    10: case(
        "invalid UTF-8 in a delta",
        REPAIRS + "bytes_that_are_no_utf8_are_replaced",
        REPAIRS + "a_broken_byte_costs_no_usage",
        LENIENT + "half_a_character_is_replaced",
        CHAT_REPLY + "StreamTests.invalid_utf8_costs_one_character",
        "unit.llm.test_translation.WholeTests.a_byte_that_is_wrong_costs_a_character",
    ),
    11: case(
        "escapes of half a surrogate pair",
        BODY + "what_is_not_strict_json_is_refused",
        LENIENT + "half_a_surrogate_pair_is_replaced",
        "unit.llm.test_translation.WholeTests.a_byte_that_is_wrong_costs_a_character",
        "dist.test_contract.BodyTests.bodies_that_two_readers_could_read_differently",
    ),
    12: case(
        "deep nesting, huge numbers, NaN",
        BODY + "depth_is_bounded",
        BODY + "what_is_not_strict_json_is_refused",
        LENIENT + "what_could_not_be_written_again_is_none",
        LENIENT + "whole_numbers_are_read_alike",
        GEMINI + "GarbageTests.deep",
        CHAT_ERRORS + "BodyTests.deep_nesting",
    ),
    13: case(
        "Gemini's JSON in fragments",
        GEMINI + "StreamTests.recorded_splits",
        GEMINI + "StreamTests.every_byte_alone",
        untested="fragments come from readers that take a read for an event; aigw's reads events, whatever the reads",
    ),
    14: case(
        "an AWS event stream split anywhere, bad checksums, a prelude cut off",
        "unit.llm.test_eventstream.RecordedTests.byte_by_byte",
        "unit.llm.test_eventstream.RecordedTests.as_botocore_reads_them",
        "unit.llm.test_eventstream.BrokenTests.wrong_checksums",
        "unit.llm.test_eventstream.BrokenTests.recorded_broken",
        "unit.llm.test_eventstream.PropertyTests.any_message_in_any_pieces",
    ),
    15: case(
        "NDJSON with half a last line, several lines a read",
        "unit.llm.test_decoders.LineTests.any_split",
        "unit.llm.test_ollama.PropertyTests.any_split",
    ),
    # Shape of OpenAI-like streams
    16: case(
        "Azure's first chunk without choices",
        CHAT_REPLY + "StreamTests.azure_begins_with_a_chunk_of_nothing",
        TAPS + "ChatStreamTests.empty_choices_without_usage_pass",
        "unit.llm.test_preamble.PreambleTests.chat",
    ),
    17: case(
        "choices that are null, missing or empty",
        CHAT_REPLY + "StreamTests.choices_may_be_missing",
        TAPS + "ChatStreamTests.strange_shapes_do_no_harm",
        TAPS + "ChatStreamTests.empty_choices_without_usage_pass",
    ),
    18: case(
        "usage on a chunk of its own, on the last one, behind it",
        CHAT_REPLY + "StreamTests.usage_may_be_anywhere",
        CHAT_FRONT + "usage_only_where_asked_for",
        CHAT_FRONT + "finish_waits_for_the_end",
        TAPS + "ChatStreamTests.last_usage_counts",
        TAPS + "ChatStreamTests.usage_on_a_chunk_with_choices_passes",
    ),
    19: case(
        "content null or empty beside tool calls",
        CHAT_REPLY + "WholeTests.content_null",
        CHAT_REQUEST + "ToolHistoryTests.content_is_null_beside_calls_only",
        ANTHROPIC_REQUEST + "TurnTests.blank_text_is_left_out",
        BEDROCK_REQUEST + "TextTests.blank_text_is_left_out",
    ),
    20: case(
        "parallel calls that all have index 0, or none",
        CHAT_REPLY + "ToolTests.numbers_are_missing_or_all_zero",
        CHAT_REPLY + "ToolTests.ids_are_missing_too",
        CHAT_REPLY + "ToolTests.one_id_for_two_calls",
        CHAT_REPLY + "ToolTests.numbers_with_gaps_are_closed",
        "unit.llm.test_translation.StreamTests.calls_are_told_apart",
    ),
    21: case(
        "id and name on every piece of a call",
        CHAT_REPLY + "ToolTests.id_and_name_repeated",
        CHAT_FRONT + "tools_for_the_sdk",
    ),
    22: case(
        "a whole call in one chunk, arguments as an object",
        CHAT_REPLY + "ToolTests.arguments_that_are_objects",
        MISTRAL + "StreamTests.whole_calls",
        "unit.llm.test_ollama.StreamTests.tools",
    ),
    23: case(
        "tool_calls: [] beside text",
        CHAT_REPLY + "ToolTests.pieces_of_nothing_begin_nothing",
        CHAT_REPLY + "RecordedTests.tool_call_beside_empty_contents",
    ),
    24: case(
        "finish_reason stop though tools were called",
        CHAT_REPLY + "ToolTests.finish_says_that_tools_were_called",
        CHAT_FRONT + "called_tools_are_the_reason",
        untested="between client and provider of one dialect it stays as the provider says it: byte for byte",
    ),
    25: case(
        "text behind the finish, two finishes, everything in one chunk",
        CHAT_REPLY + "StreamTests.text_behind_the_finish_is_before_it",
        CHAT_REPLY + "StreamTests.all_in_one_chunk",
        TRICKY + "RepetitionTests.two_ends_of_a_choice_are_one",
        CHAT_FRONT + "finish_waits_for_the_end",
    ),
    26: case(
        "an error in a chunk, finish_reason error",
        CHAT_REPLY + "FailureTests.forms",
        CHAT_REPLY + "FailureTests.finish_that_is_an_error",
        EXCHANGE + "StreamTests.error_event_midstream_is_passed_on_without_an_end",
        TAPS + "ChatStreamTests.error_in_the_stream_is_noted",
    ),
    27: case(
        "bytes that end without an end",
        CHAT_REPLY + "EndTests.end_of_bytes_in_the_middle_is_none",
        EXCHANGE + "StreamTests.clean_end_without_terminator_is_a_cut",
        "unit.proxy.test_translated.StreamTests.ends_too_early",
        ANY + "GarbageTests.streams_through_fronts",
        "dist.test_sdk.ErrorTests.stream_that_breaks_raises",
    ),
    28: case(
        "thoughts under many names",
        CHAT_REPLY + "ReasoningTests.names",
        CHAT_REPLY + "ReasoningTests.contents_that_are_lists",
        CHAT_FRONT + "thoughts",
        TRICKY + "ThoughtTests.thoughts_in_tags_are_text",
    ),
    29: case(
        "thoughts that must be sent back",
        CHAT_REQUEST + "ThoughtTests.go_back_where_they_are_wanted",
        CHAT_REQUEST + "ThoughtTests.are_made_up_where_a_client_lost_them",
        ANTHROPIC_REQUEST + "TurnTests.thoughts_go_back_with_their_proof",
        BEDROCK_REQUEST + "ReasoningTests.thoughts_go_back_with_their_signature",
        GEMINI_REQUEST + "SignatureTests.chat_clients_give_them_back",
        GEMINI_REQUEST + "SignatureTests.anthropic_clients_give_them_back",
    ),
    30: case(
        "a role on every chunk, or on none",
        CHAT_REPLY + "StreamTests.repeated_and_missing_roles_change_nothing",
        CHAT_FRONT + "order",
    ),
    31: case(
        "several choices at once, the second one first",
        CHAT_REPLY + "StreamTests.several_choices",
        CHAT_FRONT + "choices_come_in_order",
    ),
    # Errors
    32: case(
        "200 and then an error as the first event",
        EXCHANGE + "StreamTests.error_as_first_event_is_an_http_error",
        FAILOVER + "OtherTargetTests.a_stream_that_begins_with_an_error",
        "unit.llm.test_translation.StreamTests.error_before_the_answer",
        "unit.llm.test_errors.FirstEventErrorTests.every_way_to_say_it_is_understood",
        "dist.test_sdk.ErrorTests.stream_that_opens_with_an_error_is_an_error",
        "dist.test_claude_code.ClaudeCodeTests.overload_at_the_beginning_of_a_stream",
    ),
    33: case(
        "Anthropic's error in the middle, without message_stop",
        ANTHROPIC + "StreamTests.error_in_the_stream",
        ANTHROPIC + "StreamTests.only_message_stop_is_an_end",
        TAPS + "MessagesStreamTests.error_event_is_noted",
        TAPS + "MessagesStreamTests.only_message_stop_ends_it",
    ),
    34: case(
        "Bedrock's exceptions in the stream, 200 with an unknown operation",
        BEDROCK + "ExceptionTests.exceptions",
        BEDROCK + "ExceptionTests.what_the_model_said",
        BEDROCK + "WholeTests.200_without_an_answer",
    ),
    35: case(
        "errors that are lists, strings, details, HTML, nothing, JSON in a message",
        CHAT_ERRORS + "ClassTests.googles_compatible_api",
        CHAT_ERRORS + "ClassTests.xais_and_ollamas",
        CHAT_ERRORS + "ClassTests.fastapis",
        CHAT_ERRORS + "ClassTests.errors_inside_of_errors",
        CHAT_ERRORS + "BodyTests.html",
        CHAT_ERRORS + "BodyTests.text_and_nothing",
        ANTHROPIC + "ErrorTests.other_bodies",
        GEMINI + "ErrorTests.other_bodies",
        BEDROCK + "ErrorTests.bodies_of_any_kind",
        ANY + "GarbageTests.errors",
    ),
    36: case(
        "Azure's content filter, in an error and in an answer",
        CHAT_ERRORS + "ClassTests.azures",
        CHAT_REPLY + "WholeTests.filtered_answer_without_a_message",
    ),
    37: case(
        "Gemini's blocks without candidates, candidates without content",
        GEMINI + "WholeTests.blocked_prompt",
        GEMINI + "WholeTests.candidates_without_content",
        GEMINI + "WholeTests.no_answer",
        GEMINI + "StreamTests.blocked",
    ),
    38: case(
        "a delay in the body only, a retry-after of an hour",
        GEMINI + "ErrorTests.retry_delay",
        TRICKY_RELAY + "RetryAfterTests.long_waits_are_cut",
        TRICKY_RELAY + "RetryAfterTests.errors_have_it",
        "unit.proxy.test_translated.WholeTests.error",
    ),
    39: case(
        "Anthropic refuses without a block",
        ANTHROPIC + "StreamTests.refusal_before_any_word",
        CHAT_FRONT + "a_refusal_without_a_word",
        MESSAGES_FRONT + "StreamTests.no_words_at_all",
    ),
    40: case(
        "error.code that is a number",
        "unit.llm.test_errors.FirstEventErrorTests.code_that_is_a_number_becomes_text",
        CHAT_ERRORS + "ClassTests.llama_cpps",
        CHAT_ERRORS + "ClassTests.googles_compatible_api",
        untested="an error's whole body between client and provider of one dialect passes as it is",
    ),
    41: case(
        "whose 401 it is; what tells of the account behind",
        EXCHANGE + "WholeAnswerTests.answer_names_backend_and_request",
        CHAT_ERRORS + "BodyTests.nothing_private_is_kept",
        EXCHANGE + "WholeAnswerTests.error_that_echoes_our_credential_does_not_hand_it_out",
        untested="a provider's 401 stays a 401, as the contract has it; X-Aigw-Backend on it says that it is not ours",
    ),
    # HTTP
    42: case(
        "bodies in codings",
        TRICKY_REQUESTS + "codings_are_not_asked_for",
        TRICKY_REQUESTS + "a_coding_that_nobody_asked_for",
        "unit.proxy.test_translated.WholeTests.encoded",
        "unit.proxy.test_translated.WholeTests.encoded_error",
        "wire.test_client_faults.WithinTheBodyTests.coded_content_is_left_alone",
    ),
    43: case(
        "a Content-Length that is stale, or beside Transfer-Encoding",
        "unit.proxy.test_response_head.ResponseHeadTests.hop_by_hop_fields_and_framing_stop_here",
        "unit.http.test_client.DeliveryTests.short_body",
        "dist.test_gateway.UpstreamFaultTests.short_answer",
        "wire.test_server_channel.RefusalTests.length_with_chunked",
    ),
    44: case(
        "a kept connection that the peer has closed",
        "unit.http.test_pool.ReplayTests.sent_once_more_on_a_fresh_connection",
        "unit.http.test_pool.ReplayTests.not_after_one_byte",
        "unit.http.test_pool.ReplayTests.not_on_a_fresh_connection",
        "wire.test_upstream_pool.ReuseTests.post_on_a_dead_reused_connection_is_sent_again_once",
        "wire.test_client_faults.IdleConnectionTests.close_that_the_reactor_has_not_seen_yet",
        "dist.test_gateway.UpstreamFaultTests.connection_closed_while_idle_costs_nothing",
    ),
    45: case(
        "Expect: 100-continue",
        "unit.http.test_server_answers.AdmissionTests.continue_is_said_behind_admission",
        "unit.http.test_server_answers.AdmissionTests.refusal_instead_of_continue",
        "wire.test_server_channel.ServingTests.expect_is_met_after_admission",
        TRICKY_REQUESTS + "expectation_stays_here",
    ),
    46: case(
        "chunked bodies without a length",
        "unit.http.test_server_answers.ReadingTests.chunked_body",
        "unit.http.test_server_refusals.PromptRefusalTests.of_a_body_that_grows_too_large",
        TRICKY_REQUESTS + "chunked_body_is_measured",
    ),
    47: case(
        "large pictures",
        TRICKY_REQUESTS + "large_pictures",
        "dist.test_contract.BodyTests.large_body",
        untested="the providers' own ceilings, which their errors tell; bodies are parsed on the reactor, by orjson",
    ),
    48: case(
        "clients that leave, in every phase",
        EXCHANGE + "ClientGoneTests.while_connecting",
        EXCHANGE + "ClientGoneTests.before_headers",
        EXCHANGE + "ClientGoneTests.before_the_first_token",
        EXCHANGE + "ClientGoneTests.in_a_stream_with_its_usage_so_far",
        "unit.proxy.test_translated.StreamTests.client_leaves",
        "dist.test_gateway.LeavingTests.before_the_first_token",
    ),
    49: case(
        "proxies that collect, or lose patience",
        TRICKY_RELAY + "BufferingTests.streams_ask_proxies_not_to_collect_them",
        TRICKY_RELAY + "BufferingTests.whatever_the_upstream_wants_of_its_own_proxy",
        FAILOVER + "StreamKeepaliveTests.a_waiting_client_gets_comments_and_then_its_answer",
    ),
    50: case(
        "slow readers",
        EXCHANGE + "TimeoutTests.slow_reader_is_not_the_upstreams_silence",
        "wire.test_server_sockets.PlainTests.reader_that_stops_costs_one_write",
        "wire.test_client_faults.FlowTests.paused_response_is_not_read",
        "unit.http.test_server_bounds.UnreadTests.producer_is_paused_within_the_write_that_did_not_fit",
    ),
    51: case(
        "a comment before the status is decided",
        FAILOVER + "StreamKeepaliveTests.a_waiting_client_gets_comments_and_then_its_answer",
        FAILOVER + "StreamKeepaliveTests.an_error_is_an_event_then",
        FAILOVER + "StreamKeepaliveTests.nobody_is_told_to_wait_who_gets_an_answer",
    ),
    # Translation
    52: case(
        "a call without arguments",
        ANTHROPIC + "StreamTests.call_without_arguments",
        CHAT_REPLY + "ToolTests.call_without_arguments",
        BEDROCK + "StreamTests.call_without_arguments",
        ANTHROPIC + "RecordedTests.streams",
    ),
    53: case(
        "results must follow their calls",
        ANTHROPIC_REQUEST + "TurnTests.neighbours_are_merged_and_results_come_first",
        CHAT_REQUEST + "ToolHistoryTests.results_are_messages_before_what_the_user_says",
        GEMINI_REQUEST + "ToolTests.history",
        untested="a result that is missing is not made up: the provider's own 400 says so",
    ),
    54: case(
        "ids of calls that others refuse",
        MISTRAL + "OrderTests.ids_of_nine",
        MISTRAL + "OrderTests.any_id",
        BEDROCK_REQUEST + "ToolTests.ids_and_names_that_do_not_fit",
        ANTHROPIC_REQUEST + "TurnTests.ids_are_made_acceptable_alike",
        CHAT_REQUEST + "ToolHistoryTests.long_ids_are_shortened_alike",
        GEMINI + "WholeTests.ids_are_made_up_once",
        GEMINI_REQUEST + "ToolTests.ids_used_again",
    ),
    55: case(
        "Bedrock wants its toolConfig where calls were made before",
        BEDROCK_REQUEST + "ToolTests.history_without_tools",
        ANTHROPIC_REQUEST + "ToolTests.history_with_calls_declares_their_tools",
    ),
    56: case(
        "names of documents, twice or of wrong letters",
        BEDROCK_REQUEST + "FileTests.names_are_there_once",
        BEDROCK_REQUEST + "FileTests.documents",
    ),
    57: case(
        "what of a schema others refuse",
        TRICKY + "SchemaTests.a_tools_kind_is_no_part_of_its_schema",
        GEMINI_REQUEST + "SchemaTests.references_to_anywhere",
        GEMINI_REQUEST + "SchemaTests.parameters",
        GEMINI_REQUEST + "SchemaTests.any",
        MISTRAL + "SchemaTests.keywords_go_and_names_stay",
        CHAT_REQUEST + "ToolTests.functions",
    ),
    58: case(
        "max_tokens and max_completion_tokens",
        CHAT_REQUEST + "OptionTests.max_tokens_by_its_name",
        AZURE + "RequestTests.max_tokens",
        "unit.llm.test_body.AdjustmentsTests.max_tokens_has_two_names",
        "unit.llm.test_chat_front.OptionTests.two_spellings_of_one_limit",
    ),
    59: case(
        "newer GPTs with tools refuse to reason in chats",
        CHAT_REQUEST + "EffortTests.newer_gpt_does_not_think_where_it_may_call_functions",
    ),
    60: case(
        "calls that were cut off are not repaired",
        CHAT_REPLY + "ToolTests.truncated_arguments_are_not_repaired",
        MESSAGES_FRONT + "StreamTests.calls_that_are_cut_off_are_told_as_they_are",
        RESPONSES_FRONT + "ItemTests.truncated_call",
    ),
    61: case(
        "Claude Code",
        "dist.test_claude_code.ClaudeCodeTests.other_providers",
        "dist.test_claude_code.ClaudeCodeTests.anthropic_itself",
        "dist.test_claude_code.ClaudeCodeTests.counting",
        "unit.llm.test_messages.RequestTests.billing_line_of_claude_code_stays_here",
        "unit.llm.test_messages.RequestTests.what_is_for_anthropics_own_service_stays_here",
        "dist.test_contract.KeyTests.passthrough_has_two_credentials_in_one_request",
    ),
    62: case(
        "usage that comes late, or twice; two openings",
        MESSAGES_FRONT + "StreamTests.usage_of_the_beginning_is_told_there",
        TRICKY + "RepetitionTests.two_openings_of_a_message_are_one",
        TAPS + "MessagesStreamTests.whole_stream",
        "unit.llm.test_usage.FromAnthropicTests.cache_is_part_of_the_input",
    ),
    63: case(
        "what strict readers of responses want",
        RESPONSES_FRONT + "TextTests.every_event_is_what_the_sdk_types_say",
        RESPONSES_FRONT + "TextTests.order",
        RESPONSES_FRONT + "TextTests.whole_is_what_the_stream_ends_with",
        RESPONSES_FRONT + "ItemTests.any_order",
        "dist.test_matrix.CodexTests.custom_and_namespaced_tools",
    ),
    64: case(
        "ids of models with slashes and colons",
        TRICKY_REQUESTS + "models_with_slashes_and_colons",
        BEDROCK_REQUEST + "PlaceTests.paths",
        GEMINI_REQUEST + "PlainTests.model_cannot_leave_its_place",
        "unit.http.test_target.PathTests.paths_that_have_their_form",
    ),
    65: case(
        "embeddings in base64",
        "unit.llm.test_embeddings_front.ReplyTests.sdk_reads_both_encodings",
        MISTRAL + "EmbeddingTests.request",
        "dist.test_sdk.OtherOperationTests.embeddings",
        untested="a compatible server that refuses encoding_format says so: its embeddings pass byte for byte",
    ),
}


class CaseTests(unittest.TestCase):
    """The table above."""

    def test_every_case_is_there(self) -> None:
        """With tests, or the reason why not."""
        self.assertEqual(list(CASES), list(range(1, 66)))
        for number, one in CASES.items():
            self.assertTrue(one.tests or one.untested, number)

    def test_every_test_is_there(self) -> None:
        """One that was renamed or lost is missed here."""
        for number, one in CASES.items():
            self.assertEqual(len(set(one.tests)), len(one.tests), number)
            for name in one.tests:
                place, _, method = name.rpartition(".")
                self.assertTrue(hasattr(namedAny(f"tests.{place}"), f"test_{method}"), (number, name))
