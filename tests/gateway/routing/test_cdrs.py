"""CDRs: taken, refused, revised, credited, decided; both ways and through a clearing house."""

from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.model.charging import CdrState
from gateway.model.message import (
    CdrDecisions,
    CdrList,
    CdrQuery,
    CdrRef,
    CdrUpload,
    LocationUpload,
    Receipt,
    ResultCode,
    TokenUpload,
)
from gateway.model.tariff import Price
from gateway.model.token import Representation
from gateway.routing.runtime import run
from tests.gateway.routing.samples import (
    ACM,
    CPO,
    NOON,
    TNM,
    cdr,
    credit,
    listed_cdr,
    listed_token,
    record,
    ref,
)
from tests.gateway.routing.town import AGREEMENTS, PARTIES, Town, party

NEW, REVISED, REJECTED = CdrState.NEW, CdrState.REVISED, CdrState.REJECTED
FOR_LIST = "DE-EMP-C00000001-1"


def upload(town: Town, who: str, *cdrs: Any) -> Receipt:
    reply: Receipt = town.ask(who, CdrUpload(cdrs=cdrs))
    return reply


def queue(town: Town, who: str = "lists-emp", **query: Any) -> list[Any]:
    reply: CdrList = town.ask(who, CdrQuery(**query))
    return list(reply.cdrs)


def told(town: Town, who: str = "objects-emp") -> list[Any]:
    return [one for message in town.got(who, CdrUpload) for one in message.cdrs]


def decide(town: Town, *ids: str, word: str = "approved", evse: str | None = None) -> Receipt:
    refs = tuple(CdrRef(cdr_id=id, evse_id=evse) for id in ids)
    reply: Receipt = town.ask("lists-emp", CdrDecisions(**{word: refs}))
    return reply


def state(town: Town, id: str = "DEACM0001", owner: Any = ACM) -> str | None:
    with town.store.read() as tx:
        row = tx.objects.get("cdr", str(owner), id.upper())
    return row.state if row else None


def dearer(of: Any, net: str = "9.15") -> Any:
    (item,) = of.items
    price = Decimal(net) / item.value
    items = (replace(item, unit_price=price, cost=Decimal(net)),)
    return replace(of, items=items, total_cost=Price(net=Decimal(net)))


# -- from a list to an object protocol -------------------------------------------------------


def test_a_cdr_of_a_list_reaches_the_home_csp_and_is_approved_by_that(town: Town) -> None:
    assert upload(town, "lists-cpo", listed_cdr(state=NEW)).result.code is ResultCode.OK
    assert state(town) == "accepted"
    (one,) = told(town)
    assert (one.id, one.owner, one.token.owner, one.state) == ("DEACM0001", ACM, TNM, None)
    assert state(town) == "approved"
    assert [found.id for found in queue(town, "objects-emp")] == ["DEACM0001"]


@pytest.mark.parametrize(
    ("confirm", "before", "after"),
    [
        ("immediate", "approved", "approved"),
        ("after", "accepted", "approved"),
        ("manual", "accepted", "accepted"),
    ],
)
def test_when_a_silent_home_csp_counts_as_content(
    make_town: Any, confirm: str, before: str, after: str
) -> None:
    sender = party("lists-cpo", "ochp-1.4", "cpo", "DE*ACM", confirm=confirm)
    town = make_town((sender, *PARTIES[1:]))
    upload(town, "lists-cpo", listed_cdr())
    assert state(town) == before
    told(town)
    assert state(town) == after


def test_identical_again_has_no_effect_and_other_content_is_refused(town: Town) -> None:
    for _ in range(2):
        assert upload(town, "lists-cpo", listed_cdr(state=NEW)).result.code is ResultCode.OK
    assert len(told(town)) == 1
    for sent in (NEW, None):
        other = upload(town, "lists-cpo", replace(dearer(listed_cdr()), state=sent))
        assert (other.result.code, other.cdrs) == (ResultCode.FORMAT, ("DEACM0001",))
    assert told(town) == []


