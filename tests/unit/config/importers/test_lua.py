"""Which Lua is the program that makes a Bearer token a key, and which is not."""

from __future__ import annotations

from twisted.trial import unittest

from aigw.config.importers.kong.lua import bearer_copied_to

KONGS_OWN = """
local auth_header = kong.request.get_header("Authorization")
if auth_header and auth_header:find("^Bearer ") then
  local key = auth_header:sub(8)
  kong.service.request.set_header("apikey", key)
end
"""


class LuaTests(unittest.TestCase):
    """:func:`bearer_copied_to`."""

    def test_ways_to_write_it(self) -> None:
        for code in (
            KONGS_OWN,
            KONGS_OWN.replace("apikey", "x-key").replace("\n", " "),
            "-- copy it\n" + KONGS_OWN.replace('"', "'"),
            'local h = kong.request.get_header("authorization") if h then local t = string.match(h, "[Bb]earer%s+(.+)")'
            ' if t then kong.service.request.set_header("apikey", t) end end',
            'local h = ngx.req.get_headers()["Authorization"] if h and h:lower():find("bearer ") then'
            ' ngx.req.set_header("apikey", h:gsub("^[Bb]earer%s+", "")) end',
            'local a = kong.request.get_header("Authorization")\nif a then\n local _, _, k = string.find(a, "Bearer%s+(.+)")\n'
            ' if k ~= nil then\n  kong.service.request.set_header("apikey", k)\n end\nend',
        ):
            self.assertIsNotNone(bearer_copied_to(code), code)
        self.assertEqual(bearer_copied_to(KONGS_OWN), "apikey")

    def test_everything_else(self) -> None:
        """Whatever has a word more, or one less."""
        for code in (
            "",
            "return 1",
            KONGS_OWN + "x",
            KONGS_OWN + 'os.execute("true")',
            KONGS_OWN.replace("Bearer", "Basic"),
            KONGS_OWN.replace("Authorization", "X-Other"),
            KONGS_OWN.replace("end", "", 1),
            KONGS_OWN.replace("set_header", "add_header"),
            KONGS_OWN.replace("local key", 'kong.service.request.set_header("x", "y") local key'),
            KONGS_OWN.replace("local key", "kong.response.exit(401) local key"),
            KONGS_OWN + "\x00",
        ):
            self.assertIsNone(bearer_copied_to(code), code)
