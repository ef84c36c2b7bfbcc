"""The Timestamp of a Security header: read strictly, written, and checked for age.

Source: WSS SOAP Message Security 1.1, chapter 10; WS-I Basic Security Profile 1.1, R3203 (one
Created), R3221 (Created before Expires), R3224 (no second Expires), R3229 and R3226 (xs:dateTime,
no ValueType).
Limits: instants carry ``Z`` or an offset; no leap seconds; at most nine decimals, of which six
count.
Why: the age of a message is limited by the receiver, whatever the sender says in Expires; this also
bounds for how long the memory against replays has to reach back.
"""

import re
from datetime import UTC, datetime, timedelta

from lxml.etree import _Element as Element
from msgspec import Struct

from gateway.security import form
from gateway.security.unverified import Unverified
from gateway.security.wsse import WSU

TIMESTAMP = f"{{{WSU}}}Timestamp"
WSU_ID = f"{{{WSU}}}Id"
_CREATED, _EXPIRES = f"{{{WSU}}}Created", f"{{{WSU}}}Expires"
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Freshness(Struct, frozen=True, kw_only=True):
    """How old and how far ahead of the gateway's clock a message may be."""

    age: timedelta = timedelta(minutes=5)
    """Since Created. WSS4J: timestamp time to live, 300 seconds."""
    skew: timedelta = timedelta(seconds=60)
    """How far the clocks may be apart. WSS4J: future time to live, 60 seconds."""
    lifetime: timedelta = timedelta(minutes=5)
    """From Created to Expires in what the gateway sends."""


class Timestamp(Struct, frozen=True):
    """When a message was made and until when it is good."""

    created: datetime
    expires: datetime | None


def read(element: Element) -> Timestamp:
    """The instants of a Timestamp element; raises ``Unverified``."""
    children = form.inner(element, (WSU_ID,), "timestamp-form")
    if [child.tag for child in children] not in ([_CREATED], [_CREATED, _EXPIRES]):
        raise Unverified("timestamp-form", "expected Created and then at most one Expires")
    moments = [_moment(child) for child in children]
    timestamp = Timestamp(moments[0], moments[1] if len(moments) == 2 else None)
    if timestamp.expires is not None and timestamp.expires <= timestamp.created:
        raise Unverified("timestamp-form", "Expires is not after Created")
    return timestamp


def _moment(element: Element) -> datetime:
    form.only(element, (WSU_ID,), "timestamp-form")
    if len(element):
        raise Unverified("timestamp-form", "a child within an instant")
    return instant((element.text or "").strip(form.BLANKS))


def instant(text: str) -> datetime:
    """An xs:dateTime with its offset; raises ``Unverified``."""
    found = _MOMENT.fullmatch(text)
    if not found:
        raise Unverified("timestamp-form", "an instant that is no xs:dateTime with its offset")
    fraction = (found[2] or "0")[:6]
    zone = "+00:00" if found[3] == "Z" else found[3]
    try:
        return datetime.fromisoformat(f"{found[1]}.{fraction:0<6}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unverified("timestamp-form", "an instant that does not exist") from None


def check(timestamp: Timestamp, freshness: Freshness, now: datetime) -> None:
    """Raise ``Unverified`` for a message from the past or the future."""
    if timestamp.created - now > freshness.skew:
        raise Unverified("timestamp-future", f"created {timestamp.created.isoformat()}")
    if now - timestamp.created > freshness.age + freshness.skew:
        raise Unverified("timestamp-expired", f"created {timestamp.created.isoformat()}")
    if timestamp.expires is not None and now - timestamp.expires > freshness.skew:
        raise Unverified("timestamp-expired", f"expired {timestamp.expires.isoformat()}")


def forget_after(timestamp: Timestamp, freshness: Freshness) -> datetime:
    """From when on a copy of the message is refused as too old, so that it need not be remembered.

    A margin of one more skew is for another process whose clock is behind.
    """
    return timestamp.created + freshness.age + 2 * freshness.skew


def write(created: datetime, lifetime: timedelta, id: str, declared: str) -> str:
    """A Timestamp with this id, in milliseconds UTC and in its canonical form.

    ``declared``: its namespace declarations, that of ``wsu`` among them.
    """
    begins, ends = (
        moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        for moment in (created, created + lifetime)
    )
    return (
        f'<wsu:Timestamp{declared} wsu:Id="{id}"><wsu:Created>{begins}Z</wsu:Created>'
        f"<wsu:Expires>{ends}Z</wsu:Expires></wsu:Timestamp>"
    )
