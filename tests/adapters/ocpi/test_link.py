"""The way to a partner: two gateways talking to each other, and peers with habits of their own."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateway.errors import (
    BadAnswer,
    Inexpressible,
    NoRoute,
    Refused,
    UnknownId,
    Unreachable,
    Untrusted,
)
from gateway.http import HttpAnswer
from gateway.model.base import PartyId
from gateway.model.charging import CdrState
from gateway.model.location import EvseState
from gateway.model.message import (
    AuthorisationQuery,
    CdrDecisions,
    CdrQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    Page,
    ResultCode,
    SessionQuery,
    SessionUpload,
    StatusQuery,
    StatusScope,
    StatusUpload,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenQuery,
    TokenUpload,
)
from gateway.model.status import EvseStatus, MajorStatus, ParkingStatus
from gateway.model.token import Allowed, TokenKind, TokenRef
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, Net, Side, canonical, dumps, run

LATER = "2031-05-01T12:00:00Z"
LOCATION = canonical("location", samples.location())
TARIFF = canonical("tariff", samples.tariff())
TOKEN = canonical("token", samples.token())
SESSION = canonical("session", samples.session())
CDR = canonical("cdr", samples.cdr())


@pytest.fixture
def net():
    return Net()


@pytest.fixture
def cpo(net):
    return Side(net, "cpo", "CPO", ACM)


@pytest.fixture
def emsp(net, cpo):
    """Operator and provider, with fixed tokens for each other."""
    side = Side(net, "emsp", "EMSP", EVP)
    join(cpo, side)
    return side


def join(cpo, emsp, **options):
    """``options`` are those that the operator has for the provider."""
    emsp.knows(cpo, handshake=False, token_in="to-emsp", token_out="to-cpo")
    cpo.knows(emsp, **{"handshake": False, "token_in": "to-cpo", "token_out": "to-emsp"} | options)
    run(cpo.link.refresh("c"))
    run(emsp.link.refresh("c"))
    cpo.net.calls.clear()
    emsp.desk.asked.clear()


def ask(side, message):
    return run(side.link.ask(message, "corr-1"))


def answer(data=None, status=200, code=1000, **headers):
    body = {"status_code": code, "timestamp": "2031-05-02T12:00:00Z"}
    if data is not None:
        body["data"] = data
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    return HttpAnswer(status=status, headers=named, body=dumps(body))


def bodies(net):
    return [json.loads(call.body, parse_float=Decimal) for call in net.calls if call.body]


def sent(net):
    return [(call.method, call.url.partition("/ocpi/2.2.1")[2]) for call in net.calls]


# -- uploads ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "message", "method", "path", "sample"),
    [
        (
            "location",
            LocationUpload(locations=(LOCATION,)),
            "PUT",
            "/receiver/locations/DE/ACM/SITE-1",
            samples.location(),
        ),
        (
            "tariff",
            TariffUpload(tariffs=(TARIFF,)),
            "PUT",
            "/receiver/tariffs/DE/ACM/DC-FAST",
            samples.tariff(),
        ),
        (
            "session",
            SessionUpload(sessions=(SESSION,)),
            "PUT",
            "/receiver/sessions/DE/ACM/S-1",
            samples.session(),
        ),
        ("cdr", CdrUpload(cdrs=(CDR,)), "POST", "/receiver/cdrs", samples.cdr()),
    ],
)
def test_an_upload_arrives(net, cpo, emsp, kind, message, method, path, sample):
    """What one gateway uploads, the other one has: the same object, field by field."""
    receipt = ask(cpo, message)

    assert receipt.result.code is ResultCode.OK
    assert sent(net) == [(method, path)]
    assert bodies(net) == [sample]
    [stored] = emsp.desk.kinds[kind].stored
    assert stored == getattr(message, f"{kind}s")[0]
    assert emsp.desk.correlations[-1] == "corr-1"


def test_tokens_arrive_with_their_type(net, cpo, emsp):
    app = replace(TOKEN, uid="APP*1", kind=TokenKind.APP_USER)

    assert ask(emsp, TokenUpload(tokens=(TOKEN, app))).result.code is ResultCode.OK
    assert sent(net) == [
        ("PUT", "/receiver/tokens/NL/EVP/04A1B2C3D4E580?type=RFID"),
        ("PUT", "/receiver/tokens/NL/EVP/APP%2A1?type=APP_USER"),
    ]
    assert cpo.desk.kinds["token"].stored == [TOKEN, app]


def test_headers_of_a_call(net, cpo, emsp):
    """One correlation id, a request id per call, and who talks to whom."""
    two = replace(LOCATION, id="SITE-2")
    ask(cpo, LocationUpload(locations=(LOCATION, two)))

    first, second = (call.headers for call in net.calls)
    assert first["X-Correlation-ID"] == second["X-Correlation-ID"] == "corr-1"
    assert first["X-Request-ID"] != second["X-Request-ID"]
    assert (first["OCPI-from-country-code"], first["OCPI-from-party-id"]) == ("DE", "ACM")
    assert (first["OCPI-to-country-code"], first["OCPI-to-party-id"]) == ("NL", "EVP")
    assert first["Content-Type"] == "application/json"


def test_a_hub_speaks_in_the_right_name(net, cpo, emsp):
    """Locations in its own name, sessions in their owner's; the path keeps the owner."""
    hub = [{"role": "HUB", "party": "SE*HUB", "name": "Hub"}]
    cpo.knows(emsp, handshake=False, token_out="t", token_in="x", we=hub)
    run(cpo.desk.remember(cpo.link.partner, "credentials", net_state(emsp)))
    net.before = lambda call: answer()
    ask(cpo, LocationUpload(locations=(LOCATION,)))
    ask(cpo, SessionUpload(sessions=(SESSION,)))

    names = [call.headers["OCPI-from-party-id"] for call in net.calls]
    assert names == ["HUB", "ACM"]
    assert [path for _, path in sent(net)] == [
        "/receiver/locations/DE/ACM/SITE-1",
        "/receiver/sessions/DE/ACM/S-1",
    ]


