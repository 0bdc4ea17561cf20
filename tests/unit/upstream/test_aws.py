"""Signatures of requests to AWS: what is signed and how, and where the keys come from, when, and who waits for them."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import pathlib
import sys
from collections.abc import Callable
from typing import Any
from unittest import mock
from urllib.parse import quote

from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError, ProfileNotFound
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial import unittest

from aigw.config.tables import BackendAuth
from aigw.errors import UpstreamFailed
from aigw.llm.call import Call, Text, Turn
from aigw.llm.providers.bedrock import BEDROCK, BedrockWire
from aigw.proxy import credentials
from aigw.upstream import aws
from aigw.upstream.authoriser import Authoriser
from aigw.upstream.aws import AHEAD, LAST, PAUSE, AwsAuthoriser, BearerKey, aws_authoriser, problem, sign
from aigw.upstream.aws_keys import CredentialChain, FixedKeys, Keys, NoKeys

#: The keys and the time of AWS's own test suite for signatures.
SUITE = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime.datetime(2015, 8, 30, 12, 36, 0)
HOST = b"host: bedrock-runtime.us-east-1.amazonaws.com\r\n"
SECRET = "VERYSECRET"


def at(now: datetime.datetime) -> Any:
    """The time that botocore signs with."""
    return mock.patch("botocore.auth.get_current_datetime", lambda *_: now)


def signature(lines: bytes) -> tuple[str, str]:
    """The signed headers and the signature of header lines."""
    value = fields(lines)["authorization"]
    parts = dict(part.split("=", 1) for part in value.partition(" ")[2].split(", "))
    return parts["SignedHeaders"], parts["Signature"]


def fields(lines: bytes) -> dict[str, str]:
    """Header lines by their names."""
    return dict(line.split(": ", 1) for line in lines.decode().removesuffix("\r\n").split("\r\n"))


def by_hand(keys: Keys, region: str, target: str, signed: dict[str, str], body: bytes) -> str:
    """The signature, by the recipe of AWS's documentation."""
    path, _, query = target.partition("?")
    headers = "".join(f"{name}:{value}\n" for name, value in sorted(signed.items()))
    digest = hashlib.sha256(body).hexdigest()
    canonical = [
        "POST",
        quote(path, safe="/~"),
        "&".join(sorted(query.split("&"))),
        headers,
        ";".join(sorted(signed)),
        digest,
    ]
    moment = signed["x-amz-date"]
    scope = f"{moment[:8]}/{region}/bedrock/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(chr(10).join(canonical).encode()).hexdigest()}"
    key = f"AWS4{keys.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


