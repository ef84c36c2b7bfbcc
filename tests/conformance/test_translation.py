"""No field is lost silently: every message type, in both directions, held against its report.

For messages drawn from the published schema and from the field tables:

- every leaf of the input and of the output stands in a finding, under its exact path; a dropped
  one has no target, a defaulted one no source, whatever is not exact names its rule, and what is
  called exact has the same value at both ends;
- the output is valid; what cannot be translated ends as a typed error that says where and why;
- items in = items out + dropped + refused;
- the report does not lie: a leaf that is changed shows where its rows say and nowhere else, and
  does not show at all if they say that it is dropped.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event
from hypothesis import strategies as st
from lxml import etree

from gateway import registry
from gateway.errors import GatewayError, Inexpressible, Malformed
from gateway.mapping.context import NoFacts, Outcome
from gateway.schema import contract_file, schema_for
from gateway.translate import Translation, translate
from tests.support import ocpi_facts
from tests.support.budget import of_any
from tests.support.ocpi_messages import MESSAGES, ROAMING
from tests.support.record_values import trees
from tests.support.schema_messages import messages
from tests.support.translation import faults, lies
from tests.support.trees import leaves

OCHP, OCPI = "ochp-1.4", "ocpi-2.2.1"
NAMESPACE = "{http://ochp.eu/1.4}"
XSD = contract_file("xsd/ochp/1.4/ochp.xsd")
SCHEMA = schema_for("ochp", "1.4")
NOW = datetime(2031, 5, 2, 9, 0, tzinfo=UTC)
OPTIONS = {"cdr_location_fallback": True, "time_zone": "Europe/Berlin"}
WIRE = Path(__file__).parents[1] / "wire" / "ochp" / "1.4"
ROOTS = sorted(registry.adapter_for(OCHP).forms(OCHP))
TRIED = 6
"""Leaves that are changed in each message."""

# OCHP messages that OCPI has no word for, and what they are about.
UNSAID = {"ConfirmCDRsRequest": "a CDR was approved or declined"}
OBJECTS = {
    "location": "Location",
    "tariff": "Tariff",
    "token": "Token",
    "cdr": "CDR",
    "authorisation": "AuthorizationInfo",
}


def _translate(source: str, target: str, tree: Any) -> Translation:
    return translate(source, target, tree, facts=NoFacts(NOW), options=OPTIONS)


def _told(error: GatewayError) -> None:
    """A refusal has its reasons."""
    assert error.problems
    assert all(problem.reason for problem in error.problems)


def _hold(source: str, target: str, tree: Any, seed: int) -> None:
    """All of the above for one message."""
    try:
        done = _translate(source, target, tree)
    except (Inexpressible, Malformed) as error:
        event(f"{type(error).__name__}")
        _told(error)
        return
    event("translated")
    assert list(faults(tree, done)) == []
    assert list(_invalid(target, done)) == []
    again = lies(
        source,
        tree,
        done,
        lambda changed: _translate(source, target, changed),
        lambda changed: _valid(source, changed),
        random.Random(seed),
        TRIED,
    )
    assert list(again) == []


def _valid(protocol: str, tree: Any) -> bool:
    if protocol == OCHP:
        return not SCHEMA.check(tree)
    # A step of nothing is the least step: the same by two values.
    steps = (value for path, value in leaves(tree).items() if path.endswith("/step_size"))
    return all(step != 0 for step in steps)


def _invalid(protocol: str, done: Translation) -> Iterator[Any]:
    """What is wrong with what was written."""
    if protocol == OCHP:
        yield from SCHEMA.check(done.tree)
        return
    name = OBJECTS.get(done.form.object)
    if name is None or done.form.name.endswith((" query", "authorize", "refusal")):
        return
    items = done.tree.get("data", done.tree) if isinstance(done.tree, dict) else done.tree
    if not isinstance(items, list):
        items = [] if "status_code" in items else [items]
    for item in items:
        yield from ocpi_facts.wrong(name, item)


def _one_site(drawn: tuple[etree._Element, int]) -> etree._Element:
    """All records of a charge point list at one site of one operator; what they say of the site
    differs, or is the same."""
    root, way = drawn
    for number, place in enumerate(root.iter(f"{NAMESPACE}locationId")):
        record = place.getparent()
        place.text = "SITE 1"
        record.find(f"{NAMESPACE}evseId").text = f"NL*QGW*E{number}"
        first = next(root.iter(f"{NAMESPACE}locationId")).getparent()
        for name in ("chargePointAddress", "locationName", "locationNameLang") if way else ():
            record.find(NAMESPACE + name)[:] = [
                etree.fromstring(etree.tostring(child)) for child in first.find(NAMESPACE + name)
            ]
            record.find(NAMESPACE + name).text = first.find(NAMESPACE + name).text
    return root


@pytest.mark.parametrize("root", [root for root in ROOTS if root not in UNSAID])
def test_ochp_to_ocpi(root: str) -> None:
    bodies = messages(root, XSD)
    if "ChargePointList" in root:
        bodies |= st.tuples(bodies, st.integers(0, 1)).map(_one_site)

    def check(drawn: tuple[Any, int]) -> None:
        _hold(OCHP, OCPI, *drawn)

    of_any(st.tuples(bodies, st.integers(0, 2**32)), check, 6)


@pytest.mark.parametrize("root", sorted(UNSAID))
def test_what_ocpi_has_no_message_for_is_refused(root: str) -> None:
    def check(body: Any) -> None:
        with pytest.raises(Inexpressible, match=UNSAID[root]):
            _translate(OCHP, OCPI, body)

    of_any(messages(root, XSD), check, 3)


@pytest.mark.parametrize("name", sorted(ROAMING))
def test_ocpi_to_ochp(name: str) -> None:
    def check(drawn: tuple[Any, int]) -> None:
        _hold(OCPI, OCHP, *drawn)

    of_any(st.tuples(ROAMING[name], st.integers(0, 2**32)), check, 12)


# What OCPI says without a body, described by an object.
DESCRIBED = [
    *("Location query", "Tariff query", "Token query", "CDR query"),
    *("authorize", "AuthorizationInfo response", "response", "EVSE status list"),
]


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_ocpi_says_by_path_and_query_to_ochp(name: str) -> None:
    record = registry.adapter_for(OCPI).forms(OCPI)[name].record

    def check(drawn: tuple[Any, int]) -> None:
        _hold(OCPI, OCHP, *drawn)

    of_any(st.tuples(trees(record), st.integers(0, 2**32)), check, 10)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_whatever_the_standard_allows_is_translated_or_refused(name: str) -> None:
    """Ids that name nobody, prices below zero, sessions that end before they begin."""

    def check(value: Any) -> None:
        try:
            done = _translate(OCPI, OCHP, value)
        except GatewayError as error:
            _told(error)
            return
        assert list(faults(value, done)) == []
        assert list(_invalid(OCHP, done)) == []

    of_any(MESSAGES[name], check, 6)


@pytest.mark.parametrize("root", ROOTS)
def test_whatever_the_schema_allows_is_translated_or_refused(root: str) -> None:
    """30 February, NaN, 29:59: refused for the item that has it."""

    def check(body: Any) -> None:
        try:
            done = _translate(OCHP, OCPI, body)
        except GatewayError as error:
            _told(error)
            return
        assert list(faults(body, done)) == []
        assert list(_invalid(OCPI, done)) == []

    of_any(messages(root, XSD, ugly=True), check, 4)


def test_an_unreadable_item_is_named_and_the_others_go_on() -> None:
    """Its leaves are dropped by the rule ``refused``, one by one."""
    item = {
        "country_code": "DE", "party_id": "ACM", "uid": "04A2", "type": "RFID",
        "contract_id": "DE-ACM-C0A1B2C3D-4", "issuer": "ACM", "valid": True,
        "whitelist": "ALLOWED", "last_updated": "2031-05-02T09:00:00Z",
    }  # fmt: skip
    value = [item, item | {"type": "CARD", "valid": "yes"}, item | {"uid": "04A3"}]

    done = _translate(OCPI, OCHP, value)

    report = done.report
    assert (report.items_in, report.items_out, report.items_dropped) == (3, 2, 0)
    assert [refused.source for refused in report.refused] == ["/1"]
    assert len(report.refused[0].problems) == 2
    rows = [row for row in report.findings if (row.source or "").startswith("/1/")]
    assert {(row.outcome, row.rule) for row in rows} == {(Outcome.DROPPED, "refused")}
    assert len(rows) == len(item)
    assert list(faults(value, done)) == []


def test_a_message_of_which_nothing_can_be_read_is_refused() -> None:
    with pytest.raises(Malformed) as caught:
        _translate(OCPI, OCHP, [{"uid": 5, "contract_id": "X"}])
    assert {problem.path for problem in caught.value.problems} >= {"/0/uid", "/0/type"}


PERIOD = """
  <o:chargingPeriods>
    <o:startDateTime><o:LocalDateTime>2031-05-02T11:00:00+02:00</o:LocalDateTime></o:startDateTime>
    <o:endDateTime><o:LocalDateTime>2031-05-02T12:00:00+02:00</o:LocalDateTime></o:endDateTime>
    <o:billingItem><o:BillingItemType>power</o:BillingItemType></o:billingItem>
    <o:billingValue>2</o:billingValue>
    <o:itemPrice>0.5</o:itemPrice>
    <o:taxrate>10</o:taxrate>
  </o:chargingPeriods>"""


@pytest.mark.parametrize(
    ("stated", "price_in"),
    [
        ("", ["/0/total_cost/excl_vat", "/0/total_cost/incl_vat"]),
        ("<o:totalCost>1.0</o:totalCost>", ["/0/total_cost/incl_vat"]),
        ("<o:totalCost>3.0</o:totalCost>", [None]),
    ],
)
def test_rows_of_a_bill_name_every_sum_that_depends_on_a_field(
    stated: str, price_in: list[str | None]
) -> None:
    """The price of power stands in no tariff, but counts in a total that is not stated; the tax
    counts in a gross total that nobody stated."""
    body = etree.parse(WIRE / "AddCDRs" / "request_minimal.xml").getroot()
    cdr = body[0]
    for old in cdr.findall(f"{NAMESPACE}chargingPeriods") + cdr.findall(f"{NAMESPACE}totalCost"):
        cdr.remove(old)
    made = etree.fromstring(f'<x xmlns:o="{NAMESPACE[1:-1]}">{PERIOD}{stated}</x>')
    place = list(cdr).index(cdr.find(f"{NAMESPACE}currency"))
    cdr[place:place] = list(made)

    report = _translate(OCHP, OCPI, body).report

    def targets(name: str) -> list[str | None]:
        source = f"/AddCDRsRequest/cdrInfoArray[1]/chargingPeriods[1]/{name}"
        return [row.target for row in report.findings if row.source == source]

    assert targets("itemPrice") == price_in
    assert ("/0/total_cost/incl_vat" in targets("taxrate")) is (price_in != [None])
