"""Paths find their handlers."""

import json

import pytest

from gateway.http import Request, Response
from gateway.server.router import UNREAD, Router
from gateway.server.wire import HttpError, parse_head


def named(name):
    """A handler that says its name and parameters."""

    async def handler(request, values):
        return Response(body=json.dumps([name, dict(values)]).encode())

    return handler


@pytest.fixture
def router():
    """Routes of every form."""
    router = Router(body_limit=1000)
    for method, template, name, limit in [
        ("GET", "/", "root", None),
        ("GET", "/ocpi/versions", "versions", 0),
        ("GET", "/ocpi/2.2.1/locations/{country}/{party}/{location_id}", "get", None),
        ("PUT", "/ocpi/2.2.1/locations/{country}/{party}/{location_id}", "put", 5000),
        ("PATCH", "/ocpi/2.2.1/locations/{country}/{party}/{location_id}/{evse}", "evse", None),
        ("GET", "/tokens/{uid}", "token", None),
        ("POST", "/tokens/authorize", "authorize", None),
        ("POST", "/tokens/{uid}/authorize", "authorize one", None),
        ("HEAD", "/own-head", "head", None),
        ("GET", "/own-head", "get", None),
    ]:
        router.route(method, template, named(name), limit=limit)
    router.prefix("/console", named("console"), limit=7)
    router.prefix("/console/static", named("static"))
    return router


def bound(router, method, path, fields=""):
    """What the router says of a head."""
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()
    return router.bound(parse_head(head, max_fields=10))


async def answer_to(router, method, path):
    """The answer of the router."""
    return await router(Request(method=method, path=path))


@pytest.mark.parametrize(
    ("method", "path", "name", "values"),
    [
        ("GET", "/", "root", {}),
        ("GET", "/ocpi/versions", "versions", {}),
        ("GET", "/ocpi/versions/", "versions", {}),
        ("HEAD", "/ocpi/versions", "versions", {}),
        ("GET", "/%6Fcpi/versions", "versions", {}),
        (
            "GET",
            "/ocpi/2.2.1/locations/DE/ABC/L%2F1%20%C3%A4+*",
            "get",
            {"country": "DE", "party": "ABC", "location_id": "L/1 ä+*"},
        ),
        (
            "PUT",
            "/ocpi/2.2.1/locations/DE/ABC/L1/",
            "put",
            {"country": "DE", "party": "ABC", "location_id": "L1"},
        ),
        ("GET", "/tokens/1", "token", {"uid": "1"}),
        ("GET", "/tokens/authorize", "token", {"uid": "authorize"}),
        ("POST", "/tokens/authorize", "authorize", {}),
        ("POST", "/tokens/authorize/authorize", "authorize one", {"uid": "authorize"}),
        ("HEAD", "/own-head", "head", {}),
        ("GET", "/console", "console", {"rest": ""}),
        ("DELETE", "/console/", "console", {"rest": ""}),
        ("GET", "/console/a%2Fb/c/", "console", {"rest": "a%2Fb/c/"}),
        ("GET", "/console/static/x.css", "static", {"rest": "x.css"}),
        ("GET", "/console/statics", "console", {"rest": "statics"}),
    ],
)
async def test_found(router, method, path, name, values):
    """The most literal route wins; parameters are decoded after the path is split."""
    answer = await answer_to(router, method, path)
    assert (answer.status, json.loads(answer.body)) == (200, [name, values])


@pytest.mark.parametrize(
    "path",
    [
        *("/nowhere", "/ocpi", "/ocpi/versions/x", "/ocpi//versions", "/ocpi/versions//"),
        *("/tokens", "/tokens/", "/tokens//authorize", "//", "/consoles", "/OCPI/versions"),
        "/ocpi%2Fversions",
    ],
)
async def test_not_found(router, path):
    """Nothing but exactly a route is a route."""
    answer = await answer_to(router, "GET", path)
    assert (answer.status, json.loads(answer.body)["error"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/ocpi/versions", "GET, HEAD"),
        ("DELETE", "/ocpi/2.2.1/locations/DE/ABC/L1", "GET, HEAD, PUT"),
        ("GET", "/tokens/1/authorize", "POST"),
        ("PUT", "/tokens/authorize", "GET, HEAD, POST"),
    ],
)
async def test_method_not_allowed(router, method, path, allow):
    """A path that exists says what may be done with it."""
    answer = await answer_to(router, method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allow)
    assert json.loads(answer.body)["error"] == "method-not-allowed"


