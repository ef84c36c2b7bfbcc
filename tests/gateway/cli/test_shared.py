"""Long messages translated by several processes: the same as by one, byte for byte."""

import copy
import cProfile
import io
import json
import os
import pickle
import pstats
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
from gateway.cli.translate import MessageFacts, summary
from gateway.demo.data import ochp_charge_point, ochp_evses
from gateway.errors import GatewayError, Inexpressible, Malformed
from gateway.mapping import xml_items
from gateway.mapping.context import Outcome
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
            work = getattr(copy.copy(self._work.__self__), self._work.__name__)
            try:
                result = pickle.dumps(work(pickle.loads(pickle.dumps(piece))))  # noqa: S301
            except Exception:  # noqa: BLE001 - as there
                raise several.Ended from None
            yield pickle.loads(result)  # noqa: S301

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *error: object) -> None: ...


SHARED: list[bool] = []
"""Whether a message could be shared, of each that was tried."""


def translated(
    source: str, target: str, data: bytes, *, block: int, batch: int = 5
) -> tuple[Any, ...]:
    """What comes of it, or its error; ``block``: bytes, 0: by one process."""
    patch = pytest.MonkeyPatch()
    run_by = bulk._Shared.run_by

    def tried(self: Any, processes: int) -> bool:
        SHARED.append(run_by(self, processes))
        return SHARED[-1]

    patch.setattr(bulk._Shared, "run_by", tried)
    patch.setattr(bulk, "Several", Here)
    patch.setattr(bulk, "BLOCK", block)
    patch.setattr(bulk, "BATCH", batch)
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


HARMLESS = (
    lambda text: text,
    lambda text: text,
    lambda text: text.replace("<city>", "<city><![CDATA[").replace("</city>", "]]></city>"),
    lambda text: text.replace("AT*", "A&#84;*"),
    lambda text: text.replace("<country>AUT", "<country>Austria"),  # refused
    lambda text: text.replace("<country>AUT", "<country>aut"),  # mended
    lambda text: text.replace("<evseId>AT*", "<evseId>A*"),
)  # fmt: skip
COMMENTED = lambda text: f"<!-- {text.replace('--', '')} -->{text}"  # noqa: E731 - one of them
BETWEEN = ("mislaid", "&#160;", "\u2003", "<?x y?>", "<x/>", "]]>", "<!-- ", "&x;", " \t\r\n")


@given(
    st.lists(
        st.tuples(st.sampled_from(range(len(POINTS))), st.sampled_from(HARMLESS)),
        min_size=1,
        max_size=9,
        unique_by=lambda each: each[0],
    ),
    st.sampled_from([1, 1500, 5000]),
)
@settings(deadline=None)
def test_several_give_what_one_gives(chosen: list[tuple[int, Any]], block: int) -> None:
    """Whatever is wrong with items that stand in order: the same bytes, the same counts."""
    ordered = sorted(chosen, key=lambda each: each[0])
    data = upload(change(POINTS[number]) for number, change in ordered)
    alone = translated(OCHP, OCPI, data, block=0)

    assert translated(OCHP, OCPI, data, block=block) == alone
    first = translated(OCHP, OCPI, upload([ordered[0][1](POINTS[ordered[0][0]])]), block=0)
    if first[0] is not Malformed:  # else one process has to find out what the message is
        assert SHARED[-1]


@given(
    st.lists(
        st.tuples(st.sampled_from(POINTS), st.sampled_from((*HARMLESS, COMMENTED))), max_size=9
    ),
    st.sampled_from([1, 1500, 5000]),
)
@settings(deadline=None)
def test_several_give_what_one_gives_in_any_order(chosen: list[Any], block: int) -> None:
    """Sites whose records stand apart, and records that come again."""
    data = upload(change(point) for point, change in chosen)

    assert translated(OCHP, OCPI, data, block=block) == translated(OCHP, OCPI, data, block=0)


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("change", HARMLESS[1:4])
@pytest.mark.parametrize("block", [1, 1500, 100_000])
def test_what_stands_between_items_is_looked_at(between: str, change: Any, block: int) -> None:
    """Also where items are irregular; XML's blanks alone are blanks."""
    items = list(map(change, POINTS[:6]))
    data = upload([*items[:3], between, *items[3:]])

    shared = translated(OCHP, OCPI, data, block=block)

    assert shared[1:] == translated(OCHP, OCPI, data, block=0)[1:]
    assert (type(shared[0]) is bulk.Summary) == (between == " \t\r\n")


def test_an_instruction_is_found_wherever_it_stands() -> None:
    """Also inside of an irregular item."""
    items = [*POINTS[:2], HARMLESS[2](POINTS[2]).replace("<city>", "<?x y?><city>"), *POINTS[3:5]]

    shared = translated(OCHP, OCPI, upload(items), block=1500)

    assert shared == translated(OCHP, OCPI, upload(items), block=0)
    assert "instructions" in shared[1]


