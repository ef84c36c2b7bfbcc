"""Tokens: uploads, withdrawal by omission, expiry, and the list for a visited-CSO.

Source: OCHP 1.4, chapter on the roaming list (Set replaces all, Update adds, withdrawal by an
expiry date in the past); OCPI 2.2.1, Tokens module.
Limits: tokens of kind ``remote`` stand in CDRs only and are refused in a list; a hashed token
cannot be told to a partner whose protocol knows plain ones only.
Why: a token that expires counts as changed at that instant, because partners that know only
``valid`` have to be told then.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from msgspec.structs import replace

from gateway.mapping.spool import Kept, Known
from gateway.model.base import PartyId
from gateway.model.ids import contract_owner
from gateway.model.message import Receipt, TokenList, TokenQuery, TokenUpload
from gateway.model.token import Token, TokenKind, Whitelist
from gateway.routing.ledger import of_token
from gateway.routing.location_lists import NO_RELATION
from gateway.routing.parties import EMSP_SIDE, Party
from gateway.routing.records import (
    NEVER,
    bare_uid,
    clean,
    instant,
    is_hashed,
    moment,
    owner_key,
    party_of,
    token_id,
    token_item,
    unpack,
)
from gateway.routing.work import RENEW, SLICE, Refusals, Work, at_least_one, keep
from gateway.store import Filter, Object, slices

EXPIRE = "token-expire"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ASKED_ONLY = frozenset({TokenKind.APP_USER, TokenKind.AD_HOC_USER})


def upload(work: Work, message: TokenUpload) -> Receipt:
    """Store what changed, owe it to all visited-CSOs that get this provider's tokens."""
    refusals, groups = _sorted(work, message.tokens)
    _put(work, groups)
    # a list that is refused as a whole changes nothing
    if message.full and (groups or not message.tokens):
        _leave_out(work, groups)
    return refusals.receipt(len(message.tokens), "tokens")


def upload_part(work: Work, message: TokenUpload, kept: Kept) -> Receipt:
    """The same for a part of a long list; what it has is put into ``kept``."""
    refusals, groups = _sorted(work, message.tokens)
    _put(work, groups)
    keep(kept, groups)
    return refusals.receipt(len(message.tokens), "tokens")


def left_out(work: Work, owner: str, rows: dict[str, Object], kept: Known) -> None:
    """Withdraw these tokens that a long list did not have."""
    left = {id: withdrawn(unpack(Token, row.body)) for id, row in rows.items()}
    _store(work, owner, left, fresh_only=False)
    _expire_later(work, owner)


def _sorted(work: Work, found: Iterable[Token]) -> tuple[Refusals, dict[str, dict[str, Token]]]:
    """What is refused, and the tokens by owner and id."""
    refusals, groups = Refusals(), dict[str, dict[str, Token]]()
    for token in found:
        owner = owner_of(token) or work.sole_code()
        if token.kind is TokenKind.REMOTE:
            refusals.add(token, f"token of {token.contract_id}: kind remote is not listed")
        elif reason := work.foreign(owner, EMSP_SIDE):
            refusals.add(token, f"token of {token.contract_id}: {reason}")
        elif owner:
            groups.setdefault(owner_key(owner), {})[token_id(token)] = token
    return refusals, groups


def _put(work: Work, groups: dict[str, dict[str, Token]]) -> None:
    for name, group in groups.items():
        work.tx.lock("objects", "token", name)
        for part in slices(group.items(), SLICE):
            _store(work, name, dict(part), fresh_only=True)
        _expire_later(work, name)


def owner_of(token: Token) -> PartyId | None:
    """The home-CSP of a token: as stated, else as named in the contract id."""
    return clean(token.owner) if token.owner else contract_owner(token.contract_id)


def _store(work: Work, owner: str, group: dict[str, Token], *, fresh_only: bool) -> None:
    stored = work.tx.objects.get_many("token", owner, group)
    items = {
        id: token_item(token, work.now)
        for id, token in group.items()
        if not (fresh_only and id in stored and _stale(unpack(Token, stored[id].body), token))
    }
    changes = work.tx.objects.put_many("token", owner, items, work.by)
    fresh = [id for id, change in changes.items() if change != "same"]
    work.about_all(pair for id in fresh for pair in of_token(group[id]))
    new = {id for id in fresh if changes[id] == "new"}
    for party in work.acceptors(owner, work.by, "tokens"):
        lists = party.habits.listed_tokens
        ids = [
            id
            for id in fresh
            if can_be_told(party, group[id])
            # one that may not be listed is withdrawn, if it was there before
            and not (lists and id in new and group[id].whitelist is Whitelist.NEVER)
        ]
        work.tell(party, "token", owner, ids)
        if untold := len(fresh) - len(ids):
            work.note("token", "cannot-be-told", f"{untold} tokens to {party.id}")


def can_be_told(party: Party, token: Token) -> bool:
    """Whether the partner's protocol has a place for such a token at all."""
    if party.habits.listed_tokens:
        return token.kind not in _ASKED_ONLY
    return not is_hashed(token)


def _stale(old: Token, new: Token) -> bool:
    return bool(old.updated and new.updated and new.updated < old.updated)


