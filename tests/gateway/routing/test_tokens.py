"""Tokens: lists, withdrawal, expiry, and the word on a driver."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import (
    BadAnswer,
    Inexpressible,
    Refused,
    TimedOut,
    UnknownId,
    Unreachable,
    Untrusted,
)
from gateway.model.base import PartyId
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    ResultCode,
    TokenQuery,
    TokenUpload,
)
from gateway.model.token import Allowed, Representation, TokenKind, Whitelist
from tests.gateway.routing.samples import EMP, NOON, TNM, listed_token, ref, token
from tests.gateway.routing.town import Never, Town, party


def upload(town: Town, who: str, *tokens: Any, full: bool = False) -> Any:
    return town.ask(who, TokenUpload(tokens=tokens, full=full))


def told(town: Town, who: str) -> list[Any]:
    return [one for message in town.got(who, TokenUpload) for one in message.tokens]


# -- lists -----------------------------------------------------------------------------------


def test_tokens_go_to_every_visited_cso_with_an_agreement(town: Town) -> None:
    assert upload(town, "lists-emp", listed_token()).result.code is ResultCode.OK
    (pushed,) = told(town, "objects-cpo")
    assert (pushed.uid, pushed.owner) == ("04A2B3C4", EMP)
    (listed,) = told(town, "house")
    assert listed == listed_token()
    assert town.ask("lists-cpo", TokenQuery()).tokens == (listed_token(),)
    assert town.ask("stranger", TokenQuery()).result.code is ResultCode.ROAMING
    assert upload(town, "lists-emp", listed_token()).result.code is ResultCode.OK
    assert told(town, "objects-cpo") == []


def test_foreign_and_remote_tokens_are_refused(town: Town) -> None:
    remote = listed_token("DEEMPE1", kind=TokenKind.REMOTE)
    reply = upload(town, "lists-emp", listed_token(), token(), remote)
    assert reply.result.code is ResultCode.PARTLY
    assert reply.tokens == (token(), remote)
    assert [one.uid for one in town.ask("lists-cpo", TokenQuery()).tokens] == ["04A2B3C4"]


def test_a_full_list_withdraws_what_it_leaves_out(town: Town) -> None:
    upload(town, "objects-emp", token("01"), token("02"))
    upload(town, "lists-emp", listed_token("0A"), listed_token("0B"))
    told(town, "objects-cpo")
    upload(town, "objects-emp", token("01"), full=True)
    upload(town, "lists-emp", listed_token("0A"), full=True)
    gone = {one.uid: (one.valid, one.expires) for one in told(town, "objects-cpo")}
    assert gone["02"] == (False, None)
    assert gone["0B"][1].year == 1970
    assert gone.keys() == {"02", "0B"}


def test_a_token_that_expires_is_told_to_those_who_know_no_date(town: Town) -> None:
    ends = town.clock.now + timedelta(days=30)
    upload(town, "lists-emp", listed_token(expires=ends))
    told(town, "objects-cpo")
    told(town, "house")
    town.clock.advance(days=29, hours=23)
    assert told(town, "objects-cpo") == []
    since = town.clock.now
    town.clock.advance(hours=1)
    (over,) = told(town, "objects-cpo")
    assert over.expires == ends
    assert told(town, "house") == []
    changed = town.ask("objects-cpo", TokenQuery(since=since)).tokens
    assert [one.uid for one in changed] == ["04A2B3C4"]
    upload(town, "lists-emp", listed_token(expires=ends))
    assert told(town, "objects-cpo") == []


def test_what_must_be_asked_about_is_not_put_on_lists(town: Town) -> None:
    never = token("01", whitelist=Whitelist.NEVER)
    app = token("02", kind=TokenKind.APP_USER)
    upload(town, "objects-emp", never, app, token("03"))
    assert [one.uid for one in told(town, "house")] == ["03"]
    assert {one.uid for one in told(town, "objects-cpo")} == {"01", "02", "03"}


def test_a_listed_token_that_must_be_asked_about_from_now_on_is_withdrawn(town: Town) -> None:
    upload(town, "objects-emp", token("01"))
    told(town, "house")
    later = NOON + timedelta(hours=1)
    upload(town, "objects-emp", token("01", whitelist=Whitelist.NEVER, updated=later))
    (gone,) = told(town, "house")
    assert (gone.valid, gone.whitelist) == (False, None)


def test_a_hash_is_not_pushed_as_a_uid_and_that_is_reported(town: Town) -> None:
    digest = hashlib.sha1(b"4A2B3C4", usedforsecurity=False).hexdigest()
    hashed = listed_token(digest, representation=Representation.SHA1)
    upload(town, "lists-emp", hashed)
    assert told(town, "objects-cpo") == []
    assert told(town, "house") == [hashed]
    with town.store.read() as tx:
        (found,) = tx.ledger.find(operation="TokenUpload", party="lists-emp")
        entry = tx.ledger.get(found.entry.id)
    assert entry is not None
    assert b"cannot-be-told" in (entry.findings or b"")


def test_a_full_list_that_is_refused_as_a_whole_withdraws_nothing(town: Town) -> None:
    upload(town, "lists-emp", listed_token("0A"))

    reply = upload(town, "lists-emp", token("0A"), full=True)

    assert reply.result.code is ResultCode.INVALID_ID
    assert town.ask("lists-cpo", TokenQuery()).tokens == (listed_token("0A"),)


# -- the word on a driver --------------------------------------------------------------------


def ask(town: Town, uid: str = "0412AB34", who: str = "objects-cpo", **more: Any) -> Any:
    contract = more.pop("contract", None)
    query = AuthorisationQuery(token=ref(uid, contract, **more), location_id="loc1")
    return town.ask(who, query)


@pytest.mark.parametrize("whitelist", [None, Whitelist.ALWAYS, Whitelist.ALLOWED])
def test_a_listed_token_decides_alone_where_that_is_allowed(town: Town, whitelist: Any) -> None:
    upload(town, "objects-emp", token(whitelist=whitelist))
    told(town, "objects-emp")
    answer = ask(town)
    assert (answer.allowed, answer.location_id) == (Allowed.ALLOWED, "loc1")
    assert answer.token.contract_id == "NL-TNM-C00000001-8"
    assert town.links["objects-emp"].got == []


def test_blocked_and_expired_tokens(town: Town) -> None:
    upload(town, "objects-emp", token(valid=False))
    upload(town, "lists-emp", listed_token(expires=NOON))
    blocked = ask(town)
    assert (blocked.allowed, blocked.location_id) == (Allowed.BLOCKED, None)
    assert ask(town, "04A2B3C4").allowed is Allowed.EXPIRED


def test_an_unknown_token(town: Town) -> None:
    answer = ask(town, "FFFF")
    assert answer.allowed is Allowed.UNKNOWN_TOKEN
    assert answer.result.code is ResultCode.INVALID_ID
    upload(town, "objects-emp", token())
    assert ask(town, who="stranger").allowed is Allowed.UNKNOWN_TOKEN


@pytest.mark.parametrize("whitelist", [Whitelist.ALLOWED_OFFLINE, Whitelist.NEVER])
def test_the_home_csp_is_asked_where_it_must_be(town: Town, whitelist: Whitelist) -> None:
    upload(town, "objects-emp", token(whitelist=whitelist, valid=False))
    word = AuthorisationReply(allowed=Allowed.ALLOWED, authorization_reference="r1")
    town.links["objects-emp"].answers[AuthorisationQuery] = word
    assert ask(town) == word
    (question,) = town.links["objects-emp"].take()
    assert question.token.owner == TNM
    assert question.location_id == "loc1"


FAILURES = {
    # what the home-CSP does: what who asks is told when the store may not decide
    "silent": (Never(), TimedOut("the provider did not answer in time")),
    "down": (Unreachable("http://emsp is down"), Unreachable("the provider cannot be reached")),
    "broken": (BadAnswer("3000"), BadAnswer("the provider gave no usable answer")),
    "shut": (Untrusted("401"), BadAnswer("the provider gave no usable answer")),
}


@pytest.mark.parametrize(("failure", "told"), FAILURES.values(), ids=FAILURES.keys())
def test_without_its_word_the_whitelist_decides(town: Town, failure: Any, told: Exception) -> None:
    """Where it does not let the store decide, nobody says a no that the provider has not said."""
    town.links["objects-emp"].answers[AuthorisationQuery] = failure
    upload(town, "objects-emp", token(whitelist=Whitelist.ALLOWED_OFFLINE))
    assert ask(town).allowed is Allowed.ALLOWED
    upload(town, "objects-emp", token(whitelist=Whitelist.NEVER))
    with pytest.raises(type(told)) as caught:
        ask(town)
    assert (type(caught.value), str(caught.value)) == (type(told), str(told))


def test_a_provider_is_asked_about_a_token_that_it_has_not_listed(town: Town) -> None:
    link = town.links["objects-emp"]
    link.answers[AuthorisationQuery] = [
        AuthorisationReply(allowed=Allowed.ALLOWED),
        UnknownId("2004"),
        Refused("no"),
        Unreachable("down"),
        Inexpressible("a location is needed"),
    ]
    contract = "NL-TNM-C00000001-8"
    assert ask(town, contract=contract).allowed is Allowed.ALLOWED
    assert ask(town, contract=contract).allowed is Allowed.UNKNOWN_TOKEN
    assert ask(town, contract=contract).allowed is Allowed.NOT_ALLOWED
    with pytest.raises(Unreachable):
        ask(town, contract=contract)
    with pytest.raises(Inexpressible):
        ask(town, contract=contract)


@pytest.mark.parametrize("uid", ["04A2B3C4", "4a2b3c4", "0004A2B3C4"])
def test_uids_are_compared_without_case_and_leading_zeros(town: Town, uid: str) -> None:
    upload(town, "lists-emp", listed_token("4A2B3C4"))
    assert ask(town, uid).allowed is Allowed.ALLOWED


@pytest.mark.parametrize("form", [Representation.SHA1, Representation.SHA256])
def test_hashed_tokens_are_found_by_the_plain_uid_and_the_other_way_round(
    town: Town, form: Representation
) -> None:
    algorithm = {Representation.SHA1: "sha1", Representation.SHA256: "sha256"}[form]
    digest = hashlib.new(algorithm, b"4A2B3C4", usedforsecurity=False).hexdigest()
    upload(town, "lists-emp", listed_token(digest, representation=form))
    answer = ask(town, "04A2B3C4")
    assert answer.allowed is Allowed.ALLOWED
    # the uid that was presented, which a protocol without hashes can say
    assert (answer.token.uid, answer.token.representation) == ("04A2B3C4", None)
    upload(town, "objects-emp", token("AB12"))
    asked = hashlib.new(algorithm, b"AB12", usedforsecurity=False).hexdigest()
    assert ask(town, asked, representation=form).token.uid == "AB12"


def test_of_two_equal_uids_the_kind_and_the_named_provider_decide(town: Town) -> None:
    upload(town, "lists-emp", listed_token("AB"))
    upload(town, "objects-emp", token("AB", valid=False))
    assert ask(town, "AB", owner=TNM).allowed is Allowed.BLOCKED
    assert ask(town, "AB", owner=EMP).allowed is Allowed.ALLOWED


def test_a_hub_answers_for_the_codes_behind_it(make_town: Any) -> None:
    """A token that came from the clearing house belongs to a provider nobody knows here."""
    town = make_town()
    behind = listed_token("C0FFEE", "SE-ABC-C00000001-1")
    assert upload(town, "house", behind).result.code is ResultCode.OK
    assert ask(town, "C0FFEE").allowed is Allowed.ALLOWED
    known = upload(town, "house", listed_token("C0FFEE", "NL-TNM-C00000001-8"))
    assert known.result.code is ResultCode.INVALID_ID


def test_a_time_limit_is_the_home_csps(make_town: Any) -> None:
    seconds: list[float] = []
    town = make_town()

    async def within(limit: float, waiting: Any) -> Any:
        seconds.append(limit)
        return await waiting

    town.runtime.within = within
    upload(town, "objects-emp", token(whitelist=Whitelist.NEVER))
    ask(town)
    assert seconds == [5.0]
    assert party("x", "ocpi-2.2.1", "emsp").policy.answer_within == timedelta(seconds=5)
    assert PartyId(country="NL", code="TNM") == TNM


def test_tokens_without_a_date_are_listed_again_within_the_year(town: Town) -> None:
    bad = token("03", valid=False)
    upload(town, "objects-emp", token("01"), token("02", whitelist=Whitelist.NEVER), bad)
    upload(town, "lists-emp", listed_token())
    told(town, "house")
    for _ in range(2):
        town.clock.advance(days=179, hours=23)
        assert told(town, "house") == []
        town.clock.advance(hours=1)
        assert [one.uid for one in told(town, "house")] == ["01"]


def test_a_home_csp_that_gives_no_word_of_the_moment_is_not_asked(town: Town) -> None:
    behind = listed_token("C0FFEE", "SE-ABC-C00000001-1", whitelist=Whitelist.ALLOWED_OFFLINE)
    upload(town, "house", behind)
    assert ask(town, "C0FFEE").allowed is Allowed.ALLOWED
    assert town.links["house"].take(AuthorisationQuery) == []
