"""Partners that send: CDRs, sessions and tokens, each until the gateway has acknowledged it.

Rules: what is not acknowledged is sent again as it is, as real partners do; now and then something
acknowledged comes again, unchanged or with other content under its id.
"""

import asyncio
import base64
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from lxml import etree

from gateway.demo import data
from gateway.demo.ochp import wrapped
from tests.crash.gateways import Process
from tests.crash.partners import NS, Seen, body_of, in_one_form
from tests.crash.wire import Said, call

SITE = data.ocpi_locations("NL", "HAV", 1, seed=1)[0]
EVSES = list(data.ochp_evses("AT", "ALP", 10, seed=2))
TOKEN = data.ocpi_token("NL", "RYS", 1)
PROVIDERS = {"rijstroom": ("NL", "RYS"), "clearing": ("DE", "HUB"), "fahrstrom": ("DE", "FST")}


class Refused(Exception):
    """The gateway has said that it does not take something, and need not be asked again."""


LOST = (OSError, EOFError, TimeoutError)
"""The gateway was killed before it answered."""


_ASKED: ContextVar[Process | None] = ContextVar("asked", default=None)
"""The gateway that is asked, where it is not any one."""


@dataclass
class Owed:
    """What somebody has sent: where it has to arrive, and what it says."""

    kind: str
    id: str
    to: str
    says: str
    """A word of its content by which its receiver's copy is told to be the right one."""
    send: Callable[[str], Awaitable[bool]]
    """Sends it with a correlation id; whether it was acknowledged."""
    acknowledged: list[str] = field(default_factory=list)
    """The correlation ids of the requests that were."""
    revised: "Owed | None" = None