def net_state(side):
    """A registration with a side whose endpoints are the usual ones."""
    base = f"{side.url}/ocpi/2.2.1"
    return {
        "version": "2.2.1",
        "send": "t",
        "endpoints": {
            f"{module}/{role}": f"{base}/{role.lower()}/{module}"
            for module in ("locations", "tariffs", "tokens", "sessions", "cdrs")
            for role in ("SENDER", "RECEIVER")
        },
    }


def test_what_the_partner_declines_is_listed(net, cpo, emsp):
    """The others go on; nothing is lost without a reason."""
    items = tuple(replace(LOCATION, id=f"SITE-{n}") for n in range(4))
    net.before = lambda call: answer(code=2001) if "SITE-2" in call.url else None
    unsayable = replace(LOCATION, id="X" * 40)

    receipt = ask(cpo, LocationUpload(locations=(*items, unsayable)))

    assert receipt.result.code is ResultCode.PARTLY
    assert [item.id for item in receipt.locations] == ["SITE-2", "X" * 40]
    assert "2001" in receipt.reasons[0]
    assert "SITE-2" in receipt.reasons[0]
    assert len(receipt.reasons) == 2
    assert len(emsp.desk.kinds["location"].stored) == 3


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(code=2001), ResultCode.FORMAT),
        (answer(status=404, code=2003), ResultCode.INVALID_ID),
    ],
)
def test_everything_declined(net, cpo, emsp, reply, code):
    net.before = lambda call: reply
    receipt = ask(cpo, TariffUpload(tariffs=(TARIFF,)))

    assert receipt.result.code is code
    assert receipt.tariffs == (TARIFF,)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (HttpAnswer(status=401, body=b'{"detail":"bad token"}'), Untrusted),
        (HttpAnswer(status=403, body=b'{"detail":"bad token"}'), Untrusted),
        (HttpAnswer(status=500, body=b"<html>Oops"), BadAnswer),
        (HttpAnswer(status=503), Unreachable),
        (HttpAnswer(status=429, body=b"slow down"), Unreachable),
        (HttpAnswer(status=200, body=b""), BadAnswer),
        (HttpAnswer(status=200, body=b'{"ok":true}'), BadAnswer),
        (HttpAnswer(status=200, body=b"[" * 100), BadAnswer),
        (HttpAnswer(status=200, body=b'{"status_code":"1000"}'), BadAnswer),
        (answer(code=3000), BadAnswer),
        (answer(status=500, code=1000), BadAnswer),
        (answer(code=4003), Unreachable),
        (answer(status=302, location="https://emsp.example/login"), BadAnswer),
    ],
)
def test_what_may_go_better_later_is_raised(net, cpo, emsp, reply, error):
    """Success is HTTP 2xx with 1000 to 1999; the rest says whose fault it is."""
    net.before = lambda call: reply

    with pytest.raises(error):
        ask(cpo, LocationUpload(locations=(LOCATION,)))


