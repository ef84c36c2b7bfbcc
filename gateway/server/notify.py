"""Tells the service manager how far the gateway is.

Source: systemd, sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names.
Limits: nothing is told, and nothing fails, where nobody asked for it.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

_SAID = {"ready": "READY=1", "stopping": "STOPPING=1", "reloading": "RELOADING=1"}


def notify(what: str, environment: Mapping[str, str] = os.environ) -> None:
    """Say ``ready``, ``reloading`` or ``stopping``."""
    where = environment.get("NOTIFY_SOCKET", "")
    if not where:
        return
    text = _SAID[what]
    if what == "reloading":
        text += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    address = "\0" + where[1:] if where.startswith("@") else where
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), address)