def test_the_same_numbers_written_otherwise_are_identical(town: Town) -> None:
    """Tool-kits write 8.24 and 8.240, and instants in their own zone."""
    one = listed_cdr(state=NEW)
    upload(town, "lists-cpo", one)
    utc = {name: getattr(one, name).astimezone(UTC) for name in ("start", "end")}
    again = replace(one, total_cost=Price(net=Decimal("8.240")), **utc)

    assert upload(town, "lists-cpo", again).result.code is ResultCode.OK
    assert len(told(town)) == 1
    posted = cdr(total_energy=Decimal("18.30"))
    for sent in (cdr(), posted):
        assert upload(town, "objects-cpo", sent).result.code is ResultCode.OK
    assert len(queue(town)) == 1


def test_a_revision_is_told_as_credit_and_new_cdr_in_this_order(town: Town) -> None:
    first, second, third = listed_cdr(), dearer(listed_cdr(), "9.15"), dearer(listed_cdr(), "7.32")
    upload(town, "lists-cpo", first)
    upload(town, "lists-cpo", replace(second, state=REVISED))
    upload(town, "lists-cpo", replace(third, state=REVISED))
    found = told(town)
    assert [(one.id, one.total_cost.net, one.credit_reference_id) for one in found] == [
        ("DEACM0001", Decimal("8.24"), None),
        ("DEACM0001-C", Decimal("-8.24"), "DEACM0001"),
        ("DEACM0001-R1", Decimal("9.15"), None),
        ("DEACM0001-R1-C", Decimal("-9.15"), "DEACM0001-R1"),
        ("DEACM0001-R2", Decimal("7.32"), None),
    ]
    assert state(town) == "approved"
    refused = upload(town, "lists-cpo", replace(first, state=REVISED))
    assert (refused.result.code, refused.cdrs) == (ResultCode.INVALID_ID, ("DEACM0001",))
    assert [one.id for one in queue(town, "objects-emp")] == [one.id for one in found]


def test_an_original_that_arrives_late_does_not_approve_its_revision(town: Town) -> None:
    upload(town, "lists-cpo", listed_cdr())
    link = town.links["objects-emp"]
    failed = Receipt(reasons=("no",), cdrs=("x",))
    link.answers[CdrUpload] = [Receipt(), Receipt(), failed]
    upload(town, "lists-cpo", replace(dearer(listed_cdr()), state=REVISED))
    told(town)
    assert state(town) == "revised"
    assert [row.party for row in town.dead()] == ["objects-emp"]


def test_revised_as_the_first_word_counts_as_new(town: Town) -> None:
    assert upload(town, "lists-cpo", listed_cdr(state=REVISED)).result.code is ResultCode.OK
    assert state(town) == "accepted"
    assert upload(town, "lists-cpo", listed_cdr(state=REVISED)).result.code is ResultCode.OK
    assert [one.id for one in told(town)] == ["DEACM0001"]


def test_a_hashed_token_is_told_plain_where_it_is_known(town: Town) -> None:
    import hashlib

    plain = listed_token("AB12CD", "NL-TNM-C00000001-8")
    town.ask("objects-emp", TokenUpload(tokens=(plain,)))
    digest = hashlib.sha256(b"AB12CD").hexdigest()
    hashed = ref(digest, representation=Representation.SHA256)
    upload(town, "lists-cpo", listed_cdr(token=hashed))
    assert told(town)[0].token.uid == "AB12CD"


# -- between lists ---------------------------------------------------------------------------


def test_a_cdr_stays_in_the_queue_until_it_is_confirmed(town: Town) -> None:
    upload(town, "lists-cpo", listed_cdr(contract=FOR_LIST))
    for _ in range(2):
        (one,) = queue(town)
        assert (one.id, one.state) == ("DEACM0001", CdrState.ACCEPTED)
    assert decide(town, "DEACM0001", evse="DE*ACM*E1").result.code is ResultCode.OK
    assert queue(town) == []
    assert [one.state for one in queue(town, state=CdrState.APPROVED)] == [CdrState.APPROVED]
    assert decide(town, "DEACM0001").result.code is ResultCode.OK
    reply = decide(town, "DEACM0001", word="declined")
    assert (reply.result.code, reply.cdrs) == (ResultCode.INVALID_ID, ("DEACM0001",))


