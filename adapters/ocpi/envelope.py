"""The OCPI response envelope: written for our answers, read from a partner's.

Source: OCPI 2.2.1, "Response format" and "Status codes" of the transport chapter.
Wire: ``{"data": ..., "status_code": 1000, "status_message": "...", "timestamp": "..."}``.
Reading: success is HTTP 2xx and a status code from 1000 to 1999, nothing else. Peers built on web
frameworks answer some errors without envelope (``{"detail": ...}``); those go by HTTP status.
A single object in a list of one is taken out of it, where an object is expected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.ocpi.results import code_of, error_of
from gateway.errors import (
    BadAnswer,
    Busy,
    ConfigError,
    GatewayError,
    Malformed,
    Problem,
    Refused,
    StoreUnavailable,
    TooLarge,
    UnknownId,
    Unreachable,
    Untrusted,
    reason_code,
)
from gateway.http import HttpAnswer, Response
from gateway.mapping.kinds import format_utc
from gateway.security.json_gate import read_json, write_json

SUCCESS = 1000
ABSENT: Any = object()
"""No ``data`` at all, for replies whose content OCPI does not define."""
_MESSAGE = 1000


@dataclass(frozen=True)
class Reply:
    """What a route answers: the envelope's content and the HTTP status and headers around it."""

    data: Any = ABSENT
    code: int = SUCCESS
    message: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Declined(Refused):
    """A refusal whose OCPI code and HTTP status the standard names for the place."""

    def __init__(
        self,
        code: int,
        problems: Any,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        rule: str = "",
    ) -> None:
        super().__init__(problems)
        self.code, self.status, self.headers = code, status, dict(headers or {})
        self.rule = rule or f"ocpi-{code}"
        """For the log: which rule was broken."""


# What is wrong with the request as such, or with us, has an HTTP status of its own; a message that
# was understood and declined is HTTP 200 with a 2xxx, 3xxx or 4xxx code (2.2.1: MUST NOT be an
# HTTP error).
STATUSES: tuple[tuple[type[GatewayError], int], ...] = (
    (TooLarge, 413),
    (Busy, 429),
    (StoreUnavailable, 503),
    (Busy, 503),
    (ConfigError, 500),
)


def refusal(error: GatewayError, object_: str = "") -> Reply:
    """The reply that says an error; ``object_`` is what was asked for (``location``, ``token``)."""
    message = str(error)[:_MESSAGE] or type(error).__name__
    if isinstance(error, Declined):
        return Reply(code=error.code, message=message, status=error.status, headers=error.headers)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 200)
    headers = {"Retry-After": str(error.after)} if isinstance(error, Busy) else {}
    return Reply(code=code_of(error, object_), message=message, status=status, headers=headers)


def write(reply: Reply, now: datetime, headers: Mapping[str, str]) -> Response:
    """The HTTP response of a reply; ``now`` becomes the timestamp."""
    envelope: dict[str, Any] = {} if reply.data is ABSENT else {"data": reply.data}
    envelope["status_code"] = reply.code
    if reply.message is not None:
        envelope["status_message"] = reply.message
    envelope["timestamp"] = format_utc(now)
    return Response(
        status=reply.status,
        headers={"Content-Type": "application/json", **headers, **reply.headers},
        body=write_json(envelope),
    )


def body_of(body: bytes, read: Callable[[bytes], Any] | None = None) -> dict[str, Any]:
    """The JSON object of a request; HTTP 400 when it is no JSON, 2001 when it is no object."""
    try:
        value = (read or read_json)(body)
    except TooLarge:
        raise
    except Malformed as error:
        raise Declined(2001, error.problems, 400, rule=reason_code(error)) from None
    if not isinstance(value, dict):
        raise Declined(2001, "the body is no JSON object")
    return value


# -- a partner's answers ---------------------------------------------------------------------

# Without an envelope only the HTTP status tells what happened.
HTTP_ERRORS: Mapping[int, type[GatewayError]] = {
    401: Untrusted,
    403: Untrusted,
    404: UnknownId,
    405: Refused,
    408: Unreachable,
    409: Refused,
    410: UnknownId,
    413: Refused,
    422: Refused,
    425: Unreachable,
    429: Unreachable,
    502: Unreachable,
    503: Unreachable,
    504: Unreachable,
}


def read(answer: HttpAnswer) -> Any:
    """The ``data`` of a successful answer, ABSENT when it has none.

    Raises Untrusted, Refused, UnknownId, NoRoute, Unreachable, BadAnswer.
    """
    good = 200 <= answer.status < 300
    envelope = _envelope(answer)
    if answer.status in (401, 403):
        raise Untrusted(f"HTTP {answer.status}{_said(envelope)}")
    if envelope is None or type(envelope.get("status_code")) is not int:
        if good:
            raise BadAnswer(f"HTTP {answer.status} without an OCPI envelope")
        kind = HTTP_ERRORS.get(answer.status, BadAnswer)
        raise kind(f"HTTP {answer.status}{_said(envelope)}")
    said = envelope["status_code"]
    if good and 1000 <= said < 2000:
        return envelope.get("data", ABSENT)
    if 1000 <= said < 2000:
        kind = HTTP_ERRORS.get(answer.status, BadAnswer)
        raise kind(f"HTTP {answer.status} with status code {said}{_said(envelope)}")
    kind = error_of(said)
    if HTTP_ERRORS.get(answer.status) is Unreachable:
        kind = Unreachable
    elif HTTP_ERRORS.get(answer.status) is UnknownId and kind is Refused:
        kind = UnknownId  # OCPI has codes for unknown locations and tokens only
    raise kind(f"OCPI {said}{_said(envelope)}")


def code(answer: HttpAnswer) -> int | None:
    """The OCPI status code of an answer, good or bad; None when it has none."""
    try:
        found = (_envelope(answer) or {}).get("status_code")
    except BadAnswer:
        return None
    return found if type(found) is int else None


def _envelope(answer: HttpAnswer) -> dict[str, Any] | None:
    """The answer's JSON object; None when it has none. Unreadable JSON in a success is an error."""
    try:
        value = read_json(answer.body) if answer.body else None
    except Malformed as error:
        if 200 <= answer.status < 300:
            raise BadAnswer(
                [Problem(p.path, f"the answer {p.reason}") for p in error.problems]
            ) from None
        return None
    return value if isinstance(value, dict) else None


def _said(envelope: Mapping[str, Any] | None) -> str:
    """What the partner gave as its reason, shortened."""
    for name in ("status_message", "detail", "message", "error"):
        found = envelope.get(name) if envelope else None
        if isinstance(found, str) and found:
            return f": {found[:200]}"
        if isinstance(found, list | dict) and found:
            return f": {write_json(found).decode()[:200]}"
    return ""


def an_object(data: Any) -> dict[str, Any]:
    """The object of an answer; some peers put it into a list of one."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise BadAnswer("the answer holds no object")
    return data


def a_list(data: Any) -> list[Any]:
    """The list of an answer; absent and null mean empty."""
    if data is ABSENT or data is None:
        return []
    if not isinstance(data, list):
        raise BadAnswer("the answer holds no list")
    return data
