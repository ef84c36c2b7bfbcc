"""Every route of OCPI 2.2.1 that is served, one row each.

Source: OCPI 2.2.1, the modules named in the clauses.
Limits: commands, chargingprofiles and hubclientinfo are not offered; nor are charging preferences
of a session.
Why: the rows are the routing table, the version details, the ``Allow`` header and the OpenAPI
document at once.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple

from adapters.ocpi import serve_authorize, serve_cdrs, serve_credentials, serve_locations
from adapters.ocpi.envelope import Reply
from adapters.ocpi.serve_objects import (
    SESSION,
    TARIFF,
    TOKEN,
    delete_tariff,
    get_of,
    list_of,
    patch_of,
    put_of,
)
from adapters.ocpi.serving import Asked

Function = Callable[[Asked], Awaitable[Reply]]


class Route(NamedTuple):
    """A method on a path below ``/ocpi``; ``role`` '' for the configuration modules.

    ``object`` is what the path names, for the code of an unknown one; ``reads`` and ``answers``
    name the object in the request's and in the answer's body (``?`` some of its fields, ``*`` a
    list).
    """

    method: str
    path: str
    role: str
    module: str
    function: Function
    clause: str
    object: str = ""
    reads: str = ""
    answers: str = ""
    query: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def functional(self) -> bool:
        """Not versions or credentials: closed to registration tokens, routed by party."""
        return self.role != ""


VERSION = "2.2.1"
_PAGE = ("date_from", "date_to", "offset", "limit")
_TYPE = ("type",)


def _row(
    side: str,
    method: str,
    path: str,
    function: Function,
    object_: str,
    *,
    reads: str = "",
    answers: str = "",
    query: tuple[str, ...] = (),
) -> Route:
    """``side``: sender, receiver, or '' for a configuration module."""
    module = path.split("/")[0] or "versions"
    whole = "/".join(part for part in (VERSION, side, path) if part)
    interface = f", {side.capitalize()} interface" if side else ""
    clause = f"OCPI {VERSION}, {module} module{interface}, {method}"
    return Route(
        method, whole, side.upper(), module, function, clause, object_, reads, answers, query
    )


_sent, _held, _set_up = partial(_row, "sender"), partial(_row, "receiver"), partial(_row, "")
_c, _l, _d = serve_credentials, serve_locations, serve_cdrs
_OURS = "locations/{location}"
_SITE = "locations/{country}/{party}/{location}"
_EVSE = _SITE + "/{evse}"
_PLUG = _EVSE + "/{connector}"
_TARIFF = "tariffs/{country}/{party}/{tariff}"
_SESSION = "sessions/{country}/{party}/{session}"
_TOKEN = "tokens/{country}/{party}/{token}"  # noqa: S105 - a path
_CDR = "cdrs/{country}/{party}/{cdr}"
_ME = "credentials"

ROUTES: tuple[Route, ...] = (
    _set_up("GET", "", _c.get_versions, "versions", answers="versions")._replace(path="versions"),
    _set_up("GET", "", _c.get_details, "versions", answers="details"),
    _set_up("GET", _ME, _c.get_credentials, _ME, answers=_ME),
    _set_up("POST", _ME, _c.post_credentials, _ME, reads=_ME, answers=_ME),
    _set_up("PUT", _ME, _c.put_credentials, _ME, reads=_ME, answers=_ME),
    _set_up("DELETE", _ME, _c.delete_credentials, _ME),
    # locations
    _sent("GET", "locations", _l.get_list, "location", answers="location*", query=_PAGE),
    _sent("GET", _OURS, _l.get_object, "location", answers="location"),
    _sent("GET", _OURS + "/{evse}", _l.get_object, "evse", answers="evse"),
    _sent("GET", _OURS + "/{evse}/{connector}", _l.get_object, "evse", answers="connector"),
    _held("GET", _SITE, _l.get_stored, "location", answers="location"),
    _held("GET", _EVSE, _l.get_stored, "evse", answers="evse"),
    _held("GET", _PLUG, _l.get_stored, "evse", answers="connector"),
    _held("PUT", _SITE, _l.put_location, "location", reads="location"),
    _held("PUT", _EVSE, _l.put_evse, "evse", reads="evse"),
    _held("PUT", _PLUG, _l.put_connector, "evse", reads="connector"),
    _held("PATCH", _SITE, _l.patch_location, "location", reads="location?"),
    _held("PATCH", _EVSE, _l.patch_evse, "evse", reads="evse?"),
    _held("PATCH", _PLUG, _l.patch_connector, "evse", reads="connector?"),
    # tariffs
    _sent("GET", "tariffs", list_of(TARIFF), "tariff", answers="tariff*", query=_PAGE),
    _held("GET", _TARIFF, get_of(TARIFF), "tariff", answers="tariff"),
    _held("PUT", _TARIFF, put_of(TARIFF), "tariff", reads="tariff"),
    _held("DELETE", _TARIFF, delete_tariff, "tariff"),
    # sessions
    _sent("GET", "sessions", list_of(SESSION), "session", answers="session*", query=_PAGE),
    _held("GET", _SESSION, get_of(SESSION), "session", answers="session"),
    _held("PUT", _SESSION, put_of(SESSION), "session", reads="session"),
    _held("PATCH", _SESSION, patch_of(SESSION), "session", reads="session?"),
    # cdrs
    _sent("GET", "cdrs", _d.get_list, "cdr", answers="cdr*", query=_PAGE),
    _held("POST", "cdrs", _d.post_cdr, "cdr", reads="cdr"),
    _held("GET", _CDR, _d.get_stored, "cdr", answers="cdr"),
    # tokens
    _sent("GET", "tokens", list_of(TOKEN), "token", answers="token*", query=_PAGE),
    _sent(
        "POST",
        "tokens/{token}/authorize",
        serve_authorize.authorize,
        "token",
        reads="references?",
        answers="authorisation",
        query=_TYPE,
    ),
    _held("GET", _TOKEN, get_of(TOKEN), "token", answers="token", query=_TYPE),
    _held("PUT", _TOKEN, put_of(TOKEN), "token", reads="token", query=_TYPE),
    _held("PATCH", _TOKEN, patch_of(TOKEN), "token", reads="token?", query=_TYPE),
)


class Match(NamedTuple):
    """The routes of a path, by method, and what its segments say. Who answers GET answers HEAD."""

    routes: Mapping[str, Route]
    params: dict[str, str]


_TREE: dict[int, dict[tuple[str, ...], dict[str, Route]]] = {}
for _route in ROUTES:
    _steps = tuple(_route.path.split("/"))
    _here = _TREE.setdefault(len(_steps), {}).setdefault(_steps, {})
    _here[_route.method] = _route
    if _route.method == "GET":  # RFC 9110, 9.1: no GET without HEAD; the server leaves the body out
        _here["HEAD"] = _route._replace(method="HEAD")


def match(segments: tuple[str, ...]) -> Match | None:
    """The routes of decoded path segments; None: no such path."""
    for steps, routes in _TREE.get(len(segments), {}).items():
        params: dict[str, str] = {}
        for step, segment in zip(steps, segments, strict=True):
            if step.startswith("{"):
                if not segment:
                    break
                params[step[1:-1]] = segment
            elif step != segment:
                break
        else:
            return Match(routes, params)
    return None
