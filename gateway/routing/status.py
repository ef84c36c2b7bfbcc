"""Live status: the two ways of saying it, time to live, what a driver effectively finds.

Source: OCHP 1.4, chapters on live status (major, minor, ttl) and on the static status with its
schedule; OCPI 2.2.1, Status.
Limits: OCPI states that say something about the installation (planned, removed) have no live pair.
Why: a pair that OCHP does not define is read by its major part alone.
"""

from datetime import datetime

from msgspec.structs import replace

from gateway.model.location import Evse, EvseState, Operation
from gateway.model.status import EvseStatus, MajorStatus, MinorStatus, ParkingStatus

Pair = tuple[MajorStatus | None, MinorStatus | None]

STATE: dict[Pair, EvseState] = {
    (MajorStatus.AVAILABLE, None): EvseState.AVAILABLE,
    (MajorStatus.AVAILABLE, MinorStatus.AVAILABLE): EvseState.AVAILABLE,
    # reserved for later: a driver can start now, so a state of one word says available
    (MajorStatus.AVAILABLE, MinorStatus.RESERVED): EvseState.AVAILABLE,
    (MajorStatus.NOT_AVAILABLE, None): EvseState.INOPERATIVE,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.CHARGING): EvseState.CHARGING,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.BLOCKED): EvseState.BLOCKED,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.RESERVED): EvseState.RESERVED,
    (MajorStatus.NOT_AVAILABLE, MinorStatus.OUT_OF_ORDER): EvseState.OUT_OF_ORDER,
    (MajorStatus.UNKNOWN, None): EvseState.UNKNOWN,
}
PAIR: dict[EvseState, Pair] = {
    EvseState.AVAILABLE: (MajorStatus.AVAILABLE, MinorStatus.AVAILABLE),
    EvseState.CHARGING: (MajorStatus.NOT_AVAILABLE, MinorStatus.CHARGING),
    EvseState.BLOCKED: (MajorStatus.NOT_AVAILABLE, MinorStatus.BLOCKED),
    EvseState.RESERVED: (MajorStatus.NOT_AVAILABLE, MinorStatus.RESERVED),
    EvseState.OUT_OF_ORDER: (MajorStatus.NOT_AVAILABLE, MinorStatus.OUT_OF_ORDER),
    EvseState.INOPERATIVE: (MajorStatus.NOT_AVAILABLE, None),
    EvseState.UNKNOWN: (MajorStatus.UNKNOWN, None),
    EvseState.PLANNED: (None, None),
    EvseState.REMOVED: (None, None),
}
_STATIC = {
    Operation.PLANNED: EvseState.PLANNED,
    Operation.CLOSED: EvseState.REMOVED,
    Operation.INOPERATIVE: EvseState.INOPERATIVE,
}


def complete(status: EvseStatus) -> EvseStatus:
    """The status in both ways; what was said stays as it is."""
    major, minor, state = status.major, status.minor, status.state
    if state is None:
        state = STATE.get((major, minor)) or STATE.get((major, None))
    elif major is None:
        major, minor = PAIR[state]
    return replace(status, major=major, minor=minor, state=state)


def has_lapsed(status: EvseStatus | ParkingStatus, now: datetime) -> bool:
    """Whether its time to live is over."""
    return status.ttl is not None and status.ttl <= now


def lapsed(status: EvseStatus) -> EvseStatus:
    """What is known of an EVSE after the time to live: nothing."""
    return replace(status, major=MajorStatus.UNKNOWN, minor=None, state=EvseState.UNKNOWN, ttl=None)


def current(status: EvseStatus, now: datetime) -> EvseStatus:
    """The status as it holds now."""
    return lapsed(status) if has_lapsed(status, now) else status


def parking_now(status: ParkingStatus, now: datetime) -> ParkingStatus:
    """The status of a parking spot as it holds now."""
    if not has_lapsed(status, now):
        return status
    return replace(status, status=MajorStatus.UNKNOWN, ttl=None)


def operation_at(evse: Evse, now: datetime) -> Operation | None:
    """The static status; an entry of its schedule that covers now comes first."""
    for entry in evse.operation_schedule:
        if entry.begin <= now and (entry.end is None or now < entry.end):
            return entry.operation
    return evse.operation


def effective(evse: Evse, live: EvseStatus | None, now: datetime) -> EvseState | None:
    """What a driver finds: static status first, then live status within its time to live.

    None only where nobody ever said anything and the EVSE has no static status either.
    """
    operation = operation_at(evse, now)
    state = complete(current(live, now)).state if live else evse.state
    if operation is Operation.INOPERATIVE and state is EvseState.OUT_OF_ORDER:
        return state
    if operation in _STATIC:
        return _STATIC[operation]
    return state or (EvseState.UNKNOWN if operation else None)


def combined(live: EvseStatus, spots: list[ParkingStatus]) -> EvseStatus:
    """EVSE status merged with that of its parking spots.

    A free EVSE whose spots are all taken cannot be reached: not available, blocked.
    """
    free = live.major is MajorStatus.AVAILABLE
    if free and spots and all(s.status is MajorStatus.NOT_AVAILABLE for s in spots):
        ends = [end for end in (live.ttl, *(s.ttl for s in spots)) if end]
        return replace(
            live,
            major=MajorStatus.NOT_AVAILABLE,
            minor=MinorStatus.BLOCKED,
            state=EvseState.BLOCKED,
            ttl=min(ends, default=None),
        )
    return live