def test_declined_then_revised_then_approved(town: Town) -> None:
    upload(town, "lists-cpo", listed_cdr(contract=FOR_LIST))
    decide(town, "DEACM0001", word="declined")
    assert queue(town) == []
    (mine,) = queue(town, "lists-cpo", mine=True)
    assert (mine.id, mine.state) == ("DEACM0001", CdrState.DECLINED)
    better = replace(dearer(listed_cdr(contract=FOR_LIST)), state=REVISED)
    assert upload(town, "lists-cpo", better).result.code is ResultCode.OK
    (one,) = queue(town)
    assert (one.state, one.total_cost.net) == (REVISED, Decimal("9.15"))
    assert queue(town, "lists-cpo", mine=True) == []
    decide(town, "DEACM0001")
    (mine,) = queue(town, "lists-cpo", mine=True, state=CdrState.APPROVED)
    assert mine.total_cost.net == Decimal("9.15")


def test_declined_then_given_up(town: Town) -> None:
    one = listed_cdr(contract=FOR_LIST)
    assert upload(town, "lists-cpo", replace(one, state=REJECTED)).cdrs == ("DEACM0001",)
    upload(town, "lists-cpo", one)
    early = upload(town, "lists-cpo", replace(one, state=REJECTED))
    assert early.result.code is ResultCode.INVALID_ID
    decide(town, "DEACM0001", word="declined")
    assert upload(town, "lists-cpo", replace(one, state=REJECTED)).result.code is ResultCode.OK
    assert state(town) == "rejected"
    late = upload(town, "lists-cpo", replace(one, state=REVISED))
    assert late.result.code is ResultCode.INVALID_ID  # given up is given up
    again = replace(dearer(one), state=REVISED)
    assert upload(town, "lists-cpo", again).result.code is ResultCode.INVALID_ID
    assert decide(town, "DEACM0001").result.code is ResultCode.INVALID_ID


def test_decisions_on_what_is_not_ones_own(town: Town) -> None:
    upload(town, "lists-cpo", listed_cdr())
    assert decide(town, "DEACM0001").cdrs == ("DEACM0001",)
    upload(town, "lists-cpo", listed_cdr("DEACM0002", FOR_LIST))
    assert decide(town, "DEACM0002", evse="DE*ACM*E9").cdrs == ("DEACM0002",)
    both = decide(town, "DEACM0002", "NOBODY")
    assert (both.result.code, both.cdrs) == (ResultCode.PARTLY, ("NOBODY",))


def test_nobody_else_sees_a_cdr(town: Town) -> None:
    upload(town, "lists-cpo", listed_cdr(contract=FOR_LIST))
    assert queue(town, "objects-emp") == []
    assert town.ask("stranger", CdrQuery()).result.code is ResultCode.ROAMING
    assert queue(town, "objects-cpo", mine=True, id="DEACM0001", owner=ACM) == []
    assert [one.id for one in queue(town, "lists-cpo", mine=True, id="deacm0001")] == ["DEACM0001"]


# -- plausibility ----------------------------------------------------------------------------

END = NOON + timedelta(hours=1)
ONE = listed_cdr().items[0]


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("currency", {"currency": "XYZ"}),
        ("owner", {"evse_id": "DE*OTH*E1", "owner": ACM}),
        ("owner", {"id": "NLCPO0001"}),
        ("relation", {"token": ref(contract="FR-XYZ-C00000001-1")}),
        ("order", {"end": NOON - timedelta(hours=1), "billed_duration": None, "items": ()}),
        ("order", {"items": (replace(ONE, end=END + timedelta(seconds=1)),)}),
        ("order", {"items": (replace(ONE, start=END, end=NOON),)}),
        ("duration", {"billed_duration": timedelta(minutes=59)}),
        (
            "pieces",
            {
                "items": (replace(ONE, item="flat", value=Decimal(2), cost=Decimal("0.9")),),
                "total_cost": None,
            },
        ),
        ("sums", {"items": (replace(ONE, cost=Decimal("8.30")),), "total_cost": None}),
        ("sums", {"total_cost": Price(net=Decimal("9.00"))}),
        (
            "offset",
            {
                "start": (NOON - timedelta(hours=1)).replace(
                    tzinfo=NOON.tzinfo.__class__(timedelta(hours=1))
                ),
                "billed_duration": None,
            },
        ),
        ("state", {"state": CdrState.APPROVED}),
    ],
)
def test_an_implausible_cdr_is_refused_with_the_name_of_the_check(
    town: Town, named: str, changes: dict[str, Any]
) -> None:
    town.ask("lists-cpo", LocationUpload(locations=(record("1"),)))
    bad = replace(listed_cdr("DEACM0009"), **changes)
    reply = upload(town, "lists-cpo", listed_cdr(), bad)
    assert (reply.result.code, reply.cdrs) == (ResultCode.PARTLY, (bad.id,))
    assert f"{named}: " in reply.reasons[0]
    assert state(town, bad.id) is None
    assert state(town) == "accepted"