@pytest.mark.parametrize("reply", [answer(status=201), answer(code=1999), answer({"any": "thing"})])
def test_what_counts_as_success(net, cpo, emsp, reply):
    net.before = lambda call: reply

    assert ask(cpo, LocationUpload(locations=(LOCATION,))).result.code is ResultCode.OK


def test_an_unprocessable_object_is_declined_with_its_reason(net, cpo, emsp):
    """Web frameworks answer 422 without an envelope."""
    detail = b'{"detail":[{"loc":["body","city"],"msg":"field required"}]}'
    net.before = lambda call: HttpAnswer(status=422, body=detail)

    receipt = ask(cpo, LocationUpload(locations=(LOCATION,)))

    assert "field required" in receipt.reasons[0]


def test_a_tariff_is_removed(net, cpo, emsp):
    """DELETE; what the partner does not have is gone already."""
    ask(cpo, TariffUpload(tariffs=(TARIFF,)))

    for _ in range(2):
        receipt = ask(cpo, TariffRemoval(owner=ACM, ids=("DC-FAST",)))
        assert receipt.result.code is ResultCode.OK
    assert emsp.desk.kinds["tariff"].stored == []
    assert sent(net)[-1] == ("DELETE", "/receiver/tariffs/DE/ACM/DC-FAST")


# -- CDRs ------------------------------------------------------------------------------------


def test_a_cdr_is_not_posted_twice(net, cpo, emsp):
    """A delivery that is repeated sends nothing; its Location is kept."""
    for _ in range(2):
        assert ask(cpo, CdrUpload(cdrs=(CDR,))).result.code is ResultCode.OK
    again = replace(CDR, updated=datetime(2031, 5, 3, tzinfo=UTC))
    assert ask(cpo, CdrUpload(cdrs=(again,))).result.code is ResultCode.OK

    assert sent(net) == [("POST", "/receiver/cdrs")]
    found = ask(cpo, CdrQuery(mine=True, id="C-1", owner=ACM))
    assert found.cdrs == (CDR,)
    assert sent(net)[-1] == ("GET", "/receiver/cdrs/DE/ACM/C-1")


def test_a_changed_cdr_is_refused(net, cpo, emsp):
    """OCPI knows credit CDRs, not corrections."""
    ask(cpo, CdrUpload(cdrs=(CDR,)))

    receipt = ask(cpo, CdrUpload(cdrs=(replace(CDR, total_energy=Decimal(1)),)))

    assert receipt.cdrs == ("C-1",)
    assert "credit CDR" in receipt.reasons[0]
    assert len(sent(net)) == 1


def test_a_cdr_that_failed_is_posted_again(net, cpo, emsp):
    net.before = lambda call: HttpAnswer(status=503)
    with pytest.raises(Unreachable):
        ask(cpo, CdrUpload(cdrs=(CDR,)))
    net.before = None

    assert ask(cpo, CdrUpload(cdrs=(CDR,))).result.code is ResultCode.OK
    assert len(emsp.desk.kinds["cdr"].stored) == 1


@pytest.mark.parametrize("location", ["https://evil.example/cdr/1", "", "https://[", "ftp://cpo"])
def test_a_location_elsewhere_is_not_fetched(net, cpo, emsp, location):
    """The token goes to the partner's own origin only."""
    net.before = lambda call: answer(status=201, location=location)
    ask(cpo, CdrUpload(cdrs=(CDR,)))

    assert ask(cpo, CdrQuery(mine=True, id="C-1", owner=ACM)).cdrs == ()
    assert len(net.calls) == 1


# -- status ----------------------------------------------------------------------------------


class Known:
    """Facts of a gateway that has the site."""

    def __init__(self, facts, location):
        self._facts, self._location = facts, location

    def __getattr__(self, name):
        return getattr(self._facts, name)

    def evse(self, evse_id):
        return self._location if evse_id == "DE*ACM*E7" else None


@pytest.fixture
def with_site(cpo, emsp):
    facts = Known(cpo.desk.facts(None), LOCATION)
    cpo.desk.facts = lambda partner: facts
    cpo.desk.kinds["location"].stored.append(LOCATION)
    return cpo


