"""The settings of an OCPI partner."""

import pytest

from adapters.ocpi.settings import OPTIONS, Settings, origin, party, settings, url
from gateway.errors import ConfigError
from gateway.model.base import PartyId
from gateway.server.config import Ocpi


def test_every_option_of_the_file_is_known_or_the_exchanges():
    """What an operator can write reaches the adapter under the same name."""
    own = {option.name for option in OPTIONS}
    assert own == set(Settings.__dataclass_fields__)
    assert set(Ocpi.__struct_fields__) - own == {"push", "pull"}
    assert own - set(Ocpi.__struct_fields__) == {"public_url", "we"}


def test_all_faults_at_once():
    with pytest.raises(ConfigError) as caught:
        settings(
            {
                "token_in": "a b",
                "token_out": "",
                "versions_url": "ftp://x",
                "auth_encoding": "rot13",
                "page_limit": 0,
                "handshake": 1,
                "needs": ["locations"],
                "endpoints": {"locations/BOTH": "https://x"},
                "callback_origins": "https://x",
                "we": [{"role": "KING", "party": "DE*ACM"}],
                "public_url": "//x",
            }
        )
    assert [problem.path for problem in caught.value.problems] == [
        "auth_encoding",
        "callback_origins",
        "endpoints",
        "handshake",
        "needs",
        "page_limit",
        "public_url",
        "token_in",
        "token_out",
        "versions_url",
        "we",
    ]
    assert "a b" not in str(caught.value)


def test_defaults_and_other_peoples_options():
    assert settings({"push": ["locations"], "page_limit": None}) == Settings()


def test_own_roles():
    roles = [
        {"role": "cpo", "party": "de-acm", "name": "Acme"},
        {"role": "HUB", "party": "SEHUB"},
    ]
    first, second = settings({"we": roles}).we
    assert (first.role, first.party, first.name) == (
        "CPO",
        PartyId(country="DE", code="ACM"),
        "Acme",
    )
    assert second.name == "SE*HUB"
    with pytest.raises(ConfigError, match="twice"):
        settings({"we": [roles[0], roles[0]]})


@pytest.mark.parametrize("text", ["DE*ACM", "de-acm", "DEACM"])
def test_parties(text):
    assert party(text) == PartyId(country="DE", code="ACM")


@pytest.mark.parametrize("text", ["", "DE", "D1*ACM", "DE*AC", "DE*ACMX", "DE*A/M", "ÄÖ*ACM", None])
def test_what_is_no_party(text):
    with pytest.raises(ValueError, match="no party"):
        party(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "https://",
        "https://user@example.com/",
        "https://example.com:99999/",
        "https://example.com/ a",
        "https://example.com/\n",
        "https://example.com/#x",
        "https://[::1",
        "https://ex\u00e4mple.com/",
        "https://example.com/" + "x" * 250,
        None,
        7,
    ],
)
def test_what_is_no_url(text):
    with pytest.raises(ValueError):
        url(text)


def test_origins():
    assert origin("HTTPS://Example.com/a") == origin("https://example.com:443/b?c")
    assert origin("http://example.com") != origin("https://example.com")
    assert origin("https://example.com:8443") != origin("https://example.com")
