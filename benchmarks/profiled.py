"""The gateway under load with a look at where it is: ``python -m benchmarks.profiled CONFIG OUT``.

A timer of processor time interrupts it a thousand times a second; the first frame of the stack,
from within, that the table below knows says which step it is at. SIGUSR1 starts the looking; at the
end the shares are written to OUT. The processor time itself is read from the system, for the loop
and for the other threads apart, so the figures add up to what a request costs. Being looked at
costs a few percent.
"""

import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

import msgspec

STEPS: tuple[tuple[str, str], ...] = (
    # where the code is        # the step; empty: it depends on who called
    ("/gateway/routing/transcript.py", "ledger: what is kept of request and answer"),
    ("/gateway/routing/journal.py", "ledger: what is kept of request and answer"),
    ("/gateway/routing/ledger.py", "ledger: what is kept of request and answer"),
    ("/gateway/store/ledger.py", "ledger: what is kept of request and answer"),
    ("/sqlalchemy/", ""),
    ("/gateway/store/", ""),
    ("/gateway/routing/", "exchange: looked up in the store, decided"),
    ("/gateway/security/parse.py", "gate: bytes scanned, parsed, tree measured"),
    ("/gateway/security/json_gate.py", "gate: bytes scanned, parsed, tree measured"),
    ("/gateway/security/", "credentials: read and compared with the known digest"),
    ("/gateway/schema.py", "schema: libxml2"),
    ("/gateway/soap/check.py", "schema: libxml2"),
    ("read_xml>", "decode: element to canonical message"),
    ("read_json>", "decode: element to canonical message"),
    ("write_xml>", "encode: canonical message to bytes"),
    ("write_json>", "encode: canonical message to bytes"),
    ("/gateway/mapping/", ""),
    ("/adapters/ocpi/serv", "OCPI service: route, headers, answer"),
    ("/adapters/ocpi/envelope.py", "OCPI service: route, headers, answer"),
    ("/adapters/", ""),
    ("/gateway/model/", ""),
    ("/gateway/soap/envelope.py", "envelope: taken apart, written"),
    ("/spyne/", "SOAP service: spyne's context, dispatch, headers"),
    ("/gateway/soap/", "SOAP service: spyne's context, dispatch, headers"),
    ("/structlog/", "log"),
    ("/gateway/server/log.py", "log"),
    ("/gateway/server/front.py", "router, one line for each request"),
    ("/gateway/server/router.py", "router, one line for each request"),
    ("/gateway/client", "HTTP client: the call of the partner"),
    ("/gateway/server/calling.py", "HTTP client: the call of the partner"),
    ("/gateway/server/answers.py", "HTTP client: the call of the partner"),
    ("/gateway/server/endpoints.py", "HTTP client: the call of the partner"),
    ("/gateway/server/", "HTTP: requests read and checked, answers written"),
    ("/gateway/cohort.py", "the loop: sockets, deferreds, whose turn it is"),
    ("/twisted/", "the loop: sockets, deferreds, whose turn it is"),
)
OTHER_THREADS = "other threads: transactions of the ledger, one for many requests"
_REST = "everything else"
_EVERY = 0.001


def step_of(frame: FrameType | None) -> str:
    """The step that a stack belongs to."""
    while frame is not None:
        name = frame.f_code.co_filename
        step = next((step for part, step in STEPS if part in name), "")
        if step:
            return step
        frame = frame.f_back
    return _REST


def main(config: str, out: str) -> int:
    from gateway.cli import serve

    seen: Counter[str] = Counter()

    def look(number: int, frame: FrameType | None) -> None:
        if frame is None or frame.f_code.co_name not in ("doPoll", "poll"):
            seen[step_of(frame)] += 1

    def begin(number: int, frame: FrameType | None) -> None:
        seen.clear()
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)

    assert threading.current_thread() is threading.main_thread()
    signal.signal(signal.SIGPROF, look)
    signal.signal(signal.SIGUSR1, begin)
    code = serve.run(Path(config))
    signal.setitimer(signal.ITIMER_PROF, 0)
    Path(out).write_bytes(msgspec.json.encode(seen))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
