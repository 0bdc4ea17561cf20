"""The strings that have a form of their own: names, headers, URLs, paths, hosts, listeners, keys.

Each function takes what the file has and returns it, brought into one form where there are several; ``ValueError``
says what is wrong and what is allowed, without repeating what was given: it may be a secret in the wrong place.
"""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections.abc import Mapping
from datetime import date, time
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_URL_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|[0-9a-f:.]+")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

#: Request headers that the gateway writes itself: framing, routing, what it needs of a response.
_OWN_HEADERS = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-request-id",
    )
)

#: Body fields that decide about the call itself, and what decides about them here.
_OWN_FIELDS = {"model": "the backend's model", "stream": "a route's streaming"}


def header_name(name: str) -> str:
    """A header's name (RFC 9110 section 5.1)."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("is not a header's name (letters, digits and !#$%&'*+.^_`|~-)")
    return name


def edited_header_name(name: str) -> str:
    """The name of a header that may be set or removed on the way to the provider."""
    if header_name(name).lower() in _OWN_HEADERS:
        raise ValueError("is a header that the gateway sets itself (not framing, Host, Via and the like)")
    return name


def set_header_name(name: str) -> str:
    """The name of a header that may be set; the credential's place is ``auth``."""
    if edited_header_name(name).lower() == "authorization":
        raise ValueError("is set by auth (auth = { … }, whose header and prefix change where)")
    return name


def header_value(value: str) -> str:
    """A header's value (RFC 9110 section 5.5), ASCII only."""
    if not _PRINTABLE.fullmatch(value) or value != value.strip(" "):
        raise ValueError("is not a header's value (printable ASCII, no line breaks, no spaces around it)")
    return value


def hash_on(value: str) -> str:
    """What a consistent hash goes by."""
    kind, colon, name = value.partition(":")
    if value != "consumer" and not (kind == "header" and colon and _TOKEN.fullmatch(name)):
        raise ValueError('must be "consumer" or "header:NAME"')
    return value


def prefix_value(value: str) -> str:
    """What stands before a credential, usually ending in a space."""
    if not _PRINTABLE.fullmatch(value):
        raise ValueError('is not the beginning of a header\'s value (printable ASCII, such as "Bearer ")')
    return value


def secret_value(value: str) -> str:
    """A token that goes into a header."""
    if not _PRINTABLE.fullmatch(value) or not value.strip():
        raise ValueError("is not a token (printable ASCII, no line breaks, not empty)")
    return value


def text(value: str) -> str:
    """A model's name, or anything that is one line."""
    if not value.strip() or not value.isprintable():
        raise ValueError("is empty or has control characters (one line of text)")
    return value


def url(value: str) -> str:
    """Where a backend is: http or https, a host, perhaps a port and a path."""
    if not re.fullmatch(r"[!-~]+", value):  # which urlsplit would strip in part
        raise ValueError("is not a URL (ASCII without spaces, such as https://api.example.com/v1)")
    try:
        parts = urlsplit(value)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise ValueError("is not a URL (such as https://api.example.com/v1)") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ValueError("is not an HTTP URL (http:// or https://, then a host)")
    if "@" in parts.netloc:
        raise ValueError("has credentials in it (auth = { … } is their place)")
    if not _URL_HOST.fullmatch(host) or port == 0 or parts.netloc.endswith(":"):
        raise ValueError("has no valid host or port (such as https://api.example.com:8443/v1)")
    if "?" in value or "#" in value:
        raise ValueError("has a query or a fragment (it ends with the path)")
    _check_path(parts.path or "/")
    return value


def _check_path(path: str) -> None:
    """A path that has only one reading, so that it is certain what it matches or asks for."""
    if not path.startswith("/") or not re.fullmatch(r"[!-~]+", path) or re.search(r"[?#\\]", path):
        raise ValueError("has no valid path (begins with /, ASCII, others as %XX; no ?, # or \\)")
    decoded = unquote_to_bytes(path)
    if _ESCAPE.search(path) or re.search(rb"[\x00-\x1f\x7f\\]", decoded):
        raise ValueError("has an invalid escape in its path (%XX, no control characters)")
    try:
        segments = decoded.decode("utf-8").split("/")
    except UnicodeDecodeError:
        raise ValueError("has escapes in its path that are not UTF-8") from None
    if "." in segments or ".." in segments:
        raise ValueError("has . or .. in its path (the path without them)")


def path(value: str) -> str:
    """A path on the upstream host."""
    _check_path(value)
    return value


def path_rule(value: str) -> str:
    """One of a route's ``paths``: ``/x``, ``=/x`` or ``~regex``."""
    if value.startswith("~"):
        _check_regex(value[1:])
    elif value.startswith(("/", "=/")):
        _check_path(value.removeprefix("="))
    else:
        raise ValueError('is not a path ("/x" and below, "=/x" exactly, "~^/v[0-9]+/" regular expression)')
    return value


