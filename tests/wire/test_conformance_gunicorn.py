"""gunicorn's cases: what its parser has been taught to read, and to refuse. One table, so longer than modules are."""

from __future__ import annotations

from tests.wire.conformance import (
    CHUNKED,
    CLOSED,
    GET,
    HIDDEN,
    HOST,
    POST,
    ConformanceTestCase,
    add_tests,
    refused,
    served,
    waits,
)

PUT_10 = b"PUT /stuff/here?foo=bar HTTP/1.0\r\n"
HERE = b"GET /stuff/here?foo=bar HTTP/1.1\r\n" + HOST
FIRST_10 = b"GET /first HTTP/1.0\r\n"
LONG = b"0123456789abcdef" * 512  # 8 KiB
FORM = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"x" * 17_000 + b"\r\n--b--\r\n"
TWO = b"5\r\nhello\r\n6\r\n world\r\n"

_DECODED = "Of the transfer codings only chunked is decoded; what is behind another one could not be judged."
_FRAGMENT = "A fragment is no part of a request target: what is behind it could be anything to the next one."

INVALID = (
    waits("invalid/001", "9112 3", b"GET /foo/bar HTTP/1.0\r\nbaz"),
    refused("invalid/002", "9112 3", b"GET HTTP/1.1\r\n\r\n"),
    refused("invalid/003", "9112 3", b"GET\n/\nHTTP/1.1\r\n\r\n"),
    refused("invalid/003b", "9110 5.6.2", b"bla:rgh /foo HTTP/1.1\r\n\r\n"),
    refused("invalid/003c", "9110 9.1", b"-bl /foo HTTP/1.1\r\n\r\n", 501, why="A token, so a method; nobody's."),
    refused("invalid/004", "9112 2.3", b"GET /foo FTP/1.1\r\n\r\n"),
    refused("invalid/005", "9110 5.1", GET + b"ba\x00z: bar\r\n\r\n"),
    served(
        "invalid/006", "9112 3", b"PUT /%s HTTP/1.0\r\n\r\n" % LONG, b"PUT /%s " % LONG, after=CLOSED, why="8 KiB fit."
    ),
    served("invalid/007", "9110 5.4", PUT_10 + b"X: %s\r\n\r\n" % LONG, b"PUT /stuff/here?foo=bar ", after=CLOSED),
    refused("invalid/008", "6585 5", PUT_10 + b"X: %s\r\n\r\n" % (LONG * 5), 431),
    refused("invalid/009", "6585 5", PUT_10 + b"".join(b"header%d: 0\r\n" % n for n in range(101)) + b"\r\n", 431),
    served(
        "invalid/010 to 012", "9110 5.4", GET + b"Accept: */*\r\n\r\n", b"GET / ", why="Limits of its configuration."
    ),
    refused("invalid/013", "9112 5.2", GET + b"Accept:\r\n */*\r\n\r\n"),
    refused("invalid/014", "9110 8.6", PUT_10 + b'CONTENT-LENGTH: -1\r\n\r\n{"test": "-1}'),
    refused("invalid/015", "9110 8.6", PUT_10 + b'CONTENT-LENGTH: bla-bla-bla\r\n\r\n{"test": "-1}'),
    refused("invalid/016", "9112 3.2", b"PUT s://]ufd/: HTTP/1.1\r\nHost: h\r\n\r\n"),
    refused("invalid/017", "6585 5", GET + b"Long-header: %s\r\n\r\n" % (LONG * 5), 431),
    refused("invalid/018", "9112 2.3", b"GET /test HTTP/111\r\nHost: localhost\r\n\r\n"),
    served(
        "invalid/019",
        "9110 7.6",
        GET + b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n",
        b"GET / ",
        why="Neither decides anything here.",
    ),
    refused("invalid/020", "9112 5.1", HERE + b"Content-Length : 3\r\n\r\nxyz"),
    refused("invalid/021", "9112 6.3", HERE + b"Content-Length: 3\r\nContent-Length: 2\r\n\r\nxyz"),
    refused("invalid/022", "9110 8.6", FIRST_10 + b"Content-Length: -0\r\n\r\n"),
    refused("invalid/023", "9110 8.6", FIRST_10 + b"Content-Length: 0_1\r\n\r\n"),
    refused("invalid/024", "9110 8.6", FIRST_10 + b"Content-Length: +1\r\n\r\n"),
    served(
        "invalid/040",
        "9110 5.1",
        b"GET /x HTTP/1.0\r\nTransfer_Encoding: tricked\r\nContent-Length: 7\r\nContent_Length: -1E23\r\n\r\ntricked",
        b"GET /x tricked",
        after=CLOSED,
        why="Names with underscores are other names, and frame nothing.",
    ),
    refused("invalid/042", "9112 3.2", HERE + b"Host: evil.example.com\r\n\r\n"),
    refused("invalid/chunked_01", "9112 7.1", CHUNKED + b"5\r\nhello\r\n6_0\r\n world\r\n0\r\n\r\n" + HIDDEN),
    refused(
        "invalid/chunked_02",
        "9112 6.3",
        POST + b"Content-Length: 12\r\nTransfer-Encoding: \tchunked\r\n\r\n" + TWO + b"\r\n",
    ),
    refused(
        "invalid/chunked_03",
        "9112 6.1",
        POST + b"Transfer-Encoding: identity, chunked, identity, chunked\r\n\r\n" + TWO + b"\r\n",
    ),
    refused(
        "invalid/chunked_04",
        "9112 6.1",
        POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" * 2 + b"\r\n" + TWO + b"\r\n",
    ),
    refused(
        "invalid/chunked_05", "9112 6.1", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + TWO + b"0\r\n\r\n"
    ),
    refused(
        "invalid/chunked_06",
        "9112 6.3",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n" + TWO + b"\r\n",
    ),
    served(
        "invalid/chunked_07",
        "9110 5.1",
        POST + b"Transfer_Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + TWO + b"0\r\n\r\n",
        b"POST / hello world",
        why="Another name, which frames nothing.",
    ),
    refused(
        "invalid/chunked_08",
        "9112 6.3",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + TWO + b"\r\n",
    ),
    refused("invalid/chunked_09", "9112 7.1", CHUNKED + b"5\r\nhello\r\n0 \r\n\r\n"),
    refused("invalid/chunked_10", "9112 7.1", CHUNKED + b"5\r\nhello\r\n 0\r\n\r\n"),
    refused("invalid/chunked_11", "9112 7.1", CHUNKED + b"5\n;\r\nhello\r\n0\r\n\r\n"),
    refused("invalid/chunked_12", "9112 7.1", CHUNKED + b" ;foo=bar\r\nhello\r\n0\r\n\r\n"),
    refused("invalid/chunked_13", "9112 7.1", CHUNKED + b"\r\nhello\r\n0\r\n\r\n"),
    refused("invalid/chunked_14", "9112 7.1.1", CHUNKED + b"5;ext=val\rue\r\nhello\r\n0\r\n\r\n"),
    refused(
        "invalid/invalid_field_value_01",
        "9110 5.5",
        GET + b"Newline: a\nContent-Length: 26\r\nGET / HTTP/1.1\nHost: x\r\n\r\n",
    ),
    refused("invalid/limit_header_default_01", "6585 5", b"GET / HTTP/1.0\r\nX: " + b"y" * 64_000 + b"\r\n\r\n", 431),
    refused("invalid/nonascii_01", "9110 9.1", b"GET\xc3\x9f /germans.. HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
    refused("invalid/nonascii_02", "9110 9.1", b"GET\xc3\xbf /french.. HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
    refused("invalid/nonascii_03", "9110 5.1", GET + b"Content-Length\xc3\x9f: 3\r\nContent-Length: 3\r\n\r\nabc"),
    refused("invalid/nonascii_04", "9110 5.1", GET + b"Content-Length\xc3\xbf: 3\r\nContent-Length: 3\r\n\r\nabc"),
    refused("invalid/obs_fold_01", "9112 5.2", b"GET / HTTP/1.1\r\nLong: one\r\n two\r\nHost: localhost\r\n\r\n"),
    refused("invalid/pp_01", "9112 3", b"PROXY TCP4 192.168.0.1 192.16...\r\n"),
    refused("invalid/pp_02", "9112 3", b"PROXY TCP4 192.168.0.1 192.168.0.11 65iii 100000\r\n"),
    refused("invalid/pp_03", "9112 3", b"PROXY TCP4 not-an-ip 192.168.0.11 56324 443\r\n"),
    refused("invalid/prefix_01", "9110 9.1", b"GET\x00PROXY /foo HTTP/1.1\r\n\r\n"),
    refused("invalid/prefix_02", "9110 9.1", b"GET\x00 /foo HTTP/1.1\r\n\r\n"),
    refused("invalid/prefix_03", "9110 8.6", HERE + b"Content-Length: 0 1\r\n\r\nx"),
    refused("invalid/prefix_04", "9110 8.6", HERE + b"Content-Length: 3 1\r\n\r\nxyzabc123"),
    refused("invalid/prefix_05", "9110 9.1", b"GET: /stuff/here?foo=bar HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz"),
    refused(
        "invalid/prefix_06", "9112 2.3", b"GET /the/future HTTP/%s.1\r\nContent-Length: 7\r\n\r\nOld Man" % (b"1" * 88)
    ),
    refused("invalid/rfc9110_field_value_ctl_bel_01", "9110 5.5", GET + b"X-Value: plain\x07injected\r\n\r\n"),
    refused("invalid/rfc9110_field_value_ctl_del_01", "9110 5.5", GET + b"X-Value: plain\x7finjected\r\n\r\n"),
    refused(
        "invalid/rfc9110_trailer_forbidden_cl_01", "9110 6.5.1", CHUNKED + TWO + b"0\r\nContent-Length: 99\r\n\r\n"
    ),
    served(
        "invalid/rfc9110_trailer_forbidden_host_01",
        "9110 6.5.1",
        CHUNKED + TWO + b"0\r\nHost: evil.example.com\r\n\r\n",
        b"POST / hello world",
        why="Trailers are read over: none becomes a field, and none goes on.",
    ),
    refused(
        "invalid/rfc9110_trailer_forbidden_te_01",
        "9110 6.5.1",
        CHUNKED + TWO + b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    waits("invalid/rfc9112_chunked_missing_final_crlf_01", "9112 7.1", CHUNKED + b"0\r\n"),
    refused("invalid/rfc9112_chunked_size_minus_sign_01", "9112 7.1", CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"),
    refused("invalid/rfc9112_chunked_size_plus_sign_01", "9112 7.1", CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n"),
    refused("invalid/rfc9112_smuggle_cl_list_form_01", "9112 6.3", POST + b"Content-Length: 5, 5\r\n\r\nhello"),
    refused(
        "invalid/rfc9112_smuggle_cl_te_chunked_01",
        "9112 6.3",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    refused("invalid/rfc9112_target_asterisk_non_options_01", "9112 3.2.4", b"GET * HTTP/1.1\r\nHost: h\r\n\r\n"),
    refused(
        "invalid/rfc9112_target_authority_non_connect_01", "9112 3.2.3", b"GET h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"
    ),
    refused("invalid/rfc9112_target_relative_01", "9112 3.2", b"GET foo/bar HTTP/1.1\r\nHost: h\r\n\r\n"),
    refused("invalid/version_01", "9110 2.5", b"GET /foo HTTP/0.99\r\n\r\n"),
    refused("invalid/version_02", "9110 2.5", b"GET /foo HTTP/2.0\r\n\r\n"),
)

VALID = (
    served(
        "valid/001",
        "9112 6.2",
        PUT_10 + b'Server: http://127.0.0.1:5984\r\nContent-Length: 14\r\n\r\n{"nom": "nom"}',
        b'PUT /stuff/here?foo=bar {"nom": "nom"}',
        after=CLOSED,
    ),
    served(
        "valid/002",
        "9110 7.2",
        b"GET /test HTTP/1.1\r\nUser-Agent: curl/7.18.0 (i486) libcurl\r\nHost: 0.0.0.0=5000\r\nAccept: */*\r\n\r\n",
        b"GET /test ",
    ),
    served(
        "valid/003",
        "9112 9.3",
        b"GET /favicon.ico HTTP/1.1\r\nHost: 0.0.0.0=5000\r\nAccept-Charset: utf-8;q=0.7,*;q=0.7\r\n"
        b"Keep-Alive: 300\r\nConnection: keep-alive\r\n\r\n",
        b"GET /favicon.ico ",
    ),
    served(
        "valid/004", "9110 5.1", b"GET /silly HTTP/1.1\r\naaaaaaaaaaaaa:++++++++++\r\n" + HOST + b"\r\n", b"GET /silly "
    ),
    refused("valid/005", "9112 3.2", b"GET /forums?page=1#posts-17408 HTTP/1.1\r\n" + HOST + b"\r\n", why=_FRAGMENT),
    refused("valid/006", "9112 3.2", b"GET /get_no_headers_no_body/world HTTP/1.1\r\n\r\n", why="Host is missing."),
    served("valid/007", "9112 5", GET + b"Accept: */*\r\n\r\n", b"GET / "),
    served("valid/008", "9112 6.2", FIRST_10 + b"conTENT-Length: 5\r\n\r\nHELLO", b"GET /first HELLO", after=CLOSED),
    refused(
        "valid/009",
        "9112 6.3",
        POST + b"Accept: */*\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nWorld",
        501,
        why="Both fields at once, and a coding that is none.",
    ),
    served(
        "valid/010",
        "9112 7.1",
        CHUNKED + b"1e\r\nall your base are belong to us\r\n0\r\n\r\n",
        b"POST / all your base are belong to us",
    ),
    served("valid/011", "9112 7.1", CHUNKED + TWO + b"000\r\n\r\n", b"POST / hello world"),
    served(
        "valid/012",
        "9112 7.1.2",
        CHUNKED + TWO + b"0\r\nVary: *\r\nContent-Type: text/plain\r\n\r\n",
        b"POST / hello world",
    ),
    refused(
        "valid/013",
        "9112 7.1.1",
        CHUNKED + b"5; some; parameters=stuff\r\nhello\r\n6; blahblah; blah\r\n world\r\n0\r\n\r\n",
        why="Blanks in chunk extensions are bad whitespace, which nobody sends.",
    ),
    served(
        "valid/014",
        "9112 3.2",
        b'GET /with_"quotes"?foo="bar" HTTP/1.1\r\nHost: h\r\n\r\n',
        b'GET /with_"quotes"?foo="bar" ',
        why="No URI has them unescaped, and they mean nothing to anybody who reads one.",
    ),
    served(
        "valid/015",
        "9112 9.3",
        b"GET /test HTTP/1.0\r\nHost: 0.0.0.0:5000\r\nUser-Agent: ApacheBench/2.3\r\n\r\n",
        b"GET /test ",
        after=CLOSED,
    ),
    served(
        "valid/017",
        "9110 5.3",
        FIRST_10 + b"If-Match: bazinga!\r\nIf-Match: large-sound\r\n\r\n",
        b"GET /first ",
        after=CLOSED,
    ),
    served("valid/018", "9112 9.3.2", GET + b"\r\n" + HIDDEN, b"GET / ", b"GET /hidden "),
    served("valid/019", "9112 9.3", FIRST_10 + b"\r\n" + HIDDEN, b"GET /first ", after=CLOSED),
    served(
        "valid/020",
        "9112 6.2",
        FIRST_10 + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        b"GET /first " + HIDDEN,
        after=CLOSED,
    ),
    served("valid/021", "9112 9.6", GET + b"Connection: Close\r\n\r\n" + HIDDEN, b"GET / ", after=CLOSED),
    served(
        "valid/022",
        "9112 9.3",
        FIRST_10 + b"Connection: Keep-Alive\r\n\r\n" + HIDDEN,
        b"GET /first ",
        after=CLOSED,
        why="Connections of HTTP/1.0 are not kept.",
    ),
    served("valid/023", "9112 7.1", CHUNKED + TWO + b"000\r\n\r\n" + HIDDEN, b"POST / hello world", b"GET /hidden "),
    served("valid/024", "9112 3", b"PUT /%s HTTP/1.1\r\nHost: h\r\n\r\n" % LONG, b"PUT /%s " % LONG),
    refused(
        "valid/025",
        "9112 6.1",
        POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + TWO + b"0\r\n\r\n",
        why=_DECODED,
    ),
    refused(
        "valid/025_line",
        "9112 6.1",
        POST + b"Transfer-Encoding: gzip,chunked\r\n\r\n" + TWO + b"0\r\n\r\n",
        501,
        why=_DECODED,
    ),
    served("valid/026", "9110 5.4", GET + b"Someheader: %s\r\n\r\n" % LONG, b"GET / "),
    refused("valid/027", "3986 2.1", b"GET /\xc3\xa0%20k HTTP/1.0\r\n\r\n", why="Such bytes have to be escaped."),
    refused(
        "valid/028",
        "9112 5.1",
        HERE + b"Content-Length : 3\r\n\r\nxyz",
        why="An option of gunicorn's, for those who dare.",
    ),
    refused(
        "valid/029 and 030",
        "9112 6.1",
        HERE + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n000\r\n\r\n",
        why=_DECODED,
    ),
    refused("valid/031", "9110 9.1", b"-BLARGH /foo HTTP/1.1\r\n" + HOST + b"\r\n", 501, why="A method, but nobody's."),
    refused("valid/031compat", "9110 9.1", b"-blargh /foo HTTP/1.1\r\n" + HOST + b"\r\n", 501, why="The same."),
    served(
        "valid/099",
        "9112 6.2",
        POST + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n" % len(FORM) + FORM,
        b"POST / " + FORM,
    ),
    served(
        "valid/100",
        "3986 6.2.2",
        b"GET ///keeping_slashes HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /keeping_slashes ",
        why="Slashes are merged, so that what is matched is what is forwarded.",
    ),
    refused(
        "valid/compat_obs_fold",
        "9112 5.2",
        b"GET / HTTP/1.1\r\nLong: one\r\n two\r\nHost: localhost\r\n\r\n",
        why="An option of gunicorn's, for those who dare.",
    ),
    served("valid/padding_01", "9112 5", GET + b"Name: \t value \t \r\n\r\n", b"GET / "),
    refused(
        "valid/pp_01",
        "9112 3",
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n" + GET + b"\r\n",
        why="The PROXY protocol is spoken where a listener says haproxy:.",
    ),
    served("valid/pp_03", "9112 6.2", GET + b"Content-Length: 0\r\n\r\n", b"GET / "),
    refused(
        "valid/pp_04",
        "9112 3",
        b"\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c\xc0\xa8\x01\n\xc0\xa8\x01\x0109\x01\xbb" + GET + b"\r\n",
        why="As pp_01.",
    ),
    served(
        "valid/rfc9110_body_framing_get_cl_nonzero_01",
        "9110 9.3.1",
        GET + b"Content-Length: 5\r\n\r\nhello",
        b"GET / hello",
    ),
    served("valid/rfc9110_body_framing_get_cl_zero_01", "9110 9.3.1", GET + b"Content-Length: 0\r\n\r\n", b"GET / "),
    served(
        "valid/rfc9110_body_framing_http10_cl_01",
        "9112 6.2",
        b"POST /foo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /foo hello",
        after=CLOSED,
    ),
    served("valid/rfc9110_field_name_special_chars_01", "9110 5.1", GET + b"X.Custom|Pipe: ok\r\n\r\n", b"GET / "),
    served("valid/rfc9110_field_value_htab_trim_01", "9112 5", GET + b"X-Value:\tabc\t\r\n\r\n", b"GET / "),
    served("valid/rfc9110_field_value_obs_text_01", "9110 5.5", GET + b"X-Value: caf\xc3\xa9\r\n\r\n", b"GET / "),
    served(
        "valid/rfc9112_chunked_ext_quoted_01",
        "9112 7.1.1",
        CHUNKED + b'5;foo="bar baz"\r\nhello\r\n0\r\n\r\n',
        b"POST / hello",
    ),
    served(
        "valid/rfc9112_chunked_size_leading_zeros_01",
        "9112 7.1",
        CHUNKED + b"0005\r\nhello\r\n0\r\n\r\n",
        b"POST / hello",
    ),
    served(
        "valid/rfc9112_chunked_size_uppercase_hex_01",
        "9112 7.1",
        CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n",
        b"POST / 0123456789",
    ),
    refused(
        "valid/rfc9112_smuggle_gzip_chunked_01",
        "9112 6.1",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        501,
        why=_DECODED,
    ),
    refused(
        "valid/rfc9112_smuggle_te_identity_chunked_01",
        "9112 6.1",
        POST + b"Transfer-Encoding: identity, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        501,
        why=_DECODED,
    ),
    served(
        "valid/rfc9112_target_absolute_01",
        "9112 3.2.2",
        b"GET http://h/foo?q=1 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /foo?q=1 ",
    ),
    served(
        "valid/rfc9112_target_absolute_https_01",
        "9112 3.2.2",
        b"GET https://h/foo HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /foo ",
    ),
    served(
        "valid/rfc9112_target_absolute_ipv6_01",
        "9112 3.2.2",
        b"GET http://[::1]:8080/foo HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        b"GET /foo ",
    ),
    refused(
        "valid/rfc9112_target_absolute_userinfo_01",
        "9110 4.2.4",
        b"GET http://user:pass@h:8080/foo?q=1 HTTP/1.1\r\nHost: h:8080\r\n\r\n",
        why="A recipient should take a user before the host for an error: it hides which host is meant.",
    ),
    served(
        "valid/rfc9112_target_asterisk_options_01",
        "9112 3.2.4",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS / ",
    ),
    refused(
        "valid/rfc9112_target_authority_connect_01",
        "9110 9.3.6",
        b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
        405,
        why="Not a proxy.",
    ),
    refused(
        "valid/rfc9112_target_authority_ipv6_01",
        "9110 9.3.6",
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
        405,
        why="Not a proxy.",
    ),
)

CASES = (*INVALID, *VALID)


class GunicornTests(ConformanceTestCase):
    """See the module's head."""


add_tests(GunicornTests, CASES)
