"""Stock ``twisted.web`` resources on our wire."""

from __future__ import annotations

from twisted.web.error import UnsupportedMethod
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET

from aigw.errors import MethodNotAllowed
from aigw.http.request import Request


def render_resource(resource: IResource, request: Request) -> None:
    """Have ``request`` answered by ``resource``: with the bytes that it returns, or later, where it returns
    ``NOT_DONE_YET`` and calls ``request.write`` and ``request.finish``.

    :raises MethodNotAllowed: the resource does not know the method.
    """
    try:
        answer = resource.render(request)
    except UnsupportedMethod as error:
        allowed = b", ".join(error.allowedMethods)
        raise MethodNotAllowed("this method is not allowed here", headers=[(b"allow", allowed)]) from None
    if answer is not NOT_DONE_YET:
        assert isinstance(answer, bytes)
        request.respond_as_set(answer)
