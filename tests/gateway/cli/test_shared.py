"""Long messages translated by several processes: the same as by one, byte for byte."""

import copy
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import bulk, several
from gateway.cli import long
from gateway.cli.translate import MessageFacts
from gateway.demo.data import ochp_charge_point, ochp_evses
from gateway.errors import GatewayError
from gateway.mapping.stream import NotStreamed

OCHP, OCPI = "ochp-1.4", "ocpi-2.2.1"
POINTS = [ochp_charge_point(evse) for evse in ochp_evses("AT", "FST", 12, 7)]
"""Two to a site."""


class Here:
    """In the place of other processes: copies of whoever asks, in this one."""

    used = 0

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        self._work: Any = work

    def done(self, pieces: Iterable[Any]) -> Iterator[Any]:
        for piece in pieces:
            Here.used += 1
            yield getattr(copy.copy(self._work.__self__), self._work.__name__)(piece)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *error: object) -> None: ...


def translated(source: str, target: str, data: bytes, *, block: int) -> tuple[Any, ...]:
    """What comes of it, or its error; ``block``: bytes, 0: by one process."""
    patch = pytest.MonkeyPatch()
    patch.setattr(bulk, "Several", Here)
    patch.setattr(bulk, "BLOCK", block)
    patch.setattr(bulk, "BATCH", 5)
    patch.setattr(long, "SHARED", 0)
    patch.setattr(several, "cores", lambda: 2 if block else 1)
    out = io.BytesIO()
    try:
        summary = long.translate(
            source, target, io.BytesIO(data), out, enveloped=False, facts=MessageFacts(None),
            options={"cdr_location_fallback": True},
        )  # fmt: skip
    except (GatewayError, NotStreamed) as error:
        return type(error), str(error), out.getvalue()
    finally:
        patch.undo()
    return summary, out.getvalue()


def upload(items: Iterable[str]) -> bytes:
    name = "SetChargePointListRequest"
    return f'<{name} xmlns="http://ochp.eu/1.4">{"".join(items)}</{name}>'.encode()


CHANGES = (
    lambda text: text,
    lambda text: text,
    lambda text: text.replace("<city>", "<city><![CDATA[").replace("</city>", "]]></city>"),
    lambda text: text.replace("AT*", "A&#84;*"),
    lambda text: text.replace("<country>AUT", "<country>Austria"),  # refused
    lambda text: text.replace("<country>AUT", "<country>aut"),  # mended
    lambda text: text.replace("<evseId>AT*", "<evseId>A*"),
    lambda text: f"<!-- {text} -->{text}",
    lambda text: f"mislaid{text}",
)  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.integers(0, len(CHANGES) - 1)), min_size=1, max_size=9
    ),
    st.sampled_from([1, 1500, 5000]),
)
@settings(deadline=None)
def test_several_give_what_one_gives(chosen: list[tuple[str, int]], block: int) -> None:
    """In any order, with whatever is wrong with them: the same bytes, the same counts."""
    data = upload(CHANGES[change](point) for point, change in chosen)

    assert translated(OCHP, OCPI, data, block=block) == translated(OCHP, OCPI, data, block=0)


@pytest.mark.parametrize("block", [1, 1500, 5000])
@pytest.mark.parametrize("target", [OCPI, OCHP])
def test_a_list_as_it_comes_is_shared(block: int, target: str) -> None:
    """Sites of several records lie across the ends of blocks, and are joined."""
    data = upload(POINTS)
    Here.used = 0

    shared = translated(OCHP, target, data, block=block)

    assert Here.used > 1
    assert shared == translated(OCHP, target, data, block=0)


@pytest.mark.parametrize("block", [1, 700, 2000])
def test_a_list_in_json_is_shared(block: int) -> None:
    """Of sites that are split, some of which cannot be said or read."""
    _, text = translated(OCHP, OCPI, upload(POINTS), block=0)
    sites = json.loads(text)
    sites[1]["publish"] = False
    sites[3]["evses"][0]["evse_id"] = "0815"
    sites[4]["coordinates"] = "here"
    data = json.dumps(sites).encode()
    Here.used = 0

    shared = translated(OCPI, OCHP, data, block=block)

    assert Here.used > 1
    assert shared == translated(OCPI, OCHP, data, block=0)
    assert shared[0].refused_in_all == 1
    assert translated(OCPI, OCHP, data[:-3], block=block) == translated(
        OCPI, OCHP, data[:-3], block=0
    )


# ---------------------------------------------------------------- real processes


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A message of some megabytes."""
    file = tmp_path_factory.mktemp("shared") / "points.xml"
    count = 2 * long.SHARED // len(POINTS[0])
    file.write_bytes(upload(map(ochp_charge_point, ochp_evses("AT", "FST", count, 7))))
    return file


START = """
import sys
from gateway import several
several.cores = lambda: {cores}
from gateway.__main__ import main
sys.argv[1:] = ["translate", "--from", "ochp-1.4", "--to", "ocpi-2.2.1", {file!r}]
sys.exit(main())
"""


def start(file: Path, cores: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", START.format(cores=cores, file=str(file))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(each) for each in text.split()]


def some_children(process: subprocess.Popen[bytes]) -> list[int]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = children(process.pid)
        if len(found) == 3:
            return found
        time.sleep(0.005)
    raise AssertionError("no other processes")


def test_the_command_says_the_same_on_any_number_of_cores(points: Path) -> None:
    """Real processes, real pipes."""
    one, three = (start(points, cores).communicate(timeout=60) for cores in (1, 3))

    assert one == three
    assert b" in, " in one[1]


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
def test_a_process_that_is_killed_costs_only_time(points: Path) -> None:
    """Whatever ends one of them, the message is translated."""
    expected = start(points, 1).communicate(timeout=60)
    process = start(points, 3)
    os.kill(some_children(process)[1], signal.SIGKILL)

    assert process.communicate(timeout=60) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_outlives_who_asked(points: Path, how: signal.Signals) -> None:
    """The others notice that the first is gone, and say nothing about it."""
    process = start(points, 3)
    others = some_children(process)
    process.send_signal(how)
    _, said = process.communicate(timeout=60)

    until = time.monotonic() + 10
    while any(map(_is_there, others)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(map(_is_there, others))
    assert said == b""


def _is_there(process: int) -> bool:
    """Whether it still does anything; who reaps it is not up to us."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
