"""Which models a limited consumer gets, and what a route serves that leaves the backend to the request's model.

Each refused request is one that reached the provider's model all the same when only the body's ``model`` was judged.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
from twisted.internet import reactor

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers
from tests.dist.daemon import Answer, Daemon, DaemonTestCase
from tests.dist.raw import chat, connect

CONFIG = """
[server]
access_log = "access.log"

[backends.plain]
provider = "openai-compatible"
url = "{url}/v1"
[backends.bare]
provider = "openai-compatible"
url = "{url}"
[backends.pinned]
provider = "openai-compatible"
url = "{url}/v1"
model = "expensive"
[backends.rejects]
provider = "openai-compatible"
url = "{url}/v1"
model = "expensive"
on_model_mismatch = "reject"
[backends.allows]
provider = "openai-compatible"
url = "{url}/v1"
model = "expensive"
on_model_mismatch = "allow"
[backends.own]
provider = "openai-compatible"
url = "{url}/v1"
model = "cheap"
[backends.claude]
provider = "anthropic"
url = "{url}"
[backends.gemini]
provider = "gemini"
url = "{url}"
[backends.azure]
provider = "azure"
url = "{url}"
[backends.deployment]
provider = "azure"
url = "{url}/openai/deployments/expensive"
[backends.bedrock]
provider = "bedrock"
region = "eu-central-1"
url = "{url}"

[models.cheap]
aliases = ["thrifty"]
targets = [{{ backend = "plain", model = "cheap-real" }}]
[models.smart]
targets = [{{ backend = "plain", model = "smart-real" }}]
[models.draw]
targets = [{{ backend = "plain" }}]

[routes.catalogue]
paths = ["/v1"]
[routes.everything]
paths = ["/all"]
operation = "raw"
[routes.exact]
paths = ["=/exact/v1/moderations"]
[routes.renamed]
paths = ["/renamed"]
rewrite = {{ prefix = "/v1" }}
[routes.smart]
paths = ["/smart"]
model = "smart"
[routes.cheap]
paths = ["/cheap"]
model = "cheap"
{routes}
[routes.deployments]
paths = ["/deployments"]
backend = "plain"
rewrite = {{ prefix = "/openai/deployments" }}

