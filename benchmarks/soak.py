"""Does memory stay flat? ``python -m benchmarks.soak [REQUESTS]``: a million mixed ones by default.

Not part of ``make bench``: it takes a quarter of an hour and more. Questions, full hops, status
updates, list queries and messages that are refused go to one gateway; what it keeps resident is
printed as it goes. The store and its ledger grow on disk, as they should.
"""

import sys
from pathlib import Path

from benchmarks import samples
from benchmarks.hop import hop_requests, our_hop
from benchmarks.load import ask, by_wrk
from benchmarks.operations import PASSWORD, USER
from benchmarks.server import write_requests
from gateway.demo import data
from gateway.demo.ochp import NS

_STEP = 10.0


def _soap(body: str, action: str, password: str = PASSWORD, path: str = "/ochp/1.4") -> bytes:
    return samples.http(path, samples.envelope(body, USER, password), action)


def mixed() -> list[bytes]:
    """Requests of many kinds in turn; one in eight is wrong, mostly refused by HTTP status."""
    evses = [each["evse_id"] for each in data.ochp_evses("AT", "ALP", 100, seed=5)]
    hops = hop_requests()
    requests = []
    for number, question in enumerate(samples.questions("/ochp/1.4", USER, PASSWORD)):
        status = (
            f'<UpdateStatusRequest xmlns="{NS}"><evse major="available" minor="available">'
            f"<evseId>{evses[number % 100]}</evseId></evse></UpdateStatusRequest>"
        )
        requests += [question, hops[number], question, hops[-number]]
        if number % 2:
            requests.append(_soap(status, "UpdateStatus", path="/ochp/1.4/live"))
        else:
            requests.append(
                _soap(samples.question(10**6 + number), "GetSingleRoamingAuthorisation")
            )
        if number % 4 == 0:
            requests.append(_soap(samples.question(number).replace("rfid", "wrong"), "x"))
        elif number % 4 == 1:
            requests.append(_soap(samples.question(number), "x", password="wrong"))
        elif number % 4 == 2:
            requests.append(samples.http("/ochp/1.4", b"<no-xml", "x"))
    return requests


def resident(pid: int) -> int:
    """Kilobytes now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def main(wanted: int) -> None:
    server = our_hop()
    file = write_requests(mixed())
    done, answered = 0, 0
    try:
        print("requests  refused  resident MB", flush=True)
        while done < wanted:
            load = by_wrk(server.port, file, _STEP)
            done, answered = done + load.requests, answered + load.requests - load.errors
            kept = resident(server.process.pid) / 1024
            print(f"{done:8}  {done - answered:7}  {kept:11.1f}", flush=True)
        status, _ = ask(server.port, samples.questions("/ochp/1.4", USER, PASSWORD)[0])
        print(f"the next answer: {status}")
    finally:
        file.unlink()
        server.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
