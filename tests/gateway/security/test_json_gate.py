"""The JSON gate: exact, bounded, and quick about what it refuses."""

import json
import time
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed, TooLarge
from gateway.security import json_gate
from gateway.security.json_gate import JsonLimits, read_json, write_json


def test_numbers_keep_their_digits():
    """An amount reaches the model and comes back with the digits that were sent."""
    text = b'{"a":11.304999,"b":14.250,"c":-3,"d":1E+2,"e":12345678901234567890}'
    value = read_json(text)

    assert value == {
        "a": Decimal("11.304999"),
        "b": Decimal("14.250"),
        "c": -3,
        "d": Decimal("1E+2"),
        "e": 12345678901234567890,
    }
    assert str(value["b"]) == "14.250"
    assert write_json(value) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"{} {}", "is no JSON"),
        (b'{"a":1,}', "is no JSON"),
        (b'{"a":NaN}', "is no JSON"),
        (b'{"a":-Infinity}', "is no JSON"),
        (b'{"a":01}', "is no JSON"),
        (b"{'a':1}", "is no JSON"),
        (b'"open', "is no JSON"),
        (b'"\\ud800"', "is no JSON"),
        (b'"a\x01"', "is no JSON"),
        (b'"\xff"', "is no UTF-8"),
        (b'"\xed\xa0\x80"', "is no UTF-8"),
        ("{}".encode("utf-16"), "is no JSON"),
        (b'{"a":1,"a":2}', "stands twice"),
        (b'[{"x":{"a":1,"\\u0061":1}}]', "stands twice"),
        (b'{"a":["\\u0000"]}', "/a/0: the character U+0000 is not allowed"),
        (b'{"a/b~c":"\\u000b"}', "/a~1b~0c: the character U+000B"),
        (b'{"\\u0001":1}', "U+0001"),
        (b'"\\b"', "U+0008"),
        (b'"\xef\xbf\xbf"', "U+FFFF"),
    ],
)
def test_what_is_no_plain_json_is_refused_with_a_reason(text, reason):
    """Nothing half-understood gets in, and the sender learns what was wrong and where."""
    with pytest.raises(Malformed) as caught:
        read_json(text)
    assert reason in str(caught.value)
    assert not isinstance(caught.value, TooLarge)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 33 + b"]" * 33, "more than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "more than 32 levels"),
        (b'{"kwh":1e999999}', "exponent"),
        (b'{"kwh":1e-999999999999999999999}', "exponent"),
        (b'{"kwh":1e41}', "digits"),
        (b'{"kwh":0.' + b"1" * 41 + b"}", "digits"),
        (b"1" * 41, "digits"),
        (b"-" + b"9" * 41, "digits"),
        (b"9" * 101, "characters"),
        (b'"' + b"x" * 100_001 + b'"', "more than 100000 characters"),
        (b'{"' + b"x" * 201 + b'":1}', "more than 200 characters"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(1001)) + b"}", "1000 names"),
    ],
)
def test_what_is_over_a_limit_is_refused(text, reason):
    """Each limit holds, and says which one it was."""
    with pytest.raises(TooLarge) as caught:
        read_json(text)
    assert reason in str(caught.value)


def test_whole_document_limits():
    """Bytes and members are counted before anything is built."""
    with pytest.raises(TooLarge, match="more than 10 bytes"):
        read_json(b"[1,2,3,4,5,6]", JsonLimits(bytes=10))
    with pytest.raises(TooLarge, match="more than 5 members"):
        read_json(b"[1,2,3,4,5,6,7]", JsonLimits(members=5))


def test_just_inside_the_limits():
    """The limits refuse nothing that stands on them."""
    assert read_json(b"[" * 32 + b"]" * 32) is not None
    assert read_json(b"9" * 40) == int("9" * 40)
    assert read_json(b"1e40") == Decimal("1e40")
    assert read_json(b'"' + b"x" * 100_000 + b'"') == "x" * 100_000
    assert read_json(b'\xef\xbb\xbf{"a":"x:y,[{\\"\\\\"}') == {"a": 'x:y,[{"\\'}
    assert read_json(b'"\\t\\r\\n\x7f\\ud83d\\ude00"') == "\t\r\n\x7f\U0001f600"


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 2_000_000,
        b'"\\"' * 700_000,
        b'{"a":' * 400_000,
        b'"' + b'\\"' * 1_000_000,
        b"[" + b"1," * 1_500_000,
        b"1" * 2_000_000,
        b"-" * 2_000_000,
        b'["' + b'","' * 600_000,
    ],
)
def test_hostile_text_is_refused_quickly(text):
    """Two megabytes made to be slow cost no more than any two megabytes."""
    started = time.process_time()
    with pytest.raises(Malformed):
        read_json(text)
    assert time.process_time() - started < 3


_TEXTS = st.text(st.sampled_from('ab:", \\\u0000\ufffe{[é'), max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**41), 10**41) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(value=_VALUES, escaped=st.booleans(), spaced=st.booleans(), twice=st.booleans())
@settings(deadline=None)
def test_a_simple_document_is_read_as_any_other(
    value: Any, escaped: bool, spaced: bool, twice: bool
) -> None:
    """What the bytes alone let pass is what a look at every value lets pass."""
    separators = (" ,", " : ") if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=escaped, separators=separators)
    if twice:
        text = f'{{"a":{text},"a":1}}'

    def read() -> Any:
        try:
            return read_json(text.encode("utf-8", "surrogatepass"))
        except Malformed as error:
            return error.problems

    quick = read()
    with mock.patch.object(json_gate, "_is_simple", return_value=False):
        assert quick == read()
