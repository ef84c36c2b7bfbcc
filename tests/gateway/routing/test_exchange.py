"""The desk: errors, ledger, state of partners, who presents a secret, what encoders may know."""

import hashlib
from typing import Any

import pytest

from gateway.errors import GatewayError, StoreUnavailable, UnknownId, UnknownOperation
from gateway.mapping.context import Note, Outcome
from gateway.mapping.spool import Spool
from gateway.model.location import Location
from gateway.model.message import (
    AuthorisationQuery,
    CdrDecisions,
    CdrQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    Message,
    TariffQuery,
)
from gateway.routing import exchange as exchange_module
from gateway.routing.exchange import QUERIES, UPLOADS
from gateway.routing.long_lists import PART
from gateway.routing.runtime import run
from tests.gateway.routing.samples import ACM, TNM, listed_cdr, record, ref
from tests.gateway.routing.town import PARTIES, Town, party


def partner(town: Town, id: str) -> Any:
    return town.exchange.directory.parties[id].partner


def test_every_request_of_the_model_has_an_answer() -> None:
    from gateway.model.message import REPLIES

    assert {*UPLOADS, *QUERIES, AuthorisationQuery} == set(REPLIES)
    assert not UPLOADS.keys() & QUERIES.keys()


def test_who_is_not_configured_gets_no_answer(town: Town) -> None:
    stranger = party("nobody", "ocpi-2.2.1", "cpo", "BE*XXX").partner
    with pytest.raises(UnknownId):
        run(town.exchange.ask(stranger, LocationQuery(), "c"))


def test_what_is_no_request_is_refused(town: Town) -> None:
    with pytest.raises(UnknownOperation):
        town.ask("lists-cpo", Message())


def test_every_request_stands_in_the_ledger_and_is_found_again(town: Town) -> None:
    town.ask("lists-cpo", LocationUpload(locations=(record("1"),)), "c-up")
    town.ask("objects-emp", LocationQuery(), "c-query")
    token = ref("04AB", contract=None)
    town.ask("objects-cpo", AuthorisationQuery(token=token), "c-word")
    with town.store.read() as tx:
        entries = {
            name: [(f.entry.operation, f.entry.outcome) for f in tx.ledger.find(correlation=name)]
            for name in ("c-up", "c-query", "c-word")
        }
        assert entries == {
            "c-up": [("LocationUpload", "ok")],
            "c-query": [("LocationQuery", "ok")],
            "c-word": [("AuthorisationQuery", "invalid-id")],
        }
        for name, value in (("evse", "DEACME1"), ("location", "L1"), ("token", "4AB")):
            assert len(tx.ledger.find(identifier=(name, value))) == 1, name


