"""Where an address leads: within an origin only if all clients read it so."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial import unittest

from aigw.http.origin import path_within

ORIGIN = b"https://api.example.com:443"
#: Pieces of addresses that readers differ on.
PIECES = st.sampled_from(
    [
        *(
            "https:",
            "http:",
            "HTTPS:",
            "javascript:",
            "//",
            "/",
            "\\",
            "\t",
            "\n",
            " ",
            "@",
            ":",
            ":443",
            ":80",
            "?",
            "#",
        ),
        *("api.example.com", "evil.example", "user:pw@", "[::1]", "..", "%2f", "%5c", "é", "\x00", "a", "1"),
    ]
)


class PathWithinTests(unittest.TestCase):
    """See the module's head."""

    def test_relative_addresses_stay_as_they_are(self) -> None:
        for address in (
            b"/v1/x?a=1#b",
            b"x",
            b"../x",
            b"?a=https://evil.example/",
            b"#x",
            b"",
            b"/a:b",
            b"./a:b",
            b"/@x",
        ):
            self.assertEqual(path_within(address, ORIGIN), address, address)

    def test_the_same_origin(self) -> None:
        """However it is written, what is left is the path."""
        for address, path in (
            (b"https://api.example.com/v1/x?y#z", b"/v1/x?y#z"),
            (b"HTTPS://API.Example.COM:443/x", b"/x"),
            (b"https://api.example.com", b"/"),
            (b"https://api.example.com?a=b", b"/?a=b"),
            (b"https://api.example.com#a", b"/#a"),
        ):
            self.assertEqual(path_within(address, ORIGIN), path, address)
        self.assertEqual(path_within(b"http://[::1]:8080/x", b"http://[::1]:8080"), b"/x")
        self.assertEqual(path_within(b"http://[::1]/x", b"http://[::1]:80"), b"/x")

    def test_elsewhere(self) -> None:
        for address in (
            *(b"https://evil.example/", b"http://api.example.com/", b"https://api.example.com:8443/"),
            *(b"//api.example.com/x", b"//evil.example", b"///evil.example", b"/\\evil.example", b"\\\\evil.example"),
            *(b"https:evil.example", b"https:/evil.example", b"https:///evil.example", b"https:\\\\evil.example"),
            *(b"https://api.example.com@evil.example/", b"https://api.example.com:443@evil.example/"),
            *(b"https://user@api.example.com/", b"https://api.example.com.evil.example/", b"https://api.example.com./"),
            *(b"https://api.example.com\\@evil.example", b"https://api.example.com//evil.example"),
            *(
                b"javascript:alert(1)",
                b"data:text/html,x",
                b"mailto:a@b",
                b"a:b",
                b" https://evil.example",
                b"\thttps://e/",
            ),
            *(b"ht\ttps://evil.example", b"/\t/evil.example", b"/x y", b"/\xc3\xa9", b"https://api.example.com:0443/x"),
            *(b"https://api.example.com:/x", b"https://[api.example.com]/"),
        ):
            self.assertIsNone(path_within(address, ORIGIN), address)

    def test_without_an_origin(self) -> None:
        """The built-in provider has none."""
        self.assertEqual(path_within(b"/x", b""), b"/x")
        self.assertIsNone(path_within(b"https://api.example.com/", b""))

    @given(st.lists(PIECES, max_size=7).map("".join))
    def test_whoever_follows_stays_at_the_gateway(self, text: str) -> None:
        """As a browser reads it: backslashes are slashes, tabs and line ends are nothing."""
        path = path_within(text.encode(), ORIGIN)
        if path is not None:
            read = path.decode().strip().replace("\\", "/").replace("\t", "").replace("\n", "")
            led = urlsplit(urljoin("http://gateway:8000/route/x", read))
            self.assertEqual((led.scheme, led.netloc), ("http", "gateway:8000"))
