"""Redirects, and other addresses that clients go to: never to another origin, and through the gateway."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial import unittest

from aigw.upstream.target import PathRule
from tests.unit.proxy.fakes import Scene

ORIGIN = b"https://api.openai.com:443"
EVIL = (
    b"https://evil.example/steal",
    b"//evil.example/",
    b"/\\evil.example",
    b"http://api.openai.com/",
    b"https:evil.example",
)


class RedirectTests(unittest.TestCase):
    """Of a backend at https://api.openai.com/v1, on a route that has matched /v1."""

    def scene(self, status: int, *headers: tuple[bytes, bytes], **more: Any) -> Scene:
        more.setdefault("path_rule", PathRule(b"/v1", None, None))
        scene = Scene(origin=ORIGIN, **more)
        sink = scene.sent()
        sink.on_head(status, [(b"content-type", b"application/json"), (b"content-length", b"2"), *headers])
        if not scene.request.status:
            sink.on_data(b"{}")
            sink.on_end(True)
        return scene

    def assert_refused(self, scene: Scene) -> None:
        self.assertEqual((scene.request.status, scene.call.cancelled), (502, True))
        error = json.loads(scene.request.body)["error"]
        self.assertEqual(error["code"], "upstream_failed")
        self.assertIn("backend openai redirects", error["message"])
        self.assertNotIn("evil", scene.request.body.decode())
        self.assertNotIn(b"location", scene.request.response_headers)

    def test_to_another_origin(self) -> None:
        """Every status that clients follow, on operations and raw, whole and streamed."""
        for status in (300, 301, 302, 303, 305, 307, 308):
            for more in ({}, {"operation": "raw"}, {"stream": True}):
                self.assert_refused(self.scene(status, (b"location", EVIL[0]), **more))

    def test_in_any_spelling(self) -> None:
        for address in EVIL:
            self.assert_refused(self.scene(307, (b"location", address), operation="raw"))

    def test_for_head(self) -> None:
        """Which has no body to tell of it."""
        scene = self.scene(302, (b"location", EVIL[0]), method=b"HEAD", operation="raw")
        self.assertEqual(scene.request.status, 502)

    def test_to_two_places(self) -> None:
        """Whichever a client takes."""
        self.assert_refused(self.scene(302, (b"location", b"/a"), (b"location", b"/b"), operation="raw"))
        self.assert_refused(self.scene(302, (b"location", b"/a"), (b"location", EVIL[0]), operation="raw"))

    def test_within_the_origin(self) -> None:
        """Relative addresses as they are; others without the provider's host, below the route they came by."""
        for address, told in (
            (b"/v1/other?a=b", b"/v1/other?a=b"),
            (b"other", b"other"),
            (b"https://api.openai.com/v1/files/x", b"/v1/files/x"),
            (b"https://api.openai.com:443/v1?a=b", b"/v1?a=b"),
            (b"https://api.openai.com/other", b"/other"),
        ):
            scene = self.scene(307, (b"location", address), operation="raw")
            self.assertEqual((scene.request.status, scene.request.response_headers[b"location"]), (307, told))

    def test_below_another_path_on_the_route(self) -> None:
        """The backend's own path, or what ``rewrite`` has put there, gives way to the route's."""
        address = b"https://api.openai.com/base/v2/files/x?a=b"
        for rule in (
            PathRule(b"/base/v2", None, None),
            PathRule(b"/x", None, b"/base/v2"),
            PathRule(b"/base/v2/", None, None),
        ):
            scene = self.scene(302, (b"location", address), operation="raw", path_rule=rule)
            self.assertEqual(scene.request.response_headers[b"location"], b"/v1/files/x?a=b")
        for rule in (PathRule(b"/base/v", None, None), PathRule(b"/other", None, None)):
            scene = self.scene(302, (b"location", address), operation="raw", path_rule=rule)
            self.assertEqual(scene.request.response_headers[b"location"], b"/base/v2/files/x?a=b")

    def test_where_nobody_goes_by_itself(self) -> None:
        """What was made is told, where it is only if that is here."""
        for status in (200, 201, 202, 304):
            scene = self.scene(status, (b"location", EVIL[0]), (b"x-a", b"1"), operation="raw")
            self.assertEqual(scene.request.status, status)
            self.assertNotIn(b"location", scene.request.response_headers)
            self.assertEqual(scene.request.response_headers[b"x-a"], b"1")
            scene = self.scene(status, (b"location", b"/v1/files/x"), operation="raw")
            self.assertEqual(scene.request.response_headers[b"location"], b"/v1/files/x")

    def test_addresses_that_sdks_poll_and_upload_to(self) -> None:
        for name in (
            b"operation-location",
            b"azure-asyncoperation",
            b"x-goog-upload-url",
            b"x-goog-upload-control-url",
        ):
            scene = self.scene(202, (name, EVIL[0]), operation="raw")
            self.assertNotIn(name, scene.request.response_headers)
            scene = self.scene(202, (name, b"https://api.openai.com/v1/operations/1"), operation="raw")
            self.assertEqual(scene.request.response_headers[name], b"/v1/operations/1")

    def test_other_ways_to_send_a_client_elsewhere(self) -> None:
        sent = ((b"refresh", b"0; url=https://evil.example"), (b"content-location", EVIL[0]))
        scene = self.scene(200, *sent, operation="raw")
        self.assertEqual(scene.request.status, 200)
        self.assertFalse({b"refresh", b"content-location"} & set(scene.request.response_headers))