@pytest.mark.parametrize(
    "changes",
    [
        {"items": (replace(ONE, unit_price=Decimal(0), cost=None),), "total_cost": None},
        {"items": (replace(ONE, cost=Decimal("8.235")),)},
        {"total_cost": Price(net=Decimal("8.235000038"))},
        {"id": "550E8400E29B41D4A716446655440000"},
        {"billed_duration": None, "total_cost": None},
    ],
)
def test_what_is_plausible(town: Town, changes: dict[str, Any]) -> None:
    town.ask("lists-cpo", LocationUpload(locations=(record("1"),)))
    reply = upload(town, "lists-cpo", replace(listed_cdr(), **changes))
    assert reply.result.code is ResultCode.OK


def test_an_implausible_cdr_may_be_sent_again_when_corrected(town: Town) -> None:
    assert upload(town, "lists-cpo", listed_cdr(currency="EURO")).cdrs == ("DEACM0001",)
    assert upload(town, "lists-cpo", listed_cdr()).result.code is ResultCode.OK


# -- from an object protocol to a list -------------------------------------------------------


def wire_id(town: Town) -> str:
    (one,) = queue(town)
    return str(one.id)


def test_an_id_that_a_list_cannot_hold_is_replaced_and_found_again(town: Town) -> None:
    assert upload(town, "objects-cpo", cdr()).result.code is ResultCode.OK
    id = wire_id(town)
    assert len(id) == 36
    assert id.startswith("NLCPO")
    assert id.isalnum()
    assert decide(town, id, evse="NL*CPO*ELOC11").result.code is ResultCode.OK
    assert state(town, "cdr-1", CPO) == "approved"


def test_equal_ids_of_two_operators_are_told_apart(town: Town) -> None:
    upload(town, "objects-cpo", cdr("0001"))
    upload(town, "lists-cpo", listed_cdr("0001", FOR_LIST))
    found = {one.evse_id: one.id for one in queue(town)}
    assert len(set(found.values())) == 2
    assert decide(town, found["DE*ACM*E1"]).result.code is ResultCode.INVALID_ID
    assert decide(town, found["DE*ACM*E1"], evse="DE*ACM*E1").result.code is ResultCode.OK


def test_a_posted_cdr_is_never_changed(town: Town) -> None:
    for _ in range(2):
        assert upload(town, "objects-cpo", cdr()).result.code is ResultCode.OK
    other = cdr(total_energy=Decimal(1))
    assert upload(town, "objects-cpo", other).result.code is ResultCode.FORMAT
    assert len(queue(town)) == 1
    (mine,) = queue(town, "objects-cpo", mine=True, id="CDR-1", owner=CPO)
    assert (mine.id, mine.state) == ("cdr-1", CdrState.ACCEPTED)


def test_cdrs_of_others_and_for_nobody_are_refused(town: Town) -> None:
    assert upload(town, "objects-cpo", cdr(owner=ACM)).result.code is ResultCode.INVALID_ID
    nobody = upload(town, "objects-cpo", cdr(contract="FR-XYZ-C00000001-1"))
    assert nobody.result.code is ResultCode.ROAMING


@pytest.mark.parametrize("word", [None, "declined"])
def test_credit_and_replacement_are_a_revision_under_the_first_id(
    town: Town, word: str | None
) -> None:
    upload(town, "objects-cpo", cdr())
    id = wire_id(town)
    if word:
        decide(town, id, word=word)
    assert upload(town, "objects-cpo", credit(cdr())).result.code is ResultCode.OK
    corrected = cdr("cdr-2", total_cost=Price(net=Decimal("9.00")))
    assert upload(town, "objects-cpo", corrected).result.code is ResultCode.OK
    (one,) = queue(town)
    assert (one.id, one.state, one.total_cost.net) == (id, REVISED, Decimal("9.00"))
    assert upload(town, "objects-cpo", corrected, credit(cdr())).result.code is ResultCode.OK
    assert len(queue(town)) == 1
    town.later(hours=1)
    assert len(queue(town)) == 1


