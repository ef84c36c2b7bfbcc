"""Live status of OCHP 1.4: EvseStatusType, ParkingStatusType.

Source: OCHP 1.4, chapter on the live status interface; table of major and minor status.
Wire: the pair and its ttl are attributes; the ttl of an entry is an XML dateTime, that of the whole
message a wrapped text of twenty characters.
Limits: an EVSE that is planned or removed has no live status; its static status says so.
"""

from collections.abc import Iterator
from typing import Any

from adapters.ochp.kinds import EVSE_ID, MAJOR, MINOR, PARKING_ID, TTL, WIRE, fits
from adapters.ochp.shape import evse_text
from gateway.errors import Inexpressible, Problem
from gateway.mapping.context import Context
from gateway.mapping.listed import Candidate, Listed
from gateway.mapping.record import Record, one, opt
from gateway.model.location import EvseState
from gateway.model.message import ResultCode
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus, ParkingStatus

PAIRS: dict[EvseState, tuple[MajorStatus, MinorStatus | None]] = {
    EvseState.AVAILABLE: (MajorStatus.AVAILABLE, MinorStatus.AVAILABLE),
    EvseState.CHARGING: (MajorStatus.NOT_AVAILABLE, MinorStatus.CHARGING),
    EvseState.BLOCKED: (MajorStatus.NOT_AVAILABLE, MinorStatus.BLOCKED),
    EvseState.RESERVED: (MajorStatus.NOT_AVAILABLE, MinorStatus.RESERVED),
    EvseState.OUT_OF_ORDER: (MajorStatus.NOT_AVAILABLE, MinorStatus.OUT_OF_ORDER),
    EvseState.INOPERATIVE: (MajorStatus.NOT_AVAILABLE, None),
    EvseState.UNKNOWN: (MajorStatus.UNKNOWN, None),
}
# The pairs that the standard allows; an absent minor goes with every major.
LEGAL = {
    MajorStatus.AVAILABLE: {MinorStatus.AVAILABLE, MinorStatus.RESERVED},
    MajorStatus.NOT_AVAILABLE: {
        MinorStatus.CHARGING,
        MinorStatus.BLOCKED,
        MinorStatus.RESERVED,
        MinorStatus.OUT_OF_ORDER,
    },
    MajorStatus.UNKNOWN: set(),
}


def spoken(status: EvseStatus) -> bool:
    """The status is in OCHP's shape. One with an operator's key is of another protocol, however
    complete it has been made."""
    return status.major is not None and status.evse_uid is None


def evse_id(status: EvseStatus, ctx: Context) -> str | None:
    if status.evse_id is None:
        return None
    return evse_text(status.evse_id, spoken(status), ctx)


def major(status: EvseStatus, ctx: Context) -> MajorStatus | None:
    if status.major is not None or status.state is None:
        return status.major
    return PAIRS[status.state][0] if status.state in PAIRS else None


def minor(status: EvseStatus, ctx: Context) -> MinorStatus | None:
    if status.major is not None or status.state is None:
        return status.minor
    if status.state is EvseState.INOPERATIVE:
        ctx.approximated("state", "@major", "inoperative-now")
    return PAIRS[status.state][1] if status.state in PAIRS else None


EVSE_STATUS = Record(
    "EvseStatusType",
    EvseStatus,
    WIRE,
    "OCHP 1.4 EvseStatusType",
    (
        one("@major", "major", MAJOR, write=major, uses=("state",), rule="status-pair"),
        opt("@minor", "minor", MINOR, write=minor, uses=("state",), rule="status-pair"),
        opt("@ttl", "ttl", TTL),
        one("evseId", "evse_id", EVSE_ID, write=evse_id, rule="evse-id-style"),
    ),
    lost={"updated": "the moment of the message counts"},
)

PARKING_STATUS = Record(
    "ParkingStatusType",
    ParkingStatus,
    WIRE,
    "OCHP 1.4 ParkingStatusType",
    (
        one("@status", "status", MAJOR),
        opt("@ttl", "ttl", TTL),
        one("parkingId", "parking_id", PARKING_ID),
    ),
)


def _evses(field: str, *, needed: bool = False) -> Listed:
    def candidates(message: Any, ctx: Context) -> Iterator[Candidate]:
        for place, status in enumerate(getattr(message, field)):
            yield Candidate(status, (f"{field}/{place}",), spoken(status), _skip(status))

    return Listed(EVSE_STATUS, candidates, needed=needed)


def _skip(status: EvseStatus) -> tuple[str, str] | None:
    if not spoken(status) and status.state in (EvseState.PLANNED, EvseState.REMOVED):
        return "static-status-only", f"{status.state} is a static status"
    return None


def _parkings(message: Any, ctx: Context) -> Iterator[Candidate]:
    for place, each in enumerate(message.parkings):
        yield Candidate(each, (f"parkings/{place}",), fits(PARKING_ID, each.parking_id))


parkings = Listed(PARKING_STATUS, _parkings)
"""The parking spots whose id OCHP can say."""


_EVSES, _ALONE = _evses("evses"), _evses("evses", needed=True)
_LISTS = {"combined": _evses("combined"), "evses": _EVSES, "parkings": parkings}


def uploaded(message: Any, ctx: Context) -> tuple[EvseStatus, ...]:
    """The EVSEs of an upload that have a live status; Inexpressible when nothing is left to say."""
    write = _ALONE if not message.parkings else _EVSES
    return write(message, ctx)


def listed(field: str) -> Any:
    """The ``write`` of one of the three lists of GetStatusResponse, of which only one may stand.

    combined comes before evse, evse before parking; a failed answer has no form here.
    """
    order = ("combined", "evses", "parkings")

    def write(message: Any, ctx: Context) -> tuple[Any, ...]:
        if message.result.code not in (ResultCode.OK, ResultCode.PARTLY):
            reason = message.result.text or str(message.result.code)
            raise Inexpressible(Problem("GetStatusResponse", f"has no result to say: {reason}"))
        if any(getattr(message, earlier) for earlier in order[: order.index(field)]):
            if getattr(message, field):
                ctx.dropped(field, "one-list-only", "GetStatusResponse holds one kind of list")
            return ()
        return _LISTS[field](message, ctx)

    return write
