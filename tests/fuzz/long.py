"""Fuzzing led by coverage, for as long as one likes.

Use: ``python tests/fuzz/long.py TARGET -max_total_time=600``; xml, json, http or signature.

It needs ``pip install atheris`` (libFuzzer for Python), which is no dependency of the project. What
follows the target goes to libFuzzer; a finding is written to a file and ends the run.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["gateway", "adapters"]):
    from gateway.errors import GatewayError
    from gateway.security.json_gate import read_json
    from gateway.security.parse import Limits, parse
    from gateway.security.signature import verify
    from gateway.server.intake import Intake
    from gateway.server.limits import Limits as HttpLimits
    from gateway.server.wire import HttpError
    from gateway.soap import envelope
    from tests.support.wss import LIMITS, NOW, message, profile, signed, signing

SECONDS = 1.0
"""Processor time of one input; libFuzzer's own inputs are 4 KB at most."""
SMALL = Limits(bytes=1_000_000, depth=20, elements=5000, attributes=20, namespaces=20, text=10_000)
GOOD = signed(message(), signing())


def xml(data: bytes) -> None:
    """The gate, the parser and the envelope."""
    charset = (None, "utf-8", "utf-16", "latin-1")[data[0] % 4] if data else None
    envelope.read(parse(data[1:], SMALL, charset))


def json(data: bytes) -> None:
    """The JSON gate."""
    read_json(data)


def http(data: bytes) -> None:
    """The listener's reading of requests."""
    intake = Intake(HttpLimits(), lambda head: 10_000)
    intake.add(data)
    while intake.take() is not None or intake.unfinished:
        pass


def signature(data: bytes) -> None:
    """A signed message of which a part is replaced: place, length, and what comes there."""
    at = int.from_bytes(data[:2], "big") % len(GOOD)
    length = data[2] if len(data) > 2 else 0
    changed = GOOD[:at] + data[3:] + GOOD[at + length :]
    found = verify(parse(changed, LIMITS), profile(), NOW, LIMITS)
    assert found.body[0].text == "18.50", changed


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (xml, json, http, signature)
}


def main() -> None:
    """Run the target that is named first."""
    target = TARGETS[sys.argv.pop(1)]

    def once(data: bytes) -> None:
        begun = time.process_time()
        with suppress(GatewayError, HttpError):
            target(data)
        assert time.process_time() - begun < SECONDS, "over its budget"

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
