"""Which handler a request goes to.

Source: RFC 3986 (segments, percent-encoding); RFC 9110, 15.5.5 and 15.5.6 (404, 405 with Allow).
Limits: a parameter is one whole, non-empty segment; written segments win over parameters,
templates over prefixes, longer prefixes over shorter ones. One slash at the end makes no
difference. ``.`` and ``..`` as segments are refused, encoded or not.
Why: identifiers of charging stations hold slashes, stars and umlauts; they are decoded after the
path has been split, so that ``%2F`` stays part of an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.http import Begun, Request, Response, Welcome
from gateway.server.wire import Head, HttpError, error_body

RouteHandler = Callable[[Request, Mapping[str, str]], Awaitable[Response]]
"""Answers a request, given the decoded parameters of its path."""
ErrorPage = Callable[[Request, int, str, str], Response]
"""Writes an error of the router, or of the connection: request, status, code, reason. ``Allow`` is
added to a 405."""

Takes = Callable[[Mapping[str, str]], str | None]
"""Says why a body with these header fields is not taken, by its type or coding; None: it is."""

REST = "rest"
"""Parameter of a prefix: what follows it, as sent (percent-encoded), without leading slash."""

UNREAD = 64 * 1024
"""Bytes of a body that are taken with a method that gives it no meaning (GET, HEAD)."""

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Route(NamedTuple):
    handler: RouteHandler
    names: tuple[str, ...]
    limit: int | None
    takes: Takes | None = None
    begun: Begun | None = None


class _Node:
    """One place in the tree of paths."""

    __slots__ = ("below", "error_page", "methods", "parameter", "prefix")

    def __init__(self) -> None:
        self.below: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, _Route] = {}
        self.prefix: _Route | None = None
        self.error_page: ErrorPage | None = None


class Router:
    """A tree of routes; itself a ``gateway.http.Handler``. ``body_limit`` holds where none is set.

    Routes are added at start; a fault in them raises ValueError there.
    """

    def __init__(self, body_limit: int = 16 * 1024 * 1024) -> None:
        self._root = _Node()
        self._literal: dict[tuple[str, str], _Route] = {}
        """Routes without parameters, as they are mostly asked for."""
        self._body_limit = body_limit

    def route(
        self,
        method: str,
        template: str,
        handler: RouteHandler,
        *,
        limit: int | None = None,
        takes: Takes | None = None,
        begun: Begun | None = None,
    ) -> None:
        """Send ``method`` on paths like ``/ocpi/versions`` or ``/locations/{country}/{id}``.

        A route for GET answers HEAD too, unless HEAD has its own. ``begun`` is asked about long
        bodies when their beginning is here.
        """
        node, names = self._place(template)
        if method in node.methods:
            raise ValueError(f"{method} {template} has a route already")
        route = node.methods[method] = _Route(handler, names, limit, takes, begun)
        if not names:
            self._literal[method, template] = route

    def prefix(
        self,
        path: str,
        handler: RouteHandler,
        *,
        limit: int | None = None,
        takes: Takes | None = None,
        begun: Begun | None = None,
    ) -> None:
        """Send every method on ``path`` and all below it that no template takes."""
        node, names = self._place(path)
        if names or node.prefix is not None:
            raise ValueError(f"{path} is no prefix, or has a route already")
        node.prefix = _Route(handler, (REST,), limit, takes, begun)

    def errors(self, path: str, page: ErrorPage) -> None:
        """Let ``page`` write the errors of all paths below ``path``."""
        node, _ = self._place(path)
        node.error_page = page

    def bound(self, head: Head) -> int:
        """Bytes that the body after a head may have; what ``HttpServer`` asks before it reads one.

        Raises HttpError: by method, path or type nobody is going to read it.
        """
        try:
            found, allowed, _ = self._find(head.method, head.path)
        except ValueError as error:
            raise HttpError(400, "path", str(error)) from None
        if found is None:
            raise self._nowhere(head.method, allowed)
        route, _ = found
        why = route.takes and route.takes(head.headers)
        if why:
            raise HttpError(415, "media-type", why)
        limit = self._body_limit if route.limit is None else route.limit
        return min(limit, UNREAD) if head.method in ("GET", "HEAD") else limit

    async def begun(self, request: Request) -> Welcome | Response:
        """What may still come of a request whose body is long, given its beginning."""
        found, _, _ = self._find(request.method, request.path)
        assert found is not None, "its head was refused"
        route, _ = found
        if route.begun is not None:
            return await route.begun(request)
        return Welcome(sender="", most=self._body_limit if route.limit is None else route.limit)

    @staticmethod
    def _nowhere(method: str, allowed: set[str]) -> HttpError:
        if not allowed:
            return HttpError(404, "not-found", "nothing is found at this path")
        allow = {"Allow": ", ".join(sorted(allowed))}
        return HttpError(405, "method-not-allowed", f"{method} is not allowed here", allow)

    def page_for(self, path: str) -> ErrorPage:
        """What writes the errors of a path, whether or not it leads anywhere."""
        return self._along(path.split("/")[1:], path)[1]

    async def __call__(self, request: Request) -> Response:
        """Answer with the handler that the path names, or with an error page."""
        try:
            found, allowed, page = self._find(request.method, request.path)
        except ValueError as error:
            return self.page_for(request.path)(request, 400, "path", str(error))
        if found:
            route, values = found
            return await route.handler(request, dict(zip(route.names, values, strict=True)))
        lost = self._nowhere(request.method, allowed)
        answer = page(request, lost.status, lost.code, lost.reason)
        headers = {**answer.headers, **lost.headers}
        return Response(status=answer.status, headers=headers, body=answer.body)

    def _place(self, template: str) -> tuple[_Node, tuple[str, ...]]:
        """The node of a template, made if it is new, and the names of its parameters."""
        if not template.startswith("/"):
            raise ValueError(f"{template!r} does not begin with a slash")
        node, names = self._root, []
        for segment in template.strip("/").split("/") if template.strip("/") else ():
            if segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            elif not segment or "{" in segment or "}" in segment:
                raise ValueError(f"{template!r} has a segment that is neither name nor text")
            else:
                node = node.below.setdefault(segment, _Node())
        return node, tuple(names)

    def _find(
        self, method: str, path: str
    ) -> tuple[tuple[_Route, tuple[str, ...]] | None, set[str], ErrorPage]:
        """The route with its values, or the methods that are allowed instead; and the error page.

        Raises ValueError on a path that cannot be decoded.
        """
        literal = self._literal.get((method, path))
        if literal is not None:
            return (literal, ()), set(), json_error
        segments = split_path(path)
        allowed: set[str] = set()
        for node, values in _matches(self._root, segments, ()):
            route = node.methods.get(method)
            if route is None and method == "HEAD":
                route = node.methods.get("GET")
            if route is not None:
                return (route, values), allowed, json_error
            allowed |= node.methods.keys()
        if "GET" in allowed:
            allowed.add("HEAD")
        prefix, page = self._along(segments, path)
        return (None if allowed else prefix), allowed, page

    def _along(
        self, segments: list[str], path: str
    ) -> tuple[tuple[_Route, tuple[str, ...]] | None, ErrorPage]:
        """The longest prefix of a path, and the error page nearest to it."""
        found: tuple[_Route, tuple[str, ...]] | None = None
        page: ErrorPage = json_error
        node: _Node | None = self._root
        for depth in range(len(segments) + 1):
            assert node is not None
            page = node.error_page or page
            if node.prefix is not None:
                rest = path.split("/", depth + 1)[depth + 1 :]
                found = node.prefix, (rest[0] if rest else "",)
            node = node.below.get(segments[depth]) if depth < len(segments) else None
            if node is None:
                break
        return found, page


def split_path(path: str) -> list[str]:
    """The decoded segments of a path, without the empty one after a slash at its end.

    >>> split_path("/locations/DE*ABC/E%2F1/")
    ['locations', 'DE*ABC', 'E/1']

    Raises ValueError: bad percent-encoding, no UTF-8, control characters, dot segments.
    """
    segments = path.split("/")[1:]
    if segments[-1] == "":
        segments.pop()
    if "%" in path:
        if _BAD_PERCENT.search(path):
            raise ValueError("the path holds a broken percent-encoding")
        try:
            segments = [unquote_to_bytes(segment).decode("utf-8") for segment in segments]
        except UnicodeDecodeError:
            raise ValueError("the path is not UTF-8 when decoded") from None
        if any(map(_CONTROL.search, segments)):
            raise ValueError("the path holds a control character")
    if "." in segments or ".." in segments:
        raise ValueError("the path holds a dot segment")
    return segments


def json_error(request: Request, status: int, code: str, reason: str) -> Response:
    """The error page where no other is set."""
    headers = {"Content-Type": "application/json"}
    return Response(status=status, headers=headers, body=error_body(code, reason))


def _matches(
    node: _Node, segments: list[str], values: tuple[str, ...]
) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    """Every node with routes that a path leads to, the most literal first."""
    if not segments:
        if node.methods:
            yield node, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.below:
        yield from _matches(node.below[first], rest, values)
    if node.parameter is not None and first:
        yield from _matches(node.parameter, rest, (*values, first))
