"""The response envelope: what is written, and what partners' answers mean."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.ocpi.envelope import ABSENT, Declined, Reply, a_list, an_object, body_of, read, write
from gateway.errors import (
    BadAnswer,
    NoRoute,
    Refused,
    TimedOut,
    TooLarge,
    UnknownId,
    Unreachable,
    Untrusted,
)
from gateway.http import HttpAnswer
from tests.adapters.ocpi.world import dumps

NOW = datetime(2031, 5, 2, 12, tzinfo=UTC)


def envelope(code=1000, status=200, **more):
    body = {"status_code": code, "timestamp": "2031-05-02T12:00:00Z", **more}
    return HttpAnswer(status=status, body=dumps(body))


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (Reply(), b'{"status_code":1000,"timestamp":"2031-05-02T12:00:00Z"}'),
        (Reply(data=[]), b'{"data":[],"status_code":1000,"timestamp":"2031-05-02T12:00:00Z"}'),
        (
            Reply(data={"kwh": Decimal("18.50")}, code=2001, message='no "x"', status=404),
            b'{"data":{"kwh":18.50},"status_code":2001,"status_message":"no \\"x\\"",'
            b'"timestamp":"2031-05-02T12:00:00Z"}',
        ),
    ],
)
def test_writing(reply, body):
    response = write(reply, NOW, {"X-Request-ID": "r"})

    assert response.body == body
    assert response.status == reply.status
    assert response.headers == {"Content-Type": "application/json", "X-Request-ID": "r"}


@pytest.mark.parametrize("code", [1000, 1001, 1999])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_success(code, status):
    assert read(envelope(code, status, data={"a": 1})) == {"a": 1}
    assert read(envelope(code, status)) is ABSENT


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (envelope(999), BadAnswer),
        (envelope(2000), Refused),
        (envelope(2001), Refused),
        (envelope(2003), UnknownId),
        (envelope(2004, 404), UnknownId),
        (envelope(2000, 404), UnknownId),
        (envelope(2950), Refused),
        (envelope(3000), BadAnswer),
        (envelope(3001), BadAnswer),
        (envelope(3000, 503), Unreachable),
        (envelope(4001), NoRoute),
        (envelope(4001, 404), NoRoute),
        (envelope(4002), TimedOut),
        (envelope(4003), Unreachable),
        (envelope(9999), BadAnswer),
        (envelope(-1), BadAnswer),
        (envelope(1000, 500), BadAnswer),
        (envelope(1000, 404), UnknownId),
        (envelope(1000, 401), Untrusted),
        (envelope(2000, 401), Untrusted),
        (HttpAnswer(status=403, body=b'{"detail":"x"}'), Untrusted),
        (HttpAnswer(status=422, body=b'{"detail":[{"msg":"x"}]}'), Refused),
        (HttpAnswer(status=404, body=b"<html>"), UnknownId),
        (HttpAnswer(status=410), UnknownId),
        (HttpAnswer(status=405), Refused),
        (HttpAnswer(status=418), BadAnswer),
        (HttpAnswer(status=500, body=b"\xff"), BadAnswer),
        (HttpAnswer(status=502), Unreachable),
        (HttpAnswer(status=200), BadAnswer),
        (HttpAnswer(status=204), BadAnswer),
        (HttpAnswer(status=200, body=b"null"), BadAnswer),
        (HttpAnswer(status=200, body=b'{"data":{}}'), BadAnswer),
        (HttpAnswer(status=200, body=b'{"status_code":true}'), BadAnswer),
        (HttpAnswer(status=200, body=b'{"status_code":1000.0}'), BadAnswer),
        (HttpAnswer(status=200, body=b'{"status_code":1000,"status_code":3000}'), BadAnswer),
        (HttpAnswer(status=200, body=b'{"status_code":1000,"data":"\\u0000"}'), BadAnswer),
    ],
)
def test_failure(answer, error):
    """Everything else is an error of its own kind, never an exception of a library."""
    with pytest.raises(error) as caught:
        read(answer)
    assert type(caught.value) is error


def test_the_reason_of_the_partner_is_kept_short():
    with pytest.raises(Refused, match="OCPI 2000: no such luck"):
        read(envelope(2000, status_message="no such luck"))
    with pytest.raises(Refused) as caught:
        read(envelope(2000, status_message="x" * 5000))
    assert len(str(caught.value)) < 300


def test_objects_and_lists():
    assert an_object({"a": 1}) == {"a": 1}
    assert an_object([{"a": 1}]) == {"a": 1}
    for nothing in ([], [{}, {}], None, ABSENT, "text", [[]]):
        with pytest.raises(BadAnswer):
            an_object(nothing)
    assert a_list([1]) == [1]
    assert a_list(None) == a_list(ABSENT) == []
    for nothing in ({}, "text", 7):
        with pytest.raises(BadAnswer):
            a_list(nothing)


def test_bodies_of_requests():
    assert body_of(b'{"a":1}') == {"a": 1}
    for text, status in ((b"{", 400), (b"[]", 200)):
        with pytest.raises(Declined) as caught:
            body_of(text)
        assert (caught.value.code, caught.value.status) == (2001, status)
    with pytest.raises(TooLarge):
        body_of(b"[" * 100)
