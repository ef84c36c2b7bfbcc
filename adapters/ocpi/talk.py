"""One canonical message on its way to a partner: where to, in whose name, with which objects.

Source: OCPI 2.2.1, message routing; client owned objects.
Rules: every call has a request id of its own and the correlation id of the message. ``to`` is the
party that the message is for, where it is one of the partner's (or the partner is a hub), else the
partner's first party. ``from`` is the owner of what is sent where we speak for it. As a hub we send
what is meant for everybody in our own name, sessions and CDRs in their owner's.
"""

from dataclasses import dataclass, field
from typing import Any

from adapters.ocpi.calls import NOTHING, Line
from adapters.ocpi.codec import Codec, encode_item
from adapters.ocpi.envelope import read
from adapters.ocpi.paging import segment
from adapters.ocpi.registration import Registration
from adapters.ocpi.settings import Settings
from gateway.adapter import Desk, Partner
from gateway.errors import GatewayError, Inexpressible, Problem, UnknownId
from gateway.http import HttpAnswer
from gateway.mapping.context import Context, Facts
from gateway.model.base import PartyId
from gateway.model.message import OK, Result, ResultCode


@dataclass
class Talk:
    """What one message needs while it is sent."""

    desk: Desk
    codec: Codec
    partner: Partner
    options: Settings
    registration: Registration
    line: Line
    ctx: Context
    correlation_id: str

    @property
    def facts(self) -> Facts:
        return self.ctx.facts

    def endpoint(self, module: str, role: str) -> str:
        """The URL of a module's interface; raises Inexpressible when the partner has none."""
        found = self.registration.endpoint(module, role, self.options)
        if found is None:
            raise Inexpressible(f"the partner has no {module} endpoint as {role}")
        return found

    def owned_url(self, module: str, value: dict[str, Any], *below: str, key: str = "id") -> str:
        """The URL of a client owned object at the partner, from the object's own JSON."""
        steps = (value["country_code"], value["party_id"], value[key], *below)
        return "/".join((self.endpoint(module, "RECEIVER"), *map(segment, map(str, steps))))

    def to(self, target: PartyId | None = None) -> PartyId | None:
        """Whom a call is for."""
        if target in self.partner.parties or (target and "hub" in self.partner.roles):
            return target
        return next(iter(self.partner.parties), None)

    def sender(self, owner: PartyId | None = None, *, for_all: bool = False) -> PartyId | None:
        """In whose name a call is made."""
        own = self.options.we
        if owner in {role.party for role in own}:
            return owner
        hub = next((role.party for role in own if role.role == "HUB"), None)
        if hub is not None:
            return hub if for_all or owner is None else owner
        return own[0].party if own else None

    def encode(self, name: str, obj: Any, place: int = 0) -> Any:
        return encode_item(self.codec, name, obj, self.ctx, f"{name}s", place)

    async def send(
        self,
        method: str,
        url: str,
        body: Any = NOTHING,
        *,
        to: PartyId | None,
        sender: PartyId | None,
    ) -> HttpAnswer:
        """The partner's answer, unread."""
        return await self.line.send(
            method, url, self.correlation_id, body=body, to=to, sender=sender
        )

    async def call(
        self,
        method: str,
        url: str,
        body: Any = NOTHING,
        *,
        to: PartyId | None,
        sender: PartyId | None,
    ) -> Any:
        """The ``data`` of the partner's answer; raises what the answer means."""
        return read(await self.send(method, url, body, to=to, sender=sender))


@dataclass
class Tally:
    """Which objects of an upload were taken, and why the others were not."""

    taken: int = 0
    refused: list[Any] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    codes: list[ResultCode] = field(default_factory=list)

    def refuse(self, obj: Any, label: str, error: GatewayError) -> None:
        self.refused.append(obj)
        self.reasons.append(str(Problem(label, str(error) or type(error).__name__)))
        unknown = isinstance(error, UnknownId)
        self.codes.append(ResultCode.INVALID_ID if unknown else ResultCode.FORMAT)

    @property
    def result(self) -> Result:
        if not self.reasons:
            return OK
        code = ResultCode.PARTLY if self.taken else self.codes[0]
        return Result(code=code, text="; ".join(self.reasons)[:1000])
