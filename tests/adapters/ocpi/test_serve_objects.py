"""Tariffs, sessions and tokens over HTTP: what their owners push, and what others read."""

import pytest

from gateway.model.message import SessionUpload, TariffRemoval, TariffUpload, TokenUpload
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.world import ACM, EVP, Client, Desk, partner, serve

S, R = "/ocpi/2.2.1/sender", "/ocpi/2.2.1/receiver"
TARIFF, SESSION, TOKEN = (
    f"{R}/tariffs/DE/ACM/DC-FAST",
    f"{R}/sessions/DE/ACM/S-1",
    f"{R}/tokens/NL/EVP/04A1B2C3D4E580",
)
BEFORE, LATER = "2031-05-01T08:00:00Z", "2031-05-01T12:00:00Z"
CASES = {
    "tariff": ("cpo", TARIFF, samples.tariff, "tariffs", TariffUpload),
    "session": ("cpo", SESSION, samples.session, "sessions", SessionUpload),
    "token": ("emsp", TOKEN, samples.token, "tokens", TokenUpload),
}


@pytest.fixture
def desk():
    return Desk(
        partner("cpo", ACM, roles="cpo", handshake=False, token_in="cpo-token"),
        partner("emsp", EVP, handshake=False, token_in="emsp-token"),
    )


@pytest.fixture
def clients(desk):
    return {name: Client(serve(desk), f"{name}-token") for name in ("cpo", "emsp")}


@pytest.fixture
def cpo(clients):
    return clients["cpo"]


@pytest.fixture
def emsp(clients):
    return clients["emsp"]


def uploads(desk):
    kinds = TariffUpload | SessionUpload | TokenUpload | TariffRemoval
    return [message for message in desk.asked if isinstance(message, kinds)]


@pytest.mark.parametrize("kind", CASES)
def test_an_object_is_put_and_read(clients, desk, kind):
    """201 when new, 200 when known; it comes back as it was sent, and is in the list of others."""
    who, path, sample, module, upload = CASES[kind]
    owner = clients[who]
    reader = clients["emsp" if who == "cpo" else "cpo"]

    answers = [owner("PUT", path, sample()), owner.status, owner("PUT", path, sample())]

    assert [answer if type(answer) is int else answer["status_code"] for answer in answers] == [
        1000,
        201,
        1000,
    ]
    assert owner.status == 200
    assert "data" not in answers[0]
    assert [type(message) for message in uploads(desk)] == [upload, upload]
    assert owner("GET", path)["data"] == sample()
    listed = reader("GET", f"{S}/{module}?date_from=2031-01-01T00:00:00Z")["data"]
    assert listed == [sample()]


@pytest.mark.parametrize("kind", CASES)
def test_ids_of_path_and_body_agree(clients, desk, kind):
    who, path, sample, _, _ = CASES[kind]
    key = "uid" if kind == "token" else "id"
    for change in ({key: "OTHER"}, {"party_id": "XYZ"}, {"country_code": "FR"}, {key: 7}):
        answer = clients[who]("PUT", path, sample(**change))
        assert (clients[who].status, answer["status_code"]) == (200, 2001)
    assert uploads(desk) == []


@pytest.mark.parametrize("kind", CASES)
def test_what_is_older_is_ignored(clients, desk, kind):
    who, path, sample, _, _ = CASES[kind]
    clients[who]("PUT", path, sample(last_updated=LATER))

    answer = clients[who]("PUT", path, sample())

    assert (clients[who].status, answer["status_code"]) == (200, 1000)
    assert "ignored" in answer["status_message"]
    assert clients[who]("GET", path)["data"]["last_updated"] == LATER


@pytest.mark.parametrize("kind", CASES)
def test_what_is_not_known_is_404(clients, kind):
    who, path, _, _, _ = CASES[kind]
    code = 2004 if kind == "token" else 2000
    assert clients[who]("GET", path)["status_code"] == code
    assert clients[who].status == 404
    if kind != "tariff":
        assert clients[who]("PATCH", path, {"last_updated": LATER})["status_code"] == code
        assert clients[who].status == 404


@pytest.mark.parametrize("kind", CASES)
def test_the_spelling_of_an_id_stays(clients, desk, kind):
    """Lower-cased ids name the same object, which keeps its first spelling."""
    who, path, sample, _, _ = CASES[kind]
    key = "uid" if kind == "token" else "id"
    clients[who]("PUT", path, sample())
    base, _, id_ = path.rpartition("/")

    lower = sample(**{key: id_.lower()}, country_code=sample()["country_code"].lower())
    assert clients[who]("PUT", f"{base.lower()}/{id_.lower()}", lower)["status_code"] == 1000

    assert clients[who].status == 200
    assert clients[who]("GET", path)["data"][key] == id_
    assert len({getattr(item, key) for item in desk.kinds[kind].stored}) == 1


# -- tariffs ---------------------------------------------------------------------------------


def test_a_tariff_is_deleted(cpo, desk):
    cpo("PUT", TARIFF, samples.tariff())

    assert cpo("DELETE", TARIFF)["status_code"] == 1000
    assert cpo.status == 200
    removal = uploads(desk)[-1]
    assert (removal.owner, removal.ids) == (ACM, ("DC-FAST",))
    assert cpo("DELETE", TARIFF)["status_code"] == 2000
    assert cpo.status == 404


