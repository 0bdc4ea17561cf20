"""Which header fields are not passed on, up to providers and down to clients, each with the reason.

:data:`UP`, :data:`QUERY` and :data:`DOWN` are the whole of it; ``docs/providers/headers.md`` has the same lists for
people, and a test compares the two. What a configuration adds (key names, ``headers.set`` and ``remove``, the header of
a backend's ``auth``) is :mod:`aigw.proxy.plan_cache`'s.

Some servers make one name of ``Content-Length`` and ``Content_Length`` (CGI and what came from it turn both into
``CONTENT_LENGTH``). So a name with other characters than letters, digits and dashes is looked up with dashes in their
place as well: it stays here if that one does, or decides how a request is read. ``session_id`` passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aigw.http.headers import HOP_BY_HOP
from aigw.http.request_head import SINGLETONS

#: Reasons, and the request headers that stay here for them. A name that ends in ``*`` stands for all that begin so.
UP: Final[Mapping[str, str]] = {
    "framing, and what concerns one connection": """
        accept-encoding content-length expect host proxy proxy-*
    """,
    "credentials, whosever they are": """
        authorization api-key x-api-key x-goog-api-key x-goog-iam-* x-amz-security-token
        x-ms-authorization-auxiliary ocp-apim-* x-functions-key cookie cookie2 proxy-authorization x-litellm-api-key
        x-portkey-* helicone-auth
    """,
    "choose another method or operation than the one that was judged": """
        x-http-* x-method-override x-requested-method x-original-method x-amz-target x-goog-request-params
    """,
    "choose another path or host than the one that was judged": """
        x-original-* x-rewrite-* x-real-* x-override-* x-host x-forwarded x-forwarded-* forwarded x-proxy-*
        x-request-uri x-request-url x-ms-original-url x-middleware-* helicone-target-url
    """,
    "choose another model, deployment or content filter than the one that was judged": """
        x-ms-spillover-deployment x-ms-oai-image-generation-deployment azureml-model-deployment x-policy-id
        x-amzn-sagemaker-target-* x-amzn-sagemaker-inference-component
    """,
    "choose the account that pays or that is written down": """
        openai-organization openai-project x-goog-user-project x-goog-request-reason x-goog-* x-amz-*
    """,
    "say who the client is, which only a gateway may say": """
        client-ip true-client-ip x-client-ip x-cluster-client-ip x-remote-* x-originating-ip remote-user
        x-true-client-ip fastly-* cf-* x-azure-* x-appengine-* x-arr-* client-cert client-cert-chain ssl-client-*
        x-ssl-* x-client-cert x-auth-request-* x-authenticated-* x-consumer-* x-credential-* x-anonymous-consumer
        x-webauth-* x-ms-client-principal* x-ms-token-* x-amzn-oidc-* impersonate-*
    """,
    "steer proxies in front of the provider, or what they deliver": """
        x-envoy-* x-istio-* x-accel-* x-sendfile-type surrogate-*
    """,
    "tell of the page or the SDK that the request is from": """
        origin referer sec-* x-stainless-*
    """,
    "the gateway's own": """
        x-request-id x-aigw-*
    """,
}

#: Names that one of the ``*`` in :data:`UP` would keep here, and that mean nothing but what the client may say.
UP_ALLOWED: Final[Mapping[str, str]] = {
    "how Google's SDKs describe themselves, ask for parts of an answer, and upload files": """
        x-goog-api-client x-goog-fieldmask x-goog-upload-*
    """,
    "how Amazon's SDKs describe themselves": """
        x-amz-user-agent
    """,
}

#: The same for fields of a query. Google takes what some of these headers say from there, too.
QUERY: Final[Mapping[str, str]] = {
    "choose another method, or headers, than those that were judged": """
        $httpmethod $httpheaders _method
    """,
    "choose the account that pays": """
        $userproject userproject
    """,
}

#: The same for an upstream's response headers.
DOWN: Final[Mapping[str, str]] = {
    "framing, and what each server says of itself": """
        content-length date server
    """,
    "have a web server in front of the gateway deliver a file, or another place, of its own": """
        x-accel-* x-sendfile x-sendfile-* x-send-file x-lighttpd-* x-litespeed-* x-reproxy-*
    """,
    "steer a proxy or a cache in front of the gateway": """
        x-envoy-* surrogate-* edge-control cdn-cache-control cloudflare-cdn-cache-control x-esi
    """,
    "act on everything that a browser has of the gateway's site": """
        clear-site-data set-cookie set-cookie2 strict-transport-security public-key-pins public-key-pins-report-only
        expect-ct alt-svc service-worker-allowed origin-agent-cluster accept-ch critical-ch
    """,
    "have a client go, look or report elsewhere": """
        refresh content-location sourcemap x-sourcemap nel report-to reporting-endpoints cf-*
    """,
    "tell whose account is behind this gateway": """
        anthropic-organization-id anthropic-workspace-id openai-organization openai-project
    """,
    "the gateway's own": """
        request-id server-timing x-aigw-* x-request-id
    """,
}

#: Response headers that hold an address which clients go to by themselves: browsers, SDKs that poll, uploads in pieces.
ADDRESSES: Final = frozenset(
    (
        b"azure-asyncoperation",
        b"location",
        b"operation-location",
        b"x-goog-upload-control-url",
        b"x-goog-upload-url",
    )
)

#: What the SDKs of most clients say about themselves: in :data:`NEVER_UPSTREAM` by name, so that one look finds them.
_USUAL: Final = """
    x-stainless-arch x-stainless-async x-stainless-helper-method x-stainless-lang x-stainless-os
    x-stainless-package-version x-stainless-raw-response x-stainless-read-timeout x-stainless-retry-count
    x-stainless-runtime x-stainless-runtime-version x-stainless-timeout sec-fetch-mode sec-fetch-dest sec-fetch-site
    x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-prefix x-forwarded-proto x-real-ip
    x-amz-content-sha256 x-amz-date
