"""Messages that are too long to be held: the same result as in one piece, or none."""

import io
import json
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from gateway import bulk
from gateway.cli import long
from gateway.cli.translate import MessageFacts, dump, load
from gateway.demo.data import ochp_charge_point, ochp_evses
from gateway.errors import GatewayError, Inexpressible, Malformed
from gateway.mapping import json_items
from gateway.mapping.spool import Seen
from gateway.mapping.stream import NotStreamed
from gateway.translate import Translation, translate

FACTS = MessageFacts(None)
OPTIONS = {"cdr_location_fallback": True}
OCHP, OCPI = "ochp-1.4", "ocpi-2.2.1"
MANY = 4 * bulk.BATCH + 10
"""Records of some batches; in JSON more than is read at once."""


def points(count: int) -> list[str]:
    """Charge points, two to a site."""
    return [ochp_charge_point(evse) for evse in ochp_evses("AT", "FST", count, 7)]


def upload(items: list[str], name: str = "SetChargePointListRequest", head: str = "") -> bytes:
    return f'<{name} xmlns="http://ochp.eu/1.4">{head}{"".join(items)}</{name}>'.encode()


def streamed(source: str, target: str, data: bytes, **more: Any) -> tuple[bulk.Summary, bytes]:
    out = io.BytesIO()
    enveloped = more.pop("enveloped", False)
    summary = long.translate(
        source,
        target,
        io.BytesIO(data),
        out,
        enveloped=enveloped,
        facts=FACTS,
        options=OPTIONS,
    )
    return summary, out.getvalue()


def whole(source: str, target: str, data: bytes) -> tuple[Translation, bytes]:
    done = translate(source, target, load(source, data)[0], facts=FACTS, options=OPTIONS)
    return done, dump(target, done, enveloped=False)


def by_id(text: bytes) -> list[Any]:
    value = json.loads(text, parse_float=Decimal)
    return sorted(value, key=lambda each: str(each["id"]))


def canonical(text: bytes) -> bytes:
    parser = etree.XMLParser(remove_blank_text=True)
    return etree.tostring(etree.fromstring(text.strip(), parser), method="c14n")


def shuffled(items: list[str]) -> list[str]:
    """The EVSEs of a site far from each other."""
    return items[::2] + items[1::2]


@pytest.mark.parametrize("order", [list, shuffled], ids=["together", "scattered"])
def test_sites_are_joined_wherever_their_records_stand(order: Callable[..., list[str]]) -> None:
    """More than a batch of records: the same sites, and counts, as in one piece."""
    data = upload(order(points(MANY)))

    summary, text = streamed(OCHP, OCPI, data)

    done, expected = whole(OCHP, OCPI, data)
    assert by_id(text) == by_id(expected)
    report = done.report
    assert (summary.items_in, summary.items_out) == (report.items_in, report.items_out)
    assert (summary.items_dropped, summary.refused) == (report.items_dropped, [])
    assert summary.items_in == MANY


def test_sites_are_split_into_records() -> None:
    """From JSON to XML and from a response envelope, whose other fields stand behind the list."""
    _, sites = streamed(OCHP, OCPI, upload(points(MANY)))
    later = b'{"data":%s,"status_code":1000,"timestamp":"2031-05-02T09:00:00Z"}' % sites

    summary, text = streamed(OCPI, OCHP, sites)
    json_items.SMALL, before = 1000, json_items.SMALL
    try:
        answered = streamed(OCPI, OCHP, later)[1]
    finally:
        json_items.SMALL = before

    assert canonical(text) == canonical(whole(OCPI, OCHP, sites)[1])
    assert canonical(answered) == canonical(whole(OCPI, OCHP, later)[1])
    assert b"<GetChargePointListResponse" in answered
    assert summary.items_out == MANY


def test_what_cannot_be_said_or_read_is_counted_and_the_rest_goes_on() -> None:
    """A broken record is refused with its place; sites that the target cannot say are dropped."""
    items = points(6)
    items[1] = items[1].replace("<evseId>AT*", "<evseId>A*")
    summary, text = streamed(OCHP, OCPI, upload(items))

    assert (summary.items_in, summary.items_out, summary.refused_in_all) == (6, 5, 1)
    (refused,) = summary.refused
    assert refused.source == "/SetChargePointListRequest/chargePointInfoArray[2]"
    assert "chargePointInfoArray[2]/evseId" in refused.problems[0]

    sites = json.loads(text)
    sites[1]["evses"][0]["evse_id"] = "0815"
    sites[2]["publish"] = False
    summary, text = streamed(OCPI, OCHP, json.dumps(sites).encode())

    done, expected = whole(OCPI, OCHP, json.dumps(sites).encode())
    assert canonical(text) == canonical(expected)
    report = done.report
    assert (summary.items_in, summary.items_out, summary.items_dropped) == (
        report.items_in,
        report.items_out,
        report.items_dropped,
    )
    assert summary.items_dropped == 3


def test_nothing_that_can_be_said_is_an_error() -> None:
    """As in one piece: the reasons, and no output."""
    _, text = streamed(OCHP, OCPI, upload(points(4)))
    sites = [{**each, "publish": False} for each in json.loads(text)]
    with pytest.raises(Inexpressible, match="shown to nobody"):
        streamed(OCPI, OCHP, json.dumps(sites).encode())


