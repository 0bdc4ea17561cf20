"""One Kubernetes resource, and the kinds of resources that are known here."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from aigw.config.importers.nodes import Node

#: What resources have whatever they are.
OF_ANY_KIND = {"apiVersion", "kind", "metadata", "status"}
#: Resources that say how a gateway is run in a cluster, or who may refer to whom there.
ABOUT_THE_CLUSTER = frozenset(
    (
        "AgentgatewayParameters",
        "ClusterRole",
        "ClusterRoleBinding",
        "CronJob",
        "DaemonSet",
        "Deployment",
        "EnterpriseAgentgatewayParameters",
        "Gateway",
        "GatewayClass",
        "GatewayParameters",
        "HorizontalPodAutoscaler",
        "HTTPListenerPolicy",
        "Job",
        "ListenerSet",
        "Namespace",
        "PersistentVolumeClaim",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "ReferenceGrant",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "StatefulSet",
        "XListenerSet",
    )
)
#: The versions of resources that are read.
VERSIONS = {
    "AgentgatewayBackend": ("agentgateway.dev/v1alpha1",),
    "Backend": ("gateway.kgateway.dev/v1alpha1",),
    "EnterpriseAgentgatewayBackend": ("enterpriseagentgateway.solo.io/v1alpha1",),
    "Gateway": ("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"),
    "HTTPRoute": tuple(f"gateway.networking.k8s.io/{version}" for version in ("v1", "v1beta1", "v1alpha2")),
    "Secret": ("v1",),
    "Upstream": ("gloo.solo.io/v1",),
}
#: Listeners that another resource adds to a Gateway (GEP-1713); ``X`` as long as that was an experiment.
LISTENER_SETS = ("ListenerSet", "XListenerSet")
#: How the kinds of resources end that may say who may come in.
MAY_CLOSE = ("Policy", "Option", "AuthConfig")
#: What policies have in their spec.
FOR_WHAT = ("targetRefs", "targetRef", "targetSelectors")
#: Resources that say what is behind a route.
BACKENDS = {
    "Backend": "gateway.kgateway.dev",
    "AgentgatewayBackend": "agentgateway.dev",
    "EnterpriseAgentgatewayBackend": "enterpriseagentgateway.solo.io",
    "Upstream": "gloo.solo.io",
}
#: What of a resource's kind there is to say to somebody who wonders why it is not imported.
INSTEAD = {
    "AIGatewayRoute": "it is Envoy AI Gateway's, whose resources are not read",
    "AIServiceBackend": "it is Envoy AI Gateway's, whose resources are not read",
    "BackendSecurityPolicy": "it is Envoy AI Gateway's, whose resources are not read",
    "KongConsumer": "of Kong, aigw import reads what 'deck gateway dump' writes",
    "KongPlugin": "of Kong, aigw import reads what 'deck gateway dump' writes",
    "KongClusterPlugin": "of Kong, aigw import reads what 'deck gateway dump' writes",
}
#: What a policy, or a resource that one may be for, is looked up by: kind and name, or kind and labels.
Target = tuple[str, str | tuple[tuple[str, str], ...]]


@attrs.define(eq=False)
class Resource:
    """One resource.

    :ivar group: of its ``apiVersion``; empty for the core.
    """

    kind: str
    group: str
    namespace: str
    name: str
    node: Node

    def spec(self, *keys: str) -> Node | None:
        """What is in its spec."""
        return self.node.get("spec", *keys)

    def targets(self) -> Iterator[Target]:
        """Of a policy: kind and name of each resource that it is for, or kind and labels.

        :raises Refused: that cannot be read.
        """
        for each in self.references():
            kind, name = each.get("kind"), each.get("name")
            if kind is not None and name is not None:
                yield str(kind.content), str(name.content)
        for each in self.node.maps("spec", "targetSelectors"):
            kind, wanted = each.get("kind"), each.get("matchLabels")
            if kind is not None:
                yield str(kind.content), tuple(sorted(_labels(wanted).items()))

    def references(self) -> list[Node]:
        """Of a policy: what it is for."""
        single = self.spec("targetRef")
        return [*self.node.maps("spec", "targetRefs"), *([single] if single is not None else [])]

    def labels(self) -> dict[str, str]:
        """Its labels, to be selected by."""
        return _labels(self.node.get("metadata", "labels"))


def _labels(found: Node | None) -> dict[str, str]:
    held = found.content if found is not None and isinstance(found.content, dict) else {}
    return {key: str(child.content) for key, child in held.items()}


def is_kubernetes(document: Node) -> bool:
    """Whether a document is a resource."""
    return document.get("apiVersion") is not None and document.get("kind") is not None
