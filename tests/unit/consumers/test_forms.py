"""Bodies taken apart: what is found is what the next reader finds, and what goes on is what came in."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.consumers.forms import Form, body_form, form_field, urlencoded
from aigw.errors import BadRequest

JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded; charset=utf-8"
MULTIPART = b"multipart/form-data; boundary=XyZ"


def part(name: str, value: bytes, *more: str, head: str | None = None) -> bytes:
    """One part of a multipart body."""
    lines = [head or f'Content-Disposition: form-data; name="{name}"', *more]
    return b"--XyZ\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + value + b"\r\n"


def rejoined(form: Form) -> bytes:
    return form.opening + form.separator.join(form.pieces) + form.closing


class UrlencodedTests(unittest.TestCase):
    """Queries and forms."""

    def test_decoded(self) -> None:
        """Escapes, plus signs, names without values, values with =."""
        form = urlencoded(b"a=1&b%20c=%2B+x&d&e=&=f&g=h=i&&%zz=%FF")
        self.assertEqual(
            form.fields,
            [
                (b"a", b"1"),
                (b"b c", b"+ x"),
                (b"d", None),
                (b"e", b""),
                (b"", b"f"),
                (b"g", b"h=i"),
                (b"", None),
                (b"%zz", b"\xff"),
            ],
        )

    @given(st.binary(max_size=60))
    def test_nothing_is_lost(self, text: bytes) -> None:
        """Any bytes make a form, and the pieces make them again."""
        form = urlencoded(text)
        self.assertEqual(rejoined(form), text)
        self.assertEqual(len(form.fields), len(form.pieces))

    @given(st.lists(st.sampled_from([b"key=1", b"KEY", b"%6bey=2", b"a=1", b"", b"keys=%zz"]), min_size=1, max_size=6))
    def test_what_is_found_is_what_is_taken_out(self, pieces: list[bytes]) -> None:
        """Afterwards the field cannot be found; the others are as they were."""
        clean = urlencoded(b"&".join(pieces)).without({b"key"})
        kept = [piece for piece in pieces if piece in (b"a=1", b"", b"keys=%zz")]
        self.assertEqual(clean, None if kept == pieces else b"&".join(kept))


class JsonTests(unittest.TestCase):
    """Members of the outermost object."""

    def test_found(self) -> None:
        """At the top only; text only; white space and escapes as JSON has them."""
        body = b' {\r\n"model"\t: "gpt\\u002d4o" ,"n":1,"in":{"model":"x"}} '
        self.assertEqual(form_field(body, JSON, b"model"), b"gpt-4o")
        self.assertEqual(form_field(b'{"\\u006dodel":"m"}', JSON, b"model"), b"m")
        for body in (b"{}", b'{"model":null}', b'{"model":["m"]}', b'["model"]', b'"model"', b'{"Model":"m"}'):
            self.assertIsNone(form_field(body, JSON, b"model"), body)

    def test_not_json(self) -> None:
        """Nothing is found in what is not strictly JSON."""
        for body in (
            b"",
            b"{",
            b'{"model":"m"',
            b'{"model":"m",}',
            b'{"model":"m","x":NaN}',
            b'{"model":"m"}x',
            b"\xff",
        ):
            self.assertIsNone(form_field(body, JSON, b"model"), body)

    def test_too_deep_is_not_read(self) -> None:
        """Neither a crash nor an answer."""
        for depth in (1_010, 100_000):
            body = b'{"model":"m","x":' + b"[" * depth + b"]" * depth + b"}"
            self.assertIsNone(form_field(body, JSON, b"model"))

    def test_twice_is_refused(self) -> None:
        """One reader takes the first, another the last."""
        for body in (b'{"model":"a","model":"b"}', b'{"model":"a","\\u006dodel":"b"}'):
            error = self.assertRaises(BadRequest, form_field, body, JSON, b"model")
            self.assertEqual((error.param, error.code), ("model", "repeated_parameter"))

    def test_taken_out_without_touching_the_rest(self) -> None:
        """Numbers that no float holds, escapes and repeated members are the client's; only white space goes."""
        rest = b'"n":1' + b"0" * 300 + b',"x":1.500e+2,"s":"\\u00e9\\/","m":1,"m":2,"o":{ "key" : 1 }'
        for body in (b'{"key":"k",' + rest + b"}", b"{" + rest + b' , "KEY" : [1,2] }'):
            form = body_form(body, JSON)
            assert form is not None
            self.assertEqual(form.without({b"key"}), b"{" + rest + b"}")
        form = body_form(b'{"key":"k"}', JSON)
        assert form is not None
        self.assertEqual(form.without({b"key"}), b"{}")

    @given(st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.text() | st.floats(-1, 1), st.lists)))
    @example({"{": "}", "\\": '"', "": ",:"})
    def test_same_members_as_the_standard_library(self, members: dict[str, object]) -> None:
        """Whatever is in names and strings, values end where they end."""
        for text in (json.dumps(members), json.dumps(members, indent=2, ensure_ascii=False)):
            form = body_form(text.encode(), JSON)
            assert form is not None
            found = [(name.decode(), value.decode() if value is not None else None) for name, value in form.fields]
            expected = [(name, value if isinstance(value, str) else None) for name, value in members.items()]
            self.assertEqual(found, expected)
            self.assertEqual(json.loads(rejoined(form)), members)


