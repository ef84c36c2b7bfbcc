"""A gateway in memory for tests of the HTTP side: a desk that stores, and partners around it."""

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from adapters.ocpi.adapter import tables
from adapters.ocpi.link import OcpiLink
from adapters.ocpi.service import Service
from gateway.adapter import Partner
from gateway.errors import UnknownId, Unreachable
from gateway.http import HttpAnswer, HttpCall, Request, Response
from gateway.mapping.context import NoFacts
from gateway.model.base import PartyId
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    CdrList,
    CdrQuery,
    CdrUpload,
    LocationList,
    LocationQuery,
    LocationUpload,
    Receipt,
    SessionList,
    SessionQuery,
    SessionUpload,
    StatusUpload,
    TariffList,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenList,
    TokenQuery,
    TokenUpload,
)
from gateway.model.token import Allowed
from gateway.routing.runtime import run
from gateway.security.json_gate import read_json, write_json

NOW = datetime(2031, 5, 2, 12, 0, tzinfo=UTC)
ACM = PartyId(country="DE", code="ACM")
EVP = PartyId(country="NL", code="EVP")
HUB = PartyId(country="SE", code="HUB")


class Facts(NoFacts):
    """Facts that know some parties by name."""

    def party_name(self, party: PartyId) -> str | None:
        return {ACM: "Acme Charging", EVP: "EV Provider"}.get(party)


class Kind:
    """How objects of one kind are stored and asked for."""

    def __init__(self, items: str, key: str, reply: type) -> None:
        self.items, self.key, self.reply = items, key, reply
        self.stored: list[Any] = []

    def same(self, one: Any, other: Any) -> bool:
        return (
            one.owner == other.owner
            and getattr(one, self.key).casefold() == getattr(other, self.key).casefold()
            and getattr(one, "kind", None) == getattr(other, "kind", None)
        )

    def upload(self, message: Any) -> Receipt:
        for item in getattr(message, self.items):
            for place, known in enumerate(self.stored):
                if self.same(known, item):
                    self.stored[place] = item
                    break
            else:
                self.stored.append(item)
        return Receipt()

    def query(self, message: Any) -> Any:
        wanted = getattr(message, self.key)
        found = [
            item
            for item in self.stored
            if (wanted is None or getattr(item, self.key).casefold() == wanted.casefold())
            and (message.owner is None or item.owner == message.owner)
            and (message.since is None or item.updated >= message.since)
            and (message.until is None or item.updated < message.until)
        ]
        total = len(found)
        if message.page:
            end = None if message.page.limit is None else message.page.offset + message.page.limit
            found = found[message.page.offset : end]
        return self.reply(**{self.items: tuple(found)}, total=total)


class Desk:
    """What the gateway offers to a protocol, in memory; ``asked`` keeps every message."""

    def __init__(self, *partners: Partner) -> None:
        self.partners = {partner.id: partner for partner in partners}
        self.kinds = {
            "location": Kind("locations", "id", LocationList),
            "tariff": Kind("tariffs", "id", TariffList),
            "token": Kind("tokens", "uid", TokenList),
            "session": Kind("sessions", "id", SessionList),
            "cdr": Kind("cdrs", "id", CdrList),
        }
        self.asked: list[Any] = []
        self.correlations: list[str] = []
        self.state: dict[tuple[str, str], Any] = {}
        self.recent: dict[tuple[str, str], Any] | None = None
        """The state of some seconds ago, where another process has changed it since."""
        self.answers: dict[type, Any] = {}
        self.notes: list[Any] = []
        self._held: set[tuple[str, str]] = set()

    async def ask(self, partner: Partner, message: Any, correlation_id: str) -> Any:
        self.asked.append(message)
        self.correlations.append(correlation_id)
        if type(message) in self.answers:
            answer = self.answers[type(message)]
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self._answer(message)

    def _answer(self, message: Any) -> Any:
        match message:
            case LocationUpload():
                return self.kinds["location"].upload(message)
            case TariffUpload():
                return self.kinds["tariff"].upload(message)
            case TokenUpload():
                return self.kinds["token"].upload(message)
            case SessionUpload():
                return self.kinds["session"].upload(message)
            case CdrUpload():
                return self.kinds["cdr"].upload(message)
            case LocationQuery():
                return self.kinds["location"].query(message)
            case TariffQuery():
                return self.kinds["tariff"].query(message)
            case TokenQuery():
                return self.kinds["token"].query(message)
            case SessionQuery():
                return self.kinds["session"].query(message)
            case CdrQuery():
                return self.kinds["cdr"].query(message)
            case StatusUpload():
                return Receipt()
            case TariffRemoval():
                tariffs = self.kinds["tariff"]
                tariffs.stored = [t for t in tariffs.stored if t.id not in message.ids]
                return Receipt()
            case AuthorisationQuery():
                found = self.kinds["token"].query(TokenQuery(uid=message.token.uid)).tokens
                if not found:
                    raise UnknownId("no such token")
                return AuthorisationReply(
                    allowed=Allowed.ALLOWED,
                    token=found[0],
                    location_id=message.location_id,
                    evse_uids=message.evse_uids,
                    authorization_reference="AR-1",
                )
        raise AssertionError(f"nobody answers {type(message).__name__}")

    def facts(self, partner: Partner) -> Facts:
        return Facts(NOW)

    async def identify(
        self, protocol: str, secrets: tuple[str, ...], *, anew: bool = False
    ) -> Partner | None:
        if anew:
            self.recent = None
        states = self.state if self.recent is None else self.recent
        for secret in secrets:
            digest = hashlib.sha256(secret.encode()).hexdigest()
            found = [
                partner
                for partner in self.partners.values()
                if partner.options.get("token_in") == secret
                or digest in (states.get((partner.id, "credentials")) or {}).get("secrets", ())
            ]
            if len(found) == 1:
                return found[0]
        return None

    async def recall(self, partner: Partner, key: str, *, recent: bool = False) -> Any:
        state = self.state if self.recent is None or not recent else self.recent
        return deepcopy(state.get((partner.id, key)))

    async def remember(self, partner: Partner, key: str, value: Any) -> None:
        # what is stored has to survive a restart, so it goes through its text
        self.state[partner.id, key] = json.loads(json.dumps(value))

    def report(self, partner: Partner, correlation_id: str, notes: Any) -> None:
        self.notes.extend(notes)

    @asynccontextmanager
    async def alone(self, partner: Partner, key: str) -> Any:
        assert (partner.id, key) not in self._held, f"{key} is held already"
        self._held.add((partner.id, key))
        try:
            yield
        finally:
            self._held.discard((partner.id, key))


