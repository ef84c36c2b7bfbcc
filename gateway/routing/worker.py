"""The name under which a process holds leases, and whether the holder of a name has ended.

Limits: of processes of another machine, or another space of process numbers, nobody can tell; their
leases end by time.
Why: after a crash and a restart what was being sent goes on at once and not when a lease is over.
"""

import os
import socket
from hashlib import blake2s
from pathlib import Path
from uuid import uuid4


def _place() -> str:
    """This space of process numbers, since it began; other everywhere else."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return uuid4().hex[:16]
    text = f"{socket.gethostname()} {boot} {space}"
    return blake2s(text.encode(), digest_size=8).hexdigest()


_PLACE = _place()


def new_name() -> str:
    """A name that nobody else has."""
    return f"{_PLACE}-{os.getpid()}-{uuid4().hex[:8]}"


def has_ended(name: str, mine: str) -> bool:
    """Whether the process of a name is known to have ended; ``mine`` is one of this process."""
    place, _, rest = name.partition("-")
    number = rest.partition("-")[0]
    if place != _PLACE or not number.isdigit() or name == mine:
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
