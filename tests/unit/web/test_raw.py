"""What a raw request says of the models that it is for."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
from twisted.trial import unittest

from aigw.errors import BadRequest
from aigw.web.raw import RawModels, models_of_raw, with_model

URLENCODED = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=x"


@attrs.frozen
class Asked:
    """A request as far as it is looked at."""

    kind: bytes | None = b"application/json"
    method: bytes = b"POST"
    path: bytes = b"/v1/anything"

    def header(self, name: bytes) -> bytes | None:
        return self.kind if name == b"content-type" else None


def read(body: Any, kind: bytes | None = b"application/json", *, limited: bool = True, **more: Any) -> RawModels:
    request: Any = Asked(kind, **more)
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return models_of_raw(request, data, limited, picks=not limited)


def part(head: bytes, value: bytes) -> bytes:
    return b"--x\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + value + b"\r\n"


class RawTests(unittest.TestCase):
    """models_of_raw"""

    def test_nobody_asks(self) -> None:
        """Nothing is read, then."""
        request: Any = None
        self.assertEqual(models_of_raw(request, b"{", False, False), RawModels())

    def test_json_of_any_declared_kind(self) -> None:
        """With or without a Content-Type, and where it says text."""
        for kind in (b"application/json", b"application/vnd.x+json", b"", None, b"text/plain", b"Application/JSON;x=y"):
            found = read({"model": "m", "models": ["n"]}, kind)
            self.assertEqual((found.model, found.names, found.nameless), ("m", ["n", "m"], ""), kind)
            self.assertEqual(read({"model": "m"}, kind, limited=False).model, "m")

    def test_no_model(self) -> None:
        """Is told with its reason where it would be one that is used."""
        for body in ({}, {"model": None}, {"model": ""}, {"models": ["m"]}):
            self.assertEqual(read(body).nameless, "its body has no model")
        self.assertEqual(read(b"").nameless, "it has no body")
        self.assertEqual(read(b"RIFF", b"audio/wav").nameless, "its body is of a kind in which no model can be found")
        self.assertEqual(read(b"model=&x=1", URLENCODED).nameless, "its body has no model")
        for method in (b"GET", b"HEAD", b"OPTIONS"):
            self.assertEqual(read(b"", method=method), RawModels())
        self.assertTrue(read({}, method=b"GET").nameless)
        self.assertTrue(read(b"", method=b"DELETE").nameless)

    def test_forms(self) -> None:
        """Their ``model``, and other fields that name models."""
        form = part(b'name="model"', b"m") + part(b'name="fallback_models"', b"n") + b"--x--\r\n"
        self.assertEqual(read(form, MULTIPART).names, ["n", "m"])
        self.assertEqual(read(b"model=m&model_name=n", URLENCODED).names, ["n", "m"])
        self.assertEqual(read(form, MULTIPART, limited=False).model, "m")

    def test_forms_of_which_readers_differ(self) -> None:
        """Are refused, or said not to be known."""
        for body in (b"model=m&Model=n", b"model=m&model[]=n", b"model[0]=n", b"model=m&+model=n", b"model=m&model=m"):
            for limited in (True, False):
                error = self.assertRaises(BadRequest, read, body, URLENCODED, limited=limited)
                self.assertEqual(error.code, "repeated_parameter")
        self.assertRaises(BadRequest, read, b"model=m;model=n", URLENCODED)
        self.assertRaises(BadRequest, read, b"x=1;model=n&model=m", URLENCODED)
        self.assertEqual(read(b"x=a;b&model=m", URLENCODED).model, "m")
        form = part(b'name="model"; filename="m"', b"m") + b"--x--\r\n"
        self.assertEqual((read(form, MULTIPART).model, read(form, MULTIPART).nameless), (None, "its model is a file"))
        for body in (b'{"a":"&model=m&"}', b' \n{"model":"n"}', b'\xef\xbb\xbf{"a":"&model=m"}', b'[{"a":"&model=m"}]'):
            found = read(body, URLENCODED)
            self.assertEqual(found.model, None)
            self.assertIn("says that it is a form", found.unknown)

    def test_names_are_names(self) -> None:
        """In JSON, in forms, beside ``model``; for whoever asks."""
        for body, kind in (
            ({"model": "a/../b"}, b"application/json"),
            (b"model=..%2Fb", URLENCODED),
            (b"model=a%00", URLENCODED),
            (part(b'name="model"', b"a" * 257) + b"--x--", MULTIPART),
        ):
            for limited in (True, False):
                error = self.assertRaises(BadRequest, read, body, kind, limited=limited)
                self.assertEqual(error.code, "invalid_value")
        self.assertEqual(self.assertRaises(BadRequest, read, {"models": ["a\n"]}).code, "invalid_value")

    def test_files_and_batches(self) -> None:
        """Cannot be known; reading them is nobody's call of a model."""
        for path in (b"/v1/files", b"/v1/batches", b"/v1/uploads/u/parts"):
            self.assertTrue(read({"model": "m"}, path=path).unknown)
            self.assertFalse(read(b"", method=b"GET", path=path).unknown)
        found = read({"requests": [{"params": {"model": "m"}}]}, path=b"/v1/messages/batches")
        self.assertEqual((found.names, found.unknown, found.nameless), (["m"], "", ""))

    def test_what_was_read_is_what_is_sent(self) -> None:
        """Where another reader could find another name."""
        found = read(b'{"model":"m","models":["x"],"models":["m"]}')
        self.assertEqual(found.body, b'{"model":"m","models":["m"]}')
        self.assertIsNone(read(b'{ "model":"m" }').body)


class WithModelTests(unittest.TestCase):
    """with_model"""

    def test_takes_the_place_of_the_client_s(self) -> None:
        """And nothing else changes, in forms not even a byte."""
        self.assertEqual(
            with_model(b'{"a":1.50,"model":"m","b":[]}', "n", b"application/json"), b'{"a":1.5,"model":"n","b":[]}'
        )
        self.assertEqual(with_model(b"a=%20+&model=m&b", "n/o p", URLENCODED), b"a=%20+&model=n%2Fo%20p&b")
        one, two, end = part(b'name="file"; filename="m"', b"m\r\nm"), part(b'name="x"', b""), b"--x--\r\n"
        body = one + part(b'name="model"', b"m") + two + end
        self.assertEqual(with_model(body, "é", MULTIPART), one + part(b'name="model"', "é".encode()) + two + end)
        self.assertEqual(read(with_model(body, "n", MULTIPART), MULTIPART).model, "n")
