"""Which call a path names."""

from twisted.trial import unittest

from aigw.llm import operations


class ByPathTests(unittest.TestCase):
    """operations.by_path"""

    def test_end_of_path_names_the_operation(self) -> None:
        """Whatever prefix the client puts before it."""
        expected = {
            b"/v1/chat/completions": "chat",
            b"/chat/completions": "chat",
            b"/llm/openai/v1/completions": "completions",
            b"/v1/embeddings": "embeddings",
            b"/v1/responses": "responses",
            b"/v1/messages": "messages",
            b"/v1/messages/count_tokens": "count_tokens",
            b"/v1/models": "models",
        }
        self.assertEqual({path: operations.by_path(path) for path in expected}, expected)

    def test_only_whole_segments_count(self) -> None:
        """No name is recognised inside another."""
        for path in (b"/v1/mychat/completion", b"/v1/xmodels", b"/v1/chat-completions", b"/v1/responsesx", b"/", b""):
            self.assertEqual(operations.by_path(path), "raw", path)
        self.assertEqual(operations.by_path(b"/v1/xchat/completions"), "completions")

    def test_what_is_below_an_operation_is_raw(self) -> None:
        """A stored response or one model is not the operation itself."""
        for path in (b"/v1/models/gpt-4o", b"/v1/responses/resp_1", b"/v1/messages/batches", b"/v1/files"):
            self.assertEqual(operations.by_path(path), "raw", path)

    def test_slash_at_the_end_makes_no_difference(self) -> None:
        """Or a limit on an operation could be walked around with it."""
        self.assertEqual(operations.by_path(b"/v1/chat/completions//"), "chat")


class TailTests(unittest.TestCase):
    """operations.tail_of_model_call"""

    def test_end_of_the_path_with_its_version(self) -> None:
        """Nothing else before it, whatever that is."""
        for path, tail in (
            (b"/images/generations", b"/images/generations"),
            (b"/v1/images/edits", b"/v1/images/edits"),
            (b"/v1/audio/speech/", b"/v1/audio/speech/"),
            (b"/llm/v2/rerank", b"/v2/rerank"),
            (b"/llm/rerank", b"/rerank"),
            (b"/openai/deployments/d/images/generations", b"/images/generations"),
            (b"/v1beta1/moderations", b"/v1beta1/moderations"),
            (b"/version/moderations", b"/moderations"),
            (b"/v1-x/moderations", b"/moderations"),
        ):
            for also in (False, True):
                self.assertEqual(operations.tail_of_model_call(path, also), tail, path)

    def test_anything_else_has_none(self) -> None:
        """What is below a call, beside it, or only looks like it."""
        for path in (b"/", b"", b"/v1", b"/v1/files", b"/v1/images", b"/v1/images/generations/x", b"/ximages/edits",
                     b"/v1/mymoderations", b"/v1/models", b"/v1/batches"):  # fmt: skip
            for also in (False, True):
                self.assertEqual(operations.tail_of_model_call(path, also), b"", path)

    def test_known_operations_where_they_are_passed_on(self) -> None:
        """Those that have a body."""
        for path in (b"/v1/chat/completions", b"/v1/completions", b"/v1/messages/count_tokens", b"/v1/responses"):
            self.assertEqual(operations.tail_of_model_call(b"/x" + path, True), path)
            self.assertEqual(operations.tail_of_model_call(path, False), b"")


class TableTests(unittest.TestCase):
    """The tables of operations."""

    def test_every_operation_but_raw_has_its_methods(self) -> None:
        """Raw takes any."""
        self.assertEqual(set(operations.METHODS), operations.OPERATIONS - {"raw"})

    def test_messages_are_anthropics_and_all_else_is_openais(self) -> None:
        """The dialect is the client's."""
        anthropic = {name for name in operations.OPERATIONS if operations.dialect(name) == "anthropic"}
        self.assertEqual(anthropic, {"messages", "count_tokens"})
