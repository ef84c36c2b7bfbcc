"""The bytes of messages, kept small."""

import hashlib
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo import data
from gateway.demo.ochp import wrapped
from gateway.store import packed
from gateway.store.packed import AS_IT_IS, TYPICAL_1, ZLIB, pack, unpack

MESSAGE = wrapped(
    "GetSingleRoamingAuthorisationRequest",
    f"<emtId><instance>{data.ochp_uid(7)}</instance><tokenType>rfid</tokenType></emtId>",
    "somebody",
    "secret",
)


@given(st.binary(max_size=3000) | st.text(max_size=2000).map(str.encode))
def test_what_is_packed_comes_back(value: bytes) -> None:
    assert unpack(pack(value)) == value


@given(st.binary(max_size=200), st.integers(0, 200))
def test_it_is_never_much_longer(value: bytes, times: int) -> None:
    whole = value * times
    assert len(pack(whole)) <= len(whole) + 1
    assert unpack(pack(whole)) == whole


def test_a_typical_message_is_kept_in_a_fraction_of_its_size() -> None:
    kept = pack(MESSAGE)
    assert kept[:1] == TYPICAL_1
    assert len(kept) < len(MESSAGE) / 4


def test_the_typical_messages_are_those_of_the_first_day() -> None:
    """What was packed with them is lost when a byte of them changes; see the module."""
    file = Path(packed.__file__).with_name("typical-1.txt")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest == "59c80f8634b7d626fc659cf00c3612a59bdd97470330d0dd5755345ce7e77643"


def test_what_was_kept_before_is_read() -> None:
    kept = bytes.fromhex(
        "0228b52ffd649c01c5010070736f6d65626f64797365637265740a0090870c1c656c04d1332341a1"
        "6707c0581d703d33030c482d46552c0d580a2a02c6f1c169a0b220bf4bc67f"
    )
    assert unpack(kept) == MESSAGE
    assert unpack(ZLIB + zlib.compress(MESSAGE)) == MESSAGE
    assert unpack(AS_IT_IS + MESSAGE) == MESSAGE


@pytest.mark.parametrize("place", [0, 1, 10, -1])
def test_what_is_spoiled_is_told(place: int) -> None:
    kept = bytearray(pack(MESSAGE))
    kept[place] ^= 0x55
    with pytest.raises(ValueError, match="kept"):
        unpack(bytes(kept))


def test_what_stands_behind_it_is_told() -> None:
    with pytest.raises(ValueError, match="kept"):
        unpack(pack(MESSAGE) + b"more")


@pytest.mark.parametrize("kept", [b"", ZLIB + zlib.compress(MESSAGE)[:-9], pack(MESSAGE)[:-9]])
def test_half_of_it_is_told(kept: bytes) -> None:
    with pytest.raises(ValueError, match="kept"):
        unpack(kept)


def test_threads_do_not_get_into_each_others_way() -> None:
    values = [MESSAGE.replace(b"somebody", str(number).encode()) for number in range(400)]
    wrong: list[bytes] = []

    def work() -> None:
        wrong.extend(value for value in values if unpack(pack(value)) != value)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
