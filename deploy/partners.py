"""The simulated partners of compose.yaml: an OCPI CPO, an OCPI EMSP, an OCHP hub, an OCHP CPO.

They are those of ``roamgate demo``, with a CDR, a site and a status every few seconds, for ever.

    python deploy/partners.py --gateway http://gateway:8080 --host partners
"""

import argparse
import itertools
import sys
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater

from gateway.client import HttpClient, Timeouts
from gateway.demo import data
from gateway.demo.ochp import Invalid, OchpCaller, OchpHub
from gateway.demo.ocpi import Broken, OcpiPartner
from gateway.errors import GatewayError
from gateway.server.http import HttpServer, Limits

reactor: Any = installed
EVSES = list(data.ochp_evses("AT", "ALP", 10, seed=2))
SITES = data.ocpi_locations("NL", "HAV", 10, seed=1)
TOKEN = data.ocpi_token("NL", "RYS", 1)


class Partners:
    """All of them; ``gateway`` and ``host``: where the gateway is, and where they are for it."""

    def __init__(self, gateway: str, host: str, listen: str, first_port: int) -> None:
        fetch = HttpClient(reactor, Timeouts(total=20)).fetch
        self.gateway = gateway
        self.cpo = OcpiPartner(fetch, "CPO", "NL", "HAV", "Havenlader")
        self.emsp = OcpiPartner(fetch, "EMSP", "NL", "RYS", "Rijstroom")
        self.hub = OchpHub("roamgate", "toy-of-the-hub")
        self.alpen = OchpCaller(fetch, f"{gateway}/ochp/1.4", "alpenstrom", "toy-of-alpenstrom")
        for port, partner in enumerate((self.cpo, self.emsp, self.hub), first_port):
            HttpServer(partner.handle, Limits(), reactor).listen(port, listen)
        for port, (partner, name) in enumerate(
            ((self.cpo, "havenlader"), (self.emsp, "rijstroom")), first_port
        ):
            partner.url = f"http://{host}:{port}"
            partner.accepts, partner.presents = f"toy-token-for-{name}", f"toy-token-of-{name}"

    async def begin(self) -> None:
        """Find the gateway's endpoints; tell it what does not change."""
        for partner in (self.cpo, self.emsp):
            versions = await partner.call("GET", f"{self.gateway}/ocpi/versions")
            details = await partner.call("GET", versions[0]["url"])
            partner.endpoints = {
                (each["identifier"], each["role"]): each["url"].rstrip("/")
                for each in details["endpoints"]
            }
        await self.emsp.put("tokens", TOKEN)
        points = "".join(map(data.ochp_charge_point, EVSES))
        await self.alpen.said_ok("UpdateChargePointListRequest", points)

    async def step(self, number: int) -> None:
        """One more of everything."""
        evse, site = EVSES[number % len(EVSES)], SITES[number % len(SITES)]
        await self.cpo.put("locations", site)
        record = data.ochp_cdr(evse, number, TOKEN["uid"], TOKEN["contract_id"])
        await self.alpen.said_ok("AddCDRsRequest", record)


async def run(partners: Partners, seconds: float, rounds: int | None) -> None:
    begun = False
    for number in itertools.count() if rounds is None else range(rounds):
        try:
            if not begun:
                await partners.begin()
                begun = True
            await partners.step(number)
            print(f"round {number}: {len(partners.emsp.got['cdrs'])} CDRs arrived", flush=True)
        except (GatewayError, Broken, Invalid) as error:
            print(f"round {number}: {error}", file=sys.stderr, flush=True)
        await deferLater(reactor, seconds)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gateway", default="http://gateway:8080")
    options.add_argument("--host", default="partners", help="what the gateway calls them by")
    options.add_argument("--listen", default="0.0.0.0")  # noqa: S104 - in a network of their own
    options.add_argument("--port", type=int, default=9001, help="the first of three")
    options.add_argument("--seconds", type=float, default=3.0, help="between two rounds")
    options.add_argument("--rounds", type=int, help="without it: for ever")
    given = options.parse_args()
    partners = Partners(given.gateway, given.host, given.listen, given.port)

    def begin() -> None:
        done = ensureDeferred(run(partners, given.seconds, given.rounds))
        done.addBoth(lambda result: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()


if __name__ == "__main__":
    main()