@pytest.mark.parametrize(
    "path",
    [
        *("/tokens/%", "/tokens/%g0", "/tokens/%2", "/tokens/%C3", "/tokens/%FF", "/tokens/%00"),
        *("/tokens/a%0Ab", "/tokens/..", "/tokens/%2E%2e", "/tokens/../x", "/./tokens/1"),
        "/console/../tokens",
    ],
)
async def test_undecodable(router, path):
    """A path that cannot be decoded, or that climbs, is refused as such."""
    answer = await answer_to(router, "GET", path)
    assert (answer.status, json.loads(answer.body)["error"]) == (400, "path")
    with pytest.raises(HttpError, match="path"):
        bound(router, "GET", path)


async def test_error_page_of_a_prefix(router):
    """Below its path a protocol writes errors in its own form; ``Allow`` is still there."""

    def page(request, status, code, reason):
        return Response(status=200, headers={"X": code}, body=b"%d" % status)

    router.errors("/ocpi", page)
    missing = await answer_to(router, "GET", "/ocpi/9.9/x")
    wrong = await answer_to(router, "POST", "/ocpi/versions")
    elsewhere = await answer_to(router, "GET", "/elsewhere")
    assert (missing.status, missing.body, missing.headers["X"]) == (200, b"404", "not-found")
    assert (wrong.body, wrong.headers["Allow"]) == (b"405", "GET, HEAD")
    assert elsewhere.status == 404


def test_limits(router):
    """Each route has its limit, others the router's; GET has no use for a body."""
    assert bound(router, "PUT", "/ocpi/2.2.1/locations/DE/ABC/L1") == 5000
    assert bound(router, "GET", "/ocpi/2.2.1/locations/DE/ABC/L1") == 1000
    assert bound(router, "GET", "/ocpi/versions") == 0
    assert bound(router, "POST", "/console/x") == 7
    large = Router()
    large.route("GET", "/x", named("x"))
    large.route("POST", "/x", named("x"))
    assert bound(large, "GET", "/x") == UNREAD < bound(large, "POST", "/x")


def test_a_head_that_leads_nowhere(router):
    """By method, path and type, before there is a body."""
    router.route("POST", "/typed", named("x"), takes=lambda headers: headers.get("content-type"))
    assert bound(router, "POST", "/typed") == 1000
    for method, path, fields, status, code in [
        ("POST", "/nowhere", "", 404, "not-found"),
        ("POST", "/ocpi/versions", "", 405, "method-not-allowed"),
        ("POST", "/a/../b", "", 400, "path"),
        ("POST", "/typed", "Content-Type: x\r\n", 415, "media-type"),
    ]:
        with pytest.raises(HttpError) as refused:
            bound(router, method, path, fields)
        assert (refused.value.status, refused.value.code) == (status, code)
        assert ("Allow" in refused.value.headers) == (status == 405)


@pytest.mark.parametrize("template", ["x", "/a{b}", "/a//b", "/{a"])
def test_faulty_templates(template):
    """A template that cannot mean anything is found at start."""
    with pytest.raises(ValueError):
        Router().route("GET", template, named("x"))


def test_a_route_is_given_once(router):
    """Two handlers for one route are a mistake."""
    with pytest.raises(ValueError):
        router.route("GET", "/tokens/{another_name}", named("x"))
    with pytest.raises(ValueError):
        router.prefix("/console/", named("x"))
    with pytest.raises(ValueError):
        router.prefix("/{a}", named("x"))


@pytest.mark.parametrize(
    ("line", "status"),
    [(b"POST /console/x", 413), (b"POST /nowhere", 404), (b"DELETE /tokens/1", 405)],
)
async def test_behind_the_listener(serve, connect, thread, router, line, status):
    """Refused by the head: nobody waits for the body, nor is told to send it."""
    asked = []

    async def note(request):
        asked.append(request)
        return await router(request)

    _, port = serve(note, bound=router.bound)
    head = line + b" HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n"
    answer = await thread(lambda: connect(port).send(head).answer())
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert ("allow" in answer.headers) == (status == 405)
    assert asked == []
