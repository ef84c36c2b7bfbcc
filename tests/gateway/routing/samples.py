"""Canonical objects as each side says them: one-EVSE records with expiry dates, and whole sites."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from gateway.model.base import PartyId
from gateway.model.charging import (
    AuthMethodUsed,
    BillItem,
    Cdr,
    CdrConnector,
    Session,
    SessionState,
)
from gateway.model.location import (
    Address,
    AuthMethod,
    Connector,
    ConnectorFormat,
    Evse,
    EvseState,
    GeoPoint,
    Location,
    Operation,
    ParkingSpot,
    SiteKind,
)
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus
from gateway.model.tariff import BillingItem, Price, PriceComponent, Tariff, TariffElement
from gateway.model.token import Token, TokenKind, TokenRef

ACM = PartyId(country="DE", code="ACM")
EMP = PartyId(country="DE", code="EMP")
CPO = PartyId(country="NL", code="CPO")
TNM = PartyId(country="NL", code="TNM")
XYZ = PartyId(country="FR", code="XYZ")
SUMMER = timezone(timedelta(hours=2))
NOON = datetime(2031, 5, 2, 12, 0, tzinfo=SUMMER)

_ADDRESS = Address(
    street="Havenkade", house_number="12", city="Kiel", country="DEU", postal_code="24103"
)
_POINT = GeoPoint(latitude=Decimal("54.3233"), longitude=Decimal("10.1228"))
_PLUG = Connector(standard="IEC_62196_T2", format=ConnectorFormat.SOCKET)


def record(evse: str = "1", place: str = "L1", operator: str = "DE*ACM", **more: Any) -> Location:
    """A site as a list says it: one EVSE, no key of the operator's own, no live status."""
    fields: dict[str, Any] = {
        "id": place,
        "name": "Harbour",
        "name_language": "deu",
        "address": _ADDRESS,
        "coordinates": _POINT,
        "site_kind": SiteKind.ON_STREET,
        "time_zone": "Europe/Berlin",
        "evses": (
            Evse(
                evse_id=f"{operator}*E{evse}",
                operation=more.pop("operation", Operation.OPERATIVE),
                operation_schedule=more.pop("schedule", ()),
                auth_methods=(AuthMethod.RFID_MIFARE_CLASSIC,),
                connectors=(_PLUG,),
                parking_spots=tuple(ParkingSpot(id=spot) for spot in more.pop("spots", ())),
            ),
        ),
    }
    return Location(**fields | more)


def site(*states: EvseState, place: str = "loc1", owner: PartyId = CPO, **more: Any) -> Location:
    """A site as an object protocol says it: whole, EVSEs with uid and state."""
    fields: dict[str, Any] = {
        "id": place,
        "owner": owner,
        "publish": True,
        "address": replace(_ADDRESS, country="NLD"),
        "coordinates": _POINT,
        "time_zone": "Europe/Amsterdam",
        "evses": tuple(
            Evse(
                uid=f"{place}-{number}",
                evse_id=f"{owner}*E{place.upper()}{number}",
                state=state,
                connectors=(replace(_PLUG, id="1"),),
                updated=NOON,
            )
            for number, state in enumerate(states, 1)
        ),
        "updated": NOON,
    }
    return Location(**fields | more)


def tariff(id: str = "DE*ACM*T1", **more: Any) -> Tariff:
    price = PriceComponent(item=BillingItem.ENERGY, price=Decimal("0.4500"))
    fields: dict[str, Any] = {
        "id": id,
        "currency": "EUR",
        "elements": (TariffElement(components=(price,)),),
    }
    return Tariff(**fields | more)


def listed_token(uid: str = "04A2B3C4", contract: str = "DE-EMP-C00000001-1", **more: Any) -> Token:
    """A token as a list says it: good until a date."""
    fields: dict[str, Any] = {
        "uid": uid,
        "kind": TokenKind.RFID,
        "contract_id": contract,
        "expires": NOON + timedelta(days=365),
    }
    return Token(**fields | more)