def test_a_peers_deviation_is_put_right_item_by_item() -> None:
    """What the lenient reader mends in one record is counted."""
    items = points(4)
    items[2] = items[2].replace("<country>AUT</country>", "<country>aut</country>")
    items[3] = items[3].replace("city>", "City>")
    summary, _ = streamed(OCHP, OCPI, upload(items))

    assert (summary.items_out, summary.refused_in_all) == (4, 0)
    assert summary.deviations > 0


def test_envelopes_in_and_out() -> None:
    """A SOAP envelope around the input; what --envelope puts around the output."""
    soap = "http://schemas.xmlsoap.org/soap/envelope/"
    data = upload(points(4), "GetChargePointListResponse", RESULT)
    wrapped = b'<s:Envelope xmlns:s="%s"><s:Body>%s</s:Body></s:Envelope>' % (soap.encode(), data)

    _, text = streamed(OCHP, OCPI, wrapped, enveloped=True)

    value = json.loads(text)
    assert value["status_code"] == 1000
    assert value["data"] == by_id(whole(OCHP, OCPI, data)[1])
    _, back = streamed(OCPI, OCHP, json.dumps(value["data"]).encode(), enveloped=True)
    assert etree.fromstring(back.strip())[0][0].tag.endswith("UpdateChargePointListRequest")

    with pytest.raises(Malformed):
        streamed(OCHP, OCPI, wrapped.replace(b"</s:Body>", b"</s:Body><s:Body/>"))


RESULT = (
    "<result><resultCode><resultCode>ok</resultCode></resultCode>"
    "<resultDescription>all</resultDescription></result>"
)


@pytest.mark.parametrize("cut", [1, 2, 30, 500, 1500])
def test_half_a_message_is_none(cut: int) -> None:
    """However it is cut, in either notation, nothing is written."""
    data = upload(points(6))
    _, text = streamed(OCHP, OCPI, data)
    for source, target, half in ((OCHP, OCPI, data[:-cut]), (OCPI, OCHP, text.strip()[:-cut])):
        out = io.BytesIO()
        with pytest.raises(Malformed):
            long.translate(
                source,
                target,
                io.BytesIO(half),
                out,
                enveloped=False,
                facts=FACTS,
                options=OPTIONS,
            )
        assert out.getvalue() == b""


@pytest.mark.parametrize(
    "change",
    [
        (b"<SetCharge", b"<!DOCTYPE x [<!ENTITY a 'b'>]><SetCharge", 1),
        (b"<evseId>", b"<?php x?><evseId>", 1),
        (b"<evseId>", b"\0<evseId>", 1),
        (b"<chargePointInfoArray>", b"<other/><chargePointInfoArray>", 2),
        (b"http://ochp.eu/1.4", b"http://ochp.eu/1.3", -1),
        (b"</evseId>", b"</evseId><evseId>x</evseId>", -1),
    ],
    ids=["doctype", "instruction", "nul", "stranger", "namespace", "all refused"],
)
def test_hostile_xml_is_refused(change: tuple[bytes, bytes, int]) -> None:
    """What the gate refuses in one piece is refused in a stream, or left to the other way."""
    data = upload(points(4))
    with pytest.raises((GatewayError, NotStreamed)):
        streamed(OCHP, OCPI, data.replace(*change))


@pytest.mark.parametrize(
    "text",
    [
        b"[{}}]",
        b'[{"id":1,"id":2}]',
        b"[1]x",
        b"[" * 100_000,
        b'{"data":[{"evses":[]}],"data":[]}',
        b'[{"a":"\\u0000"}]',
        b'["' + b"a" * 5_000_000,
    ],
)
def test_hostile_json_is_refused(text: bytes) -> None:
    """Broken, ambiguous, endless: an error, not a hang."""
    with pytest.raises((GatewayError, NotStreamed)):
        streamed(OCPI, OCHP, text)


def test_memory_does_not_grow_with_the_list() -> None:
    """Four times the items in the same memory."""

    def peak(count: int) -> int:
        source = io.BytesIO(upload(points(count)))
        tracemalloc.start()
        try:
            with open("/dev/null", "wb") as out:
                long.translate(
                    OCHP, OCPI, source, out, enveloped=False, facts=FACTS, options=OPTIONS
                )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(bulk.BATCH)  # what is made once
    assert peak(16 * bulk.BATCH) < 1.5 * peak(4 * bulk.BATCH)


def test_a_set_of_hashes_is_a_set() -> None:
    """Grows, finds what was added and nothing else."""
    seen = Seen()
    keys = [(str(n % 700), "x") for n in range(5000)]
    seen.add(keys)
    assert all(key in seen for key in keys)
    assert not any((str(n), "y") in seen for n in range(5000))


def test_text_among_the_items_is_no_message() -> None:
    """What stands between two items is looked at like the items."""
    items = points(3)
    data = upload([items[0], "mislaid", items[1], items[2]])

    with pytest.raises(Malformed) as caught:
        streamed(OCHP, OCPI, data)
    with pytest.raises(Malformed) as in_one_piece:
        whole(OCHP, OCPI, data)
    assert "character content" in str(caught.value).lower()
    assert "character content" in str(in_one_piece.value).lower()
