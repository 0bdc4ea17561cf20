"""What a route serves: by operation, by path and method, and whose model it is."""

from __future__ import annotations

import json
from typing import Any

import attrs
from twisted.trial import unittest

from aigw.consumers.consumer import Consumer
from aigw.consumers.key_filter import KeyFilter
from aigw.errors import BadRequest, MethodNotAllowed, ModelNotFound, NoRoute
from aigw.web.route import Found, Route, model_asked_for


@attrs.frozen
class Asked:
    """A request as far as its operation goes."""

    method: bytes = b"POST"


class OneModel:
    """``[models]`` with nothing in it."""

    def choose(self, name: str) -> Any:
        return None

    def alone(self, backend: str) -> Any:
        return object()


def make_route(**more: Any) -> Route:
    """A route that picks from ``[models]``, changed where a test wants it otherwise."""
    values: dict[str, Any] = {
        "authenticator": None,
        "keys": KeyFilter(lambda token: False),
        "operation": None,
        "backend": None,
        "model": None,
        "lists_upstream": False,
        "full_path": None,
        "prefix": None,
        "models": OneModel(),
        "plans": None,
        "plan_key": "r",
    }
    return Route("r", **(values | more))


def operation(route: Route, method: str, path: str, matched: bytes = b"/v1") -> str:
    """What is asked for; empty if there is no such route for it, the methods that are allowed if it has another."""
    request: Any = Asked(method.encode())
    found = Found(route, path.encode(), matched)
    try:
        return route.operation_of(request, found.operation)
    except NoRoute:
        return ""
    except MethodNotAllowed as error:
        return "not " + dict(error.response_headers())[b"allow"].decode()


class OperationTests(unittest.TestCase):
    """Route.operation_of"""

    def test_where_the_request_s_model_picks(self) -> None:
        """Calls of a model by their method, and nothing else."""
        route = make_route()
        for method, path, expected in (
            ("POST", "/v1/chat/completions", "chat"),
            ("POST", "/v1/x/messages/count_tokens", "count_tokens"),
            ("GET", "/v1/models", "models"),
            ("HEAD", "/v1/models/m", "models"),
            ("POST", "/v1/images/generations", "raw"),
            ("POST", "/v1/rerank/", "raw"),
            ("OPTIONS", "/v1/images/generations", "raw"),
            ("OPTIONS", "/v1/chat/completions", "chat"),
            ("GET", "/v1/models/org/name", "models"),
            ("GET", "/v1/models/org%2Fname/", "models"),
            ("GET", "/v1/chat/completions", "not POST"),
            ("HEAD", "/v1/responses", "not POST"),
            ("DELETE", "/v1/messages", "not POST"),
            ("DELETE", "/v1/models/m", "not GET, HEAD"),
            ("POST", "/v1/models", "not GET, HEAD"),
            ("GET", "/v1/images/generations", "not POST"),
            ("PUT", "/v1/rerank", "not POST"),
            ("POST", "/v1/files", ""),
            ("GET", "/v1/files", ""),
            ("OPTIONS", "/v1/files", ""),
            ("POST", "/v1/batches", ""),
            ("POST", "/v1", ""),
        ):
            self.assertEqual(operation(route, method, path), expected, (method, path))

    def test_a_route_without_a_backend_is_named(self) -> None:
        """Whoever reads the 404 knows which table of the file to look at."""
        found = Found(make_route(), b"/v1/files", b"/v1")
        request: Any = Asked(b"POST")
        error = self.assertRaises(NoRoute, found.route.operation_of, request, found.operation)
        self.assertIn("route r has no backend, so it serves calls of a model only; another path", str(error))

    def test_raw_where_the_request_s_model_picks(self) -> None:
        """The same calls, passed on as they are; none without a body."""
        route = make_route(operation="raw")
        for method, path, expected in (
            ("POST", "/v1/chat/completions", "raw"),
            ("POST", "/v1/audio/speech", "raw"),
            ("GET", "/v1/models", ""),
            ("GET", "/v1/models/m", ""),
            ("GET", "/v1/chat/completions", "not POST"),
            ("POST", "/v1/files", ""),
        ):
            self.assertEqual(operation(route, method, path), expected, (method, path))

    def test_a_route_to_one_backend_or_model_passes_everything_on(self) -> None:
        """As ``raw`` where it is no known operation, and where the provider has something else at its path."""
        for more in ({"backend": "b"}, {"model": "m"}):
            route = make_route(**more)
            for method, path, expected in (
                ("POST", "/v1/chat/completions", "chat"),
                ("GET", "/v1/chat/completions", "raw"),
                ("DELETE", "/v1/chat/completions", "not POST"),
                ("GET", "/v1/responses", "not POST"),
                ("GET", "/v1/messages", "not POST"),
                ("GET", "/v1/embeddings", "not POST"),
                ("GET", "/v1/completions", "not POST"),
                ("POST", "/v1/models", "raw"),
                ("GET", "/v1/files", "raw"),
                ("OPTIONS", "/v1/files", "raw"),
                ("DELETE", "/v1/models/m", "raw"),
                ("GET", "/v1/models/m", "raw"),
            ):
                self.assertEqual(operation(route, method, path), expected, (method, path))

    def test_one_model_of_a_provider(self) -> None:
        """Is asked for at the provider's own place, unless the route rewrites it; what is below it is not known."""
        route = make_route(backend="b", lists_upstream=True)
        self.assertEqual(operation(route, "GET", "/v1/models/m"), "models")
        self.assertEqual(route.names_model(b"/v1/models/org%2Fm"), "org/m")
        for method, path in (("DELETE", "/v1/models/m"), ("GET", "/v1/models/m/permissions"), ("POST", "/v1/models/m")):
            self.assertEqual(operation(route, method, path), "raw", path)
        renamed = make_route(backend="b", lists_upstream=True, prefix=b"/v2")
        self.assertEqual(operation(renamed, "GET", "/v1/models/m"), "raw")

    def test_an_operation_that_the_route_says(self) -> None:
        """Is told its methods."""
        for more in ({}, {"backend": "b"}):
            route = make_route(operation="chat", **more)
            self.assertEqual(operation(route, "POST", "/anything"), "chat")
            self.assertEqual(operation(route, "GET", "/anything"), "not POST")

    def test_rewritten(self) -> None:
        """What goes up counts: a whole path is the configuration's; behind a prefix, the client's must be the call."""
        whole = make_route(full_path=b"/openai/deployments/d/images/generations")
        self.assertEqual(operation(whole, "POST", "/v1/x"), "raw")
        renamed = make_route(prefix=b"/openai/v1")
        for path, expected in (
            ("/v1/images/generations", "raw"),
            ("/v1/v1/images/generations", "raw"),
            ("/v1/deployments/d/images/generations", ""),
            ("/v1/chat/completions", "chat"),
        ):
            self.assertEqual(operation(renamed, "POST", path), expected, path)
        self.assertEqual(operation(make_route(prefix=b"/images"), "POST", "/v1/generations"), "raw")