class SignatureTests(unittest.TestCase):
    """What is signed."""

    def test_published_values(self) -> None:
        """Of AWS's test suite: get-vanilla, post-vanilla, get-vanilla-query-order-key-case, post-x-www-form-urlencoded."""
        host, form = b"host: example.amazonaws.com\r\n", b"Content-Type: application/x-www-form-urlencoded\r\n"
        for method, target, head, body, expected in (
            (b"GET", b"/", host, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (b"POST", b"/", host, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                b"GET",
                b"/?Param2=value2&Param1=value1",
                host,
                b"",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                b"POST",
                b"/",
                form + host,
                b"Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ):
            with at(NOW):
                lines = sign(SUITE, "us-east-1", method, target, head, body, "service")
            self.assertEqual(signature(lines)[1], expected)
            self.assertIn("Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request", lines.decode())

    def test_as_botocores_own_client_signs(self) -> None:
        """The same request of a bedrock-runtime client has the same signature."""
        model = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-20250514-v1:0"
        sent: list[Any] = []
        session = Session()
        session.set_credentials("AKID", SECRET, "TOKEN")
        client = session.create_client(
            "bedrock-runtime", region_name="eu-west-1", config=Config(retries={"max_attempts": 0})
        )
        answer = AWSResponse("https://x", 200, {}, mock.Mock(stream=lambda: [b"{}"]))
        client.meta.events.register("before-send", lambda request, **_: sent.append(request) or answer)
        with at(NOW):
            client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Grüße"}]}])
        (request,) = sent
        target = request.url.removeprefix("https://bedrock-runtime.eu-west-1.amazonaws.com").encode()
        self.assertEqual(target, BedrockWire().request(Call(model, (Turn("user", (Text("x"),)),))).path)
        head = b"host: bedrock-runtime.eu-west-1.amazonaws.com\r\n"
        head += b"".join(
            b"%s: %s\r\n" % (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in request.headers.items()
            if name.lower() not in ("authorization", "x-amz-date", "x-amz-security-token")
        )
        with at(NOW):
            lines = sign(Keys("AKID", SECRET, "TOKEN"), "eu-west-1", b"POST", target, head, request.body)
        self.assertEqual(fields(lines)["authorization"], request.headers["Authorization"].decode())
        self.assertEqual(fields(lines)["x-amz-security-token"], "TOKEN")

    def test_by_hand(self) -> None:
        """The recipe, with an encoded path encoded once more, a session's token, and a query."""
        target = "/model/arn%3Aaws%3Abedrock%2Fx/converse?b=2&a=1"
        keys = Keys("AKID", SECRET, "TOKEN==")
        head = HOST + b"content-type: application/json\r\nuser-agent: me\r\nx-amzn-trace-id: t\r\nX-Amzn-Other:  o \r\n"
        with at(NOW):
            lines = sign(keys, "us-east-1", b"POST", target.encode(), head, b'{"a":1}')
        signed = {
            "content-type": "application/json",
            "host": "bedrock-runtime.us-east-1.amazonaws.com",
            "x-amz-date": "20150830T123600Z",
            "x-amz-security-token": "TOKEN==",
            "x-amzn-other": "o",
        }
        expected = by_hand(keys, "us-east-1", target, signed, b'{"a":1}')
        self.assertEqual(signature(lines), (";".join(sorted(signed)), expected))

    @given(st.binary(max_size=30), st.text(st.characters(codec="utf-8"), max_size=20))
    def test_any_body_and_model(self, body: bytes, model: str) -> None:
        """What the path is, is what is signed."""
        target = f"/model/{quote(model, safe='')}/converse" if model.strip("./") else "/model/x/converse"
        with at(NOW):
            lines = sign(SUITE, "eu-central-1", b"POST", target.encode(), HOST, body)
        signed = {"host": "bedrock-runtime.us-east-1.amazonaws.com", "x-amz-date": "20150830T123600Z"}
        self.assertEqual(signature(lines)[1], by_hand(SUITE, "eu-central-1", target, signed, body))

    def test_lines_are_lines(self) -> None:
        """A key with a line end in it makes none of its own."""
        error = self.assertRaises(NoKeys, sign, Keys("A", "s", "a\r\nx: y"), "r", b"POST", b"/", HOST, b"")
        self.assertNotIn("x: y", str(error))

    def test_secrets_are_not_shown(self) -> None:
        """By any representation."""
        keys = Keys("AKID", SECRET, SECRET + "2")
        authoriser = AwsAuthoriser(Clock(), Thread(), FixedKeys(keys), "r", b"p")
        for value in (keys, FixedKeys(keys), BearerKey(SECRET.encode()), authoriser):
            self.assertNotIn(SECRET, repr(value))


class Thread:
    """Where functions that block are run: when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def __call__(self, function: Callable[[], Any]) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.asked.append((done, function))
        return done

    def run(self) -> None:
        """The oldest function."""
        done, function = self.asked.pop(0)
        try:
            result = function()
        except Exception as error:
            done.errback(error)
        else:
            done.callback(result)


class FakeSource:
    """Keys that end when the test says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fetched = 0
        self.end = float("inf")
        self.next: list[Keys | Exception] = []

    def fetch(self) -> Keys:
        self.fetched += 1
        answer = self.next.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def expires_within(self, seconds: float) -> bool:
        return self.end - self.clock.seconds() < seconds


class AuthoriserTests(unittest.TestCase):
    """Looking up, keeping, renewing, waiting."""

    def setUp(self) -> None:
        self.clock, self.thread = Clock(), Thread()
        self.clock.advance(1000)
        self.source = FakeSource(self.clock)
        self.authoriser = AwsAuthoriser(self.clock, self.thread, self.source, "us-east-1", b"p")

    def lines(self) -> Deferred[bytes]:
        """What one call gets."""
        authoriser: Authoriser = self.authoriser
        return authoriser.lines(b"POST", b"/model/m/converse", HOST, b"{}")

    def credential(self, lines: Deferred[bytes]) -> str:
        """The access key in what a call got."""
        return fields(self.successResultOf(lines))["authorization"].partition("Credential=")[2].partition("/")[0]

    def complaint(self, lines: Deferred[bytes]) -> str:
        """What a call is told instead."""
        return str(self.failureResultOf(lines, UpstreamFailed).value)

    def test_looked_up_once_for_all_that_wait(self) -> None:
        """Nothing runs in the reactor's thread; each request is signed by itself."""
        self.source.next = [Keys("A1", "s")]
        first, second = self.lines(), self.lines()
        self.assertEqual((len(self.thread.asked), self.source.fetched), (1, 0))
        self.thread.run()
        self.assertNoResult(first)
        self.thread.run()
        self.thread.run()
        self.assertEqual((self.credential(first), self.credential(second)), ("A1", "A1"))
        third = self.lines()
        self.thread.run()
        self.assertEqual((self.credential(third), self.source.fetched), ("A1", 1))

    def test_renewed_beside_their_use(self) -> None:
        """While they are good for a while; not at each call."""
        self.test_looked_up_once_for_all_that_wait()
        self.source.end = self.clock.seconds() + AHEAD
        self.clock.advance(PAUSE)
        self.source.next = [Keys("A2", "t")]
        old, also = self.lines(), self.lines()
        self.assertEqual(len(self.thread.asked), 3)  # one look-up, two signatures
        for _ in range(3):
            self.thread.run()
        self.assertEqual((self.credential(old), self.credential(also)), ("A1", "A1"))
        new = self.lines()
        self.assertEqual(len(self.thread.asked), 1)
        self.thread.run()
        self.assertEqual(self.credential(new), "A2")
        self.assertEqual(self.authoriser.secrets(), (b"t", b"s"))

    def test_kept_while_renewing_fails(self) -> None:
        """Until they are over; then calls fail."""
        self.test_looked_up_once_for_all_that_wait()
        self.source.end = self.clock.seconds() + AHEAD - 1
        self.clock.advance(PAUSE)
        self.source.next = [NoKeys("no"), NoKeys("still no")]
        old = self.lines()
        self.thread.run()
        self.thread.run()
        self.assertEqual(self.credential(old), "A1")
        self.clock.advance(AHEAD - LAST)
        late = self.lines()
        self.thread.run()
        self.assertEqual(self.complaint(late), "no credentials for AWS: still no")

    def test_failure_is_told_for_a_while(self) -> None:
        """All that waited fail, and those of the next seconds, without another try."""
        self.source.next = [NoKeys("nothing there")]
        waiting = [self.lines(), self.lines()]
        self.thread.run()
        for each in (*waiting, self.lines()):
            self.assertEqual(self.complaint(each), "no credentials for AWS: nothing there")
        self.assertEqual(self.source.fetched, 1)
        self.clock.advance(PAUSE)
        self.source.next = [Keys("A1", "s")]
        lines = self.lines()
        self.thread.run()
        self.thread.run()
        self.assertEqual(self.credential(lines), "A1")

    def test_other_failures_say_no_more_than_their_kind(self) -> None:
        """Their text may hold anything."""
        self.source.next = [ValueError(SECRET)]
        lines = self.lines()
        self.thread.run()
        self.assertEqual(self.complaint(lines), "no credentials for AWS: the look-up failed with ValueError")
        self.source.next = [Keys("A\n1", SECRET)]
        self.clock.advance(PAUSE)
        lines = self.lines()
        self.thread.run()
        self.thread.run()
        self.assertNotIn(SECRET, self.complaint(lines))

    def test_signing_may_fail(self) -> None:
        """And says what is missing."""
        self.source.next = [Keys("A1", SECRET)]
        lines = self.lines()
        self.thread.run()
        with mock.patch.dict(sys.modules, {"botocore.auth": None}):
            self.thread.run()
        self.assertIn("pip install 'aigw[bedrock]'", self.complaint(lines))
        lines = self.lines()
        with mock.patch("botocore.auth.SigV4Auth.add_auth", side_effect=ValueError(SECRET)):
            self.thread.run()
        self.assertEqual(self.complaint(lines), "no credentials for AWS: signing failed with ValueError")

    def test_who_leaves_is_not_waited_for(self) -> None:
        """The look-up goes on for the others; so with a signature under way."""
        self.source.next = [Keys("A1", "s")]
        first, second = self.lines(), self.lines()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.thread.run()
        second.cancel()
        self.failureResultOf(second, CancelledError)
        third = self.lines()
        self.thread.asked.pop(0)
        self.thread.run()
        self.assertEqual(self.credential(third), "A1")

    def test_one_that_fails_may_cancel_another(self) -> None:
        """As an exchange does that gives up on its other attempts."""
        self.source.next = [NoKeys("no")]
        first, second = self.lines(), self.lines()
        first.addErrback(lambda _: second.cancel())
        self.thread.run()
        self.failureResultOf(second, UpstreamFailed, CancelledError)


class ChainTests(unittest.TestCase):
    """What botocore finds."""

    def chain(self, found: Any) -> CredentialChain:
        """A chain whose session finds something, or fails."""
        session = mock.Mock()
        session.get_credentials.side_effect = found if isinstance(found, Exception) else None
        session.get_credentials.return_value = found
        return CredentialChain(session)

    def why(self, found: Any) -> str:
        """What is told where it fails."""
        return str(self.assertRaises(NoKeys, self.chain(found).fetch))

    def test_keys_that_stay(self) -> None:
        """Do not expire."""
        chain = self.chain(Credentials("AKID", SECRET))
        self.assertEqual(chain.fetch(), Keys("AKID", SECRET))
        self.assertFalse(chain.expires_within(10**9))

    def test_keys_that_expire(self) -> None:
        """Are renewed by botocore, and say when they end without a look-up."""
        now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        times = [now]
        made: list[str] = []

        def metadata() -> dict[str, str]:
            made.append("")
            end = (times[0] + datetime.timedelta(hours=1)).isoformat()
            return {"access_key": f"A{len(made)}", "secret_key": "s", "token": "t", "expiry_time": end}

        first = metadata()
        found = RefreshableCredentials(
            first["access_key"], "s", "t", now + datetime.timedelta(hours=1), metadata, "test", lambda: times[0]
        )
        chain = self.chain(found)
        self.assertFalse(chain.expires_within(AHEAD))
        self.assertEqual(chain.fetch(), Keys("A1", "s", "t"))
        self.assertFalse(chain.expires_within(AHEAD))
        times[0] += datetime.timedelta(minutes=50)
        self.assertTrue(chain.expires_within(AHEAD))
        self.assertFalse(chain.expires_within(LAST))
        self.assertEqual((chain.fetch().access_key, len(made)), ("A2", 2))
        self.assertFalse(chain.expires_within(AHEAD))

    def test_nothing_is_there(self) -> None:
        """What can be done is said."""
        self.assertIn("AWS_ACCESS_KEY_ID", self.why(None))

    def test_failures(self) -> None:
        """In botocore's words where they can be shown, and not where they may quote a process's output."""
        self.assertEqual(self.why(ProfileNotFound(profile="x")), "The config profile (x) could not be found")
        error = CredentialRetrievalError(provider="custom-process", error_msg=SECRET)
        self.assertEqual(self.why(error), "botocore failed with CredentialRetrievalError")
        self.assertEqual(self.why(NoCredentialsError()), "botocore failed with NoCredentialsError")
        refused = ClientError({"Error": {"Code": "AccessDenied", "Message": SECRET}}, "AssumeRole")
        self.assertEqual(self.why(refused), "AWS answered AssumeRole with AccessDenied")
        self.assertEqual(self.why(OSError(SECRET)), "botocore failed with OSError")

    def test_a_failed_look_up_is_tried_again(self) -> None:
        """The session looks anew."""
        chain = self.chain(None)
        self.assertRaises(NoKeys, chain.fetch)
        chain._session.get_credentials.return_value = Credentials("A", "s")
        self.assertEqual(chain.fetch(), Keys("A", "s"))

    def test_the_real_chain(self) -> None:
        """Environment and files, in botocore's order."""
        folder = pathlib.Path(self.mktemp())
        folder.mkdir()
        (folder / "credentials").write_text("[work]\naws_access_key_id = FILE\naws_secret_access_key = s\n")
        nowhere = {
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
            "AWS_CONFIG_FILE": str(folder / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with mock.patch.dict("os.environ", {**nowhere, "AWS_PROFILE": "work"}, clear=True):
            self.assertEqual(CredentialChain().fetch(), Keys("FILE", "s"))
        own = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
        with mock.patch.dict("os.environ", {**nowhere, **own}, clear=True):
            self.assertEqual(CredentialChain().fetch(), Keys("ENV", "s", "t"))
        with mock.patch.dict("os.environ", nowhere, clear=True):
            self.assertIn("no AWS credentials", str(self.assertRaises(NoKeys, CredentialChain().fetch)))
        with mock.patch.dict("os.environ", {**nowhere, "AWS_ACCESS_KEY_ID": "ENV"}, clear=True):
            self.assertIn("AWS_SECRET_ACCESS_KEY", str(self.assertRaises(NoKeys, CredentialChain().fetch)))


class FakeReactor(Clock):
    """A clock with a thread pool that does its work at once."""

    def getThreadPool(self) -> Any:
        return self

    def callInThreadWithCallback(self, on_result: Any, function: Any, *args: Any) -> None:
        on_result(True, function(*args))

    def callFromThread(self, function: Any, *args: Any) -> None:
        function(*args)


class MakingTests(unittest.TestCase):
    """From a backend's settings to an authoriser."""

    def of(self, **auth: Any) -> Any:
        """What ``auth`` comes to."""
        made = credentials.Credentials({"s": f" {SECRET}\n", "t": "TOKEN\n"}, FakeReactor())
        return made.of(BackendAuth(**auth), BEDROCK, "eu-west-1")

    def lines(self, authoriser: Any) -> str:
        """What it adds to a request."""
        return self.successResultOf(authoriser.lines(b"POST", b"/model/m/converse", HOST, b"{}")).decode()  # type: ignore[no-any-return]

    def test_configured_keys(self) -> None:
        """Inline or by their names, with a session's token or without."""
        for auth in ({"secret": "s"}, {"inline": SECRET}):
            authoriser = self.of(access_key="AKID", **auth)
            self.assertIn("Credential=AKID/", self.lines(authoriser))
            self.assertIn("/eu-west-1/bedrock/aws4_request", self.lines(authoriser))
            self.assertNotIn("security-token", self.lines(authoriser))
            self.assertEqual(authoriser.secrets(), (SECRET.encode(),))
        authoriser = self.of(access_key="AKID", secret="s", session_token="t")
        self.assertIn("x-amz-security-token: TOKEN\r\n", self.lines(authoriser))
        self.assertEqual(authoriser.secrets(), (SECRET.encode(), b"TOKEN"))

    def test_two_backends_of_one_account_share_the_look_up(self) -> None:
        """Those of two regions do not share connections."""
        made = credentials.Credentials({}, FakeReactor())
        auth = BackendAuth(ambient=True)
        one, two = made.of(auth, BEDROCK, "a"), made.of(auth, BEDROCK, "a")
        self.assertIs(one, two)
        self.assertNotEqual(one.partition, made.of(auth, BEDROCK, "b").partition)  # type: ignore[union-attr]

    def test_api_keys(self) -> None:
        """Of the configuration are sent as all bearer tokens are; one of the machine's wins over signing there."""
        credential = self.of(secret="s")
        self.assertEqual(credential.line, f"authorization: Bearer {SECRET}\r\n".encode())
        environment = {aws.BEARER_VARIABLE: "bedrock-api-key-1"}
        authoriser = aws_authoriser(FakeReactor(), "r", environment=environment)
        self.assertEqual(self.lines(authoriser), "authorization: Bearer bedrock-api-key-1\r\n")
        self.assertEqual(authoriser.secrets(), (b"bedrock-api-key-1",))
        self.assertIsInstance(aws_authoriser(FakeReactor(), "r", SUITE, environment), AwsAuthoriser)
        self.assertIsInstance(aws_authoriser(FakeReactor(), "r", None, {aws.BEARER_VARIABLE: "a\nb"}), AwsAuthoriser)

    def test_without_botocore(self) -> None:
        """The extra is named, where signatures are needed."""
        with mock.patch("importlib.util.find_spec", return_value=None):
            for auth in (BackendAuth(ambient=True), BackendAuth(access_key="a", inline="b")):
                self.assertIn("pip install 'aigw[bedrock]'", str(credentials.problem(auth, "bedrock", {})))
            self.assertIsNone(credentials.problem(BackendAuth(inline="key"), "bedrock", {}))
            self.assertIsNone(problem(True, {aws.BEARER_VARIABLE: "k"}))
            self.assertIn("aigw[bedrock]", str(self.assertRaises(NoKeys, CredentialChain().fetch)))
        self.assertIsNone(problem(True, {}))