@pytest.mark.parametrize("n", [-2000, -100, 0, 100, 250, 400, 2000])
@pytest.mark.parametrize("phase", [0, 370, 1480, 3330])
def test_an_item_that_is_too_long_is_too_long_for_all(
    n: int, phase: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it begins."""
    monkeypatch.setattr(xml_items, "ITEM", 8000)
    monkeypatch.setattr(xml_items, "CHUNK", 1000)
    long_one = POINTS[2].replace("<city>", " " * (8000 + n - len(POINTS[2])) + "<city>")
    data = upload([POINTS[0], " " * phase, POINTS[1], long_one, *POINTS[3:6]])

    assert translated(OCHP, OCPI, data, block=2500) == translated(OCHP, OCPI, data, block=0)


def site(number: int, evse: int) -> str:
    """A charge point of a site."""
    text = POINTS[0].replace("E00000*1", f"E{evse:05}*1")
    return text.replace("<locationId>FST00000", f"<locationId>FST{number:05}")


@pytest.mark.parametrize("block", [0, 1, 5000])
def test_records_of_a_site_far_apart_are_one_site(block: int) -> None:
    """Blocks between them or not."""
    numbers = [1, *range(2, 30), 1]
    data = upload(site(number, evse) for evse, number in enumerate(numbers))

    _, text = translated(OCHP, OCPI, data, block=block)

    ids = [each["id"] for each in json.loads(text)]
    assert len(ids) == len(set(ids)) == 29


@pytest.mark.parametrize("block", [0, 20_000])
def test_sites_that_push_each_other_apart_come_to_an_end(block: int) -> None:
    """What is set aside moves the others to other batches, where they may come late."""
    numbers = list(range(1000, 1260))
    for place, number in ((0, 1), (100, 2), (199, 2), (205, 1)):
        numbers[place] = number
    data = upload(site(number, evse) for evse, number in enumerate(numbers))

    summary, text = translated(OCHP, OCPI, data, block=block, batch=100)

    assert summary.items_out == 260
    assert len({each["id"] for each in json.loads(text)}) == len(json.loads(text)) == 258


def test_what_nobody_can_say_is_told_by_whoever_shares() -> None:
    """A list of which nothing can be said, with the reasons."""
    _, text = translated(OCHP, OCPI, upload(POINTS), block=0)
    sites = [{**each, "publish": False} for each in json.loads(text)]
    data = json.dumps(sites).encode()

    kind, reasons, out = translated(OCPI, OCHP, data, block=700)

    assert (kind, out) == (Inexpressible, b"")
    assert reasons == translated(OCPI, OCHP, data, block=0)[1]
    assert reasons.count("shown to nobody") == len(sites)


def test_a_large_site_costs_no_more_for_each_of_its_records() -> None:
    """Four times the records: about four times the calls."""

    def calls(count: int) -> int:
        data = upload(site(1, evse) for evse in range(count))
        profile = cProfile.Profile()
        profile.runcall(translated, OCHP, OCPI, data, block=2000)
        assert SHARED[-1]
        total: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
        return total

    calls(20)  # what is made once
    assert calls(400) < 5 * calls(100)


def test_names_of_rules_stand_in_one_order(capsys: pytest.CaptureFixture[str]) -> None:
    """However they were counted."""
    rules = [(Outcome.DROPPED, name) for name in "abcdefgh"]
    told = []
    for order in (rules, rules[::-1]):
        summary(bulk.Summary(OCHP, OCPI, "x"), dict.fromkeys(order, 1))
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    assert "a 1, b 1, c 1, d 1, e 1, f 1" in told[0]


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
import signal
import sys
from gateway import several
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs this may ignore it
several.cores = lambda: {cores}
from gateway.__main__ import main
sys.argv[1:] = ["translate", "--from", "ochp-1.4", "--to", "ocpi-2.2.1", {file!r}]
sys.exit(main())
"""


def start(file: Path, cores: int, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", START.format(cores=cores, file=str(file))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(each) for each in text.split()]


def some_children(process: subprocess.Popen[bytes], count: int = 3) -> list[int]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = children(process.pid)
        if len(found) >= count:
            return found
        time.sleep(0.0002 if count < 3 else 0.005)
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


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("stopped", [False, True])
def test_ctrl_c_ends_all(points: Path, count: int, stopped: bool) -> None:
    """Whenever it comes, and whatever the others are doing; no word from any of them."""
    process = start(points, 3, start_new_session=True)
    others = some_children(process, count)
    if stopped:
        os.kill(others[0], signal.SIGSTOP)
    os.killpg(process.pid, signal.SIGINT)

    out, said = process.communicate(timeout=20)

    assert (process.returncode, out, said) == (130, b"", b"")
    assert not any(map(_is_there, others))


def test_a_process_that_cannot_be_made_is_done_without(points: Path) -> None:
    """Neither too many processes nor too little memory are the message's fault."""
    expected = start(points, 1).communicate(timeout=60)
    for error in ("OSError(11, 'again')", "MemoryError()"):
        broken = START.replace("sys.argv", f"{BROKEN.format(error=error)}\nsys.argv", 1)
        command = [sys.executable, "-c", broken.format(cores=3, file=str(points))]
        done = subprocess.run(command, capture_output=True, timeout=60)
        assert (done.stdout, done.stderr) == expected


BROKEN = """
import os
fork, made = os.fork, []
def once():
    if made:
        raise {error}
    made.append(1)
    return fork()
os.fork = once
"""


def _is_there(process: int) -> bool:
    """Whether it still does anything; who reaps it is not up to us."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
