"""Canonical objects as OCPI fills them, and facts, for the tests of this folder."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.mapping import interpret
from gateway.mapping.compile import codec
from gateway.mapping.context import Context, NoFacts, Note
from gateway.mapping.record import Record
from gateway.model.base import PartyId
from gateway.model.charging import (
    AuthMethodUsed,
    Cdr,
    CdrConnector,
    CdrPlace,
    ChargingPeriod,
    Dimension,
)
from gateway.model.location import (
    Address,
    Connector,
    ConnectorFormat,
    Evse,
    EvseState,
    GeoPoint,
    Location,
    PowerType,
    SiteKind,
)
from gateway.model.tariff import (
    BillingItem,
    Price,
    PriceComponent,
    Restrictions,
    Tariff,
    TariffElement,
)
from gateway.model.token import Token, TokenKind, TokenRef, Whitelist
from gateway.schema import schema_for

NOW = datetime(2031, 5, 2, 9, 0, tzinfo=UTC)
CPO = PartyId(country="NL", code="QGW")
CSP = PartyId(country="DE", code="XYZ")
NS = {"o": "http://ochp.eu/1.4"}
D = Decimal


class WorldFacts(NoFacts):
    """Ids and zones as a test states them."""

    def __init__(self, ids: dict[tuple[str, str], str] | None = None, zone: str | None = None):
        super().__init__(NOW)
        self.ids = ids or {}
        self.zone = zone

    def time_zone(self, *, evse_id: str | None, country: str | None) -> str | None:
        return self.zone if evse_id else None

    def wire_id(self, kind: str, canonical: str) -> str | None:
        return self.ids.get((kind, canonical))


def context(
    ids: dict[tuple[str, str], str] | None = None, zone: str | None = None, **options: Any
) -> Context:
    return Context(WorldFacts(ids, zone), options)


def written(record: Record, obj: Any, ctx: Context | None = None) -> etree._Element:
    """The element, valid by the schema where it is a message, and the same both ways."""
    ctx = ctx or context()
    node = interpret.write(record, obj, ctx)
    compiled = codec(record).write_xml(obj, Context(ctx.facts, ctx.options))
    assert etree.tostring(etree.fromstring(compiled), method="c14n") == etree.tostring(
        node, method="c14n"
    )
    if record.name.endswith(("Request", "Response")):
        assert schema_for("ochp", "1.4").check(node) == []
    return node


def text(node: etree._Element, path: str) -> str | None:
    """The text of the first element at a path of plain names."""
    return node.findtext("/".join(f"o:{step}" for step in path.split("/")), namespaces=NS)


def texts(node: etree._Element, path: str) -> list[str]:
    steps = "/".join(f"o:{step}" for step in path.split("/"))
    return [found.text or "" for found in node.findall(steps, NS)]


def notes(ctx: Context) -> set[tuple[str, str]]:
    """(rule, canonical path) of each note."""
    return {(note.rule, note.path) for note in ctx.notes}


def rules(found: list[Note]) -> set[str]:
    return {note.rule for note in found}


def connector(**changes: Any) -> Connector:
    values: dict[str, Any] = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": ConnectorFormat.SOCKET,
        "power_type": PowerType.AC_3_PHASE,
        "max_voltage": 230,
        "max_amperage": 16,
        "updated": NOW,
    }
    return Connector(**{**values, **changes})


def evse(**changes: Any) -> Evse:
    values: dict[str, Any] = {
        "evse_id": "NL*QGW*EHARBOUR7*1",
        "uid": "7-1",
        "state": EvseState.AVAILABLE,
        "capabilities": ("RFID_READER",),
        "connectors": (connector(),),
        "updated": NOW,
    }
    return Evse(**{**values, **changes})


def location(*evses: Evse, **changes: Any) -> Location:
    values: dict[str, Any] = {
        "id": "SITE7",
        "owner": CPO,
        "publish": True,
        "name": "Harbour",
        "address": Address(
            street="Havenkade 12 b", city="Delft", country="NLD", postal_code="2611 AB"
        ),
        "coordinates": GeoPoint(latitude=D("52.01150"), longitude=D("4.357100")),
        "site_kind": SiteKind.ON_STREET,
        "evses": evses or (evse(),),
        "time_zone": "Europe/Amsterdam",
        "updated": NOW,
    }
    return Location(**{**values, **changes})


def token(**changes: Any) -> Token:
    values: dict[str, Any] = {
        "uid": "04a2b3c4d5e680",
        "kind": TokenKind.RFID,
        "contract_id": "DE-XYZ-C01234567-2",
        "owner": CSP,
        "valid": True,
        "whitelist": Whitelist.ALLOWED,
        "issuer": "Xyz",
        "updated": NOW,
    }
    return Token(**{**values, **changes})


def price(item: BillingItem, amount: str, size: int = 1, **more: Any) -> PriceComponent:
    return PriceComponent(item=item, price=D(amount), step_size=size, **more)


def element(*parts: PriceComponent, **limits: Any) -> TariffElement:
    return TariffElement(components=parts, restrictions=Restrictions(**limits) if limits else None)


def tariff(*elements: TariffElement, **changes: Any) -> Tariff:
    values: dict[str, Any] = {
        "id": "NLQGWTDAY01",
        "owner": CPO,
        "currency": "EUR",
        "elements": elements or (element(price(BillingItem.ENERGY, "0.4")),),
        "updated": NOW,
    }
    return Tariff(**{**values, **changes})


def period(start: datetime, tariff_id: str | None = None, **volumes: str) -> ChargingPeriod:
    return ChargingPeriod(
        start=start,
        tariff_id=tariff_id,
        dimensions=tuple(Dimension(type=name, volume=D(value)) for name, value in volumes.items()),
    )


def cdr(**changes: Any) -> Cdr:
    """An hour and a half in Delft, 14.25 kWh for 5.70 net."""
    values: dict[str, Any] = {
        "id": "NLQGW42",
        "owner": CPO,
        "start": NOW,
        "end": NOW.replace(hour=10, minute=30),
        "token": TokenRef(
            uid="04A2B3C4D5E680",
            kind=TokenKind.RFID,
            contract_id="DE-XYZ-C01234567-2",
            owner=CSP,
        ),
        "auth_method": AuthMethodUsed.WHITELIST,
        "evse_id": "NL*QGW*EHARBOUR7*1",
        "address": Address(
            street="Havenkade 12", city="Delft", country="NLD", postal_code="2611 AB"
        ),
        "place": CdrPlace(
            id="SITE7",
            coordinates=GeoPoint(latitude=D("52.0115"), longitude=D("4.3571")),
            evse_uid="7-1",
        ),
        "connector": CdrConnector(
            standard="IEC_62196_T2",
            format=ConnectorFormat.SOCKET,
            id="1",
            power_type=PowerType.AC_3_PHASE,
        ),
        "currency": "EUR",
        "periods": (period(NOW, ENERGY="14.25", TIME="1.5"),),
        "total_cost": Price(net=D("5.70")),
        "total_energy": D("14.25"),
        "total_time": D("1.5"),
        "updated": NOW,
    }
    return Cdr(**{**values, **changes})
