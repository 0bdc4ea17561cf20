"""How the Kubernetes gateways authenticate to a provider: ``authToken``, ``policies.auth``, cloud credentials."""

from __future__ import annotations

from typing import Any

from aigw.config.importers.credentials import auth as secret_or_inline
from aigw.config.importers.credentials import secret, understand
from aigw.config.importers.draft import Draft
from aigw.config.importers.kubernetes.resource import Resource
from aigw.config.importers.kubernetes.resources import Resources
from aigw.config.importers.nodes import Node
from aigw.config.importers.upstreams import Kind, by_header


class CredentialReader:
    """Turns each system's way into a backend's ``auth``."""

    def __init__(self, draft: Draft, resources: Resources) -> None:
        self.draft = draft
        self.resources = resources

    def auth(self, kind: Kind, config: Node, node: Node, resource: Resource) -> dict[str, Any]:
        """A backend's ``auth``.

        :param config: the provider's own settings, in ``node``.
        :raises Refused: there is a credential of a kind that aigw does not have.
        """
        token = config.get("authToken")
        if token is not None:
            override = node.get("authHeaderOverride") or config.get("authHeaderOverride")
            return self._token(kind, token, resource) | self._override(kind, override)
        for policies in self.resources.policy_parts("auth", node, resource):
            return self._policy_auth(kind, policies, resource)
        early = resource.spec("ai", "authTokenRef")
        if early is not None:
            return self._secret(early, resource)
        return self._no_auth(kind, config, resource)

    def _no_auth(self, kind: Kind, config: Node, resource: Resource) -> dict[str, Any]:
        own = config.get("auth") or config.get("credentialProvider")
        if own is not None:
            self.draft.drop(own, "aigw looks for cloud credentials as the provider's own tools do (ambient)")
        if kind.provider in ("bedrock", "vertex"):
            return {"ambient": True}
        return {"passthrough": True}

    def _token(self, kind: Kind, token: Node, resource: Resource) -> dict[str, Any]:
        """kgateway's and Gloo's ``authToken``.

        :raises Refused: it has no token.
        """
        way = token.text("kind")
        inline, reference, passing = token.get("inline"), token.get("secretRef"), token.get("passthrough")
        if inline is not None and way in (None, "Inline"):
            return self._inline(kind, inline)
        if reference is not None and way in (None, "SecretRef"):
            return self._secret(reference, resource)
        if way == "Passthrough" or (passing is not None and way is None):
            if passing is not None:
                passing.settle()
            return {"passthrough": True}
        raise token.refuse("has no token (inline, secretRef or passthrough)")

    def _inline(self, kind: Kind, node: Node) -> dict[str, Any]:
        return secret_or_inline(self.draft, understand(node.scalar(), kind.env), node)

    def _secret(self, reference: Node, resource: Resource) -> dict[str, Any]:
        if isinstance(reference.content, str):
            name, namespace = reference.scalar(), resource.namespace
        else:
            name = child(reference, "name").scalar()
            namespace = reference.text("namespace") or resource.namespace
            self.draft.note(reference.get("namespace"), "aigw has no namespaces")
        key = reference.text("key") or "Authorization"
        credential = self.resources.credential(name, namespace, reference, key)
        if credential.said:
            self.draft.warn(reference, credential.said)
        return {"secret": secret(self.draft, credential.env, reference, name)}

    def _override(self, kind: Kind, override: Node | None) -> dict[str, Any]:
        if override is None:
            return {}
        header, prefix = override.text("headerName"), override.text("prefix")
        changed: dict[str, Any] = {}
        if header and header.lower() != kind.header:
            changed["header"] = header
        if prefix is not None:
            changed["prefix"] = f"{prefix.rstrip()} " if prefix.strip() else ""
        return changed

    def _policy_auth(self, kind: Kind, policy: Node, resource: Resource) -> dict[str, Any]:
        """agentgateway's ``policies.auth``.

        :raises Refused: it is of a kind that aigw does not have.
        """
        header = policy.text("location", "header", "name")
        prefix = policy.text("location", "header", "prefix") or ""
        where = by_header(kind, header or "", prefix.strip().lower() == "bearer")
        if policy.get("key") is not None:
            return self._inline(kind, child(policy, "key")) | where
        if policy.get("secretRef") is not None:
            return self._secret(child(policy, "secretRef"), resource) | where
        for cloud, provider in (("aws", "bedrock"), ("gcp", "vertex")):
            own = policy.get(cloud)
            if own is not None and kind.provider == provider:
                if own.names():
                    self.draft.drop(own, "aigw looks for cloud credentials as the provider's own tools do (ambient)")
                own.settle()
                return {"ambient": True}
        passing = policy.get("passthrough")
        if passing is not None:
            passing.settle()
            return {"passthrough": True}
        raise policy.refuse("is of a kind that aigw does not have (key, secretRef, passthrough)")


def child(node: Node, key: str) -> Node:
    """What is under a key.

    :raises Refused: nothing.
    """
    found = node.get(key)
    if found is None:
        raise node.refuse(f"has no {key}")
    return found