def _check_regex(pattern: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern.encode())
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error} (Python's syntax)") from None
    except (OverflowError, RecursionError):
        raise ValueError("is not a regular expression that can be used (too large)") from None


def host_rule(value: str) -> str:
    """One of a route's ``hosts``, in lower case, international names as they are on the wire."""
    wrong = 'is not a host ("api.example.com", "*.example.com" or "api.*"; no port)'
    try:
        host = (value if value.isascii() else value.encode("idna").decode()).lower()
    except UnicodeError:
        raise ValueError(wrong) from None
    labels = host.removeprefix("*.") if host.startswith("*.") else host.removesuffix(".*")
    if not _HOST.fullmatch(labels):
        raise ValueError(wrong)
    return host


def method(value: str) -> str:
    """One of a route's ``methods``, in upper case."""
    if value.upper() not in _METHODS:
        raise ValueError(f"is not a method (allowed: {', '.join(_METHODS)})")
    return value.upper()


def realm(value: str) -> str:
    """What goes between the quotes of ``Key realm="…"``."""
    if not _PRINTABLE.fullmatch(value) or '"' in value or "\\" in value:
        raise ValueError('is not a realm (printable ASCII without " and \\)')
    return value


def network(value: Any) -> IPv4Network | IPv6Network:
    """An address or a network in CIDR notation."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    allowed = '(such as "10.0.0.0/8", "192.0.2.7", "fd00::/8")'
    if not isinstance(value, str):
        raise ValueError(f"must be a network {allowed}")
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"is not a network {allowed}") from None
    raise ValueError(f"is an address inside a network (did you mean {meant}?)")


def body_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON body fields for ``defaults`` and ``overrides``."""
    for name, instead in _OWN_FIELDS.items():
        if name in fields:
            raise ValueError(f"must not have {name} ({instead} decides that)")
    if "max_tokens" in fields and "max_completion_tokens" in fields:
        raise ValueError("has max_tokens and max_completion_tokens, which count as one field (one of them)")
    for name, value in fields.items():
        _check_json(name, value)
    return fields


def _check_json(name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for each in value.values():
            _check_json(name, each)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_json(name, each)
    elif isinstance(value, date | time):
        raise ValueError(f"has a date in {name}, which JSON does not have (a string)")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"has inf or nan in {name}, which JSON does not have (a finite number)")
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise ValueError(f"has a number in {name} that is too large (64 bits)")


def key_digest(value: Any) -> tuple[str, bool]:
    """A consumer's key as its SHA-256, hexadecimal, and whether the file has the key itself."""
    if not isinstance(value, str) or not value:
        raise ValueError('must be a key ("…", "sha256:…", or { key = "…", expires = 2027-01-01T00:00:00Z })')
    if value.startswith("sha256:"):
        match = _DIGEST.fullmatch(value)
        if match is None:
            raise ValueError("is not a digest (sha256: and 64 hexadecimal digits, as 'aigw key' prints it)")
        return match[1].lower(), False
    if not _PRINTABLE.fullmatch(value) or value != value.strip(" "):
        raise ValueError("is not a key that a header can carry (printable ASCII, no spaces around it)")
    return hashlib.sha256(value.encode()).hexdigest(), True


HeaderName = Annotated[str, AfterValidator(header_name)]
EditedHeaderName = Annotated[str, AfterValidator(edited_header_name)]
SetHeaderName = Annotated[str, AfterValidator(set_header_name)]
HeaderValue = Annotated[str, AfterValidator(header_value)]
Prefix = Annotated[str, AfterValidator(prefix_value)]
Token = Annotated[str, AfterValidator(secret_value), Field(min_length=1)]
Text = Annotated[str, AfterValidator(text), Field(min_length=1)]
Url = Annotated[str, AfterValidator(url), Field(json_schema_extra={"pattern": "^https?://"})]
UpstreamPath = Annotated[str, AfterValidator(path), Field(json_schema_extra={"pattern": "^/"})]
PathRule = Annotated[str, AfterValidator(path_rule), Field(json_schema_extra={"pattern": "^(/|=/|~)"})]
HostRule = Annotated[str, AfterValidator(host_rule)]
HashOn = Annotated[str, AfterValidator(hash_on), Field(json_schema_extra={"pattern": "^(consumer$|header:)"})]
Method = Annotated[str, AfterValidator(method)]
Realm = Annotated[str, AfterValidator(realm)]
BodyFields = Annotated[dict[str, Any], AfterValidator(body_fields)]
Network = Annotated[
    IPv4Network | IPv6Network, BeforeValidator(network), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