[consumers.full]
keys = ["full-key"]
[consumers.limited]
keys = ["limited-key"]
models = ["cheap", "draw", "cheap-*", "gemini-2.5-flash", "anthropic.claude-haiku*"]
[consumers.limited.backends.own]
model = "expensive"
[consumers.starred]
keys = ["starred-key"]
models = ["*"]
"""
BACKENDS = (
    "plain", "bare", "pinned", "rejects", "allows", "own", "claude", "gemini", "azure", "deployment", "bedrock"
)  # fmt: skip
ROUTE = '[routes.{name}]\npaths = ["/{name}"]\nbackend = "{name}"\n'

#: Calls of a model by each operation that names it in the body, with what the operation needs.
CALLS = (
    ("/v1/chat/completions", {"messages": []}),
    ("/v1/completions", {"prompt": "x"}),
    ("/v1/embeddings", {"input": "x"}),
    ("/v1/responses", {"input": "x"}),
    ("/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}),
)
#: Bodies' members by which a call for a model that is allowed gets another one as well.
ELSEWHERE: tuple[dict[str, Any], ...] = (
    {"models": ["cheap", "expensive"]},
    {"fallbacks": ["expensive"]},
    {"fallbacks": [{"model": "expensive"}]},
    {"fallbacks": [{"cheap": ["expensive"]}]},
    {"context_window_fallbacks": [{"cheap": ["expensive"]}]},
    {"tools": [{"type": "image_generation", "model": "expensive"}]},
    {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "expensive"}]},
    {"tools": [{"type": "openrouter:advisor", "parameters": {"model": "expensive"}}]},
    {"tools": [{"type": "namespace", "tools": [{"type": "image_generation", "model": "expensive"}]}]},
    {"plugins": [{"id": "web", "model": "expensive"}]},
    {"providerOptions": {"gateway": {"models": ["expensive"]}}},
    {"compound_custom": {"models": {"answering_model": "expensive"}}},
)
#: Members that stand for models which only the provider knows.
UNKNOWN: tuple[dict[str, Any], ...] = (
    {"prompt": {"id": "pmpt_1"}},
    {"preset": "careful"},
    {"agent_id": "ag_1"},
    {"route": "fallback"},
)


class ModelTestCase(DaemonTestCase):
    """One daemon with a route for each backend; every backend is the same upstream."""

    async def serve(self) -> None:
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.standing = answers.reply({"id": "x", "object": "list", "data": []})
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        routes = "".join(ROUTE.format(name=name) for name in BACKENDS)
        url = f"http://127.0.0.1:{self.upstream.port}"
        self.daemon: Daemon = await self.start_daemon(CONFIG.format(url=url, routes=routes))

    async def ask(
        self,
        path: str,
        body: Any = None,
        key: str = "limited-key",
        method: str | None = None,
        kind: str = "application/json",
    ) -> Answer:
        """One request; POST where there is a body, else GET."""
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        verb = method or ("POST" if data is not None else "GET")
        client = await connect(self.daemon.port)
        lines = [f"{verb} {path} HTTP/1.1", "Host: gateway", f"apikey: {key}", "Connection: close"]
        if data is not None:
            lines += [f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
        client.send("\r\n".join([*lines, "", ""]).encode() + (data or b""))
        received = await client.closed()
        head, _, rest = bytes(received).partition(b"\r\n\r\n")
        fields = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
        headers = {name.decode().lower(): value.decode() for name, _, value in fields}
        return Answer(int(head.split(b" ")[1]), headers, rest)

    def last(self) -> ReceivedRequest:
        return self.upstream.requests[-1]

    async def refused(self, status: int, *asked: Any, code: str = "model_forbidden", **more: Any) -> str:
        """The request is refused with that status and code, and nothing reaches the provider; returns the message."""
        before = len(self.upstream.requests)
        answer = await self.ask(*asked, **more)
        error = orjson.loads(answer.body)["error"] if answer.body else {}
        self.assertEqual((answer.status, error.get("code")), (status, code), (asked, more, answer.body))
        self.assertEqual(len(self.upstream.requests), before, asked)
        return str(error["message"])

    async def served(self, *asked: Any, **more: Any) -> ReceivedRequest:
        """The request reaches the provider; returns what did."""
        before = len(self.upstream.requests)
        answer = await self.ask(*asked, **more)
        self.assertEqual(len(self.upstream.requests), before + 1, (asked, more, answer.status, answer.body))
        return self.last()


class CatalogueTests(ModelTestCase):
    """A route without backend and model."""

    async def test_serves_calls_of_a_model_only(self) -> None:
        """Whoever asks, whatever model the body names, and whatever the prefix."""
        await self.serve()
        for method, path in (
            ("GET", "/chat/completions"),
            ("DELETE", "/chat/completions"),
            ("HEAD", "/embeddings"),
            ("PUT", "/responses"),
            ("DELETE", "/models/ft-1"),
            ("POST", "/models"),
            ("GET", "/images/generations"),
            ("DELETE", "/moderations"),
        ):
            for prefix in ("/v1", "/all/v1"):
                for key in ("limited-key", "full-key"):
                    answer = await self.ask(prefix + path, None, key, method)
                    # Where all is raw, a list of models is nobody's.
                    status = 404 if prefix == "/all/v1" and path.startswith("/models") else 405
                    self.assertEqual(answer.status, status, (method, prefix, path))
                    self.assertEqual("allow" in answer.headers, status == 405)
        for method, path in (
            ("GET", "/files"),
            ("POST", "/files"),
            ("DELETE", "/files/file-1"),
            ("GET", "/files/file-1/content"),
            ("GET", "/chat/completions/c-1"),
            ("GET", "/responses/resp_1"),
            ("POST", "/responses/resp_1/cancel"),
            ("POST", "/fine_tuning/jobs"),
            ("POST", "/batches"),
            ("POST", "/messages/batches"),
            ("GET", "/organization/admin_api_keys"),
            ("POST", "/images"),
            ("POST", "/ximages/generations"),
            ("POST", "/images/generations/x"),
            ("OPTIONS", "/files"),
            ("POST", ""),
        ):
            for prefix in ("/v1", "/all/v1"):
                for key in ("limited-key", "full-key"):
                    message = await self.refused(
                        404, prefix + path, {"model": "cheap"}, method=method, key=key, code="no_route"
                    )
                    self.assertIn('operation = "raw"', message)
        self.assertEqual(self.upstream.requests, [])

    async def test_serves_those_that_are_passed_on(self) -> None:
        """By POST, at the backend's own path, whatever stands before it: no part of it chooses the model."""
        await self.serve()
        for path, target in (
            ("/v1/images/generations", b"/v1/images/generations"),
            ("/v1/v1/images/edits?x=1", b"/v1/images/edits?x=1"),
            ("/v1/images/variations/", b"/v1/images/variations/"),
            ("/v1/audio/speech", b"/v1/audio/speech"),
            ("/v1/moderations", b"/v1/moderations"),
            ("/v1/v2/rerank", b"/v1/v2/rerank"),
            ("/v1/openai/deployments/expensive/images/generations", b"/v1/images/generations"),
            ("/exact/v1/moderations", b"/v1/moderations"),
            ("/renamed/audio/speech", b"/v1/audio/speech"),
            ("/all/v1/rerank", b"/v1/rerank"),
            ("/all/v1/chat/completions", b"/v1/chat/completions"),
            ("/all/deployments/expensive/chat/completions", b"/v1/chat/completions"),
        ):
            self.assertEqual((await self.served(path, {"model": "draw"})).target, target)
        form = b"model=draw&file=x"
        for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
            await self.served(path, form, kind="application/x-www-form-urlencoded")
        await self.refused(404, "/renamed/deployments/x/audio/speech", {"model": "draw"}, code="no_route")
        await self.refused(403, "/v1/images/generations", {"model": "smart"})
        await self.refused(400, "/v1/images/generations", {}, key="full-key", code="model_required")

    async def test_ask_for_the_target_s_model(self) -> None:
        """As known operations do: what a public name stands for, in JSON and in forms; else byte for byte."""
        await self.serve()
        for path, key in (("/v1/images/generations", "limited-key"), ("/all/v1/chat/completions", "full-key")):
            sent = await self.served(path, {"model": "cheap", "x": [1.0]}, key=key)
            self.assertEqual(sent.json(), {"model": "cheap-real", "x": [1.0]})
        form = "application/x-www-form-urlencoded"
        sent = await self.served("/v1/audio/translations", b"a=1&model=cheap&file=%00+x", kind=form)
        self.assertEqual(sent.body, b"a=1&model=cheap-real&file=%00+x")
        sent = await self.served("/v1/audio/translations", b"a=1&model=thrifty", "full-key", kind=form)
        self.assertEqual(sent.body, b"a=1&model=cheap-real")
        part = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        parts = part % (b"model", b"cheap"), part % (b"file", b"\x00\r\ncheap"), b"--x--\r\n"
        sent = await self.served("/v1/audio/transcriptions", b"".join(parts), kind="multipart/form-data; boundary=x")
        self.assertEqual(sent.body, part % (b"model", b"cheap-real") + parts[1] + parts[2])
        self.assertEqual(sent.header(b"content-length"), b"%d" % len(sent.body))
        body = b'{ "model" : "draw" }'
        self.assertEqual((await self.served("/v1/images/edits", body)).body, body)

    async def test_options_tell_the_methods(self) -> None:
        """And are never the provider's."""
        await self.serve()
        for path, allowed in (
            ("/v1/chat/completions", "POST, OPTIONS"),
            ("/v1/images/edits", "POST, OPTIONS"),
            ("/v1/models", "GET, HEAD, OPTIONS"),
            ("/v1/models/cheap", "GET, HEAD, OPTIONS"),
        ):
            answer = await self.ask(path, method="OPTIONS")
            self.assertEqual((answer.status, answer.headers["allow"]), (204, allowed))
        self.assertEqual(self.upstream.requests, [])

    async def test_lists_models(self) -> None:
        """All of them, and each, to GET and HEAD."""
        await self.serve()
        for path in ("/v1/models", "/v1/models/cheap"):
            self.assertEqual((await self.ask(path)).status, 200)
            self.assertEqual((await self.ask(path, method="HEAD")).status, 200)
        self.assertEqual((await self.ask("/v1/models/smart")).status, 404)