class Load:
    """All senders. ``owed`` is what the gateway has acknowledged, or may have."""

    def __init__(self, gateways: Sequence[Process], chance: random.Random) -> None:
        self._gateways, self._chance = list(gateways), chance
        self._number = 0
        self.owed: list[Owed] = []
        self.sessions: dict[str, list[Decimal]] = {}
        self.tokens: dict[str, str] = {}
        self.fetched: list[Seen] = []
        self.refusals: list[str] = []
        self.answers: deque[Said] = deque(maxlen=10)
        """The last ones."""
        self.paused = asyncio.Event()
        self.paused.set()
        self.going = True

    # -- calls ---------------------------------------------------------------------------------

    def use(self, *gateways: Process) -> None:
        """From now on these are asked."""
        self._gateways = list(gateways)

    @property
    def _url(self) -> str:
        return (_ASKED.get() or self._chance.choice(self._gateways)).url

    async def _json(self, method: str, path: str, who: str, body: Any, correlation: str) -> Said:
        token = base64.b64encode(f"of-{who}".encode()).decode()
        headers = {
            "Authorization": f"Token {token}",
            "Content-Type": "application/json",
            "X-Request-ID": uuid4().hex,
            "X-Correlation-ID": correlation,
        }
        content = json.dumps(body, default=float).encode()
        url = f"{self._url}/ocpi/2.2.1/receiver/{path}"
        answer = await call(method, url, headers, content)
        self.answers.append(answer)
        return answer

    async def _soap(self, root: str, inner: str, who: str, correlation: str) -> Any:
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": '""',
            "X-Correlation-ID": correlation,
        }
        message = wrapped(root, inner, who, f"of-{who}")
        answer = await call("POST", f"{self._url}/ochp/1.4", headers, message)
        self.answers.append(answer)
        return body_of(answer.body) if answer.status == 200 else None

    def _json_taken(self, answer: Said, correlation: str) -> bool:
        if answer.status >= 500:
            return False
        said = json.loads(answer.body)
        if answer.status in (200, 201) and said["status_code"] == 1000:
            return True
        raise Refused(f"{correlation}: HTTP {answer.status} {said}")

    def _soap_taken(self, body: Any, correlation: str) -> bool:
        code = _code(body)
        if code not in ("ok", "server", ""):
            raise Refused(f"{correlation}: {etree.tostring(body)!r}")
        return code == "ok"

    # -- objects -------------------------------------------------------------------------------

    def _next(self) -> int:
        self._number += 1
        return self._number

    def object_cdr(self, to: str) -> Owed:
        """A CDR of the OCPI CPO."""
        number = self._next()
        return self._object_cdr(to, number, Decimal(number) / 1000)

    def rivals(self, count: int) -> list[Owed]:
        """CDRs of the OCPI CPO under one id, each with other content."""
        number = self._next()
        return [
            self._object_cdr("rijstroom", number, Decimal(number) / 1000 + 100 * each)
            for each in range(count)
        ]

    def _object_cdr(self, to: str, number: int, energy: Decimal) -> Owed:
        country, party = PROVIDERS[to]
        token = TOKEN | {
            "country_code": country,
            "party_id": party,
            "uid": TOKEN["uid"] if to == "rijstroom" else data.ochp_uid(number % 500),
            "contract_id": data.contract(country, party, number % 500 if to != "rijstroom" else 1),
        }
        id = f"NLHAV{number:09}"
        cdr = data.ocpi_cdr(SITE, token, number % 5000, id=id, session_id=f"S{number}")
        cdr["total_energy"] = cdr["charging_periods"][0]["dimensions"][0]["volume"] = energy

        async def send(correlation: str) -> bool:
            answer = await self._json("POST", "cdrs", "havenlader", cdr, correlation)
            return self._json_taken(answer, correlation)

        return Owed("cdrs", id, to, f"{energy.normalize():f}", send)

    def _list_cdr(self, number: int, *, revised: bool = False) -> tuple[str, str, str]:
        """A CDR of the OCHP CPO: its id, its energy, its XML."""
        energy = Decimal(number) / 1000 + (1000 if revised else 0)
        text = data.ochp_cdr(
            EVSES[number % len(EVSES)],
            number % 5000,
            TOKEN["uid"],
            TOKEN["contract_id"],
            status="revised" if revised else "new",
            energy=str(energy),
            price="1",
            cost=str(energy),
        )
        id = f"ATALP{number:010}"
        was = f"<CdrId>ATALP{number % 5000:012}</CdrId>"
        assert was in text
        return id, f"{energy.normalize():f}", text.replace(was, f"<CdrId>{id}</CdrId>")

    def list_cdrs(self, count: int) -> list[Owed]:
        """Some CDRs of the OCHP CPO, in one upload."""
        made = [self._list_cdr(self._next()) for _ in range(count)]
        whole = "".join(text for _, _, text in made)

        async def send(correlation: str) -> bool:
            body = await self._soap("AddCDRsRequest", whole, "alpenstrom", correlation)
            return self._soap_taken(body, correlation)

        return [Owed("cdrs", id, "rijstroom", energy, send) for id, energy, _ in made]

    def _revision(self, of: Owed) -> Owed:
        _, energy, text = self._list_cdr(int(of.id[5:]), revised=True)

        async def send(correlation: str) -> bool:
            body = await self._soap("AddCDRsRequest", text, "alpenstrom", correlation)
            return self._soap_taken(body, correlation)

        return Owed("cdrs", f"{of.id}-R1", of.to, energy, send)

    # -- what they do --------------------------------------------------------------------------

    async def prepare(self) -> None:
        """A site, a card and charge points, before anybody is killed."""
        path = f"locations/NL/HAV/{SITE['id']}"
        await self.put(path, "havenlader", SITE)
        path = f"tokens/NL/RYS/{TOKEN['uid']}?type=RFID"
        await self.put(path, "rijstroom", TOKEN)
        points = "".join(map(data.ochp_charge_point, EVSES))

        async def charge_points(correlation: str) -> bool:
            root = "UpdateChargePointListRequest"
            body = await self._soap(root, points, "alpenstrom", correlation)
            return self._soap_taken(body, correlation)

        await self.until(charge_points)

    async def run(self, senders: int, pause: float) -> None:
        """Send until ``going`` ends; what was begun is finished."""
        ways: list[Callable[[], Awaitable[None]]]
        ways = [self._send_cdr, self._send_list, self._send_session, self._send_token]
        weights = [6, 3, 2, 1]

        async def sender() -> None:
            while self.going:
                (way,) = self._chance.choices(ways, weights)
                try:
                    await way()
                except Refused as error:
                    self.refusals.append(str(error))
                await asyncio.sleep(self._chance.random() * 2 * pause)

        await asyncio.gather(*(sender() for _ in range(senders)), self._fetch())

    async def until(self, send: Callable[[str], Awaitable[bool]], at: Process | None = None) -> str:
        """Send until it is acknowledged (by one gateway); the correlation id of that request."""
        _ASKED.set(at)
        while True:
            await self.paused.wait()
            correlation = uuid4().hex
            try:
                if await send(correlation):
                    return correlation
            except LOST:
                pass
            await asyncio.sleep(0.05)

    async def _acknowledged(self, *owed: Owed) -> None:
        self.owed += owed
        correlation = await self.until(owed[0].send)
        for each in owed:
            each.acknowledged.append(correlation)

    async def _send_cdr(self) -> None:
        to = self._chance.choice(["rijstroom", "rijstroom", "clearing", "fahrstrom"])
        owed = self.object_cdr(to)
        self.owed.append(owed)
        if self._chance.random() < 0.2:
            # two at once, maybe at two processes: one effect
            both = await asyncio.gather(self.until(owed.send), self.until(owed.send))
            owed.acknowledged += both
        else:
            owed.acknowledged.append(await self.until(owed.send))
        if self._chance.random() < 0.2:
            owed.acknowledged.append(await self.until(owed.send))
        if self._chance.random() < 0.1:
            await self._other_content(owed)

    async def _other_content(self, owed: Owed) -> None:
        """Another CDR under the same id: whatever the answer, it has no effect."""
        number = int(owed.id[5:])
        cdr = data.ocpi_cdr(SITE, TOKEN, number % 5000, id=owed.id, total_energy=Decimal("77.777"))
        with suppress(Refused, *LOST):
            await self._json("POST", "cdrs", "havenlader", cdr, uuid4().hex)

    async def _send_list(self) -> None:
        owed = self.list_cdrs(self._chance.randint(1, 4))
        await self._acknowledged(*owed)
        if self._chance.random() < 0.2:
            await self.until(owed[0].send)
        if self._chance.random() < 0.2:
            await self._revise(owed[0])

    async def _revise(self, owed: Owed) -> None:
        """What the home-CSP has by now counts as approved, and is not changed any more."""
        owed.revised = self._revision(owed)
        try:
            await self._acknowledged(owed.revised)
        except Refused as error:
            self.owed.remove(owed.revised)
            owed.revised = None
            if "approved" not in str(error):
                raise

    async def _put(self, path: str, who: str, body: Any, correlation: str) -> bool:
        answer = await self._json("PUT", path, who, body, correlation)
        return self._json_taken(answer, correlation)

    async def put(self, path: str, who: str, body: Any) -> str:
        """PUT until it is acknowledged."""
        return await self.until(lambda correlation: self._put(path, who, body, correlation))

    async def _send_session(self) -> None:
        number = self._next()
        id = f"SES{number:08}"
        for step in range(1, self._chance.randint(2, 5)):
            session = data.ocpi_session(SITE, TOKEN, number % 5000, "ACTIVE")
            at = data.NOW + timedelta(minutes=7 * (number % 5000) + step)
            session |= {"id": id, "kwh": Decimal(step), "last_updated": data.utc(at)}
            path = f"sessions/NL/HAV/{id}"
            await self.put(path, "havenlader", session)
            self.sessions.setdefault(id, []).append(Decimal(step))

    async def _send_token(self) -> None:
        number = self._next()
        token = data.ocpi_token("NL", "RYS", number)
        for step in range(1, self._chance.randint(2, 4)):
            shown = f"{number}-V{step}"
            changed = token | {
                "visual_number": shown,
                "last_updated": data.utc(data.NOW + timedelta(minutes=step)),
            }
            path = f"tokens/NL/RYS/{token['uid']}?type=RFID"
            await self.put(path, "rijstroom", changed)
            self.tokens[token["uid"]] = shown

    # -- the home-CSP that fetches -------------------------------------------------------------

    async def _fetch(self) -> None:
        while self.going:
            await self.paused.wait()
            await self.fetch_once()
            await asyncio.sleep(0.3)

    async def fetch_once(self) -> int:
        """Get the CDRs that wait for the OCHP provider and approve them; how many there were."""
        try:
            body = await self._soap("GetCDRsRequest", "", "fahrstrom", correlation := uuid4().hex)
            found = body.findall(f"{{{NS}}}cdrInfoArray") if body is not None else []
            confirmed = ""
            for cdr in found:
                id = cdr.findtext(f"{{{NS}}}CdrId")
                evse = cdr.findtext(f"{{{NS}}}evseId")
                self.fetched.append(Seen(correlation, "cdrs", id, in_one_form(cdr)))
                confirmed += f"<approved><cdrId>{id}</cdrId><evseId>{evse}</evseId></approved>"
            if found:
                await self._soap("ConfirmCDRsRequest", confirmed, "fahrstrom", uuid4().hex)
            return len(found) if body is not None else -1
        except LOST:
            return -1


def _code(body: Any) -> str:
    if body is None:
        return ""
    way = "/".join(f"{{{NS}}}{step}" for step in ("result", "resultCode", "resultCode"))
    return str(body.findtext(way) or "")