def test_the_replacement_can_be_credited_and_replaced_too(town: Town) -> None:
    second, third = cdr("cdr-2", remark="2"), cdr("cdr-3", remark="3")
    for one in (cdr(), credit(cdr()), second, credit(second), third):
        assert upload(town, "objects-cpo", one).result.code is ResultCode.OK
    (one,) = queue(town)
    assert (one.state, one.remark) == (REVISED, "3")


def test_credit_alone_gives_up_what_was_declined(town: Town) -> None:
    upload(town, "objects-cpo", cdr())
    decide(town, wire_id(town), word="declined")
    upload(town, "objects-cpo", credit(cdr()))
    town.later(minutes=14)
    assert state(town, "cdr-1", CPO) == "declined"
    town.later(minutes=1)
    assert state(town, "cdr-1", CPO) == "rejected"


def test_credit_alone_of_what_was_not_declined_is_reported(town: Town) -> None:
    upload(town, "objects-cpo", cdr())
    town.ask("objects-cpo", CdrUpload(cdrs=(credit(cdr()),)), "c-credit")
    town.later(hours=1)
    assert state(town, "cdr-1", CPO) == "accepted"
    assert len(queue(town)) == 1
    with town.store.read() as tx:
        (found,) = tx.ledger.find(correlation="c-credit")
        entry = tx.ledger.get(found.entry.id)
    assert entry is not None
    assert b"credit-alone" in (entry.findings or b"")


def test_credits_that_are_refused(town: Town) -> None:
    assert upload(town, "objects-cpo", credit(cdr())).result.code is ResultCode.INVALID_ID
    upload(town, "objects-cpo", cdr())
    decide(town, wire_id(town))
    approved = upload(town, "objects-cpo", credit(cdr()))
    assert approved.result.code is ResultCode.INVALID_ID
    nameless = replace(credit(cdr()), credit_reference_id=None)
    assert upload(town, "objects-cpo", nameless).result.code is ResultCode.FORMAT


@pytest.mark.parametrize("contract", ["DE-EMP-C00000001-1", "NL-TNM-C00000001-8"])
def test_a_cdr_is_credited_once_and_not_for_more_money(town: Town, contract: str) -> None:
    """Whatever the home-CSP's protocol; the same credit sent again is no second one."""
    one = cdr(contract=contract)
    upload(town, "objects-cpo", one)
    more = replace(credit(one), total_cost=one.total_cost)
    refused = upload(town, "objects-cpo", more)
    assert (refused.result.code, refused.cdrs) == (ResultCode.FORMAT, (more.id,))
    assert upload(town, "objects-cpo", credit(one)).result.code is ResultCode.OK
    assert upload(town, "objects-cpo", credit(one)).result.code is ResultCode.OK
    again = upload(town, "objects-cpo", credit(one, "cdr-1-D"))
    assert (again.result.code, again.cdrs) == (ResultCode.FORMAT, ("cdr-1-D",))
    assert "credited already, by cdr-1-C" in again.reasons[0]


def test_a_cdr_ends_after_it_starts_and_is_of_an_own_evse(town: Town) -> None:
    backwards = cdr(end=cdr().start - timedelta(seconds=1))
    assert upload(town, "objects-cpo", backwards).result.code is ResultCode.FORMAT
    borrowed = cdr(evse_id="DE*ACM*E1")
    assert upload(town, "objects-cpo", borrowed).result.code is ResultCode.INVALID_ID


def test_approval_between_credit_and_replacement_refuses_the_replacement(town: Town) -> None:
    upload(town, "objects-cpo", cdr(), credit(cdr()))
    decide(town, wire_id(town))
    assert upload(town, "objects-cpo", cdr("cdr-2")).result.code is ResultCode.INVALID_ID
    assert queue(town) == []


def test_another_session_is_no_replacement(town: Town) -> None:
    upload(town, "objects-cpo", cdr(), credit(cdr()))
    upload(town, "objects-cpo", cdr("cdr-2", session_id="session-2"))
    assert [one.state for one in queue(town)] == [CdrState.ACCEPTED] * 2


# -- between object protocols ----------------------------------------------------------------


def test_credits_are_passed_on_as_they_came(town: Town) -> None:
    one = cdr(contract="NL-TNM-C00000001-8")
    upload(town, "objects-cpo", one, credit(one), replace(one, id="cdr-2"))
    assert [(found.id, found.credit) for found in told(town)] == [
        ("cdr-1", None),
        ("cdr-1-C", True),
        ("cdr-2", None),
    ]


