"""Live status of EVSEs and parking spots, with time to live."""

from datetime import datetime
from enum import StrEnum

from gateway.model.base import Canonical
from gateway.model.location import EvseState, ScheduledState


class MajorStatus(StrEnum):
    """Can a driver start there? (OCHP ``major``)"""

    AVAILABLE = "available"
    NOT_AVAILABLE = "not-available"
    UNKNOWN = "unknown"


class MinorStatus(StrEnum):
    """Why (OCHP ``minor``)."""

    AVAILABLE = "available"
    RESERVED = "reserved"
    CHARGING = "charging"
    BLOCKED = "blocked"
    OUT_OF_ORDER = "outoforder"


class EvseStatus(Canonical, frozen=True, kw_only=True):
    """The status of one EVSE, good until ``ttl`` when given.

    ``major`` and ``minor`` are OCHP's pair, ``state`` OCPI's single value; a protocol fills its
    own. ``evse_uid``, ``location_id`` where the protocol names them; ``state_schedule`` what is
    planned after this state.
    """

    evse_id: str | None = None
    evse_uid: str | None = None
    location_id: str | None = None
    major: MajorStatus | None = None
    minor: MinorStatus | None = None
    state: EvseState | None = None
    state_schedule: tuple[ScheduledState, ...] = ()
    ttl: datetime | None = None
    updated: datetime | None = None


class ParkingStatus(Canonical, frozen=True, kw_only=True):
    """The status of one parking spot."""

    parking_id: str
    status: MajorStatus
    ttl: datetime | None = None
