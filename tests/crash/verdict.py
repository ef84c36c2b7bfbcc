"""What must hold when all is over: nothing lost, nothing twice in effect, everything explained.

Rules: each acknowledged CDR is at its receiver with one content, its own; nobody has what nobody
sent; sessions never went back; the ledger has an entry for every request that a partner has
processed, or says that an attempt was lost with a process.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from gateway.routing.records import same_id
from gateway.store import Store
from gateway.store.tables import message_contents, messages
from tests.crash.load import TOKEN, Load
from tests.crash.partners import Emsp, Hub, Receiver, Seen, body_of

LOST = "Lost"
"""The outcome of an attempt that a process took with it."""


def against(load: Load, store: Store, emsp: Emsp, hub: Hub) -> list[str]:
    """Everything that speaks against the gateway."""
    fetched = Receiver("fahrstrom", load.fetched)
    receivers: dict[str, Receiver] = {"rijstroom": emsp, "clearing": hub, "fahrstrom": fetched}
    return [
        *(f"refused: {each}" for each in load.refusals),
        *(fault for receiver in receivers.values() for fault in receiver.faults),
        *_cdrs(load, receivers),
        *_sessions(load, emsp),
        *_tokens(load, hub),
        *_outbox(store),
        *_ledger(load, store, [emsp, hub]),
    ]


def _cdrs(load: Load, receivers: dict[str, Receiver]) -> Iterator[str]:
    contents = {party: receiver.contents("cdrs") for party, receiver in receivers.items()}
    expected: dict[str, set[str]] = defaultdict(set)
    for owed in load.owed:
        expected[owed.to].add(owed.id)
        if owed.revised:
            expected[owed.to].add(f"{owed.id}-C")
        if not owed.acknowledged:
            continue
        found = contents[owed.to].get(owed.id, [])
        if not found:
            yield f"lost: CDR {owed.id}, acknowledged as {owed.acknowledged}"
        elif len(found) > 1:
            yield f"twice: CDR {owed.id} has {len(found)} contents: {found}"
        elif not _says(found[0], owed.says):
            yield f"wrong: CDR {owed.id} is not about {owed.says}: {found[0]}"
        if owed.revised and owed.revised.acknowledged:
            credits = contents[owed.to].get(f"{owed.id}-C", [])
            if len(credits) != 1:
                yield f"CDR {owed.id} was revised; credits: {credits}"
    for party, got in contents.items():
        for id in got.keys() - expected[party]:
            yield f"invented: {party} has CDR {id}"


def _says(content: str, energy: str) -> bool:
    """Whether a CDR, in JSON or XML, is about so many kWh."""
    if content.startswith("{"):
        found = str(json.loads(content)["total_energy"])
    else:
        found = next(iter(re.findall(r"<billingValue[^>]*>([^<]+)<", content)), "0")
    return Decimal(found) == Decimal(energy)


def _sessions(load: Load, emsp: Emsp) -> Iterator[str]:
    for id, steps in load.sessions.items():
        told = [Decimal(str(json.loads(each)["kwh"])) for each in emsp.sequence("sessions", id)]
        if told != sorted(told):
            yield f"session {id} went back: {told}"
        if not told or told[-1] < steps[-1]:
            yield f"session {id} ends at {told[-1:]}, acknowledged {steps[-1]}"


def _tokens(load: Load, hub: Hub) -> Iterator[str]:
    for uid, shown in load.tokens.items():
        told = hub.sequence("tokens", uid)
        if not told or f">{shown}<" not in told[-1]:
            yield f"token {uid} is not {shown} at the hub: {told[-1:]}"
    if not hub.sequence("tokens", TOKEN["uid"]):
        yield "the first token is not at the hub"


def _outbox(store: Store) -> Iterator[str]:
    with store.read() as tx:
        for (party, state), count in tx.outbox.counts().items():
            if state == "dead" or (state == "pending" and party != "@gateway"):
                sample = tx.outbox.find(state, party=party, limit=1)
                yield f"{count} {state} to {party}, such as {sample}"


# -- the ledger --------------------------------------------------------------------------------

Key = tuple[str, str, str]
"""Party, correlation id, object id."""


def _ledger(load: Load, store: Store, receivers: list[Receiver]) -> Iterator[str]:
    told: Counter[Key] = Counter()
    lost: Counter[tuple[str, str]] = Counter()
    incoming: dict[str, list[str]] = defaultdict(list)
    with store.read() as tx:
        columns = (messages, message_contents.c.request)
        query = select(*columns).join_from(
            messages,
            message_contents,
            message_contents.c.message == messages.c.seq,
            isouter=True,
        )
        for row in tx.execute(query):
            if row.direction == "in":
                incoming[row.correlation].append(row.outcome)
            elif row.outcome == LOST:
                lost[row.party, row.correlation] += 1
            else:
                for id in _ids(row.request or b""):
                    told[row.party, row.correlation, id] += 1
        for owed in load.owed:
            for correlation in owed.acknowledged:
                if "ok" not in incoming[correlation]:
                    yield f"no ledger entry of {owed.id} in {correlation}: {incoming[correlation]}"
            id = owed.id.removesuffix("-R1")
            if owed.acknowledged and not tx.ledger.find(identifier=("cdr", same_id(id)), limit=1):
                yield f"CDR {owed.id} is not found in the ledger"
    seen: Counter[Key] = Counter()
    for receiver in receivers:
        for each in receiver.seen:
            seen[_key(receiver.party, each)] += 1
    for (party, correlation, id), count in seen.items():
        entries = told[party, correlation, id]
        if count > entries + lost[party, correlation]:
            what = f"{party} has processed {id} {count} times in {correlation}"
            yield f"unexplained: {what}; {entries} entries, {lost[party, correlation]} lost"


def _key(party: str, each: Seen) -> Key:
    return party, each.correlation, each.id


def _ids(request: bytes) -> Iterator[str]:
    """The ids of the objects in a request."""
    if request.startswith(b"{"):
        said: dict[str, Any] = json.loads(request)
        yield str(said.get("id") or said.get("uid"))
    elif request:
        for element in body_of(request).iter("{*}CdrId", "{*}evseId", "{*}instance"):
            yield element.text or ""