def test_amounts_keep_their_digits(cpo):
    """No binary fraction comes near a price."""
    raw = (
        b'{"country_code":"DE","party_id":"ACM","id":"DC-FAST","currency":"EUR","elements":'
        b'[{"price_components":[{"type":"ENERGY","price":0.3049990000000000001,"step_size":1}]}],'
        b'"last_updated":"2031-05-01T09:00:00Z"}'
    )
    assert cpo("PUT", TARIFF, raw=raw)["status_code"] == 1000

    cpo("GET", TARIFF)

    assert b'"price":0.3049990000000000001,' in cpo.response.body


# -- sessions --------------------------------------------------------------------------------


def test_a_sessions_list_needs_date_from(emsp, desk):
    answer = emsp("GET", f"{S}/sessions")

    assert (emsp.status, answer["status_code"]) == (200, 2001)
    assert "date_from" in answer["status_message"]
    assert emsp("GET", f"{S}/sessions?date_from=2031-01-01T00:00:00Z")["status_code"] == 1000


def test_charging_periods_are_appended_by_patch(cpo):
    """The rest of the session is replaced field by field."""
    cpo("PUT", SESSION, samples.session())
    more = samples.period("2031-05-01T10:20:00Z", 4.5)

    body = {"kwh": 15, "charging_periods": [more], "last_updated": LATER}
    assert cpo("PATCH", SESSION, body)["status_code"] == 1000

    found = cpo("GET", SESSION)["data"]
    assert found == samples.session(
        kwh=15, charging_periods=[samples.period(), more], last_updated=LATER
    )


@pytest.mark.parametrize("periods", [{}, {"charging_periods": []}, {"charging_periods": None}])
def test_no_periods_in_a_patch_change_none(cpo, periods):
    cpo("PUT", SESSION, samples.session())

    cpo("PATCH", SESSION, {"status": "COMPLETED", "last_updated": LATER, **periods})

    assert cpo("GET", SESSION)["data"] == samples.session(status="COMPLETED", last_updated=LATER)


def test_a_patch_that_comes_twice_appends_once(cpo):
    """A sender that lost our answer sends again."""
    cpo("PUT", SESSION, samples.session())
    body = {"charging_periods": [samples.period("2031-05-01T10:20:00Z")], "last_updated": LATER}

    cpo("PATCH", SESSION, body)
    cpo("PATCH", SESSION, body)

    assert len(cpo("GET", SESSION)["data"]["charging_periods"]) == 2


@pytest.mark.parametrize("periods", [{}, {"charging_periods": []}])
def test_put_replaces_the_periods_too(cpo, periods):
    """An absent list clears it."""
    cpo("PUT", SESSION, samples.session())
    body = samples.session(last_updated=LATER)
    del body["charging_periods"]

    cpo("PUT", SESSION, body | periods)

    assert cpo("GET", SESSION)["data"].get("charging_periods", []) == []


@pytest.mark.parametrize("body", [{"kwh": 1}, {"kwh": "x", "last_updated": LATER}])
def test_a_bad_patch_changes_nothing(cpo, body):
    cpo("PUT", SESSION, samples.session())

    answer = cpo("PATCH", SESSION, body)

    assert (cpo.status, answer["status_code"]) == (200, 2001)
    assert cpo("GET", SESSION)["data"] == samples.session()


def test_an_older_patch_is_ignored(cpo):
    cpo("PUT", SESSION, samples.session())

    assert cpo("PATCH", SESSION, {"kwh": 0, "last_updated": BEFORE})["status_code"] == 1000
    assert cpo("GET", SESSION)["data"] == samples.session()


# -- tokens ----------------------------------------------------------------------------------


def test_a_token_is_patched(emsp):
    emsp("PUT", TOKEN, samples.token())

    assert emsp("PATCH", TOKEN, {"valid": False, "last_updated": LATER})["status_code"] == 1000
    assert emsp("GET", TOKEN)["data"] == samples.token(valid=False, last_updated=LATER)


def test_tokens_are_known_by_uid_and_type(emsp, desk):
    """The same uid as card and as app user are two tokens; without a type it is the card."""
    emsp("PUT", TOKEN, samples.token())
    app = samples.token(type="APP_USER", contract_id="NL-EVP-C99999999-9")
    assert emsp("PUT", f"{TOKEN}?type=APP_USER", app)["status_code"] == 1000
    assert emsp.status == 201

    assert emsp("GET", TOKEN)["data"]["type"] == "RFID"
    for parameter in ("type", "token_type"):
        found = emsp("GET", f"{TOKEN}?{parameter}=APP_USER")["data"]
        assert found["contract_id"] == "NL-EVP-C99999999-9"
    assert emsp("GET", f"{TOKEN}?type=OTHER")["status_code"] == 2004
    body = {"valid": False, "last_updated": LATER}
    emsp("PATCH", f"{TOKEN}?type=APP_USER", body)
    assert emsp("GET", TOKEN)["data"]["valid"] is True
    assert emsp("GET", f"{TOKEN}?type=APP_USER")["data"]["valid"] is False


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        ("PUT", "type=APP_USER", samples.token()),
        ("PUT", "type=CARD", samples.token()),
        ("GET", "type=rfid", None),
        ("PATCH", "type=APP_USER", {"type": "RFID", "last_updated": LATER}),
        ("PATCH", "", {"type": "APP_USER", "last_updated": LATER}),
    ],
)
def test_types_that_do_not_fit(emsp, desk, method, query, body):
    emsp("PUT", TOKEN, samples.token())
    desk.asked.clear()

    answer = emsp(method, f"{TOKEN}?{query}", body)

    assert (emsp.status, answer["status_code"]) == (200, 2001)
    assert uploads(desk) == []