CHARGING = EvseStatus(
    evse_id="DE*ACM*E7", state=EvseState.CHARGING, updated=datetime(2031, 5, 1, 12, tzinfo=UTC)
)


def test_a_status_is_a_patch(net, with_site, emsp):
    """Where the partner knows the site, nothing but the status goes out."""
    ask(with_site, LocationUpload(locations=(LOCATION,)))
    net.calls.clear()

    receipt = ask(with_site, StatusUpload(evses=(CHARGING,)))

    assert receipt.result.code is ResultCode.OK
    assert sent(net) == [("PATCH", "/receiver/locations/DE/ACM/SITE-1/E7")]
    assert bodies(net) == [{"status": "CHARGING", "last_updated": LATER}]
    [status] = emsp.desk.asked[-1].evses
    assert (status.state, status.evse_id) == (EvseState.CHARGING, "DE*ACM*E7")


def test_a_status_of_an_unknown_evse_is_followed_by_the_location(net, with_site, emsp):
    """The partner missed the location: it gets it whole."""
    receipt = ask(with_site, StatusUpload(evses=(CHARGING,)))

    assert receipt.result.code is ResultCode.OK
    assert sent(net) == [
        ("PATCH", "/receiver/locations/DE/ACM/SITE-1/E7"),
        ("PUT", "/receiver/locations/DE/ACM/SITE-1"),
    ]
    assert emsp.desk.kinds["location"].stored == [LOCATION]


def test_statuses_that_ocpi_cannot_say(net, with_site, emsp):
    """An EVSE nobody knows the place of, a parking spot: listed with reasons."""
    stray = EvseStatus(evse_id="XX9", state=EvseState.AVAILABLE)
    parking = ParkingStatus(parking_id="P1", status=MajorStatus.AVAILABLE)

    receipt = ask(with_site, StatusUpload(evses=(CHARGING, stray), parkings=(parking,)))

    assert receipt.result.code is ResultCode.PARTLY
    assert [reason.partition(":")[0] for reason in receipt.reasons] == ["XX9", "P1"]


# -- questions -------------------------------------------------------------------------------


def filled(cpo, count=5):
    for number in range(count):
        time = datetime(2031, 5, 1, 9, number, tzinfo=UTC)
        site = replace(LOCATION, id=f"SITE-{number}", updated=time)
        cpo.desk.kinds["location"].stored.append(site)


def test_lists_are_read_page_by_page(net, cpo, emsp):
    filled(cpo)
    join(cpo, emsp)
    emsp.knows(cpo, handshake=False, token_in="to-emsp", token_out="to-cpo", page_limit=2)

    found = ask(emsp, LocationQuery())

    assert [item.id for item in found.locations] == [f"SITE-{n}" for n in range(5)]
    assert found.total == 5
    assert found.locations[0].evses == LOCATION.evses
    assert len(net.calls) == 3


def test_a_window_in_time_and_place(net, cpo, emsp):
    """since, until, owner and page are those of the question."""
    filled(cpo)

    found = ask(
        emsp,
        LocationQuery(
            since=datetime(2031, 5, 1, 9, 1, tzinfo=UTC),
            until=datetime(2031, 5, 1, 9, 4, tzinfo=UTC),
            owner=ACM,
            page=Page(offset=1, limit=1),
        ),
    )

    assert [item.id for item in found.locations] == ["SITE-2"]
    assert found.total == 3
    asked = cpo.desk.asked[-1]
    assert (asked.owner, asked.page) == (ACM, Page(offset=1, limit=1))


def test_one_location(net, cpo, emsp):
    filled(cpo)

    assert [item.id for item in ask(emsp, LocationQuery(id="site-3")).locations] == ["SITE-3"]
    assert sent(net) == [("GET", "/sender/locations/site-3")]
    assert ask(emsp, LocationQuery(id="SITE-9")).locations == ()
    other = PartyId(country="FR", code="XYZ")
    assert ask(emsp, LocationQuery(id="SITE-3", owner=other)).locations == ()


