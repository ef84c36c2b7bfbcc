"""The seven flows, told step by step; each step checks what arrived at the other end."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from twisted.internet.defer import FirstError, ensureDeferred, gatherResults

from gateway.demo import data
from gateway.demo.ochp import text, texts
from gateway.demo.stage import Stage

_PATIENCE = 20.0
_AT_ONCE = 8


class Teller(Protocol):
    """Prints what happens."""

    def step(self, title: str) -> None: ...
    def line(self, what: str) -> None: ...


class Missing(Exception):
    """Something that should have arrived did not."""


class Flows:
    """Goes through the flows on one stage; counts CDRs on the way."""

    def __init__(
        self, stage: Stage, tell: Teller, pause: Callable[[float], Awaitable[Any]]
    ) -> None:
        self.stage, self.tell, self._pause = stage, tell, pause
        self.alpen = list(data.ochp_evses("AT", "ALP", 250, seed=2))
        self.sites: list[dict[str, Any]] = stage.ocpi_cpo.lists["locations"]
        self.evse_count = sum(len(site["evses"]) for site in self.sites)
        self.cdrs_sent = 0
        self.cdrs_confirmed = 0

    def each(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """The flows in order, with their titles."""
        yield "0  OCPI partners register (credentials handshake)", self.register
        yield "1  Locations and tariffs: OCPI CPO to OCHP", self.locations_to_ochp
        yield "2  Charge points and tariffs: OCHP to OCPI", self.locations_to_ocpi
        yield "3  Live status both ways, with time to live", self.status
        yield "4  Tokens both ways", self.tokens
        yield "5  May this driver charge?", self.authorise
        yield "6  Charge detail records both ways", self.cdrs
        yield "7  Sessions on the OCPI side", self.sessions

    async def until(self, what: str, ready: Callable[[], bool]) -> None:
        """Wait until something has arrived; raises Missing after a while."""
        waited = 0.0
        while not ready():
            if waited > _PATIENCE:
                raise Missing(what)
            await self._pause(0.05)
            waited += 0.05
        self.tell.line(what)

    @staticmethod
    async def many(calls: Iterable[Awaitable[Any]]) -> None:
        """Calls over several connections, as a partner makes them who has much to say."""
        waiting = iter(calls)

        async def some() -> None:
            for call in waiting:
                await call

        going = [ensureDeferred(some()) for _ in range(_AT_ONCE)]
        try:
            await gatherResults(going, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()

    # -- 0 -------------------------------------------------------------------------------------

    async def register(self) -> None:
        url = f"{self.stage.url}/ocpi/versions"
        await self.stage.ocpi_cpo.register(url, "demo-token-a-havenlader")
        await self.stage.ocpi_emsp.register(url, "demo-token-a-rijstroom")
        self.tell.line("Havenlader (CPO) and Rijstroom (EMSP) hold fresh tokens")

    # -- 1 -------------------------------------------------------------------------------------

    async def locations_to_ochp(self) -> None:
        cpo, emp, hub = self.stage.ocpi_cpo, self.stage.ochp_emp, self.stage.hub
        for tariff in cpo.lists["tariffs"]:
            await cpo.put("tariffs", tariff)
        half = len(self.sites) // 2
        await self.many(cpo.put("locations", site) for site in self.sites[:half])
        self.tell.line(f"Havenlader pushed {half} sites, the rest is pulled from it")

        wanted = {evse["evse_id"] for site in self.sites for evse in site["evses"]}
        await self.until(
            f"the clearing house was given all {len(wanted)} charge points",
            lambda: wanted <= set(hub.charge_points),
        )
        await self.until("and both tariffs", lambda: len(hub.tariffs) >= 2)
        answer = await emp.call("GetChargePointListRequest")
        unseen = wanted - set(texts(answer, "chargePointInfoArray/evseId"))
        if unseen:
            raise Missing(f"{len(unseen)} charge points at Fahrstrom")
        self.tell.line(
            f"Fahrstrom (OCHP EMP) sees {len(wanted)} charge points of Havenlader, all valid"
        )
        before = datetime.now(UTC) - timedelta(seconds=1)
        changed = dict(
            self.sites[0],
            name="Havenlader, newly named",
            last_updated=data.utc(data.NOW + timedelta(hours=1)),
        )
        await cpo.put("locations", changed)
        since = f"<lastUpdate><DateTime>{data.utc(before)}</DateTime></lastUpdate>"
        answer = await emp.said_ok("GetChargePointListUpdatesRequest", since)
        if "Havenlader, newly named" not in texts(answer, "chargePointInfoArray/locationName"):
            raise Missing("the renamed site in GetChargePointListUpdates")
        self.tell.line("a renamed site appears in GetChargePointListUpdates")
        answer = await emp.said_ok("GetTariffUpdatesRequest", "")
        if len(texts(answer, "TariffInfoArray/tariffId")) < 2:
            raise Missing("two tariffs in GetTariffUpdates")
        self.tell.line("both tariffs appear in GetTariffUpdates")

    # -- 2 -------------------------------------------------------------------------------------

    async def locations_to_ocpi(self) -> None:
        cpo, emsp = self.stage.ochp_cpo, self.stage.ocpi_emsp
        await cpo.said_ok(
            "SetChargePointListRequest", "".join(map(data.ochp_charge_point, self.alpen))
        )
        await cpo.said_ok(
            "UpdateTariffsRequest",
            data.ochp_tariff("AT", "ALP", "SLOW", "0.4")
            + data.ochp_tariff("AT", "ALP", "FAST", "0.65"),
        )
        self.tell.line(f"Alpenstrom (OCHP CPO) uploaded {len(self.alpen)} charge points, 2 tariffs")
        wanted = {evse["evse_id"] for evse in self.alpen}
        await self.until(
            f"Rijstroom (OCPI EMSP) got all of them as {len(wanted) // 2} sites",
            lambda: wanted <= self._evses_at(emsp.got["locations"]),
        )
        await self.until(
            "and the tariffs",
            lambda: sum(t["country_code"] == "AT" for t in emsp.got["tariffs"].values()) >= 2,
        )
        await self.until(
            "the clearing house's own charge points were polled and arrived too",
            lambda: (
                sum(e.startswith("DE*HUB") for e in self._evses_at(emsp.got["locations"])) >= 24
            ),
        )

    @staticmethod
    def _evses_at(locations: dict[str, dict[str, Any]]) -> set[str]:
        return {evse.get("evse_id") for site in locations.values() for evse in site["evses"]}

    def _state_at_emsp(self, evse_id: str) -> str | None:
        for site in self.stage.ocpi_emsp.got["locations"].values():
            for evse in site["evses"]:
                if evse.get("evse_id") == evse_id:
                    status: str = evse["status"]
                    return status
        return None

    # -- 3 -------------------------------------------------------------------------------------

    async def status(self) -> None:
        cpo, emp, hub = self.stage.ocpi_cpo, self.stage.ochp_emp, self.stage.hub
        first, second = self.alpen[0]["evse_id"], self.alpen[2]["evse_id"]
        ttl = data.utc(datetime.now(UTC) + timedelta(seconds=4))
        later = data.utc(datetime.now(UTC) + timedelta(hours=1))
        await self.stage.ochp_cpo.said_ok(
            "UpdateStatusRequest",
            f'<evse major="not-available" minor="charging" ttl="{ttl}"><evseId>{first}</evseId>'
            f'</evse><evse major="available" ttl="{later}"><evseId>{second}</evseId></evse>',
            live=True,
        )
        await self.until(
            "an UpdateStatus of Alpenstrom arrives at Rijstroom as PATCH",
            lambda: (
                self._state_at_emsp(first) == "CHARGING"
                and self._state_at_emsp(second) == "AVAILABLE"
            ),
        )
        busy = self.sites[1:41]
        await self.many(
            cpo.patch_evse(
                site["id"],
                site["evses"][0]["uid"],
                status="CHARGING",
                last_updated=data.utc(data.NOW + timedelta(hours=2)),
            )
            for site in busy
        )
        wanted = {site["evses"][0]["evse_id"] for site in busy}
        answer = await emp.call("GetStatusRequest", live=True)
        charging = {
            text(evse, "evseId")
            for evse in answer
            if (evse.get("major"), evse.get("minor")) == ("not-available", "charging")
        }
        if not wanted <= charging:
            raise Missing(f"{len(wanted - charging)} of 40 charging EVSEs in GetStatus")
        self.tell.line("40 EVSEs set to CHARGING by PATCH are charging in GetStatus")
        await self.until(
            "the clearing house got them by UpdateStatus",
            lambda: all(hub.status.get(e) == ("not-available", "charging") for e in wanted),
        )
        await self.until(
            "the time to live of Alpenstrom's runs out: the EVSE is UNKNOWN",
            lambda: self._state_at_emsp(first) == "UNKNOWN",
        )

    # -- 4 -------------------------------------------------------------------------------------

    async def tokens(self) -> None:
        emp, cpo = self.stage.ochp_emp, self.stage.ochp_cpo
        got = self.stage.ocpi_cpo.got["tokens"]
        await emp.said_ok(
            "SetRoamingAuthorisationListRequest",
            "".join(
                data.ochp_token("DE", "FST", number, "roamingAuthorisationInfoArray")
                for number in range(1, 201)
            ),
        )
        await self.until(
            "200 tokens of Fahrstrom arrived at Havenlader by PUT",
            lambda: sum(t["party_id"] == "FST" for t in got.values()) == 200,
        )
        gone = data.ochp_token(
            "DE", "FST", 7, "roamingAuthorisationInfoArray", datetime(1970, 1, 1, tzinfo=UTC)
        )
        new = data.ochp_token("DE", "FST", 201, "roamingAuthorisationInfoArray")
        await emp.said_ok("UpdateRoamingAuthorisationListRequest", gone + new)
        await self.until(
            "a delta: one withdrawn (valid=false), one new",
            lambda: got[data.ochp_uid(7)]["valid"] is False and data.ochp_uid(201) in got,
        )
        emsp = self.stage.ocpi_emsp
        await self.many(emsp.put("tokens", token) for token in emsp.lists["tokens"][:30])
        offline = {t["uid"] for t in emsp.lists["tokens"] if t["whitelist"] != "NEVER"}
        waited = 0.0
        seen: set[str] = set()
        while not offline <= seen:
            answer = await cpo.said_ok("GetRoamingAuthorisationListRequest", "")
            seen = set(texts(answer, "roamingAuthorisationInfoArray/EmtId/instance"))
            waited += 0.3
            if waited > _PATIENCE:
                raise Missing(f"{len(offline - seen)} tokens of Rijstroom at Alpenstrom")
            await self._pause(0.3)
        self.tell.line(f"Alpenstrom's list holds {len(offline)} tokens of Rijstroom (half pulled)")
        hub_uid = data.ochp_uid(1001)
        await self.until(
            "tokens of the clearing house's providers were polled and reached Havenlader",
            lambda: hub_uid in got,
        )
        await self.until(
            "the clearing house holds Rijstroom's tokens",
            lambda: len(offline & set(self.stage.hub.tokens)) == len(offline),
        )

    # -- 5 -------------------------------------------------------------------------------------

    async def _asked(self, uid: str) -> str:
        answer = await self.stage.ochp_cpo.call(
            "GetSingleRoamingAuthorisationRequest",
            f'<emtId representation="plain"><instance>{uid}</instance>'
            "<tokenType>rfid</tokenType></emtId>",
        )
        return text(answer, "result/resultCode/resultCode")

    async def authorise(self) -> None:
        emsp = self.stage.ocpi_emsp
        live = [t["uid"] for t in emsp.lists["tokens"] if t["whitelist"] == "NEVER"]
        before = emsp.calls["POST tokens"]
        if await self._asked(live[0]) != "ok":
            raise Missing("ok for a token that Rijstroom allows")
        self.tell.line("GetSingleRoamingAuthorisation is answered by Rijstroom's authorize: ok")
        emsp.allowed[live[1]] = "BLOCKED"
        if await self._asked(live[1]) != "invalid-id":
            raise Missing("invalid-id for a token that Rijstroom blocks")
        self.tell.line("a blocked token: invalid-id")
        if await self._asked("04FFFFFFFFFF80") != "invalid-id":
            raise Missing("invalid-id for a token that nobody knows")
        if emsp.calls["POST tokens"] < before + 2:
            raise Missing("real-time questions at Rijstroom")
        emsp.delay = 6.0
        started = datetime.now(UTC)
        answer = await self._asked(live[2])
        took = (datetime.now(UTC) - started).total_seconds()
        emsp.delay = 0.0
        if answer == "ok" or took > 4:
            raise Missing(f"a refusal within the time budget (got {answer} after {took:.1f} s)")
        self.tell.line(f"Rijstroom does not answer in time: refused after {took:.1f} s")
        allowed = await self.stage.ocpi_cpo.authorize(data.ochp_uid(3))
        withdrawn = await self.stage.ocpi_cpo.authorize(data.ochp_uid(7))
        if (allowed, withdrawn) != ("ALLOWED", "EXPIRED"):
            raise Missing(f"ALLOWED and EXPIRED from Fahrstrom's list, got {allowed}, {withdrawn}")
        self.tell.line("Havenlader's authorize is answered from Fahrstrom's list: ALLOWED, EXPIRED")

    # -- 6 -------------------------------------------------------------------------------------

    async def cdrs(self) -> None:
        await self._cdrs_to_ochp()
        await self._cdrs_to_ocpi()
        await self._cdrs_of_the_hub()

    async def _queue(self) -> dict[str, Any]:
        answer = await self.stage.ochp_emp.said_ok("GetCDRsRequest", "")
        return {text(cdr, "CdrId"): cdr for cdr in answer[1:]}

    async def _confirm(self, verdicts: dict[str, tuple[str, str]]) -> None:
        items = {"approved": "", "declined": ""}
        for cdr_id, (verdict, evse_id) in verdicts.items():
            items[verdict] += (
                f"<{verdict}><cdrId>{cdr_id}</cdrId><evseId>{evse_id}</evseId></{verdict}>"
            )
        await self.stage.ochp_emp.said_ok(
            "ConfirmCDRsRequest", items["approved"] + items["declined"]
        )
        self.cdrs_confirmed += sum(v == "approved" for v, _ in verdicts.values())

    async def _cdrs_to_ochp(self) -> None:
        cpo, got = self.stage.ocpi_cpo, self.stage.ocpi_cpo.got["tokens"]
        records = [
            data.ocpi_cdr(self.sites[1 + number % 40], got[data.ochp_uid(10 + number)], number)
            for number in range(40)
        ]
        await self.many(cpo.put("cdrs", record) for record in records)
        await self.many(cpo.put("cdrs", record) for record in records[:5])  # no second effect
        self.cdrs_sent += len(records)
        queue = await self._queue()
        if len(queue) != len(records):
            raise Missing(f"{len(records)} CDRs in Fahrstrom's queue, there are {len(queue)}")
        total = sum(Decimal(text(cdr, "totalCost")) for cdr in queue.values())
        if total != sum(record["total_cost"]["excl_vat"] for record in records):
            raise Missing(f"the same net total at both ends (got {total})")
        self.tell.line(f"40 CDRs of Havenlader (5 sent twice) wait for Fahrstrom: {total} EUR")
        declined = sorted(queue)[0]
        await self._confirm(
            {
                cdr_id: ("declined" if cdr_id == declined else "approved", text(cdr, "evseId"))
                for cdr_id, cdr in queue.items()
            }
        )
        if await self._queue():
            raise Missing("an empty queue after ConfirmCDRs")
        self.tell.line("39 approved, 1 declined; the queue is empty")
        evse_id = text(queue[declined], "evseId")
        old = next(
            r
            for r in records
            if r["cdr_location"]["evse_id"] == evse_id
            and Decimal(text(queue[declined], "totalCost")) == r["total_cost"]["excl_vat"]
        )
        cost = {key: -value for key, value in old["total_cost"].items()}
        await cpo.put(
            "cdrs",
            old
            | {
                "id": f"{old['id']}-C",
                "credit": True,
                "credit_reference_id": old["id"],
                "total_cost": cost,
            },
        )
        better = {"excl_vat": Decimal("2.50"), "incl_vat": Decimal("3.025")}
        await cpo.put(
            "cdrs",
            old | {"id": f"{old['id']}-R1", "total_cost": better, "total_energy_cost": better},
        )
        queue = await self._queue()
        states = {text(cdr, "status/CdrStatusType") for cdr in queue.values()}
        if list(queue) != [declined] or states != {"revised"}:
            raise Missing(
                f"the revised CDR {declined} in the queue (got {sorted(queue)}, {states})"
            )
        await self._confirm({declined: ("approved", evse_id)})
        self.tell.line("credit and replacement came back as revised, and were approved")

    async def _cdrs_to_ocpi(self) -> None:
        cpo, emsp = self.stage.ochp_cpo, self.stage.ocpi_emsp
        tokens = [t for t in emsp.lists["tokens"] if t["whitelist"] != "NEVER"]
        records = [
            data.ochp_cdr(
                self.alpen[2 * number], number, tokens[number]["uid"], tokens[number]["contract_id"]
            )
            for number in range(20)
        ]
        bad = data.ochp_cdr(
            self.alpen[99], 99, tokens[0]["uid"], tokens[0]["contract_id"], cost="400"
        )
        answer = await cpo.call("AddCDRsRequest", "".join(records) + bad)
        code = text(answer, "result/resultCode/resultCode")
        if code != "partly" or texts(answer, "implausibleCdrsArray") != [f"ATALP{99:012}"]:
            raise Missing(f"partly with one implausible CDR (got {code})")
        self.cdrs_sent += len(records)
        self.tell.line("Alpenstrom uploaded 20 CDRs; one more, with a wrong sum, is implausible")
        await cpo.said_ok("AddCDRsRequest", records[0])  # again: no second effect
        await self.until(
            "all 20 arrived at Rijstroom by POST, each once",
            lambda: sum(c["country_code"] == "AT" for c in emsp.got["cdrs"].values()) == 20,
        )
        await self._wait_for_approval(20)
        declined = await cpo.said_ok("CheckCDRsRequest", "")
        if len(declined) != 1:
            raise Missing("no declined CDRs in CheckCDRs")

    async def _wait_for_approval(self, wanted: int) -> None:
        waited = 0.0
        while True:
            answer = await self.stage.ochp_cpo.said_ok(
                "CheckCDRsRequest", "<cdrStatus><CdrStatusType>approved</CdrStatusType></cdrStatus>"
            )
            found = len(answer) - 1
            if found >= wanted:
                break
            waited += 0.2
            if waited > _PATIENCE:
                raise Missing(f"{wanted} approved CDRs in CheckCDRs, got {found}")
            await self._pause(0.2)
        self.cdrs_confirmed += wanted
        self.tell.line(f"CheckCDRs: {wanted} approved, none declined")

    async def _cdrs_of_the_hub(self) -> None:
        hub, emsp = self.stage.hub, self.stage.ocpi_emsp
        theirs = list(data.ochp_evses("DE", "HUB", 24, seed=3))
        token = emsp.lists["tokens"][0]
        for number in range(5):
            cdr = data.ochp_cdr(
                theirs[2 * number], number, token["uid"], token["contract_id"], status="accepted"
            )
            hub.own_cdrs[f"DEHUB{number:012}"] = cdr
        self.cdrs_sent += 5
        await self.until(
            "5 CDRs fetched from the clearing house reached Rijstroom",
            lambda: sum(c["party_id"] == "HUB" for c in emsp.got["cdrs"].values()) == 5,
        )
        await self.until(
            "and were confirmed to it", lambda: list(hub.confirmed.values()) == ["approved"] * 5
        )
        self.cdrs_confirmed += 5
        cpo = self.stage.ocpi_cpo
        guest = cpo.got["tokens"][data.ochp_uid(1003)]
        await cpo.put("cdrs", data.ocpi_cdr(self.sites[3], guest, 500))
        self.cdrs_sent += 1
        await self.until(
            "a CDR of Havenlader for a provider behind the clearing house was added there",
            lambda: len(hub.cdrs) == 1,
        )
        await self.until(
            "and CheckCDRs tells that its provider approved it",
            lambda: hub.approved == set(hub.cdrs),
        )
        self.cdrs_confirmed += len(hub.approved)

    # -- 7 -------------------------------------------------------------------------------------

    async def sessions(self) -> None:
        await self._all_sessions("ACTIVE", "10 sessions of Havenlader are ACTIVE at Rijstroom")
        await self._all_sessions("COMPLETED", "and COMPLETED in the end")

    async def _all_sessions(self, status: str, told: str) -> None:
        cpo, emsp = self.stage.ocpi_cpo, self.stage.ocpi_emsp
        await self.many(
            cpo.put("sessions", data.ocpi_session(self.sites[number], token, number, status))
            for number, token in enumerate(emsp.lists["tokens"][:10])
        )
        got = emsp.got["sessions"]
        await self.until(told, lambda: sum(s["status"] == status for s in got.values()) == 10)

    def faults(self) -> list[str]:
        """Everything that a partner found wrong with what the gateway said."""
        stage = self.stage
        return [*stage.hub.faults, *stage.ocpi_cpo.faults, *stage.ocpi_emsp.faults]
