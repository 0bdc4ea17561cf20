"""Bedrock through the real daemon: requests arrive as they were signed, with the machine's keys or configured ones."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import orjson
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from aigw.testing import ReceivedRequest, ScriptedUpstream, answers, bedrock
from aigw.testing.said import Said
from aigw.upstream.aws import BEARER_VARIABLE
from aigw.upstream.aws_keys import Keys
from tests.dist.daemon import DaemonTestCase
from tests.unit.upstream.test_aws import by_hand, signature

MODEL = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
PATH = b"/model/" + MODEL.replace(":", "%3A").replace("/", "%2F").encode() + b"/converse"

CONFIG = """
[secrets]
key = {{ env = "KEY" }}

[backends.bedrock]
provider = "bedrock"
url = "{url}"
region = "eu-central-1"
model = "{model}"
auth = {{ {auth} }}

[routes.chat]
paths = ["/v1"]
backend = "bedrock"
auth = "none"
"""

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#: A machine that has nothing of its own.
NOTHING = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    "KEY": SECRET,
}


class SignatureTests(DaemonTestCase):
    """The upstream does the sums again."""

    async def start(self, auth: str, **environment: str) -> None:
        """A daemon whose Bedrock is scripted."""
        self.upstream = ScriptedUpstream(reactor)
        self.upstream.listen()
        self.addCleanup(self.upstream.stop)
        self.upstream.standing = bedrock.answer(Said(text="Hello"))
        url = f"http://127.0.0.1:{self.upstream.port}"
        config = CONFIG.format(url=url, model=MODEL, auth=auth)
        self.daemon = await self.start_daemon(config, {**NOTHING, **environment})

    def chat(self, **headers: str) -> Any:
        """A chat client's call: status and answer."""
        body = orjson.dumps({"messages": [{"role": "user", "content": "Grüße"}], "max_tokens": 5})
        url = self.daemon.url + "/v1/chat/completions"

        def ask() -> tuple[int, Any]:
            asked = urllib.request.Request(url, body, {"content-type": "application/json", **headers})
            try:
                with urllib.request.urlopen(asked, timeout=60) as answer:
                    return answer.status, orjson.loads(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, orjson.loads(error.read())

        return deferToThread(ask)

    def assert_signed(self, request: ReceivedRequest, keys: Keys) -> None:
        """The signature is that of what arrived."""
        self.assertEqual(request.target, PATH)
        (line,) = request.header_values(b"authorization")
        self.assertIn(f"Credential={keys.access_key}/".encode(), line)
        names, signed = signature(b"authorization: %s\r\n" % line)
        values = {name: request.header_values(name.encode()) for name in names.split(";")}
        self.assertEqual({len(each) for each in values.values()}, {1})
        plain = {name: each[0].decode() for name, each in values.items()}
        expected = by_hand(keys, "eu-central-1", request.target.decode(), plain, request.body)
        self.assertEqual(signed, expected)
        needed = {"host", "content-type", "x-amz-date"} | ({"x-amz-security-token"} if keys.token else set())
        self.assertEqual(set(plain), needed)

    async def test_configured_keys(self) -> None:
        """Each call is signed by itself; what a client signed with stays behind."""
        await self.start('access_key = "AKIDEXAMPLE", secret = "key"')
        own = {
            "X-Amz-Date": "20200101T000000Z",
            "X-Amz-Security-Token": "theirs",
            "Authorization": "AWS4-HMAC-SHA256 x",
        }
        told = await gatherResults([self.chat(), self.chat(**own)])
        self.assertEqual([fields["choices"][0]["message"]["content"] for _, fields in told], ["Hello", "Hello"])
        for request in self.upstream.requests:
            self.assert_signed(request, Keys("AKIDEXAMPLE", SECRET))

    async def test_keys_of_the_machine(self) -> None:
        """As botocore finds them, a session's token with them."""
        own = {"AWS_ACCESS_KEY_ID": "ASIAENV", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "TOKEN=="}
        await self.start("ambient = true", **own)
        status, _ = await self.chat()
        self.assertEqual(status, 200)
        self.assert_signed(self.upstream.requests[0], Keys("ASIAENV", SECRET, "TOKEN=="))

    async def test_api_keys(self) -> None:
        """Of Bedrock's, of the configuration or of the machine: nothing is signed."""
        await self.start("ambient = true", **{BEARER_VARIABLE: "bedrock-api-key-x"})
        await self.chat()
        self.assertEqual(self.upstream.requests[0].header_values(b"authorization"), [b"Bearer bedrock-api-key-x"])
        self.assertEqual(self.upstream.requests[0].header_values(b"x-amz-date"), [])

    async def test_no_keys(self) -> None:
        """Is a 502 that says what to do; Bedrock is not called."""
        await self.start("ambient = true")
        status, fields = await self.chat()
        self.assertEqual(status, 502)
        self.assertIn("AWS_ACCESS_KEY_ID", fields["error"]["message"])
        self.assertEqual(self.upstream.requests, [])

    async def test_a_wrong_signature_shows_no_token(self) -> None:
        """AWS quotes the request in which a signature is wrong; the session's token is redacted."""
        own = {"AWS_ACCESS_KEY_ID": "ASIAENV", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": "VERYSECRETTOKEN"}
        await self.start("ambient = true", **own)
        words = "The Canonical String should have been 'POST x-amz-security-token:VERYSECRETTOKEN'"
        headers = ((b"x-amzn-errortype", b"InvalidSignatureException"),)
        self.upstream.standing = answers.reply({"message": words}, 403, headers)
        status, fields = await self.chat()
        self.assertEqual((status, fields["error"]["code"]), (401, "invalid_api_key"))
        self.assertIn("Canonical String", fields["error"]["message"])
        self.assertNotIn("VERYSECRETTOKEN", orjson.dumps(fields).decode())
