"""Which models a ``raw`` request asks for, as far as anybody needs to know.

A raw body is passed on byte for byte and, as a rule, unread. It is read where the route leaves the choice of the
backend to the request's model, and where the consumer is limited to certain models, or that limit would hold for the
well-known operations alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

import orjson

from aigw.consumers.forms import Form, body_form, form_field, urlencoded
from aigw.errors import BadRequest
from aigw.http.request import Request
from aigw.llm.body import parse, serialise
from aigw.llm.body_models import BodyNames, names_models
from aigw.llm.model_names import check_model_name, check_spelling, why_unknown
from aigw.llm.operations import RAW

_FORMS = (b"application/x-www-form-urlencoded", b"multipart/form-data")
#: Methods by which nobody has a model do anything.
_READING = frozenset((b"GET", b"HEAD", b"OPTIONS"))
#: What JSON may begin with, and what readers pass over before it.
_BEFORE_JSON = b" \t\r\n\xef\xbb\xbf"


@dataclass
class RawModels:
    """What a raw body says of models.

    :ivar model: its ``model``; None if it has none, or nobody wants to know.
    :ivar has_model: it has one in another place where this call has it.
    :ivar names: all that it names, ``model`` included; for limited consumers only.
    :ivar unknown: why its models cannot be known, whatever it names; empty if they can be.
    :ivar body: what is to be sent instead of what came; None for that.
    :ivar nameless: why it names none, so that the path has to; empty where it does, or where it need not.
    """

    model: str | None = None
    has_model: bool = False
    names: list[str] = field(default_factory=list)
    unknown: str = ""
    nameless: str = ""
    body: bytes | None = None


def models_of_raw(request: Request, body: bytes, limited: bool, picks: bool) -> RawModels:
    """What ``body`` says of models, if somebody wants to know.

    :param limited: the consumer may not use every model.
    :param picks: the route leaves the choice of the backend to the request's model.

    :raises BadRequest: the body cannot be judged, or its ``model`` is no model's name.
    """
    found = RawModels()
    if not (limited or picks):
        return found
    fields = None
    if body:
        declared = request.header(b"content-type") or b""
        kind = _kind(declared)
        if kind in _FORMS:
            _read_form(found, body, declared, limited)
        elif kind in (b"application/json", b"") or kind.endswith(b"+json") or _begins_as_json(body):
            fields = parse(body, RAW)
            found.model = fields.get("model") or None
            if limited:
                _search(found, fields, body, request.path)
            else:
                check_spelling(fields)
        else:
            found.nameless = "its body is of a kind in which no model can be found"
    elif request.method not in _READING:
        found.nameless = "it has no body"
    if found.model is not None:
        found.names.append(found.model)
    elif body and not found.nameless and not found.has_model:
        found.nameless = "its body has no model"
    if limited and not found.unknown and request.method not in _READING:
        found.unknown = why_unknown(request.path, fields)
    return found


def with_model(body: bytes, model: str, content_type: bytes) -> bytes:
    """``body``, in which :func:`models_of_raw` has found a model, with another one.

    :param content_type: the request's.
    """
    form = body_form(body, content_type) if _kind(content_type) in _FORMS else None
    if form is None:
        fields = orjson.loads(body)
        fields["model"] = model
        return serialise(fields)
    at = next(index for index, (name, _) in enumerate(form.fields) if name == b"model")
    piece, value = form.pieces[at], form.fields[at][1] or b""
    new = b"model=" + quote(model, safe="").encode() if form.separator else _part_with(piece, value, model.encode())
    pieces = [*form.pieces[:at], new, *form.pieces[at + 1 :]]
    return form.opening + form.separator.join(pieces) + form.closing


def _part_with(piece: bytes, value: bytes, new: bytes) -> bytes:
    """A part of a multipart form, which ends in its value and a line's end."""
    return piece[: -len(value + b"\r\n")] + new + b"\r\n"


def _kind(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _begins_as_json(body: bytes) -> bool:
    return body[:64].lstrip(_BEFORE_JSON)[:1] in (b"{", b"[")


def _search(found: RawModels, fields: dict[str, object], body: bytes, path: bytes) -> None:
    """Names beside ``model``."""
    names = BodyNames(fields, body, path)
    if names.decides:
        found.body = serialise(fields)
    for name in names.names:
        check_model_name(name)
    found.names += names.names
    found.unknown = names.unknown
    found.has_model = names.has_model


# -- forms


def _read_form(found: RawModels, body: bytes, declared: bytes, limited: bool) -> None:
    value = form_field(body, declared, b"model")
    if value:
        found.model = value.decode("utf-8", "replace")
        check_model_name(found.model)
    if limited and _begins_as_json(body):
        found.model = None
        found.unknown = "its body is JSON and says that it is a form: send Content-Type: application/json"
        return
    form = body_form(body, declared)
    if form is not None:
        _check_form(form)
    if form is not None and limited:
        if form.separator == b"&" and b";" in body:
            _check_separators(form, body)
        found.names += [
            value.decode("utf-8", "replace")
            for name, value in form.fields
            if value and name != b"model" and names_models(name.partition(b"[")[0].decode("latin-1"))
        ]
        if _is_file(form):
            found.model, found.nameless = None, "its model is a file"


def _check_form(form: Form) -> None:
    """:raises BadRequest: a field is called like ``model``, as some readers see it: ``Model``, ``model[]``."""
    for name, _ in form.fields:
        if name != b"model" and name.partition(b"[")[0].strip().lower() == b"model":
            raise BadRequest(
                'a field of the form is called like "model": write it in small letters, without brackets',
                param="model",
                code="repeated_parameter",
            )


def _check_separators(form: Form, body: bytes) -> None:
    """:raises BadRequest: a reader for whom ``;`` separates fields, too, would find another model."""
    if urlencoded(body.replace(b";", b"&")).values(b"model") != form.values(b"model"):
        raise BadRequest("model in the form is not clear: write ; as %3B", param="model", code="repeated_parameter")


def _is_file(form: Form) -> bool:
    """Whether the model is sent as a file, which most readers do not take for a field."""
    return not form.separator and any(
        name == b"model" and b"filename" in piece.partition(b"\r\n\r\n")[0].lower()
        for (name, _), piece in zip(form.fields, form.pieces, strict=True)
    )