@pytest.mark.parametrize(
    ("query", "kind", "obj"),
    [
        (TariffQuery(), "tariff", TARIFF),
        (TariffQuery(id="dc-fast"), "tariff", TARIFF),
        (SessionQuery(), "session", SESSION),
        (SessionQuery(id="S-1", owner=ACM), "session", SESSION),
        (CdrQuery(), "cdr", CDR),
        (CdrQuery(state=CdrState.ACCEPTED, id="C-1"), "cdr", CDR),
    ],
)
def test_other_lists(cpo, emsp, query, kind, obj):
    other = replace(obj, id="OTHER", owner=PartyId(country="FR", code="XYZ"))
    cpo.desk.kinds[kind].stored += [obj, other] if query.id or query.owner else [obj]

    assert getattr(ask(emsp, query), f"{kind}s") == (obj,)


def test_tokens_of_the_provider(cpo, emsp):
    emsp.desk.kinds["token"].stored += [TOKEN, replace(TOKEN, uid="OTHER")]

    assert ask(cpo, TokenQuery(uid="04a1b2c3d4e580")).tokens == (TOKEN,)
    assert len(ask(cpo, TokenQuery()).tokens) == 2


def test_a_session_list_always_has_a_beginning(net, cpo, emsp):
    ask(emsp, SessionQuery())

    assert "date_from=1970-01-01T00%3A00%3A00Z" in net.calls[-1].url


def test_live_status_is_read_off_the_locations(cpo, emsp):
    filled(cpo, 2)

    found = ask(emsp, StatusQuery())

    assert [(s.evse_id, s.location_id, s.state) for s in found.evses] == [
        ("DE*ACM*E7", "SITE-0", EvseState.AVAILABLE),
        ("DE*ACM*E7", "SITE-1", EvseState.AVAILABLE),
    ]


def test_a_broken_object_in_a_list_is_left_out_and_named(net, cpo, emsp):
    """The good ones count; the result says that it is not all."""
    broken = samples.location("SITE-2", coordinates={"latitude": "x", "longitude": "y"})
    data = [samples.location(), broken, 7]
    net.before = lambda call: answer(data, x_total_count=3)

    found = ask(emsp, LocationQuery())

    assert [item.id for item in found.locations] == ["SITE-1"]
    assert found.result.code is ResultCode.PARTLY
    assert "SITE-2" in found.result.text
    assert found.result.text.startswith("2 left out")


@pytest.mark.parametrize(
    "message",
    [
        CdrDecisions(),
        StatusQuery(scope=StatusScope.PARKING),
        CdrQuery(state=CdrState.DECLINED),
        CdrQuery(mine=True),
    ],
)
def test_what_ocpi_cannot_say(net, cpo, emsp, message):
    with pytest.raises(Inexpressible):
        ask(cpo, message)
    assert net.calls == []


# -- authorisation ---------------------------------------------------------------------------

QUESTION = AuthorisationQuery(
    token=TokenRef(uid="04A1B2C3D4E580", kind=TokenKind.RFID),
    location_id="SITE-1",
    evse_uids=("E7",),
)


def test_authorise(net, cpo, emsp):
    """The question arrives whole, and so does the answer."""
    emsp.desk.kinds["token"].stored.append(TOKEN)

    reply = ask(cpo, QUESTION)

    assert sent(net) == [("POST", "/sender/tokens/04A1B2C3D4E580/authorize?type=RFID")]
    assert bodies(net) == [{"location_id": "SITE-1", "evse_uids": ["E7"]}]
    assert (reply.allowed, reply.token) == (Allowed.ALLOWED, TOKEN)
    assert (reply.location_id, reply.evse_uids) == ("SITE-1", ("E7",))
    assert reply.authorization_reference == "AR-1"


def test_authorise_without_a_place(net, cpo, emsp):
    emsp.desk.kinds["token"].stored.append(TOKEN)

    ask(cpo, AuthorisationQuery(token=QUESTION.token))

    assert net.calls[0].body == b""
    assert "Content-Type" not in net.calls[0].headers


def test_authorise_an_unknown_token(cpo, emsp):
    reply = ask(cpo, QUESTION)

    assert reply.allowed is Allowed.UNKNOWN_TOKEN
    assert reply.result.code is ResultCode.INVALID_ID


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(code=2002), Inexpressible),
        (answer(status=400, code=2002), Inexpressible),
        (answer(code=2000), Refused),
        (answer(code=4001), NoRoute),
        (answer(code=4002), Unreachable),
        (answer({"allowed": "PERHAPS"}), BadAnswer),
        (answer([]), BadAnswer),
        (HttpAnswer(status=200, body=b'{"status_code": 1e9999, "data": 1}'), BadAnswer),
    ],
)
def test_authorise_goes_wrong(net, cpo, emsp, reply, error):
    net.before = lambda call: reply

    with pytest.raises(error):
        ask(cpo, QUESTION)


