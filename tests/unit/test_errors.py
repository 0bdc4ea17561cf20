"""Every error that a client can see has the status, type and code that its class says, compiled or not."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

from twisted.trial import unittest

import aigw
from aigw.errors import GatewayError
from tests.unit.test_laid_out import modules, on_instances

ROOT = Path(aigw.__file__).parent

#: Those of all modules; what another one adds has to be added here.
SAID = {
    "GatewayError": (500, "api_error", "internal_error"),
    "BadRequest": (400, "invalid_request_error", "invalid_request"),
    "Unauthorized": (401, "authentication_error", "invalid_api_key"),
    "Forbidden": (403, "permission_error", "forbidden"),
    "NoRoute": (404, "not_found_error", "no_route"),
    "ModelNotFound": (404, "invalid_request_error", "model_not_found"),
    "MethodNotAllowed": (405, "invalid_request_error", "method_not_allowed"),
    "RequestTimeout": (408, "invalid_request_error", "request_timeout"),
    "BodyTooLarge": (413, "invalid_request_error", "request_too_large"),
    "UnsupportedEncoding": (415, "invalid_request_error", "unsupported_encoding"),
    "ExpectationFailed": (417, "invalid_request_error", "expectation_failed"),
    "UpgradeRequired": (426, "invalid_request_error", "upgrade_required"),
    "LimitReached": (429, "rate_limit_error", "rate_limit_exceeded"),
    "HeadTooLarge": (431, "invalid_request_error", "headers_too_large"),
    "NotSupported": (501, "invalid_request_error", "not_supported"),
    "UpstreamFailed": (502, "upstream_error", "upstream_failed"),
    "Overloaded": (503, "overloaded_error", "overloaded"),
    "NoHealthyTarget": (503, "overloaded_error", "no_healthy_target"),
    "UpstreamTimeout": (504, "timeout_error", "idle_timeout"),
}


def error_classes() -> dict[str, type[GatewayError]]:
    """The whole tree, found in the sources, wherever a class of it stands."""
    found: dict[str, type[GatewayError]] = {"GatewayError": GatewayError}
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & SAID.keys():
                module = import_module(".".join(("aigw", *path.relative_to(ROOT).with_suffix("").parts)))
                found[node.name] = getattr(module, node.name)
    return found


class ErrorTests(unittest.SynchronousTestCase):
    """The tree of :mod:`aigw.errors`."""

    def test_each_says_what_its_class_says(self) -> None:
        """Asked of one that was made, as those ask who answer with it."""
        classes = error_classes()
        self.assertEqual(classes.keys(), SAID.keys())
        for name, cls in classes.items():
            error = cls("why", which="idle") if name == "UpstreamTimeout" else cls("why")  # type: ignore[call-arg]
            self.assertEqual((error.status, error.type, error.code), SAID[name], name)
            self.assertIs(type(error), cls)

    def test_no_compiled_exception_keeps_anything_on_its_class(self) -> None:
        """mypyc leaves attributes out of classes that are made without their own ``__init__`` on top of interpreted ones."""
        lost = []
        for path in modules():
            classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
            compiled = {node.name for node in classes}
            for node in classes:
                bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
                has_init = any(isinstance(line, ast.FunctionDef) and line.name == "__init__" for line in node.body)
                if bases - compiled - _LAID_OUT and on_instances(node) and not has_init:
                    lost.append(f"{path.name}: {node.name}")
        self.assertEqual(lost, [])


#: Bases that stand in other compiled modules, or that are none at run time.
_LAID_OUT = {"ClientCall", "NamedTuple", "Protocol", "Relay", "TypedDict"}