class DecidingNameTests(ModelTestCase):
    """The name that is judged is the one that decides."""

    async def test_the_route_s_model_then_the_pinned_one(self) -> None:
        """Whatever the client names, and by whatever operation."""
        await self.serve()
        for prefix in ("/smart", "/pinned", "/rejects", "/own"):
            for path, needed in CALLS:
                for stream in (False, True):
                    fields = {"model": "cheap", "stream": stream, **needed}
                    message = await self.refused(403, prefix + path, fields)
                    self.assertIn("smart" if prefix == "/smart" else "expensive", message)

    async def test_a_public_name_stands_for_its_targets(self) -> None:
        """An alias is a name like it, and asking in another's name on a route with a model changes nothing."""
        await self.serve()
        for path, model in (("/v1", "cheap"), ("/cheap", "smart"), ("/cheap", None)):
            sent = await self.served(path + "/v1/chat/completions", {"model": model, "messages": []})
            self.assertEqual(sent.json()["model"], "cheap-real")
        await self.refused(403, "/v1/chat/completions", {"model": "thrifty", "messages": []})
        await self.refused(403, "/v1/chat/completions", {"model": "smart", "messages": []})

    async def test_raw_on_a_route_with_a_model(self) -> None:
        """The route's model is judged, and the client's, which is what goes up there."""
        await self.serve()
        await self.refused(403, "/smart/v1/images/edits", {"model": "cheap"})
        await self.refused(403, "/cheap/v1/images/edits", {"model": "smart"})
        self.assertEqual((await self.served("/cheap/v1/images/edits", {"model": "cheap"})).json(), {"model": "cheap"})

    async def test_where_the_client_s_name_is_let_through(self) -> None:
        """It is judged, and the pinned one where there is none."""
        await self.serve()
        sent = await self.served("/allows/v1/chat/completions", {"model": "cheap", "messages": []})
        self.assertEqual(sent.json()["model"], "cheap")
        for model in ("expensive", None, ""):
            await self.refused(403, "/allows/v1/chat/completions", {"model": model, "messages": []})

    async def test_a_deployment_in_the_backend_s_url(self) -> None:
        """Decides at Azure, whatever the body names; also where the call is translated."""
        await self.serve()
        for path, needed in CALLS:
            if path not in ("/v1/completions", "/v1/embeddings"):
                await self.refused(403, "/deployment" + path, {"model": "cheap", **needed})
        self.assertEqual(
            (await self.served("/azure/v1/chat/completions", {"model": "cheap", "messages": []})).path,
            b"/openai/deployments/cheap/chat/completions",
        )

    async def test_a_prefix_behind_which_the_path_names_the_model(self) -> None:
        """The path is judged as well as the body."""
        await self.serve()
        fields = {"model": "cheap", "messages": []}
        await self.refused(403, "/deployments/expensive/chat/completions", fields)
        sent = await self.served("/deployments/cheap/chat/completions", fields)
        self.assertEqual(sent.target, b"/openai/deployments/cheap/chat/completions")

    async def test_lists_agree(self) -> None:
        """What is listed may be asked for there."""
        await self.serve()
        for prefix, expected in (
            ("", ["cheap", "draw"]),
            ("/smart", []),
            ("/pinned", []),
            ("/own", []),
            ("/cheap", ["cheap"]),
        ):
            listed = orjson.loads((await self.ask(prefix + "/v1/models")).body)["data"]
            self.assertEqual([each["id"] for each in listed], expected, prefix)
        self.assertEqual(self.upstream.requests, [])

    async def test_who_may_use_everything_is_not_judged(self) -> None:
        """``*`` is everything."""
        await self.serve()
        for key in ("full-key", "starred-key"):
            await self.served("/pinned/v1/chat/completions", {"model": "cheap", "messages": []}, key=key)
            fields = {"model": "cheap", "messages": [], **ELSEWHERE[0]}
            sent = await self.served("/plain/v1/chat/completions", fields, key=key)
            self.assertEqual(sent.json(), fields)
            await self.served("/plain/v1/batches", {"input_file_id": "f"}, key=key)


