"""Errors and results <-> OCPI status codes.

Source: OCPI 2.2.1, "Status codes"; the code 4000 and above are a hub's, and the gateway is one.
Limits: OCPI has one code for an unknown location (2003) and one for an unknown token (2004); any
other unknown id is a generic client error (2000). A partner's code is translated, never passed on.
The HTTP status beside a code is chosen in ``envelope.py``.
"""

from gateway.errors import (
    BadAnswer,
    Busy,
    ConfigError,
    GatewayError,
    Inexpressible,
    Malformed,
    NoRoute,
    Refused,
    StoreUnavailable,
    TimedOut,
    UnknownId,
    UnknownOperation,
    Unreachable,
    Untrusted,
)
from gateway.mapping.kinds import Kind
from gateway.model.message import ResultCode

SUCCESS = 1000

# First match counts: a subclass stands before its base.
CODES: tuple[tuple[type[GatewayError], int], ...] = (
    (UnknownOperation, 2000),
    (Malformed, 2001),
    (Inexpressible, 2001),
    (Untrusted, 2000),
    (UnknownId, 2000),
    (NoRoute, 4001),
    (Busy, 2000),
    (Refused, 2000),
    (TimedOut, 4002),
    (Unreachable, 4003),
    (BadAnswer, 4000),
    (ConfigError, 3000),
    (StoreUnavailable, 3000),
    (GatewayError, 3000),
)

# What an unknown id is called, by the object that was asked for.
UNKNOWN = {"location": 2003, "status": 2003, "evse": 2003, "token": 2004, "authorisation": 2004}

# A partner's code; what is not listed goes by its thousands.
ERRORS: dict[int, type[GatewayError]] = {
    2001: Refused,
    2002: Refused,
    2003: UnknownId,
    2004: UnknownId,
    4001: NoRoute,
    4002: TimedOut,
    4003: Unreachable,
}
_ERRORS_BY_THOUSAND: dict[int, type[GatewayError]] = {2: Refused, 3: BadAnswer, 4: Unreachable}

RESULTS = {
    ResultCode.OK: 1000,
    ResultCode.PARTLY: 2001,
    ResultCode.NOT_AUTHORIZED: 2000,
    ResultCode.INVALID_ID: 2000,
    ResultCode.SERVER: 3000,
    ResultCode.FORMAT: 2001,
    ResultCode.ROAMING: 4001,
}
_RESULTS_BACK = {
    2001: ResultCode.FORMAT,
    2002: ResultCode.FORMAT,
    2003: ResultCode.INVALID_ID,
    2004: ResultCode.INVALID_ID,
    4001: ResultCode.ROAMING,
}
_RESULTS_BY_THOUSAND = {
    1: ResultCode.OK,
    2: ResultCode.FORMAT,
    3: ResultCode.SERVER,
    4: ResultCode.SERVER,
}


def code_of(error: GatewayError, object_: str = "") -> int:
    """The status code that says an error; ``object_`` is what was asked for (``Form.object``).

    >>> code_of(UnknownId("no such token"), "token"), code_of(NoRoute()), code_of(Malformed())
    (2004, 4001, 2001)
    """
    if isinstance(error, UnknownId) and object_ in UNKNOWN:
        return UNKNOWN[object_]
    return next(code for kind, code in CODES if isinstance(error, kind))


def error_of(code: int) -> type[GatewayError]:
    """What a partner's error code means here.

    >>> error_of(2004).__name__, error_of(3001).__name__, error_of(2950).__name__
    ('UnknownId', 'BadAnswer', 'Refused')
    """
    return ERRORS.get(code) or _ERRORS_BY_THOUSAND.get(code // 1000, BadAnswer)


def result_of(code: int) -> ResultCode:
    """The canonical result of a status code.

    >>> [result_of(code).value for code in (1000, 1901, 2003, 2999, 3001, 4001, 4003)]
    ['ok', 'ok', 'invalid-id', 'format', 'server', 'roaming', 'server']
    """
    result = _RESULTS_BACK.get(code) or _RESULTS_BY_THOUSAND.get(code // 1000)
    if result is None:
        raise ValueError(f"{code} is no status code")
    return result


def _of_json(value: object) -> ResultCode:
    if type(value) is not int:
        raise ValueError("is no integer")
    return result_of(value)


def code_of_result(result: ResultCode, unknown: int = 2000) -> int:
    """The status code of a canonical result; ``unknown`` is the one for an id nobody knows."""
    return unknown if result is ResultCode.INVALID_ID else RESULTS[result]


def status_code(unknown: int = 2000) -> Kind:
    """The kind of a status code."""
    return Kind(
        "int",
        "code",
        lambda text: result_of(int(text)),
        lambda result: str(code_of_result(result, unknown)),
        _of_json,
        lambda result: code_of_result(result, unknown),
    )