class FoundTests(unittest.TestCase):
    """Found.matched"""

    def test_all_before_the_call_stays_here_where_the_model_picks(self) -> None:
        """So that no part of the path chooses another model; elsewhere it is what the route matched."""
        path = b"/v1/deployments/d/v1/images/edits"
        self.assertEqual(Found(make_route(), path, b"/v1").matched, b"/v1/deployments/d")
        self.assertEqual(Found(make_route(), b"/v1/rerank", b"/v1/rerank").matched, b"")
        self.assertEqual(Found(make_route(backend="b"), path, b"/v1").matched, b"/v1")
        self.assertEqual(Found(make_route(), b"/v1/chat/completions", b"/v1").matched, b"/v1")


class ModelTests(unittest.TestCase):
    """Route.decided_model, model_asked_for"""

    def test_what_all_calls_get(self) -> None:
        """The route's model, the consumer's own, the backend's; nothing where the client's name decides."""
        plain = Consumer("c")
        pinned: dict[str, Any] = {"backend": "b", "pinned": "p"}
        own: Any = attrs.make_class("Own", {"model": attrs.field(), "on_model_mismatch": attrs.field()})
        other = Consumer("o", backends={"b": own("o", None)})
        loose = Consumer("l", backends={"b": own(None, "allow")})
        for route, consumer, decided in (
            (make_route(), plain, None),
            (make_route(model="m"), plain, "m"),
            (make_route(backend="b"), plain, None),
            (make_route(**pinned), plain, "p"),
            (make_route(**pinned), other, "o"),
            (make_route(backend="b"), other, "o"),
            (make_route(**pinned), loose, None),
            (make_route(**pinned, on_model_mismatch="allow"), plain, None),
            (make_route(**pinned, on_model_mismatch="reject"), plain, "p"),
        ):
            self.assertEqual(route.decided_model(consumer), decided)

    def test_one_model_of_the_list(self) -> None:
        """Is all that follows, unescaped; of a provider's paths only the last segment."""
        for path in (b"/v1/models/org%2Fname", b"/v1/models/org/name", b"/v1/models/org/name/"):
            self.assertEqual(model_asked_for(path), "org/name")
        self.assertEqual(model_asked_for(b"/v1/models/org%2Fname", slashes=False), "org/name")
        self.assertIsNone(model_asked_for(b"/v1/models/org/name", slashes=False))
        for path in (b"/v1/models", b"/v1/models/", b"/v1/files"):
            self.assertIsNone(model_asked_for(path))

    def test_a_model_that_nobody_serves(self) -> None:
        """Is not found, which SDKs and Claude Code know: OpenAI's type and code, Anthropic's type."""
        error = self.assertRaises(ModelNotFound, make_route().choose, "nothing")
        self.assertEqual(error.status, 404)
        for anthropic, kind in ((False, "invalid_request_error"), (True, "not_found_error")):
            told = json.loads(error.body("r", anthropic=anthropic))["error"]
            self.assertEqual((told["type"], told["code"], told["param"]), (kind, "model_not_found", "model"))
        self.assertEqual(self.assertRaises(BadRequest, make_route().choose, None).code, "model_required")
