"""The way to one OCPI partner: canonical messages out, canonical replies back.

Source: OCPI 2.2.1; each message's clause stands in ``push.py`` and ``pull.py``.
Limits: an approval or refusal of CDRs has no counterpart in OCPI (Inexpressible). Nobody registers
by himself: ``connect`` is an operator's decision; ``ask`` before it is Unreachable. With fixed
tokens (``handshake = false``) the endpoints are read at first use.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from adapters.ocpi import handshake, pull, push, registration
from adapters.ocpi.calls import Line
from adapters.ocpi.codec import Codec, context
from adapters.ocpi.registration import Registration
from adapters.ocpi.settings import settings
from adapters.ocpi.talk import Talk
from gateway.adapter import Desk, Fetch, Partner
from gateway.errors import Inexpressible, Unreachable
from gateway.model.message import (
    AuthorisationQuery,
    CdrQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    Message,
    SessionQuery,
    SessionUpload,
    StatusQuery,
    StatusUpload,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenQuery,
    TokenUpload,
)

WAYS: Mapping[type[Message], Callable[[Talk, Any], Awaitable[Message]]] = {
    LocationUpload: push.locations,
    StatusUpload: push.status,
    TariffUpload: push.tariffs,
    TariffRemoval: push.tariff_removal,
    TokenUpload: push.tokens,
    SessionUpload: push.sessions,
    CdrUpload: push.cdrs,
    LocationQuery: pull.locations,
    StatusQuery: pull.status,
    TariffQuery: pull.tariffs,
    TokenQuery: pull.tokens,
    SessionQuery: pull.sessions,
    CdrQuery: pull.cdrs,
    AuthorisationQuery: pull.authorisation,
}
"""What OCPI can say, and the function that says it."""


class OcpiLink:
    """The way to one partner."""

    def __init__(self, partner: Partner, fetch: Fetch, desk: Desk, codec: Codec) -> None:
        """Raises ConfigError when the partner's options are wrong."""
        self.partner = partner
        self.options = settings(partner.options)
        self._fetch, self._desk, self._codec = fetch, desk, codec

    async def ask(self, message: Message, correlation_id: str) -> Message:
        """The reply to a canonical request.

        Raises Unreachable, Untrusted, BadAnswer, Inexpressible, Refused (UnknownId, NoRoute).
        """
        way = WAYS.get(type(message))
        if way is None:
            raise Inexpressible(f"OCPI 2.2.1 has no {type(message).__name__}")
        state = await self._state(correlation_id)
        token, _ = handshake.present(state, self.options)
        line = Line(self._fetch, token, self.options, state.encoding)
        ctx = context(self._desk.facts(self.partner), self.partner)
        talk = Talk(
            desk=self._desk,
            codec=self._codec,
            partner=self.partner,
            options=self.options,
            registration=state,
            line=line,
            ctx=ctx,
            correlation_id=correlation_id,
        )
        try:
            reply = await way(talk, message)
        finally:
            if ctx.notes:
                self._desk.report(self.partner, correlation_id, ctx.notes)
        if self.options.auth_encoding == "auto" and line.encoding != (state.encoding or "auto"):
            await registration.change(
                self._desk, self.partner, lambda now: replace(now, encoding=line.encoding)
            )
        return reply

    async def _state(self, correlation_id: str) -> Registration:
        state = await registration.recall(self._desk, self.partner)
        if not state.registered and not self.options.handshake:
            return await self.refresh(correlation_id)
        if not state.registered:
            raise Unreachable(f"not registered with {self.partner.id}")
        return state

    async def connect(self, correlation_id: str) -> Registration:
        """Register with the partner, or renew the registration and the tokens of both sides."""
        return await handshake.start(
            self._desk, self._fetch, self.partner, self.options, correlation_id
        )

    async def refresh(self, correlation_id: str) -> Registration:
        """Read the partner's version and endpoints again."""
        return await handshake.refresh(
            self._desk, self._fetch, self.partner, self.options, correlation_id
        )

    async def disconnect(self, correlation_id: str) -> None:
        """Unregister from the partner."""
        await handshake.leave(self._desk, self._fetch, self.partner, self.options, correlation_id)
