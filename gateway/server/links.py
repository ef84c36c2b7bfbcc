"""The ways to the parties that can be called, each by its own time limits, TLS, guard and protocol.

Limits: who is called, and with what, is decided elsewhere.
Why: what is called for a party (the handshake of OCPI reads the caller's endpoints) goes out by
that party's settings, whatever the address: a URL of one party's making never gets the certificate
of another.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from twisted.internet.defer import Deferred, DeferredList

from gateway import registry
from gateway.adapter import Desk, Fetch, Link, Partner, RestAdapter, SoapAdapter
from gateway.client import HttpClient, Limits, Timeouts
from gateway.model.message import Message, Receipt
from gateway.routing.parties import Directory
from gateway.routing.transcript import Said
from gateway.schema import schema_for
from gateway.security.parse import Limits as XmlLimits
from gateway.server.config import ClientTls as TlsOptions
from gateway.server.config import Config, Party
from gateway.server.message_auth import Clock, signed
from gateway.server.reach import Network, Reach
from gateway.server.tls import ClientTls, client_tls
from gateway.soap.caller import PartnerCaller
from gateway.soap.desk import item_elements
from gateway.soap.security import MessageSecurity, PartnerSecurity

log = structlog.get_logger(__name__)

LISTS = 256 * 1024 * 1024
"""Bytes of a SOAP message that is read whole. (Lists arrive as one document, OCHP has no paging:
plain ones come in a file.)"""
XML = XmlLimits(bytes=LISTS, elements=20_000_000)


class Links:
    """The link of each party by its id; None for one that only asks."""

    def __init__(self, config: Config, reactor: Any, clock: Clock) -> None:
        """Raises ConfigError."""
        self._config = config
        everywhere = config.gateway.allow_networks
        self.tls = {party.id: _tls(party.tls) for party in config.parties if party.tls}
        """By party; what its files hold can be read again."""
        self._clients = {
            party.id: _client(party, everywhere, self.tls.get(party.id), reactor)
            for party in config.parties
        }
        self._ways = {
            party.id: signed(self._clients[party.id].fetch, party, clock)
            for party in config.parties
        }
        self._links: dict[str, Link] = {}

    def connect(
        self, directory: Directory, desk: Desk, security: MessageSecurity | None = None
    ) -> None:
        """Make the links; ``desk`` answers what they ask. Raises ConfigError."""
        for options in self._config.parties:
            partner = directory.parties[options.id].partner
            adapter = registry.adapter_for(partner.protocol)
            fetch = self._ways[options.id]
            if not hasattr(adapter, "endpoints"):
                self._links[options.id] = RestLink(adapter, partner, fetch, desk)
            elif partner.options.get("address"):
                secured = security.of(partner) if security else None
                caller = _caller(
                    adapter, partner.protocol, partner.options, fetch, options, secured
                )
                self._links[options.id] = SoapLink(adapter, partner, caller, fetch, desk)

    def get(self, party: str) -> Link | None:
        """The way to a party."""
        return self._links.get(party)

    def fetch_for(self, partner: Partner) -> Fetch:
        """The way to a partner's addresses."""
        return self._ways[partner.id]

    def close(self) -> Deferred[Any]:
        """Close the connections that are kept."""
        closing = [client.close() for client in self._clients.values()]
        return DeferredList(closing, consumeErrors=True)


class RestLink:
    """The link of a JSON partner; ``over`` gives it for one message, listened to."""

    def __init__(self, adapter: RestAdapter, partner: Partner, fetch: Fetch, desk: Desk) -> None:
        self._adapter, self._partner, self._fetch = adapter, partner, fetch
        self._link = self._made(fetch, desk)

    def _made(self, fetch: Fetch, desk: Desk) -> Link:
        return self._adapter.link(self._partner.protocol, self._partner, fetch, desk)

    async def ask(self, message: Message, correlation_id: str) -> Message:
        return await self._link.ask(message, correlation_id)

    def over(self, said: Said) -> Link:
        return self._made(said.over(self._fetch), said)


class SoapLink:
    """The same of a SOAP partner."""

    def __init__(
        self,
        adapter: SoapAdapter,
        partner: Partner,
        caller: PartnerCaller,
        fetch: Fetch,
        desk: Desk,
    ) -> None:
        self._adapter, self._partner, self._caller, self._fetch = adapter, partner, caller, fetch
        self._link = self._made(caller, desk)

    def _made(self, caller: PartnerCaller, desk: Desk) -> Link:
        return self._adapter.link(self._partner.protocol, self._partner, caller, desk)

    async def ask(self, message: Message, correlation_id: str) -> Message:
        return await self._link.ask(message, correlation_id)

    def over(self, said: Said) -> Link:
        return self._made(self._caller.over(said.over(self._fetch)), said)


def _tls(tls: TlsOptions) -> ClientTls:
    return client_tls(
        tls.ca,
        tls.cert,
        tls.key,
        pinned=tls.pinned,
        pinned_keys=tls.pinned_keys,
        crl=tls.crl,
        tls_1_2=tls.tls_1_2,
    )


def _client(
    party: Party, everywhere: tuple[Network, ...], tls: ClientTls | None, reactor: Any
) -> HttpClient:
    times = Timeouts(
        connect=party.connect_timeout.total_seconds(), total=party.answer_timeout.total_seconds()
    )
    reach = Reach(_urls(party), (*everywhere, *party.allow_networks))
    if closed := reach.closed():
        log.warning("addresses that may not be called", party=party.id, origins=closed)
    return HttpClient(
        reactor,
        times,
        Limits(body=LISTS) if party.ochp else None,
        tls,
        reach,
    )


def _caller(
    adapter: Any,
    protocol: str,
    partner: Mapping[str, Any],
    fetch: Fetch,
    options: Party,
    security: PartnerSecurity | None,
) -> PartnerCaller:
    family, _, version = protocol.partition("-")
    return PartnerCaller(
        adapter.endpoints,
        partner,
        fetch,
        schema_for(family, version),
        timeout=options.answer_timeout.total_seconds(),
        limits=XML,
        lenient=adapter.mend if is_lenient(partner) else None,
        items=item_elements(
            each.reply for each in adapter.operations.values() if each.reply.message is not Receipt
        ),
        security=security,
    )


def is_lenient(options: Mapping[str, Any]) -> bool:
    """Whether known deviations in a party's messages are mended."""
    return bool(options.get("mode") != "strict")


def _urls(party: Party) -> Iterator[str]:
    """What the operator has written down that may be called."""
    if party.ochp:
        yield from filter(None, (party.ochp.address, party.ochp.live_address))
    if party.ocpi:
        yield from party.ocpi.callback_origins or filter(None, [party.ocpi.versions_url])
        yield from (party.ocpi.endpoints or {}).values()
