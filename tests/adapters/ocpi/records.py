"""Canonical objects as protocols of one EVSE per record give them, with changes."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from gateway.mapping.context import Context, NoFacts
from gateway.model.base import PartyId
from gateway.model.charging import BillItem, Cdr, CdrConnector, CdrState
from gateway.model.location import (
    Address,
    AuthMethod,
    Connector,
    ConnectorFormat,
    CurrentType,
    Evse,
    GeoPoint,
    Location,
    Operation,
    SiteKind,
)
from gateway.model.tariff import BillingItem
from gateway.model.token import Representation, RfidKind, Token, TokenKind, TokenRef

NOW = datetime(2031, 5, 2, 8, 0, tzinfo=UTC)
CEST = timezone(timedelta(hours=2))


class Facts(NoFacts):
    """Facts with a fixed clock, and what a test gives."""

    def __init__(self, **given: Any) -> None:
        super().__init__(NOW)
        self.ids: dict[tuple[str, str], str] = given.get("ids", {})
        self.sites: dict[str, Location] = given.get("sites", {})
        self.names: dict[str, str] = given.get("names", {})
        self.zone: str | None = given.get("zone")

    def wire_id(self, kind: str, canonical: str) -> str | None:
        return self.ids.get((kind, canonical))

    def evse(self, evse_id: str) -> Location | None:
        return self.sites.get(evse_id)

    def party_name(self, party: PartyId) -> str | None:
        return self.names.get(str(party))

    def time_zone(self, *, evse_id: str | None, country: str | None) -> str | None:
        return self.zone


def context(traced: bool = False, options: dict[str, Any] | None = None, **given: Any) -> Context:
    return Context(Facts(**given), options or {}, traced=traced)


def notes(ctx: Context) -> set[tuple[str, str, str]]:
    """(outcome, rule, canonical path, or the target of what was defaulted)."""
    return {
        (
            note.outcome.value,
            note.rule,
            note.path
            if note.outcome != "defaulted"
            else "/".join(
                str(step) for pair in note.target or () for step in pair if step is not None
            ),
        )
        for note in ctx.notes
    }


def evse(number: int = 1, **changes: Any) -> Evse:
    values: dict[str, Any] = {
        "evse_id": f"NL*QGW*EHARBOUR7*{number}",
        "operation": Operation.OPERATIVE,
        "auth_methods": (AuthMethod.RFID_MIFARE_DESFIRE,),
        "connectors": (Connector(standard="IEC_62196_T2", format=ConnectorFormat.SOCKET),),
        "current_type": CurrentType.AC,
    }
    return Evse(**(values | changes))


def record(number: int = 1, evse_changes: dict[str, Any] | None = None, **changes: Any) -> Location:
    """A location of one EVSE."""
    values: dict[str, Any] = {
        "id": "HAVEN7",
        "name": "Havenkade",
        "name_language": "nld",
        "address": Address(
            street="Havenkade",
            house_number="12 B",
            city="Delft",
            postal_code="2611 AB",
            country="NLD",
        ),
        "coordinates": GeoPoint(latitude=Decimal("52.012340"), longitude=Decimal("4.357100")),
        "site_kind": SiteKind.ON_STREET,
        "evses": (evse(number, **(evse_changes or {})),),
    }
    return Location(**(values | changes))


def at(hours: int, minutes: int = 0) -> datetime:
    """A local time of 2 May 2031."""
    return datetime(2031, 5, 2, hours, minutes, tzinfo=CEST)


def item(
    kind: BillingItem, start: datetime, end: datetime, value: str, price: str = "1", **changes: Any
) -> BillItem:
    return BillItem(
        start=start, end=end, item=kind, value=Decimal(value), unit_price=Decimal(price), **changes
    )


def bill(*items: BillItem, **changes: Any) -> Cdr:
    """A CDR with bill items."""
    values: dict[str, Any] = {
        "id": "NLQGW000000000042A",
        "start": at(11),
        "end": at(12, 30),
        "token": TokenRef(
            uid="04A2B3C4D5E680",
            kind=TokenKind.RFID,
            representation=Representation.PLAIN,
            rfid_kind=RfidKind.MIFARE_DESFIRE,
            contract_id="DE-XYZ-C01234567-2",
        ),
        "state": CdrState.NEW,
        "evse_id": "NL*QGW*EHARBOUR7*1",
        "address": Address(street="Havenkade", city="Delft", postal_code="2611 AB", country="NLD"),
        "current_type": CurrentType.AC,
        "connector": CdrConnector(standard="IEC_62196_T2", format=ConnectorFormat.SOCKET),
        "currency": "EUR",
        "items": items,
    }
    return Cdr(**(values | changes))


def token(**changes: Any) -> Token:
    """A token of a roaming list."""
    values: dict[str, Any] = {
        "uid": "04A2B3C4D5E680",
        "kind": TokenKind.RFID,
        "contract_id": "DE-XYZ-C01234567-2",
        "representation": Representation.PLAIN,
        "expires": datetime(2032, 1, 1, tzinfo=UTC),
    }
    return Token(**(values | changes))
