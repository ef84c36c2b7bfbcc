"""The limits of one path: those of its kind of message, and what ``[[limits.route]]`` says besides.

Limits: the longest path that a route begins with counts, whole segments only.
"""

from typing import Any

import msgspec

from gateway.security import json_gate, parse
from gateway.server.config_options import JsonLimits, Limits, PartnerLimits, XmlLimits
from gateway.server.shares import Share


def xml_limits(limits: Limits, path: str = "") -> parse.Limits:
    """What a SOAP message to this path may have."""
    values = _values(limits.soap, limits, path)
    del values["list_bytes"]
    return parse.Limits(**values)


def list_bytes(limits: Limits, path: str) -> int:
    """How long a SOAP message to this path may be; no shorter than one that is read whole."""
    values = _values(limits.soap, limits, path)
    return int(max(values["list_bytes"], values["bytes"]))


def longest_bodies(limits: Limits) -> tuple[int, int]:
    """Bytes of the longest message that is read whole, and of the longest list, of any path."""
    paths = ["", *(route.path for route in limits.routes)]
    whole = (read(limits, path).bytes for path in paths for read in (xml_limits, json_limits))
    return max(whole), max(list_bytes(limits, path) for path in paths)


def json_limits(limits: Limits, path: str = "") -> json_gate.JsonLimits:
    """What a JSON message to this path may have."""
    return json_gate.JsonLimits(**_values(limits.json, limits, path))


def share(limits: PartnerLimits, workers: int = 1) -> Share:
    """What a partner gets of each of so many processes: together, what it gets of the gateway."""
    return Share(
        **{name: -(-most // workers) for name, most in msgspec.structs.asdict(limits).items()}
    )


def _values(general: XmlLimits | JsonLimits, limits: Limits, path: str) -> dict[str, Any]:
    values = msgspec.structs.asdict(general)
    within = [each for each in limits.routes if f"{path}/".startswith(f"{each.path.rstrip('/')}/")]
    for route in sorted(within, key=lambda each: len(each.path)):
        own = msgspec.structs.asdict(route).items()
        values |= {name: value for name, value in own if name in values and value is not None}
    return values
