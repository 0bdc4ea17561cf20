"""What a model's name may look like, and which models a path names.

A consumer that is limited to certain models must not get another one by naming it in a place that nobody looks at, so
paths are read where a provider has the model there. What bodies name is in :mod:`aigw.llm.body_models`. Everybody's
calls pay for :func:`check_model_name`, and :func:`check_spelling` where the name is judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from aigw.errors import BadRequest

#: Bytes of a model's name, in UTF-8. Amazon's resource names, the longest there are, have up to about 200.
MAX_NAME: Final = 256

#: A slash inside a segment, as normalised paths have it.
_SLASH: Final = b"%2F"
#: Segments of paths below which models are in files, or kept by the provider.
_FILES: Final = frozenset((b"evals", b"files", b"uploads"))
_BATCHES: Final = frozenset((b"batch", b"batches"))

#: What may stand behind ``…/models/`` and is none: the operations of Azure's model inference API.
_NO_MODELS: Final = frozenset((b"chat", b"completions", b"embeddings", b"images", b"info", b"rerank", b"responses"))
#: What may follow a model in a path and is no part of its name.
_BELOW_MODELS: Final = frozenset((b"operations", b"permissions", b"pipeline", b"predictions", b"v1", b"versions"))

#: Resources of Amazon's whose names, behind the slash, are model ids by themselves.
_MODELS_OF_ARNS: Final = (":foundation-model/", ":inference-profile/")


def check_model_name(name: str) -> None:
    """See that a model's name can be part of a path, a label or a line of a log.

    :raises BadRequest: it is longer than :data:`MAX_NAME` bytes, has control characters, or ``.`` or ``..`` among the
        parts between its slashes.
    """
    if not name.isprintable() or len(name) > MAX_NAME or (not name.isascii() and len(name.encode()) > MAX_NAME):
        raise _no_name(f"must be printable and at most {MAX_NAME} bytes long")
    if "%" in name or ("." in name and (name[0] == "." or "/." in name or "\\" in name)):
        parts = unquote(name).replace("\\", "/").split("/")
        if "." in parts or ".." in parts:
            raise _no_name('must not have "." or ".." between slashes')


def _no_name(why: str) -> BadRequest:
    return BadRequest(f"model is not a model's name: it {why}", param="model", code="invalid_value")


def check_spelling(fields: Mapping[str, Any]) -> None:
    """Some providers read ``Model`` as ``model``, so that a body with both would be judged by one and sent with two.

    :raises BadRequest: there is a member that differs from ``model`` in the case of its letters only.
    """
    for key in fields:
        if len(key) == 5 and key != "model" and key.casefold() == "model":
            raise BadRequest(
                'a member of the request body is called like "model" in another case: write it in small letters',
                param="model",
                code="repeated_parameter",
            )


# -- paths


def names_in_path(path: bytes, start: int = 0) -> list[tuple[str, ...]]:
    """The models that a path on an upstream names, each in the spellings that mean the same.

    Gemini's and Vertex AI's ``models/X:generateContent``, ``tunedModels/X``, ``publishers/P/models/X`` and
    ``endpoints/X``; Bedrock's ``model/X/converse``, where X may be a resource name; Azure's ``deployments/X``; and what
    else has ``models/X``, ``models/OWNER/X`` or ``engines/X``.

    :param path: normalised, percent-encoded.
    :param start: segments at its beginning that are not looked at for names.
    """
    found = _names_in(path.split(b"/"), start)
    if _SLASH in path:  # which some servers take for a slash, and some do not
        found += _names_in(path.replace(_SLASH, b"/").split(b"/"), start)
    return found


def _names_in(segments: list[bytes], start: int) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for index, segment in enumerate(segments[:-1]):
        kind = segment.lower()
        if index < start or not segments[index + 1]:
            continue
        if kind == b"models":
            found += _of_models(segments, index)
        elif kind in (b"tunedmodels", b"endpoints", b"dynamic"):
            name = _without_method(unquote(segments[index + 1].decode("latin-1")))
            if kind != b"endpoints":
                found.append((f"{segment.decode('latin-1')}/{name}",))
            elif name != "openapi":  # OpenAI's dialect: the body has the model
                found.append((f"endpoints/{name}", name))
        elif kind == b"model":
            found.append(_of_bedrock(segments[index + 1 :]))
        elif kind in (b"deployments", b"engines"):
            found.append((unquote(segments[index + 1].decode("latin-1")),))
    return found


def _of_models(segments: list[bytes], index: int) -> Iterator[tuple[str, ...]]:
    """What ``models/`` at ``index`` is followed by."""
    first, rest = segments[index + 1], segments[index + 2 :]
    if first.lower() in _NO_MODELS:
        return
    name = unquote(first.decode("latin-1"))
    if rest and rest[0] and rest[0] not in _BELOW_MODELS and b":" not in first:
        yield (f"{name}/{_without_method(unquote(rest[0].decode('latin-1')))}",)
        return
    bare = _without_method(name)
    names = [bare, f"models/{bare}"] + ([name] if name != bare else [])
    if index >= 2 and segments[index - 2].lower() == b"publishers":
        publisher = unquote(segments[index - 1].decode("latin-1"))
        names += [f"{publisher}/{bare}", f"publishers/{publisher}/models/{bare}"]
    yield tuple(names)


def _of_bedrock(following: list[bytes]) -> tuple[str, ...]:
    """A model's id, or a resource name; the last segment is what is to be done with it."""
    segments = following[:1] if len(following) < 3 else following[:-1]
    return spellings(unquote(b"/".join(segments).decode("latin-1")))


def _without_method(name: str) -> str:
    """``X`` of Google's ``X:generateContent``. Fine-tuned models of OpenAI's have colons of their own."""
    bare, colon, method = name.rpartition(":")
    return bare if colon and bare and method.isalpha() else name


def has_custom_method(path: bytes) -> bool:
    """Whether the path ends in one of Google's methods (``…:generateContent``)."""
    last = unquote(path.rpartition(b"/")[2].decode("latin-1"))
    return _without_method(last) != last


def spellings(name: str) -> tuple[str, ...]:
    """Everything that a name in a provider's own form may be called in a consumer's ``models``, itself included."""
    if name.startswith("arn:"):
        found = next((kind for kind in _MODELS_OF_ARNS if kind in name), None)
        return (name,) if found is None else (name, name.partition(found)[2])
    before, models, bare = name.rpartition("models/")
    if models and bare and (not before or before.endswith("/")):
        publisher = before.rstrip("/").rpartition("publishers/")[2] if "publishers/" in before else ""
        return (name, bare, f"{publisher}/{bare}") if publisher else (name, bare)
    return (name,)


def why_unknown(path: bytes, fields: Mapping[str, Any] | None) -> str:
    """Why the models of a ``raw`` request cannot be known, whatever else it says; empty if they may be.

    :param path: normalised.
    """
    segments = {segment.partition(b":")[0] for segment in path.replace(_SLASH, b"/").lower().split(b"/")}
    if segments & _FILES:
        return "it is about files, and models may be named in them"
    if segments & _BATCHES and (fields is None or not every_request_names_one(fields)):
        return "a batch's models are in a file"
    return ""


def every_request_names_one(fields: Mapping[str, Any]) -> bool:
    """Whether this is a batch as Anthropic has them: its requests are in the body, each with its model."""
    requests = fields.get("requests")
    if not isinstance(requests, list) or not requests:
        return False
    parameters = (each.get("params") if isinstance(each, dict) else None for each in requests)
    models = (each.get("model") if isinstance(each, dict) else None for each in parameters)
    return all(isinstance(model, str) and model != "" for model in models)
