"""The home-CSP behind a token, and the token behind a reference.

Limits: a hash cannot be reversed; a hashed reference is resolved only where the plain token is
stored.
"""

from msgspec.structs import replace

from gateway.model.base import PartyId
from gateway.model.ids import contract_key, contract_owner
from gateway.model.token import Token, TokenRef
from gateway.routing.records import clean, is_hashed, party_of, uid_keys, unpack
from gateway.routing.work import Work
from gateway.store import Object


def candidates(work: Work, ref: TokenRef) -> list[Object]:
    """Stored tokens that a reference may mean, best first: the same form before a hash, the
    spelling that was sent before another, the same kind before another."""
    found: dict[int, Object] = {}
    keys = uid_keys(ref)
    for name in ("uid", "hash"):
        values = [value for key, value in keys if key == name]
        for rows in work.tx.objects.find_many("token", name, values).values():
            found |= {row.seq: row for row in rows}
    if len(found) < 2:
        return list(found.values())

    def worse(row: Object) -> tuple[bool, bool, bool]:
        token = unpack(Token, row.body)
        return (
            token.kind is not ref.kind,
            is_hashed(token) != is_hashed(ref),
            token.uid.upper() != ref.uid.upper(),
        )

    return sorted(found.values(), key=worse)


def provider_of(work: Work, ref: TokenRef) -> PartyId | None:
    """The provider: as stated, as named in the contract id, else whose stored token it is."""
    if ref.owner:
        return clean(ref.owner)
    if ref.contract_id and (named := contract_owner(ref.contract_id)):
        return named
    stored = candidates(work, ref)
    return party_of(stored[0].owner) if stored else None


def plain(work: Work, ref: TokenRef) -> TokenRef:
    """A hashed reference as the plain token that it stands for, where that is known."""
    if not is_hashed(ref):
        return ref
    for row in candidates(work, ref):
        token = unpack(Token, row.body)
        same = not ref.contract_id or contract_key(token.contract_id) == contract_key(
            ref.contract_id
        )
        if same and not is_hashed(token):
            return replace(ref, uid=token.uid, representation=token.representation)
    return ref