# -- through a clearing house ----------------------------------------------------------------

BEHIND = "SE-ABC-C00000001-1"


def test_a_provider_behind_the_house_gets_its_cdrs_through_it(town: Town) -> None:
    upload(town, "objects-cpo", cdr(contract=BEHIND))
    (one,) = told(town, "house")
    assert one.state is NEW
    assert one.id.startswith("NLCPO")
    upload(town, "objects-cpo", credit(cdr(contract=BEHIND)), cdr("cdr-2", BEHIND))
    (again,) = told(town, "house")
    assert (again.id, again.state) == (one.id, REVISED)
    declined = CdrDecisions(declined=(CdrRef(cdr_id=one.id, evse_id=one.evse_id),))
    assert town.ask("house", declined).result.code is ResultCode.OK
    assert state(town, "cdr-1", CPO) == "declined"


def test_cdrs_from_the_house_are_confirmed_to_it_when_they_were_taken(town: Town) -> None:
    from_house = listed_cdr("SEXYZ01", state=CdrState.ACCEPTED, evse_id="SE*XYZ*E1")
    assert upload(town, "house", from_house).result.code is ResultCode.OK
    assert [one.id for one in told(town)] == ["SEXYZ01"]
    (word,) = town.got("house", CdrDecisions)
    assert word.approved == (CdrRef(cdr_id="SEXYZ01", evse_id="SE*XYZ*E1"),)
    # it is fetched again until the confirmation has arrived
    assert upload(town, "house", from_house).result.code is ResultCode.OK
    assert told(town) == []


def test_the_word_of_a_list_on_a_cdr_of_the_house_goes_to_the_house(town: Town) -> None:
    upload(town, "house", listed_cdr("SEXYZ01", FOR_LIST, evse_id="SE*XYZ*E1"))
    decide(town, "SEXYZ01", word="declined")
    (word,) = town.got("house", CdrDecisions)
    assert [one.cdr_id for one in word.declined] == ["SEXYZ01"]


def test_a_home_csp_that_fetches_its_cdrs_has_taken_them(make_town: Any) -> None:
    town = make_town(PARTIES, AGREEMENTS, links={})
    upload(town, "lists-cpo", listed_cdr())
    assert state(town) == "accepted"
    assert len(queue(town, "objects-emp", peek=True)) == 1
    assert state(town) == "accepted"
    assert len(queue(town, "objects-emp")) == 1
    assert state(town) == "approved"
    assert len(queue(town, "objects-emp")) == 1


def test_an_operator_decides_where_the_home_csp_does_not(make_town: Any) -> None:
    sender = party("lists-cpo", "ochp-1.4", "cpo", "DE*ACM", confirm="manual")
    town = make_town((sender, *PARTIES[1:]))
    upload(town, "lists-cpo", listed_cdr())
    told(town)
    assert state(town) == "accepted"
    assert run(town.exchange.decide(ACM, "deacm0001", approved=False))
    assert state(town) == "declined"
    assert not run(town.exchange.decide(ACM, "DEACM0001", approved=True))
    assert not run(town.exchange.decide(ACM, "nobody", approved=True))
    given_up = listed_cdr(state=REJECTED)
    assert upload(town, "lists-cpo", given_up).result.code is ResultCode.OK
    (one,) = told(town)
    assert (one.id, one.credit, one.total_cost.net) == ("DEACM0001-C", True, Decimal("-8.24"))


def test_a_revision_stays_with_the_home_csp_of_the_original(town: Town) -> None:
    upload(town, "lists-cpo", listed_cdr())
    elsewhere = replace(dearer(listed_cdr(contract=FOR_LIST)), state=REVISED)
    reply = upload(town, "lists-cpo", elsewhere)
    assert (reply.result.code, reply.cdrs) == (ResultCode.FORMAT, ("DEACM0001",))
    assert queue(town) == []


def test_one_upload_may_say_something_twice(town: Town) -> None:
    better = replace(dearer(listed_cdr()), state=REVISED)
    other = listed_cdr("DEACM0002")
    reply = upload(town, "lists-cpo", listed_cdr(), other, better, other, better)
    assert reply.result.code is ResultCode.OK
    assert sorted(one.id for one in told(town)) == [
        "DEACM0001",
        "DEACM0001-C",
        "DEACM0001-R1",
        "DEACM0002",
    ]
