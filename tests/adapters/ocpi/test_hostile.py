"""Whatever a partner sends or answers: an envelope, or an error of the gateway. Never a crash."""

import copy
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ocpi.routes import ROUTES
from gateway.errors import GatewayError
from gateway.http import HttpAnswer
from gateway.model.message import (
    AuthorisationQuery,
    CdrQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    StatusQuery,
    TokenQuery,
)
from gateway.model.token import TokenKind, TokenRef
from tests.adapters.ocpi import samples
from tests.adapters.ocpi.test_link import CDR, LOCATION, join
from tests.adapters.ocpi.world import ACM, EVP, Client, Desk, Net, Side, dumps, partner, run, serve
from tests.support.budget import budget

SAMPLES = {
    "location": samples.location(),
    "evse": samples.evse(),
    "connector": samples.connector(),
    "tariff": samples.tariff(),
    "session": samples.session(),
    "cdr": samples.cdr(),
    "token": samples.token(country_code="DE", party_id="ACM"),
    "credentials": {
        "token": "t",
        "url": "https://x.example/v",
        "roles": [{"role": "CPO", "country_code": "DE", "party_id": "ACM"}],
    },
    "references": {"location_id": "SITE-1", "evse_uids": ["E7"]},
}
IDS = {
    "country": "DE",
    "party": "ACM",
    "location": "SITE-1",
    "evse": "E7",
    "connector": "1",
    "tariff": "DC-FAST",
    "session": "S-1",
    "cdr": "C-1",
    "token": "04A1B2C3D4E580",
}
FAST = budget(60)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.sampled_from(["", "x" * 300, "2031-05-01T09:00:00Z", "\ud7ff", "DE", "E7", "é", "RFID"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "uid", "type", "evses", "z"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def broken(draw, value):
    """A value with one of its parts replaced, removed or doubled."""
    value = copy.deepcopy(value)
    node, steps = value, draw(st.integers(1, 4))
    for _ in range(steps):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            break
        key = draw(st.sampled_from(keys))
        if isinstance(node[key], dict | list) and draw(st.booleans()):
            node = node[key]
            continue
        match draw(st.sampled_from(["replace", "remove", "null", "list"])):
            case "replace":
                node[key] = draw(JSON)
            case "remove":
                node.pop(key)
            case "null":
                node[key] = None
            case "list":
                node[key] = [node[key], node[key]]
        break
    return value


def known():
    """An operator with everything stored, that may also act as its own provider."""
    desk = Desk(partner("cpo", ACM, roles="cpo", handshake=False, token_in="t"))
    client = Client(serve(desk), "t")
    base = "/ocpi/2.2.1/receiver"
    for kind, path in (
        ("location", "locations/DE/ACM/SITE-1"),
        ("tariff", "tariffs/DE/ACM/DC-FAST"),
        ("session", "sessions/DE/ACM/S-1"),
        ("token", "tokens/DE/ACM/04A1B2C3D4E580"),
    ):
        assert client("PUT", f"{base}/{path}", SAMPLES[kind])["status_code"] == 1000
    assert client("POST", f"{base}/cdrs", SAMPLES["cdr"])["status_code"] == 1000
    return client


def path_of(route):
    return "/ocpi/" + route.path.format(**IDS)


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.reads], ids=lambda route: f"{route.method} {route.path}"
)
def test_bodies(route):
    """A broken object is refused with an envelope, or taken where that is still an object."""
    sample = SAMPLES[route.reads.rstrip("?")] | {"last_updated": "2032-05-01T09:00:00Z"}
    client = known()

    @FAST
    @given(broken(sample) | JSON)
    def holds(body):
        answer = client(route.method, path_of(route), raw=dumps(body))
        assert client.status in (200, 201, 404, 405)
        assert 1000 <= answer["status_code"] < 3000
        if answer["status_code"] >= 2000:
            assert answer["status_message"]

    holds()


@FAST
@given(
    st.sampled_from(["GET", "PUT", "PATCH", "POST", "DELETE", "BREW"]),
    st.lists(st.text(max_size=6) | st.sampled_from([*IDS.values(), "receiver"]), max_size=8),
    st.text(max_size=20),
    st.binary(max_size=40),
)
def test_paths_and_bytes(method, segments, query, raw):
    """Any path, query and bytes."""
    client = CLIENT
    path = "/ocpi/2.2.1/" + "/".join(s.replace("?", "") for s in segments)

    answer = client(method, f"{path}?{query}", raw=raw)

    assert client.status in (200, 400, 404, 405)
    assert "status_code" in answer


CLIENT = known()


@FAST
@given(
    st.dictionaries(
        st.sampled_from(["authorization", "ocpi-to-party-id", "x-request-id"]), st.text(max_size=80)
    )
)
def test_headers(headers):
    """Any header value; nobody gets in by accident, and what is echoed can be written."""
    client = Client(CLIENT.service, None)

    client("GET", "/ocpi/versions", headers=headers)

    assert client.status == 401
    assert all(v.isascii() and v.isprintable() for v in client.response.headers.values())


MESSAGES = [
    LocationQuery(),
    LocationQuery(id="SITE-1"),
    StatusQuery(),
    TokenQuery(uid="X"),
    CdrQuery(),
    AuthorisationQuery(token=TokenRef(uid="X", kind=TokenKind.RFID)),
    LocationUpload(locations=(LOCATION,)),
    CdrUpload(cdrs=(CDR,)),
]
ENVELOPE = {
    "status_code": 1000,
    "timestamp": "2031-05-01T09:00:00Z",
    "data": [samples.location(), samples.token(), {"allowed": "ALLOWED", "token": samples.token()}],
}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_answers(message):
    """A partner's answer is understood or an error of the gateway."""
    net = Net()
    cpo, emsp = Side(net, "cpo", "CPO", ACM), Side(net, "emsp", "EMSP", EVP)
    join(cpo, emsp)

    @FAST
    @given(
        st.sampled_from([200, 200, 200, 201, 204, 302, 307, 400, 404, 500]),
        (broken(ENVELOPE) | JSON | st.builds(lambda d: {**ENVELOPE, "data": d}, JSON)).map(
            lambda value: json.dumps(value).encode()
        )
        | st.binary(max_size=30),
        st.dictionaries(
            st.sampled_from(["link", "x-total-count", "x-limit", "location"]),
            st.text(max_size=30)
            | st.sampled_from(
                ["3", "-1", "1e9", "<x>; rel=next", '<?offset=1>; rel="next"', "https://[", "//"]
            ),
        ),
    )
    def holds(status, body, headers):
        answer = HttpAnswer(status=status, body=body, headers=headers)
        net.before = lambda call: answer
        net.calls.clear()
        cpo.desk.state.pop(("emsp", "cdr/de*acm/c-1"), None)
        with suppress(GatewayError):
            run(cpo.link.ask(message, "c"))
        assert len(net.calls) < 50
        assert all(call.url.startswith("https://emsp.example/") for call in net.calls)

    holds()


def test_the_fuzz_has_something_to_break():
    """The unbroken objects are taken."""
    for route in ROUTES:
        if route.reads and route.functional:
            client = known()
            body = SAMPLES[route.reads.rstrip("?")] | {"last_updated": "2032-05-01T09:00:00Z"}
            answer = client(route.method, path_of(route), body)
            assert answer["status_code"] == 1000, route