class MultipartTests(unittest.TestCase):
    """Multipart forms, as audio and files are sent."""

    def field(self, body: bytes, content_type: bytes = MULTIPART) -> bytes | None:
        return form_field(body, content_type, b"model")

    def test_found(self) -> None:
        """Between other parts, binary ones too; names bare or quoted, file names before or after."""
        wav = part("file", b"RIFF\r\n\x00--Xy", "Content-Type: audio/wav", "Content-Transfer-Encoding: binary")
        for head in (
            'Content-Disposition: form-data; name="model"',
            "content-disposition:form-data;name=model",
            'CONTENT-DISPOSITION: Form-Data; filename="a;name=b"; NAME="model"',
            "Content-Disposition: form-data; name=\"model\"; filename*=UTF-8''x",
        ):
            body = wav + part("", b"whisper-1", head=head) + b"--XyZ--\r\n"
            self.assertEqual(self.field(body), b"whisper-1", head)
        self.assertEqual(self.field(part("model", b"") + b"--XyZ--"), b"")

    def test_quoted_boundary(self) -> None:
        """As some clients write it."""
        body = part("model", b"m") + b"--XyZ--\r\n"
        for kind in (b'Multipart/Form-Data; charset=x; Boundary="XyZ"', b"multipart/form-data;boundary=XyZ;a=b"):
            self.assertEqual(self.field(body, kind), b"m", kind)

    def test_twice_is_refused(self) -> None:
        """The limit would hold for one of them, the provider would take the other."""
        body = part("model", b"allowed") + part("model", b"forbidden") + b"--XyZ--"
        self.assertRaises(BadRequest, self.field, body)

    def test_what_readers_differ_on_is_not_read(self) -> None:
        """Each of these has been read in two ways by two libraries."""
        good, end = part("model", b"m"), b"--XyZ--\r\n"
        for why, body in {
            "no end": good,
            "preamble": b"\r\n" + good + end,
            "epilogue": good + end + b"more",
            "bare LF": (good + end).replace(b"\r\n", b"\n"),
            "delimiter that begins a longer one": good.replace(b"XyZ", b"XyZa") + end,
            "white space behind a delimiter": good.replace(b"XyZ\r\n", b"XyZ \r\n") + end,
            "delimiter after a bare LF": part("x", b"\n--XyZ\n" + good[8:]) + end,
            "delimiter inside a value": part("x", b"a--XyZb") + good + end,
            "no head": b"--XyZ\r\n\r\nvalue\r\n" + good + end,
            "head without name": part("", b"m", head="Content-Type: text/plain") + good + end,
            "two dispositions": part("model", b"m", 'Content-Disposition: form-data; name="x"') + end,
            "two names": part("", b"m", head='Content-Disposition: form-data; name="model"; name="x"') + end,
            "RFC 2231": part("", b"m", head="Content-Disposition: form-data; name=\"model\"; name*=UTF-8''x") + end,
            "backslash": part("", b"m", head='Content-Disposition: form-data; name="model"; filename="\\"; x="') + end,
            "unbalanced quote": part("", b"m", head='Content-Disposition: form-data; name="model"; filename="') + end,
            "not form-data": part("", b"m", head='Content-Disposition: attachment; name="model"') + end,
            "folded head": part("", b"m", head='Content-Disposition: form-data;\r\n name="model"') + end,
            "LF in the head": part("", b"m", head='Content-Disposition: form-data; name="model"\nX: y') + end,
            "space before the colon": part("", b"m", head='Content-Disposition : form-data; name="model"') + end,
            "encoded": part("model", b"bQ==", "Content-Transfer-Encoding: base64") + end,
        }.items():
            self.assertIsNone(self.field(body), why)
            self.assertIsNone(body_form(body, MULTIPART), why)

    def test_boundary_that_is_not_certain(self) -> None:
        """None, or two of them."""
        body = part("model", b"m") + b"--XyZ--\r\n"
        for kind in (
            b"multipart/form-data",
            b"multipart/form-data; boundary=",
            b'multipart/form-data; boundary=""',
            b"multipart/form-data; boundary=XyZ; boundary=a",
            b'multipart/form-data; x="; boundary=XyZ"; boundary=XyZ',
        ):
            self.assertIsNone(self.field(body, kind), kind)

    def test_taken_out_whole(self) -> None:
        """The other parts stay byte for byte; a form may be left empty."""
        one, key, end = part("a", b"\r\n\x00\xff"), part("apikey", b"secret"), b"--XyZ--\r\n"
        for body, clean in ((one + key + end, one + end), (key + one + end, one + end), (key + end, end)):
            form = body_form(body, MULTIPART)
            assert form is not None
            self.assertEqual(rejoined(form), body)
            self.assertEqual(form.without({b"apikey"}), clean)

    def test_values_are_not_in_repr(self) -> None:
        """They may be keys."""
        self.assertNotIn("secret", repr(body_form(part("apikey", b"secret") + b"--XyZ--", MULTIPART)))