class ElsewhereTests(ModelTestCase):
    """Names beside the body's ``model``."""

    async def test_in_the_body_of_every_operation(self) -> None:
        """Whole and streamed, passed on and translated, known and raw."""
        await self.serve()
        for path, needed in (*CALLS, ("/v1/anything", {})):
            for prefix in ("/plain", "/claude") if path == "/v1/messages" else ("/plain",):
                for more in ELSEWHERE:
                    message = await self.refused(403, prefix + path, {"model": "cheap", **needed, **more})
                    self.assertIn("expensive", message)
                for more in UNKNOWN:
                    if path != "/v1/completions" or "prompt" not in more:
                        message = await self.refused(403, prefix + path, {"model": "cheap", **needed, **more})
                        self.assertIn("cannot be known", message)
        fields = {"model": "cheap", "stream": True, "messages": [], **ELSEWHERE[0]}
        await self.refused(403, "/v1/chat/completions", fields)

    async def test_allowed_ones_pass(self) -> None:
        """And what only looks like a model's name is none: in a schema, a conversation, a caller's own data."""
        await self.serve()
        schema = {"type": "object", "properties": {"model": {"type": "string", "enum": ["expensive"]}}}
        for more in (
            {"models": ["cheap", "cheap-too"]},
            {"tools": [{"type": "image_generation", "model": "cheap-draw"}]},
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]},
            {"tools": [{"type": "function", "name": "f", "parameters": {"model": "expensive"}}]},
            {"metadata": {"model": "expensive"}},
            {"messages": [{"role": "user", "content": "hi", "model": "expensive"}]},
            {"response_format": {"type": "json_schema", "json_schema": {"model": "expensive"}}},
        ):
            fields = {"model": "cheap", "messages": [], **more}
            self.assertEqual((await self.served("/plain/v1/chat/completions", fields)).json(), fields)

    async def test_what_is_judged_is_what_is_sent(self) -> None:
        """Where a member that decides is there twice, the provider sees one only."""
        await self.serve()
        for hidden in (b'"models":["expensive"],"models":["cheap"]', b'"tools":[{"type":"x","model":"y"}],"tools":[]'):
            for path in ("/plain/v1/chat/completions", "/plain/v1/anything"):
                body = b'{"model":"cheap","messages":[],' + hidden + b"}"
                sent = await self.served(path, body)
                self.assertEqual(sent.json(), orjson.loads(body))
                self.assertEqual(sent.body, orjson.dumps(orjson.loads(body)))

    async def test_model_in_another_case(self) -> None:
        """Is refused wherever the model is judged or replaced: readers differ on it."""
        await self.serve()
        for other in (b"Model", b"MODEL", b"\\u004dodel", b"mode\\u004c"):
            body = b'{"model":"cheap","messages":[],"' + other + b'":"expensive"}'
            for path in ("/plain/v1/chat/completions", "/plain/v1/anything", "/v1/chat/completions"):
                await self.refused(400, path, body, code="repeated_parameter")
            for path in ("/v1/chat/completions", "/pinned/v1/chat/completions", "/smart/v1/chat/completions"):
                await self.refused(400, path, body, key="full-key", code="repeated_parameter")
        await self.refused(400, "/v1/images/edits", b"model=draw&Model=x", kind="application/x-www-form-urlencoded",
                           code="repeated_parameter")  # fmt: skip

    async def test_in_paths(self) -> None:
        """Gemini's, Vertex AI's, Bedrock's, Azure's; the body may be of any kind then."""
        await self.serve()
        arn = "arn:aws:bedrock:eu-central-1:1:inference-profile/eu.anthropic.claude-opus-4-1"
        haiku = "arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude-haiku-4-5-v1:0"
        vertex = "/gemini/v1/projects/p/locations/l"
        for allowed, path in (
            (False, "/gemini/v1beta/models/gemini-2.5-pro:generateContent"),
            (False, "/gemini/v1beta/models/gemini-2.5-pro%3AgenerateContent"),
            (False, "/gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
            (False, "/gemini/v1beta/tunedModels/gemini-2.5-flash:generateContent"),
            (False, "/gemini/v1beta/dynamic/gemini-2.5-flash:generateContent"),
            (False, "/gemini/v1beta/models%2Fgemini-2.5-pro:generateContent"),
            (False, "/gemini/v1beta/corpora/c:query"),
            (True, "/gemini/v1beta/models/gemini-2.5-flash:generateContent"),
            (True, "/gemini/v1beta/models/gemini-2.5-flash:countTokens"),
            (False, f"{vertex}/publishers/anthropic/models/claude-opus-4-1@20250805:rawPredict"),
            (False, f"{vertex}/endpoints/123:predict"),
            (True, f"{vertex}/publishers/google/models/gemini-2.5-flash:streamGenerateContent"),
            (False, f"/bedrock/model/{quote(arn, safe='')}/converse"),
            (False, f"/bedrock/model/{arn}/converse"),
            (False, "/bedrock/model/anthropic.claude-opus-4-1-v1%3A0/invoke-with-response-stream"),
            (True, "/bedrock/model/anthropic.claude-haiku-4-5-v1%3A0/converse-stream"),
            (True, f"/bedrock/model/{quote(haiku, safe='')}/invoke"),
            (False, "/azure/openai/deployments/expensive/audio/speech?api-version=1"),
            (False, "/azure/openai/Deployments/expensive/images/generations"),
            (True, "/azure/openai/deployments/cheap/audio/speech"),
            (False, "/plain/v1/engines/expensive/edits"),
            (False, "/plain/v1/anything?model=expensive"),
            (True, "/bare/models/cheap-org/one/predictions"),
        ):
            bodies: list[Any] = [{"contents": []}]
            if not allowed:
                bodies.append({"model": "cheap"})  # which nobody reads there
            for body in bodies:
                if allowed:
                    await self.served(path, body)
                else:
                    await self.refused(403, path, body)
        await self.served("/gemini/v1beta/models/gemini-2.5-flash:generateContent", b"\x00", kind="text/plain")

    async def test_by_other_names(self) -> None:
        """Ollama's ``name``, batches whose requests are there, Amazon's ``modelId``, sessions."""
        await self.serve()
        for path, member in (
            ("/bare/api/pull", "name"),
            ("/bare/api/create", "from"),
            ("/bare/api/copy", "source"),
            ("/bedrock/model-invocation-job", "modelId"),
        ):
            await self.refused(403, path, {member: "expensive"})
            await self.refused(403, path, {"model": "cheap", member: "expensive"})
            await self.served(path, {member: "cheap"})
        await self.refused(403, "/bare/api/delete", {"name": "expensive"}, method="DELETE")
        for name, check in (("expensive", self.refused), ("cheap", None)):
            request = {"custom_id": "1", "params": {"model": name, "messages": []}}
            for path, fields in (
                ("/claude/v1/messages/batches", {"requests": [request]}),
                ("/plain/v1/realtime/client_secrets", {"session": {"model": name}}),
            ):
                if check is None:
                    await self.served(path, fields)
                else:
                    await self.refused(403, path, fields)

    async def test_unknown_ones(self) -> None:
        """Are refused with the reason: no model at all, models in files, bodies of which readers differ."""
        await self.serve()
        urlencoded = "application/x-www-form-urlencoded"
        for path, body, kind in (
            ("/plain/v1/batches", {"model": "cheap", "input_file_id": "f"}, "application/json"),
            ("/plain/v1/batches", {"model": "cheap", "requests": [{"body": {}}]}, "application/json"),
            ("/plain/v1/files", b"model=cheap&purpose=batch", urlencoded),
            ("/plain/v1/uploads", {"model": "cheap"}, "application/json"),
            ("/plain/v1%2Fbatches", {"model": "cheap"}, "application/json"),
            ("/plain/v1/moderations", {"input": "x"}, "application/json"),
            ("/plain/v1/moderations", {"model": None}, "application/json"),
            ("/plain/v1/moderations", {"model": ""}, "application/json"),
            ("/plain/v1/moderations", b"", "application/json"),
            ("/plain/v1/anything", b'{"model":"expensive","x":"&model=cheap"}', urlencoded),
            ("/plain/v1/anything", b' \xef\xbb\xbf{"a":"&model=cheap&"}', urlencoded),
            ("/plain/v1/anything", b"RIFF", "audio/wav"),
        ):
            message = await self.refused(403, path, body, kind=kind)
            self.assertIn("cannot be known", message)
        await self.refused(
            400, "/plain/v1/x", b"model=cheap;model=expensive", kind=urlencoded, code="repeated_parameter"
        )
        await self.refused(403, "/plain/v1/anything", b'{"model":"expensive"}', kind="text/plain")
        await self.served("/plain/v1/anything", b'{"model":"cheap"}', kind="text/plain")
        for method, path in (("GET", "/plain/v1/files"), ("HEAD", "/plain/v1/batches")):  # no model does anything
            await self.served(path, None, method=method)
        await self.refused(403, "/plain/v1/models/expensive", None, method="DELETE")


class NameTests(ModelTestCase):
    """A model's name is a name."""

    async def test_before_it_is_a_path_or_a_line(self) -> None:
        """Whoever asks, by whatever operation, of whatever provider."""
        await self.serve()
        for name in ("..", ".", "a/../b", "../a", "a/..", "a\\..\\b", "%2e%2e/a", "a\nb", "a\x00", "\x7f", "a" * 257):
            for key in ("full-key", "limited-key"):
                for prefix in ("", "/plain", "/pinned", "/claude", "/gemini", "/azure", "/bedrock"):
                    path = f"{prefix}/v1/chat/completions"
                    fields = {"model": name, "messages": [{"role": "user", "content": "x"}]}
                    await self.refused(400, path, fields, key=key, code="invalid_value")
                await self.refused(400, "/v1/images/edits", {"model": name}, key=key, code="invalid_value")
            kind = "application/x-www-form-urlencoded"
            form = b"model=" + quote(name, safe="").encode()
            await self.refused(400, "/v1/audio/translations", form, key="full-key", kind=kind, code="invalid_value")
        await self.refused(400, "/v1/chat/completions", {"model": "é" * 129, "messages": []}, code="invalid_value")
        await self.refused(
            400, "/v1/chat/completions", {"model": "cheap", "models": ["a/../b"], "messages": []}, code="invalid_value"
        )
        log = (self.daemon.config.parent / "access.log").read_bytes()
        self.assertLess(max(map(len, log.splitlines())), 1500)

    async def test_what_providers_call_their_models(self) -> None:
        """Passes."""
        await self.serve()
        for name in (
            "meta-llama/Llama-3.1-8B",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2",
            "models/gemini-2.5-pro",
            "claude-opus-4-1@20250805",
            "ft:gpt-4o:org::id",
            "@cf/meta/llama-3.1-8b",
            "my model v1.0",
            "模型",
            "a..b",
            "x" * 256,
        ):
            sent = await self.served("/plain/v1/chat/completions", {**chat(), "model": name}, key="full-key")
            self.assertEqual(sent.json()["model"], name)


class TwoWorkersTests(ElsewhereTests):
    """The same, judged by each of two workers."""

    workers = 2
