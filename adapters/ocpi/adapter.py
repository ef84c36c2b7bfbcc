"""The adapter of OCPI: tables, forms, and the way to its HTTP side.

Limits: OCPI 2.2.1; 2.1.1 and 2.3.0 are differences of the same tables.
Why: the HTTP side is loaded when it is asked for: who only translates does without.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from adapters.ocpi import detect, forms
from adapters.ocpi.cdrs import CDR
from adapters.ocpi.kinds import PROTOCOL
from adapters.ocpi.locations import CONNECTOR, EVSE, EVSE_STATUS, LOCATION
from adapters.ocpi.sessions import SESSION
from adapters.ocpi.tariffs import TARIFF
from adapters.ocpi.tokens import AUTHORIZATION_INFO, AUTHORIZE_QUESTION, TOKEN
from gateway.adapter import Desk, Fetch, FetchFor, Form, Partner, RestService
from gateway.http import Request, Response
from gateway.mapping.context import NoFacts
from gateway.model.message import Message

if TYPE_CHECKING:
    from adapters.ocpi.codec import Tables
    from adapters.ocpi.link import OcpiLink

RECORDS = {
    "location": LOCATION,
    "evse": EVSE,
    "connector": CONNECTOR,
    "tariff": TARIFF,
    "token": TOKEN,
    "session": SESSION,
    "cdr": CDR,
    "status": EVSE_STATUS,
    "authorisation": AUTHORIZATION_INFO,
    "question": AUTHORIZE_QUESTION,
}
"""The objects of the HTTP side by name."""


@cache
def tables() -> "Tables":
    """The codecs of these objects."""
    from adapters.ocpi.codec import Tables

    return Tables(RECORDS)


class Ocpi:
    """OCPI as the core sees it."""

    name = "ocpi"
    protocols = (PROTOCOL,)
    prefixes = ("/ocpi",)

    def forms(self, protocol: str) -> Mapping[str, Form]:
        """All wire forms by name."""
        return forms.FORMS

    def detect(self, protocol: str, tree: Any) -> Form:
        """The form of a JSON value; raises UnknownOperation with a reason."""
        return detect.detect(tree)

    def natural(self, protocol: str, message: Message) -> Form:
        """The form in which OCPI says a canonical message; raises Inexpressible."""
        return detect.natural(message)

    def service(self, desk: Desk, fetch_for: FetchFor, public_url: str) -> RestService:
        """What serves everything below ``/ocpi``."""
        from adapters.ocpi.service import Service

        return Service(desk, fetch_for, public_url, tables())

    def takes(self, headers: Mapping[str, str]) -> str | None:
        """JSON in any spelling, not compressed."""
        from adapters.ocpi.service import not_taken

        return not_taken(headers)

    def refused(self, request: Request, status: int, reason: str) -> Response:
        """The response envelope."""
        from adapters.ocpi import envelope

        code = 3000 if status >= 500 else 2000
        reply = envelope.Reply(code=code, message=reason, status=status)
        return envelope.write(reply, NoFacts().now(), {})

    def openapi(self, public_url: str) -> dict[str, Any]:
        """The OpenAPI document of the HTTP side."""
        from adapters.ocpi import openapi

        return openapi.document(public_url, RECORDS)

    def link(self, protocol: str, partner: Partner, fetch: Fetch, desk: Desk) -> "OcpiLink":
        """The way to a partner; raises ConfigError when its options are wrong."""
        from adapters.ocpi.link import OcpiLink

        return OcpiLink(partner, fetch, desk, tables())


ADAPTER = Ocpi()