def test_an_object_in_a_list_of_one(net, cpo, emsp):
    """Some peers put single objects into a list."""
    info = {"allowed": "BLOCKED", "token": samples.token()}
    net.before = lambda call: answer([info])

    assert ask(cpo, QUESTION).allowed is Allowed.BLOCKED


# -- habits of peers -------------------------------------------------------------------------


def test_a_redirect_to_the_same_origin(net, cpo, emsp):
    """307 with method and body kept."""

    def slash(call):
        if not call.url.endswith("/"):
            return HttpAnswer(status=307, headers={"location": call.url + "/"})
        return None

    net.before = slash

    assert ask(cpo, LocationUpload(locations=(LOCATION,))).result.code is ResultCode.OK
    assert [call.method for call in net.calls] == ["PUT", "PUT"]
    assert bodies(net)[1] == samples.location()


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://emsp.example/ocpi",
        "https://emsp.example:444/",
        "https://[/",
    ],
)
def test_a_redirect_to_another_origin(net, cpo, emsp, target):
    """The token is never carried elsewhere."""
    net.before = lambda call: HttpAnswer(status=308, headers={"location": target})

    with pytest.raises(BadAnswer):
        ask(cpo, LocationUpload(locations=(LOCATION,)))
    assert len(net.calls) == 1


def test_redirects_without_end(net, cpo, emsp):
    net.before = lambda call: HttpAnswer(status=307, headers={"location": call.url})

    with pytest.raises(BadAnswer, match="redirects"):
        ask(cpo, LocationUpload(locations=(LOCATION,)))
    assert len(net.calls) == 4


def test_a_slash_at_the_end(net, cpo, emsp):
    join(cpo, emsp, trailing_slash=True)

    ask(cpo, LocationUpload(locations=(LOCATION,)))
    ask(cpo, TokenQuery())

    assert net.calls[0].url.endswith("/SITE-1/")
    assert "/sender/tokens/?" in net.calls[1].url


def test_explicit_nulls(net, cpo, emsp):
    join(cpo, emsp, explicit_nulls=True)

    ask(cpo, LocationUpload(locations=(LOCATION,)))

    assert bodies(net)[0]["suboperator"] is None
    assert emsp.desk.kinds["location"].stored[0].suboperator is None


def test_endpoints_of_the_operators_choice(net, cpo, emsp):
    """They go before what the partner lists."""
    where = "https://emsp.example/elsewhere"
    join(cpo, emsp, endpoints={"tokens/SENDER": where})
    net.before = lambda call: answer([])

    ask(cpo, TokenQuery())

    assert net.calls[0].url.startswith(f"{where}?")


def test_a_module_that_the_partner_does_not_have(net, cpo, emsp):
    """Said as such, object by object or as a whole, without a call."""
    run(cpo.desk.remember(cpo.link.partner, "credentials", {"version": "2.2.1", "send": "t"}))

    with pytest.raises(Inexpressible, match="no tokens endpoint"):
        ask(cpo, TokenQuery())
    receipt = ask(cpo, LocationUpload(locations=(LOCATION,)))
    assert receipt.locations == (LOCATION,)
    assert net.calls == []


def test_a_partner_that_is_away(net, cpo, emsp):
    del net.hosts["emsp.example"]

    with pytest.raises(Unreachable):
        ask(cpo, LocationUpload(locations=(LOCATION,)))


def test_losses_are_reported(cpo, emsp):
    """What OCPI cannot say of an object is told to the gateway, by object and rule."""
    site = replace(LOCATION, phone="+49431123456")

    ask(cpo, LocationUpload(locations=(site,)))

    [note] = [note for note in cpo.desk.notes if note.path.endswith("phone")]
    assert note.path == "locations/0/phone"
    assert note.outcome == "dropped"


def test_unknown_ids_are_refused_not_raised_as_strangers(net, cpo, emsp):
    """404 without an envelope is an unknown id."""
    net.before = lambda call: HttpAnswer(status=404, body=b'{"detail":"Not Found"}')

    with pytest.raises(UnknownId):
        ask(cpo, TokenQuery())