def test_a_long_list_is_answered_when_it_is_on_disk(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts do not wait for the disk, what comes after them does."""
    monkeypatch.setattr("gateway.aside.QUIET", float("inf"))
    steps: list[str] = []
    store, commit, settle = town.store, town.store.run, town.store.settle

    def part(work: Any, *, soft: bool = False) -> Any:
        steps.append("soft" if soft else "hard")
        return commit(work, soft=soft)

    def end() -> None:
        steps.append("settled")
        settle()

    monkeypatch.setattr(store, "run", part)
    monkeypatch.setattr(store, "settle", end)
    sites = Spool(Location)
    sites.extend(record(str(number), f"L{number}") for number in range(2 * PART))
    run(
        town.exchange.ask_lists(
            partner(town, "lists-cpo"), LocationUpload(locations=()), [("locations", sites)], "c"
        )
    )
    with store.read() as tx:
        assert tx.objects.page("location", limit=1).total == 2 * PART
    assert steps == ["soft", "soft", "soft", "settled"]

    def broken() -> None:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(store, "settle", broken)
    with pytest.raises(StoreUnavailable):
        run(
            town.exchange.ask_lists(
                partner(town, "lists-cpo"),
                LocationUpload(locations=()),
                [("locations", sites)],
                "c",
            )
        )


def test_an_internal_error_is_one_of_ours_and_is_recorded(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(work: Any, message: Any) -> Any:
        work.tx.objects.put("tariff", str(ACM), "T", _item(), "x")
        raise KeyError("secret detail")

    monkeypatch.setattr(exchange_module, "UPLOADS", {LocationUpload: broken})
    with pytest.raises(GatewayError) as caught:
        town.ask("lists-cpo", LocationUpload(locations=()))
    assert str(caught.value) == "internal error"
    with town.store.read() as tx:
        (found,) = tx.ledger.find()
        assert found.entry.outcome == "InternalError"
        assert tx.objects.owners("tariff") == {}


def _item() -> Any:
    from gateway.store import Item

    return Item(b"{}")


def test_a_store_that_is_gone_is_said_as_such(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(work: Any) -> Any:
        raise StoreUnavailable("database is locked")

    monkeypatch.setattr(town.store, "run", gone)
    monkeypatch.setattr(town.store, "begin_now", lambda: None)
    with pytest.raises(StoreUnavailable):
        town.ask("lists-cpo", LocationUpload(locations=(record(),)))


def test_state_is_remembered_and_forgotten(town: Town, make_town: Any) -> None:
    who = partner(town, "objects-emp")
    value = {"a": [1, None, "x"]}
    run(town.exchange.remember(who, "key", value))
    assert run(make_town().exchange.recall(who, "key")) == value
    assert run(town.exchange.recall(partner(town, "objects-cpo"), "key")) is None
    run(town.exchange.remember(who, "key", None))
    assert run(town.exchange.recall(who, "key")) is None


def test_a_partner_is_identified_by_a_secret_of_its_protocol(town: Town) -> None:
    def who(*secrets: str, protocol: str = "ocpi") -> Any:
        found = run(town.exchange.identify(protocol, secrets))
        return found and found.id

    assert who("letmein") == "objects-cpo"
    assert who("wrong", "letmein") == "objects-cpo"
    assert who("letmein", protocol="ochp") is None
    assert who("wrong") is None
    assert who() is None
    fresh = hashlib.sha256(b"fresh").hexdigest()
    run(town.exchange.remember(partner(town, "objects-emp"), "credentials", {"secrets": [fresh]}))
    assert who("fresh") == "objects-emp"
    run(town.exchange.remember(partner(town, "objects-emp"), "credentials", {"secrets": []}))
    assert who("fresh") is None
    both = {"secrets": [hashlib.sha256(b"letmein").hexdigest()]}
    run(town.exchange.remember(partner(town, "objects-emp"), "credentials", both))
    assert who("letmein") is None


def test_recent_state_is_that_of_this_process_or_some_seconds_old(
    town: Town, make_town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own changes count at once, another process's after a while; in between nobody asks."""
    who, other = partner(town, "objects-emp"), make_town()

    def recent() -> Any:
        return run(town.exchange.recall(who, "credentials", recent=True))

    run(town.exchange.remember(who, "credentials", {"secrets": ["a"]}))
    assert recent() == {"secrets": ["a"]}
    run(other.exchange.remember(who, "credentials", {"secrets": ["b"]}))
    assert recent() == {"secrets": ["a"]}
    assert run(town.exchange.recall(who, "credentials")) == {"secrets": ["b"]}
    town.clock.advance(seconds=6)
    assert recent() == {"secrets": ["b"]}
    run(town.exchange.remember(who, "credentials", None))
    assert recent() is None
    run(town.exchange.remember(who, "posted", 1))
    assert run(town.exchange.recall(who, "posted", recent=True)) == 1
    with monkeypatch.context() as patch:
        patch.setattr(town.store, "read", None)
        assert recent() is None


def test_facts_come_from_the_store_and_the_directory(make_town: Any) -> None:
    cpo = party("lists-cpo", "ochp-1.4", "cpo", "DE*ACM", time_zone="Europe/Vienna")
    town = make_town((cpo, *PARTIES[1:]))
    town.ask(
        "lists-cpo", LocationUpload(locations=(record("1"), record("2", "L2", time_zone=None)))
    )
    facts = town.exchange.facts(partner(town, "objects-emp"))
    site = facts.evse("de*acm*e1")
    assert (site.id, site.owner, len(site.evses)) == ("L1", ACM, 1)
    assert facts.evse("DE*ACM*E9") is None
    assert facts.time_zone(evse_id="DEACME1", country=None) == "Europe/Berlin"
    assert facts.time_zone(evse_id="DE*ACM*E2", country="NLD") == "Europe/Vienna"
    assert facts.time_zone(evse_id=None, country="NLD") == "Europe/Amsterdam"
    assert facts.time_zone(evse_id=None, country="ESP") is None
    assert facts.party_name(TNM) == "Objects-Emp"
    assert facts.now() == town.clock.now
    with town.store.begin() as tx:
        tx.ids.foreign_for("objects-emp", "tariff", "long", "short")
    assert facts.wire_id("tariff", "long") == "short"
    assert facts.canonical_id("tariff", "short") == "long"
    assert facts.wire_id("tariff", "other") is None


def test_what_an_encoder_will_ask_is_looked_up_beforehand(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.ask("lists-cpo", LocationUpload(locations=(record("1"),)))
    contract = "DE-EMP-C00000001-1"
    town.ask("lists-cpo", CdrUpload(cdrs=(listed_cdr(contract=contract),)))
    assert town.ask("lists-emp", CdrQuery()).cdrs

    def no_reading() -> Any:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(town.store, "read", no_reading)
    facts = town.exchange.facts(partner(town, "lists-emp"))
    assert facts.evse("DE*ACM*E1").id == "L1"
    with pytest.raises(AssertionError):
        facts.evse("DE*ACM*E2")


def test_what_was_lost_in_writing_stands_in_the_entry(town: Town) -> None:
    note = Note(Outcome.DROPPED, "no-counterpart", "cdrs/0/rating", None, "why")
    town.exchange.report(partner(town, "objects-emp"), "c-1", [note])
    town.ask("lists-cpo", CdrUpload(cdrs=(listed_cdr(),)))
    town.deliver()
    with town.store.read() as tx:
        (found,) = tx.ledger.find(party="objects-emp", direction="out")
        entry = tx.ledger.get(found.entry.id)
    assert entry is not None
    assert entry.findings == (
        b'[{"outcome":"dropped","source":"/cdrs/0/rating","target":null,'
        b'"rule":"no-counterpart","note":"why"}]'
    )


def test_a_long_list_is_taken_in_one_transaction(town: Town) -> None:
    places = tuple(record(str(number), f"L{number // 3}") for number in range(1000))
    assert town.ask("lists-cpo", LocationUpload(locations=places, full=True)).reasons == ()
    assert len(town.ask("lists-emp", LocationQuery()).locations) == 1000
    assert len(town.ask("objects-emp", LocationQuery()).locations) == 334
    decisions = CdrDecisions()
    assert town.ask("lists-emp", decisions).result.code == "ok"
    assert town.ask("objects-emp", TariffQuery()).total == 0


def test_what_was_lost_in_an_answer_gets_an_entry_of_its_own(town: Town) -> None:
    note = Note(Outcome.APPROXIMATED, "cut-at-45", "locations/0/name", (("name", None),), None)
    town.exchange.report(partner(town, "lists-emp"), "c-1", [note])
    town.exchange.report(partner(town, "lists-emp"), "c-1", [note])
    town.clock.advance(seconds=5)
    town.runtime.run_due()
    with town.store.read() as tx:
        (found,) = tx.ledger.find(correlation="c-1")
        entry = tx.ledger.get(found.entry.id)
    assert entry is not None
    assert (entry.operation, (entry.findings or b"").count(b'"target":"/name"')) == ("Answer", 2)
    assert town.runtime.waiting == []