def partner(id_: str, *parties: PartyId, roles: str = "emsp", **options: Any) -> Partner:
    """An OCPI partner; by default it has a fixed token and we are DE*ACM for it."""
    ours = {
        "public_url": "https://gw.example",
        "we": [{"role": "CPO", "party": "DE*ACM", "name": "Acme Charging"}],
    }
    return Partner(
        id=id_,
        name=id_,
        roles=frozenset(roles.split()),
        parties=parties,
        protocol="ocpi-2.2.1",
        options=ours | options,
    )


class Client:
    """Asks a service the way a partner does, and reads the envelope."""

    def __init__(self, service: Any, token: str | None, url: str = "https://gw.example") -> None:
        self.service, self.token, self.url = service, token, url
        self.response = Response()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        /,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> dict[str, Any]:
        """The envelope of the answer; the whole response stays in ``response``."""
        path, _, query = path.removeprefix(self.url).partition("?")
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if self.token is not None:
            coded = base64.b64encode(self.token.encode()).decode()
            sent.setdefault("authorization", f"Token {coded}")
        data = raw if raw is not None else b"" if body is None else dumps(body)
        request = Request(method=method, path=path, query=query, headers=sent, body=data)
        self.response = run(self.service(request))
        assert self.response.headers["Content-Type"] == "application/json"
        assert isinstance(self.response.body, bytes)
        return json.loads(self.response.body, parse_float=Decimal)

    @property
    def status(self) -> int:
        return self.response.status


def dumps(value: Any) -> bytes:
    """JSON text; Decimals as numbers."""
    return write_json(value)


def canonical(name: str, sample: Any) -> Any:
    """The canonical object of a sample."""
    return tables().decode(name, read_json(dumps(sample)))


class Net:
    """Carries calls between services in memory; ``calls`` keeps them all."""

    def __init__(self) -> None:
        self.hosts: dict[str, Any] = {}
        self.calls: list[HttpCall] = []
        self.before: Any = None

    async def __call__(self, call: HttpCall) -> HttpAnswer:
        self.calls.append(call)
        if self.before:
            answer = self.before(call)
            if answer is not None:
                return answer
        parts = urlsplit(call.url)
        handler = self.hosts.get(parts.netloc)
        if handler is None:
            raise Unreachable(f"{parts.netloc} does not answer")
        response = await handler(
            Request(
                method=call.method,
                path=parts.path,
                query=parts.query,
                headers={name.lower(): value for name, value in call.headers.items()},
                body=call.body,
            )
        )
        assert isinstance(response.body, bytes)
        return HttpAnswer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.body,
        )


class Side:
    """One of two gateways that are partners of each other."""

    def __init__(self, net: Net, name: str, role: str, party: PartyId) -> None:
        self.net, self.name, self.role, self.party = net, name, role, party
        self.url = f"https://{name}.example"
        self.desk = Desk()
        self.service = serve(self.desk, net, self.url)
        net.hosts[f"{name}.example"] = self.service

    def knows(self, other: "Side", **options: Any) -> None:
        """Configure the other side as a partner."""
        ours = {
            "public_url": self.url,
            "we": [{"role": self.role, "party": str(self.party), "name": self.name}],
            "versions_url": f"{other.url}/ocpi/versions",
        }
        who = Partner(
            id=other.name,
            name=other.name,
            roles=frozenset({other.role.lower()}),
            parties=(other.party,),
            protocol="ocpi-2.2.1",
            options=ours | options,
        )
        self.desk.partners = {who.id: who}
        self.link = OcpiLink(who, self.net, self.desk, tables())

    @property
    def state(self) -> dict[str, Any]:
        """What is kept of the registration with the other side."""
        [partner_id] = self.desk.partners
        return self.desk.state.get((partner_id, "credentials")) or {}

    def client(self, token: str | None) -> Client:
        """Somebody who calls this side with a token."""
        return Client(self.service, token, self.url)


def serve(desk: Desk, fetch: Any = None, url: str = "https://gw.example") -> Service:
    """A service over a desk."""
    way = fetch or Net()
    return Service(desk, lambda partner: way, url, tables())