"""


def _names(lists: Mapping[str, str], *, prefixes: bool) -> tuple[bytes, ...]:
    """The names of some lists: those that end in ``*``, without it, or all others."""
    words = " ".join(lists.values()).encode("ascii").split()
    return tuple(word.removesuffix(b"*") for word in words if word.endswith(b"*") == prefixes)


#: Names of request headers that never go up, and beginnings of such names.
NEVER_UPSTREAM: Final = (
    frozenset(_names(UP, prefixes=False)) | frozenset(_USUAL.encode("ascii").split()) | frozenset(HOP_BY_HOP)
)
_NEVER_UP_PREFIXES: Final = _names(UP, prefixes=True)
_ALLOWED: Final = frozenset(_names(UP_ALLOWED, prefixes=False))
_ALLOWED_PREFIXES: Final = _names(UP_ALLOWED, prefixes=True)

#: Names of fields of a query that never go up, in lower case.
NEVER_IN_QUERY: Final = frozenset(_names(QUERY, prefixes=False))

#: The same of response headers, down.
NEVER_DOWNSTREAM: Final = frozenset(_names(DOWN, prefixes=False)) | frozenset(HOP_BY_HOP)
NEVER_DOWN_PREFIXES: Final = _names(DOWN, prefixes=True)

#: What nearly every request has and passes on: one look, instead of a search for what they begin with.
PLAIN: Final = frozenset(
    (
        b"accept",
        b"accept-language",
        b"anthropic-beta",
        b"anthropic-version",
        b"content-encoding",
        b"content-type",
        b"idempotency-key",
        b"openai-beta",
        b"priority",
        b"traceparent",
        b"tracestate",
        b"user-agent",
        b"x-app",
    )
)

#: The same for responses.
PLAIN_DOWN: Final = frozenset(
    (
        b"access-control-expose-headers",
        b"cache-control",
        b"content-type",
        b"openai-processing-ms",
        b"openai-version",
        b"vary",
        b"via",
        b"x-content-type-options",
        b"x-ratelimit-limit-requests",
        b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-requests",
        b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-requests",
        b"x-ratelimit-reset-tokens",
    )
)

_WITH_DASHES: Final = bytes.maketrans(b"!#$%&'*+.^_`|~", b"-" * 14)


def stays_here(name: bytes, drop: frozenset[bytes]) -> bool:
    """Whether a request header that is none of :data:`PLAIN` and not in ``drop`` must not go up.

    :param name: in lower case.
    :param drop: :data:`NEVER_UPSTREAM` and what the configuration adds.
    """
    if name.startswith(_NEVER_UP_PREFIXES):
        return name not in _ALLOWED and not name.startswith(_ALLOWED_PREFIXES)
    dashed = name.translate(_WITH_DASHES)
    return dashed != name and (dashed in drop or dashed in SINGLETONS or dashed.startswith(_NEVER_UP_PREFIXES))
