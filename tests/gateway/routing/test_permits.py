"""Who may ask what: every canonical request, every role."""

import msgspec
import pytest

from adapters.ochp.operations import OPERATIONS
from gateway.errors import NotPermitted
from gateway.model import message as m
from gateway.model.ids import parse_party
from gateway.routing.exchange import QUERIES, UPLOADS
from gateway.routing.parties import Party
from gateway.routing.permits import ASKED_BY, OWNED_BY, check_role
from tests.gateway.routing.town import party

ROLES = ("cpo", "emsp", "hub", "nsp", "pso")
OWN, OTHER = parse_party("DE*ACM"), parse_party("NL*CPO")


def of(role: str) -> Party:
    return party("acme", "ocpi-2.2.1", role, "DE*ACM")


def may(role: str, message: m.Message) -> bool:
    try:
        check_role(of(role), message)
    except NotPermitted:
        return False
    return True


def test_every_request_has_a_row() -> None:
    assert set(ASKED_BY) == {*UPLOADS, *QUERIES, m.AuthorisationQuery}
    assert set(OWNED_BY) <= set(QUERIES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", UPLOADS, ids=lambda kind: kind.__name__)
def test_uploads_are_of_one_side(kind: type[m.Message], role: str) -> None:
    """An upload is for the side that the objects come from, and for a hub."""
    required = {each.name: () for each in msgspec.structs.fields(kind) if each.required}
    assert may(role, kind(**required)) == (role in ASKED_BY[kind])
    assert not {"cpo", "emsp"} <= ASKED_BY[kind]


@pytest.mark.parametrize(
    ("message", "roles"),
    [
        (m.LocationQuery(), {"emsp", "nsp", "hub"}),
        (m.LocationQuery(owner=OTHER), {"emsp", "nsp", "hub"}),
        (m.LocationQuery(owner=OWN), {"cpo", "pso", "emsp", "nsp", "hub"}),
        (m.TokenQuery(), {"cpo", "hub"}),
        (m.TokenQuery(owner=OWN), {"cpo", "emsp", "hub"}),
        (m.CdrQuery(), {"emsp", "hub"}),
        (m.CdrQuery(mine=True), {"cpo", "hub"}),
        (m.CdrQuery(mine=True, owner=OTHER), {"cpo", "hub"}),
        (m.SessionQuery(owner=OTHER), {"emsp", "hub"}),
    ],
)
def test_questions_are_of_the_other_side_or_about_ones_own(
    message: m.Message, roles: set[str]
) -> None:
    assert {role for role in ROLES if may(role, message)} == roles


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda each: each.name)
def test_the_table_allows_what_ochp_says(operation: object) -> None:
    """Each operation of OCHP is open to those whom its chapter names, and to no other side."""
    kind = operation.request.message  # type: ignore[attr-defined]
    roles = set(operation.asked_by)  # type: ignore[attr-defined]
    mine = operation.name == "CheckCDRs"  # type: ignore[attr-defined]
    allowed = (OWNED_BY if mine else ASKED_BY)[kind]
    assert roles <= allowed
    assert ("cpo" in roles) != ("emsp" in roles)
    assert {"cpo", "emsp"} & allowed == {"cpo", "emsp"} & roles
