"""Header fields that go with every call: request and correlation ids, routing.

Source: OCPI 2.2.1, "Unique message IDs" and "Message routing" in the transport chapter.
Limits: an id that is missing, or no printable ASCII of 1 to 128 characters, is replaced by a new
one, never refused; routing headers that are half given or malformed are refused (2001).
"""

from collections.abc import Mapping

from adapters.ocpi.envelope import Declined
from adapters.ocpi.settings import party_of
from gateway.errors import Problem
from gateway.http import new_id
from gateway.model.base import PartyId

REQUEST_ID, CORRELATION_ID = "X-Request-ID", "X-Correlation-ID"
_MAXIMUM = 128


def ids(headers: Mapping[str, str]) -> tuple[str, str]:
    """Request id and correlation id of a request, made up where they are missing."""
    request = _id(headers.get(REQUEST_ID.lower()))
    return request or new_id(), _id(headers.get(CORRELATION_ID.lower())) or request or new_id()


def _id(value: str | None) -> str | None:
    value = (value or "").strip()
    good = 1 <= len(value) <= _MAXIMUM and value.isascii() and value.isprintable()
    return value if good else None


def read_route(headers: Mapping[str, str], end: str) -> PartyId | None:
    """The party in ``OCPI-<end>-country-code`` and ``-party-id`` (``to`` or ``from``)."""
    country = headers.get(f"ocpi-{end}-country-code", "").strip()
    code = headers.get(f"ocpi-{end}-party-id", "").strip()
    if not country and not code:
        return None
    try:
        return party_of(country, code)
    except ValueError as error:
        raise Declined(2001, [Problem(f"OCPI-{end}-*", str(error))]) from None


def write_route(to: PartyId | None, sender: PartyId | None) -> dict[str, str]:
    """The routing headers of a call or an answer; what is None is left out."""
    result = {}
    for end, who in (("to", to), ("from", sender)):
        if who is not None:
            result[f"OCPI-{end}-country-code"] = who.country
            result[f"OCPI-{end}-party-id"] = who.code
    return result