def withdrawn(token: Token) -> Token:
    """The token as one that is no longer good, in the words of its own protocol."""
    if token.expires is None:
        return replace(token, valid=False)
    return replace(token, expires=EPOCH, valid=None if token.valid is None else False)


def _leave_out(work: Work, groups: dict[str, dict[str, Token]]) -> None:
    """Withdraw what a full list does not have."""
    for owner in work.own_codes | work.tx.objects.owners("token").keys():
        kept = groups.get(owner, {})
        left: dict[str, Token] = {}
        for row in work.tx.objects.each("token", Filter(owners=[owner])):
            if row.id not in kept and work.speaks_for(owner, row.source):
                left[row.id] = withdrawn(unpack(Token, row.body))
            if len(left) == SLICE:
                _store(work, owner, left, fresh_only=False)
                left = {}
        _store(work, owner, left, fresh_only=False)


# -- expiry ----------------------------------------------------------------------------------


def _expire_later(work: Work, owner: str) -> None:
    if first := instant(work.tx.objects.next_due("token", owner)):
        work.later(EXPIRE, owner, first)


def expire(work: Work, owner: str) -> None:
    """Some of an owner's tokens have expired: tell who knows tokens only as good or not."""
    over = work.tx.objects.due("token", owner, moment(work.now), limit=SLICE)
    for source in {row.source for row in over}:
        tokens = {row.id: unpack(Token, row.body) for row in over if row.source == source}
        items = {id: token_item(token, work.now) for id, token in tokens.items()}
        work.tx.objects.put_many("token", owner, items, source)
        for party in work.acceptors(owner, source, "tokens"):
            if not party.habits.listed_tokens:
                ids = [id for id, token in tokens.items() if can_be_told(party, token)]
                work.tell(party, "token", owner, ids)
    _expire_later(work, owner)


def renew(work: Work, party_id: str) -> None:
    """List the tokens again that are good without a date, before the party's list drops them."""
    party = work.directory.parties.get(party_id)
    if party is None:
        return
    work.tx.parties.set_value(party_id, RENEW, None)
    for owner, source in work.tx.objects.owners("token").items():
        if party in work.acceptors(owner, source, "tokens"):
            rows = work.tx.objects.each("token", Filter(owners=[owner]))
            dateless = [row for row in rows if row.sort_key == NEVER]
            work.tell(party, "token", owner, [row.id for row in dateless if _is_good(party, row)])


def _is_good(party: Party, row: Object) -> bool:
    token = unpack(Token, row.body)
    listed = can_be_told(party, token) and token.whitelist is not Whitelist.NEVER
    return listed and token.expires is None and token.valid is not False


# -- queries ---------------------------------------------------------------------------------


def query(work: Work, message: TokenQuery) -> TokenList:
    """The tokens of home-CSPs that the caller has an agreement with."""
    owner = clean(message.owner) if message.owner else None
    owners = work.visible("token", "tokens", EMSP_SIDE, owner)
    if owners is None:
        return TokenList(result=NO_RELATION)
    if message.uid is not None:
        rows = [row for row in by_uid(work, message.uid) if row.owner in owners]
        return TokenList(tokens=_shown(work.asker, rows), total=len(rows))
    wanted = Filter(owners=owners, since=message.since, until=message.until)
    rows, total = work.listed("token", wanted, message.page)
    return TokenList(tokens=_shown(work.asker, rows), total=total)


def parts(work: Work, message: TokenQuery) -> Iterator[TokenList]:
    """The whole list of ``query`` in parts, at least one."""
    owner = clean(message.owner) if message.owner else None
    owners = work.visible("token", "tokens", EMSP_SIDE, owner)
    if owners is None or message.uid is not None or message.page is not None:
        yield query(work, message)
        return
    wanted = Filter(owners=owners, since=message.since, until=message.until)
    found = slices(work.tx.objects.each("token", wanted), SLICE)
    some = (TokenList(tokens=_shown(work.asker, rows)) for rows in found)
    yield from at_least_one(some, TokenList())


def _shown(party: Party, rows: list[Object]) -> tuple[Token, ...]:
    return tuple(named(party, row) for row in rows)


def named(party: Party, row: Object) -> Token:
    """A stored token, with its owner for those whose protocol names it."""
    token = unpack(Token, row.body)
    if token.owner or party.habits.listed_tokens:
        return token
    return replace(token, owner=party_of(row.owner))


def by_uid(work: Work, uid: str) -> list[Object]:
    """Tokens of any kind with this uid as it is written."""
    spellings = dict.fromkeys(bare_uid(uid, kind) for kind in (TokenKind.OTHER, TokenKind.RFID))
    found = work.tx.objects.find_many("token", "uid", spellings)
    return list({row.seq: row for rows in found.values() for row in rows}.values())


def told(party: Party, rows: list[Object]) -> Iterator[Token]:
    """Stored tokens as they are told to a party now."""
    for row in rows:
        token = named(party, row)
        if not can_be_told(party, token):
            continue
        if party.habits.listed_tokens and token.whitelist is Whitelist.NEVER:
            yield replace(withdrawn(token), whitelist=None)
        else:
            yield token