def token(uid: str = "0412AB34", contract: str = "NL-TNM-C00000001-8", **more: Any) -> Token:
    """A token as an object protocol says it: good or not."""
    fields: dict[str, Any] = {
        "uid": uid,
        "kind": TokenKind.RFID,
        "contract_id": contract,
        "owner": TNM,
        "issuer": "The New Motion",
        "valid": True,
        "updated": NOON,
    }
    return Token(**fields | more)


def ref(
    uid: str = "0412AB34", contract: str | None = "NL-TNM-C00000001-8", **more: Any
) -> TokenRef:
    return TokenRef(**{"uid": uid, "kind": TokenKind.RFID, "contract_id": contract} | more)


def listed_cdr(id: str = "DEACM0001", contract: str = "NL-TNM-C00000001-8", **more: Any) -> Cdr:
    """A CDR as a list says it: local times, bill items."""
    end = NOON + timedelta(hours=1)
    fields: dict[str, Any] = {
        "id": id,
        "evse_id": "DE*ACM*E1",
        "token": ref(contract=contract),
        "start": NOON,
        "end": end,
        "billed_duration": timedelta(hours=1),
        "address": _ADDRESS,
        "connector": CdrConnector(standard="IEC_62196_T2", format=ConnectorFormat.SOCKET),
        "currency": "EUR",
        "items": (
            BillItem(
                start=NOON,
                end=end,
                item=BillingItem.ENERGY,
                value=Decimal("18.3"),
                unit_price=Decimal("0.45"),
                cost=Decimal("8.24"),
            ),
        ),
        "total_cost": Price(net=Decimal("8.24")),
    }
    return Cdr(**fields | more)


def cdr(id: str = "cdr-1", contract: str = "DE-EMP-C00000001-1", **more: Any) -> Cdr:
    """A CDR as an object protocol says it."""
    provider = PartyId(country=contract[:2], code=contract[3:6])
    fields: dict[str, Any] = {
        "id": id,
        "owner": CPO,
        "evse_id": "NL*CPO*ELOC11",
        "session_id": "session-1",
        "token": ref("04A2B3C4", contract, owner=provider),
        "auth_method": AuthMethodUsed.WHITELIST,
        "start": NOON.astimezone(UTC),
        "end": NOON.astimezone(UTC) + timedelta(hours=1),
        "address": replace(_ADDRESS, country="NLD"),
        "connector": CdrConnector(standard="IEC_62196_T2", format=ConnectorFormat.SOCKET, id="1"),
        "currency": "EUR",
        "total_cost": Price(net=Decimal("10.00"), gross=Decimal("11.90")),
        "total_energy": Decimal("18.3"),
        "total_time": Decimal(1),
        "updated": NOON,
    }
    return Cdr(**fields | more)


def credit(of: Cdr, id: str | None = None) -> Cdr:
    assert of.total_cost is not None
    net, gross = -of.total_cost.net, -(of.total_cost.gross or of.total_cost.net)
    return replace(
        of,
        id=id or f"{of.id}-C",
        credit=True,
        credit_reference_id=of.id,
        total_cost=Price(net=net, gross=gross),
    )


def session(id: str = "s1", state: SessionState = SessionState.ACTIVE, **more: Any) -> Session:
    fields: dict[str, Any] = {
        "id": id,
        "owner": CPO,
        "start": NOON,
        "energy": Decimal("1.5"),
        "token": ref("0412AB34", owner=TNM),
        "auth_method": AuthMethodUsed.WHITELIST,
        "location_id": "loc1",
        "evse_uid": "loc1-1",
        "connector_id": "1",
        "currency": "EUR",
        "state": state,
        "updated": NOON,
    }
    return Session(**fields | more)


def free(evse: str, **more: Any) -> EvseStatus:
    return EvseStatus(
        evse_id=f"DE*ACM*E{evse}", major=MajorStatus.AVAILABLE, minor=MinorStatus.AVAILABLE, **more
    )


def busy(evse: str, **more: Any) -> EvseStatus:
    return EvseStatus(
        evse_id=f"DE*ACM*E{evse}",
        major=MajorStatus.NOT_AVAILABLE,
        minor=MinorStatus.CHARGING,
        **more,
    )
