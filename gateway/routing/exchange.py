"""The exchange: every canonical request comes here and is answered here.

Source: IEC 63119-1, the roaming platform between visited-CSO and home-CSP.
Limits: knows canonical messages, the directory of parties and the store; no protocol, no socket.
Why: store first, then answer: one transaction holds what changed, the ledger entry and what is owed
to others. Delivery is a separate, repeatable thing.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from gateway.adapter import Link, Lists, Partner, Seal
from gateway.errors import (
    GatewayError,
    UnknownId,
    UnknownOperation,
)
from gateway.http import Request, ordered_hex
from gateway.mapping.context import Facts, Note
from gateway.model.base import PartyId
from gateway.model.message import (
    AuthorisationQuery,
    AuthorisationReply,
    CdrDecisions,
    CdrQuery,
    CdrUpload,
    LocationQuery,
    LocationUpload,
    Message,
    SessionQuery,
    SessionUpload,
    StatusQuery,
    StatusUpload,
    TariffQuery,
    TariffRemoval,
    TariffUpload,
    TokenQuery,
    TokenUpload,
)
from gateway.routing import (
    authorise,
    cdr_lists,
    cdr_told,
    cdrs,
    enrich,
    ledger,
    live,
    live_lists,
    location_lists,
    locations,
    real_time,
    sessions,
    tariffs,
    tokens,
)
from gateway.routing.alone import Alone
from gateway.routing.authorise import Case
from gateway.routing.journal import Journal
from gateway.routing.long_lists import LEARN_AFTER, LongList
from gateway.routing.parties import Directory, Party
from gateway.routing.partner_state import PartnerState
from gateway.routing.permits import check_role
from gateway.routing.records import owner_key
from gateway.routing.reports import Reports
from gateway.routing.runtime import Runtime
from gateway.routing.tally import Tally
from gateway.routing.together import Together
from gateway.routing.transcript import (
    Heard,
    Keeping,
    Said,
    Step,
    Transcript,
    Way,
    Written,
    write_all,
)
from gateway.routing.work import Work
from gateway.step import STEP
from gateway.store import Clock, Entry, Store, Transaction

T = TypeVar("T")
M = TypeVar("M", bound=Message)
Links = Mapping[str, Link] | Callable[[str], Link | None]
Handler = Callable[[Work, Any], Message]

UPLOADS: Mapping[type[Message], Handler] = {
    LocationUpload: locations.upload,
    StatusUpload: live.upload,
    TariffUpload: tariffs.upload,
    TariffRemoval: tariffs.remove,
    TokenUpload: tokens.upload,
    SessionUpload: sessions.upload,
    CdrUpload: cdrs.upload,
    CdrDecisions: cdr_lists.decisions,
}
"""What changes the store."""
QUERIES: Mapping[type[Message], Handler] = {
    LocationQuery: location_lists.query,
    StatusQuery: live_lists.query,
    TariffQuery: tariffs.query,
    TokenQuery: tokens.query,
    SessionQuery: sessions.query,
    CdrQuery: cdr_lists.query,
}
"""What only reads it."""
PartsHandler = Callable[[Work, Any], Iterator[Message]]
PARTS: Mapping[type[Message], PartsHandler] = {
    CdrQuery: cdr_lists.parts,
    LocationQuery: location_lists.parts,
    StatusQuery: live_lists.parts,
    TariffQuery: tariffs.parts,
    TokenQuery: tokens.parts,
}
"""The same for replies that may be long."""
_SMALL = 20
"""Objects of an upload that may share a transaction with others."""
_log = logging.getLogger(__name__)


class Exchange:
    """Answers canonical requests (``gateway.adapter.Desk``).

    ``links``: the ways to parties that can be called, by party id; ``clock`` gives aware instants;
    ``wake`` is called when something was put into the outbox.
    """

    def __init__(
        self,
        directory: Directory,
        store: Store,
        links: Links,
        clock: Clock,
        runtime: Runtime,
        *,
        keeping: Keeping | None = None,
        new_id: Callable[[], str] = ordered_hex,
        tally: Tally | None = None,
    ) -> None:
        self.directory = directory
        self.store = store
        self.clock = clock
        self.runtime = runtime
        self.wake: Callable[[], None] = lambda: None
        self.admit: Callable[[Partner, Request], Awaitable[Seal | None]] = _anybody
        """Refuses a request that is not the partner's own; raises Untrusted. Gives back how its
        answer is signed."""
        self.sees_all = store.one_writer
        """Whether no other process works on the same store; with SQLite it is told of others."""
        self.new_id = new_id
        self.tally = tally or Tally()
        self._links = links
        self._known = enrich.Known(clock)
        self.keeping = keeping or Keeping()
        self.together = Together(store, runtime)
        self.journal = Journal(self.together, runtime)
        self._reports = Reports(directory, store, clock, runtime, new_id)
        self._state = PartnerState(directory, self.together, clock)
        self._alone = Alone(store, runtime)

    # -- who -----------------------------------------------------------------------------------

    def link(self, party_id: str) -> Link | None:
        """The way to a party, or None: it only asks."""
        return self._links(party_id) if callable(self._links) else self._links.get(party_id)

    def said_to(self, party: Party) -> tuple[Link, Said] | None:
        """The way to a party for one message, and what keeps the bytes that go over it."""
        link, said = self.link(party.id), Said(self)
        if link is None:
            return None
        way: Way | None = cast(Way, link) if hasattr(link, "over") else None
        return (link if way is None else way.over(said)), said

    def linked(self, party: Party) -> bool:
        return self.link(party.id) is not None

    def party(self, partner: Partner) -> Party:
        """The configured party behind a partner."""
        try:
            return self.directory.parties[partner.id]
        except KeyError:
            raise UnknownId(f"{partner.id} is no configured party") from None

    def work(self, tx: Transaction, party: Party | None, correlation: str) -> Work:
        """A request to be decided in a transaction."""
        return Work(tx, self.directory, party, correlation, self.linked)

    # -- asking --------------------------------------------------------------------------------

    def heard(self, request: Request) -> Heard:
        """A request that came over the wire: the desk to ask for it."""
        return Heard(self, request)

    async def ask(self, partner: Partner, message: Message, correlation_id: str) -> Message:
        """The reply to a canonical request; see ``Desk``."""
        return await self.ask_for(None, partner, message, correlation_id)

    async def ask_for(
        self,
        transcript: Transcript | None,
        partner: Partner,
        message: Message,
        correlation_id: str,
    ) -> Message:
        """As ``ask``; with a transcript that keeps what went over the wire for it."""
        await STEP
        asked = self._asked(transcript, partner, message, correlation_id)
        reply: Message
        owed = False
        if isinstance(message, AuthorisationQuery):
            reply = await self._answered(asked, self._authorise(asked, message))
        elif query := QUERIES.get(type(message)):
            reply = await self._answered(asked, self._query(asked, query))
        else:
            reply, owed = await self._answered(asked, self._upload(asked))
        if owed:
            self.wake()
        await STEP
        return reply

    async def ask_lists(
        self, partner: Partner, head: Message, lists: Lists, correlation_id: str
    ) -> Message:
        """An upload that is too long for one message; see ``Desk``."""
        return await self.ask_lists_for(None, partner, head, lists, correlation_id)

    async def ask_lists_for(
        self,
        transcript: Transcript | None,
        partner: Partner,
        head: Message,
        lists: Lists,
        correlation_id: str,
    ) -> Message:
        """As ``ask_lists``; with a transcript that keeps what went over the wire for it."""
        asked = self._asked(transcript, partner, head, correlation_id)
        async with self.runtime.alone(f"{partner.id} list"):
            return await self._answered(asked, self._upload_lists(asked, lists))

    async def ask_parts(
        self,
        partner: Partner,
        message: Message,
        correlation_id: str,
        take: Callable[[Iterator[Message]], T],
    ) -> T:
        """A query whose reply comes in parts; see ``Desk``."""
        return await self.ask_parts_for(None, partner, message, correlation_id, take)

    async def ask_parts_for(
        self,
        transcript: Transcript | None,
        partner: Partner,
        message: Message,
        correlation_id: str,
        take: Callable[[Iterator[Message]], T],
    ) -> T:
        """As ``ask_parts``; with a transcript that keeps what went over the wire for it."""
        asked = self._asked(transcript, partner, message, correlation_id)
        return await self._answered(asked, self._query_parts(asked, PARTS[type(message)], take))

    async def _query_parts(
        self, asked: "_Asked", query: PartsHandler, take: Callable[[Iterator[Message]], T]
    ) -> T:
        first: list[Message] = []

        def read() -> tuple[T, Work]:
            with self.store.read() as tx:
                work = self.work(tx, asked.party, asked.correlation)

                def parts() -> Iterator[Message]:
                    for reply in query(work, asked.message):
                        if not first:
                            first.append(reply)
                        enrich.gather(tx, self._known, reply)
                        yield reply

                return take(parts()), work

        async with self._long(asked):
            made, work = await self.runtime.in_thread(read, writing=False)
        if asked.transcript and not work.fetched:
            asked.transcript.looked_up(*self._entry(asked, ledger.outcome_of(first[0]), work))
        else:
            await self._enter(asked, first[0], work)
        return made

    def _asked(
        self,
        transcript: Transcript | None,
        partner: Partner,
        message: Message,
        correlation_id: str,
    ) -> "_Asked":
        self.tally.asked(type(message).__name__)
        return _Asked(self.party(partner), message, correlation_id, self.clock(), transcript)

    async def _answered(self, asked: "_Asked", answer: Coroutine[Any, Any, T]) -> T:
        """What is awaited, of who may ask it; an error is entered."""
        try:
            try:
                check_role(asked.party, asked.message)
            except GatewayError:
                answer.close()
                raise
            return await answer
        except GatewayError as error:
            await self._failed(asked, error)
            raise
        except Exception as error:  # noqa: BLE001 - the one place; a "server" error to partners
            _log.exception("internal error: %s of %s", type(asked.message).__name__, asked.party.id)
            await self._failed(asked, error)
            raise GatewayError("internal error") from None

    def _long(self, asked: "_Asked") -> AbstractAsyncContextManager[None]:
        """The turn of long work: one piece at a time for each party, so that none has all threads
        while others wait."""
        return self.runtime.alone(f"long {asked.party.id}")

    async def _query(self, asked: "_Asked", query: Handler) -> Message:
        def read(tx: Transaction) -> tuple[Message, Work]:
            work = self.work(tx, asked.party, asked.correlation)
            reply = query(work, asked.message)
            enrich.gather(tx, self._known, reply)
            return reply, work

        def read_list() -> tuple[Message, Work]:
            with self.store.read() as tx:
                return read(tx)

        if _is_single(asked.message):
            reply, work = await self.together.read(read)
        else:
            async with self._long(asked):
                reply, work = await self.runtime.in_thread(read_list, writing=False)
        if asked.transcript and not work.fetched:
            asked.transcript.looked_up(*self._entry(asked, ledger.outcome_of(reply), work))
        else:
            await self._enter(asked, reply, work)
        return reply

    async def _upload(self, asked: "_Asked") -> tuple[Message, bool]:
        """The reply, and whether something is owed by it."""
        handler = UPLOADS.get(type(asked.message))
        if handler is None:
            raise UnknownOperation(f"{type(asked.message).__name__} is nothing that can be asked")

        small = _size(asked.message) <= _SMALL
        return await self._done(asked, lambda work: handler(work, asked.message), small=small)

    async def _done(
        self, asked: "_Asked", change: Callable[[Work], M], *, small: bool, soft: bool = False
    ) -> tuple[M, bool]:
        """The reply to a change of the store, and whether something is owed by it.

        ``soft``: part of something that ``settle`` ends.
        """

        def write(tx: Transaction) -> tuple[M, bool, Entry]:
            work = self.work(tx, asked.party, asked.correlation)
            reply = change(work)
            owed = work.finish()
            enrich.gather(tx, self._known, reply)
            return reply, owed, self._write(tx, asked, ledger.outcome_of(reply), work)

        if small:
            reply, owed, entry = await self.together.write(write, locking=True)
        else:
            async with self._long(asked):
                reply, owed, entry = await self.runtime.in_thread(
                    lambda: self.store.run(write, soft=soft), writing=True
                )
        if asked.transcript:
            asked.transcript.entered(entry)
        return reply, owed

    async def _upload_lists(self, asked: "_Asked", lists: Lists) -> Message:
        """Part by part, each in a transaction of its own; then what is missing in a full list.

        What the ledger says of the whole stands there with the last transaction. Only the end
        waits for the disk: nobody is told before that, and what is owed to partners is claimed, so
        put to the disk, before it is sent.
        """
        upload = UPLOADS[type(asked.message)]
        with closing(LongList(asked.message, upload, sees_all=self.sees_all)) as long:
            for number, part in enumerate(long.parts(lists), 1):
                receipt, owed = await self._done(asked, part.do, small=False, soft=True)
                long.took(part, receipt)
                if owed:
                    self.wake()
                if number in LEARN_AFTER:
                    await self.runtime.in_thread(self.store.learn, writing=True)
        await self.runtime.in_thread(self.store.settle, writing=True)
        return long.receipt

    # -- the word of the home-CSP --------------------------------------------------------------

    async def _authorise(self, about: "_Asked", query: AuthorisationQuery) -> AuthorisationReply:
        def look_up(tx: Transaction) -> tuple[Case, AuthorisationReply, Work]:
            work = self.work(tx, about.party, about.correlation)
            case = authorise.look_up(work, query)
            return case, authorise.from_store(work, case), work

        case, stored, work = await self.together.read(look_up)
        reply: AuthorisationReply | GatewayError = stored
        said: list[Written] = []
        if case.ask and (way := self.said_to(case.ask)):
            reply, said = await self._ask_home(case, case.ask, way, stored, about.correlation)
            await STEP
        if isinstance(reply, GatewayError):
            if about.transcript:
                outcome, reason = ledger.error_of(reply), ledger.reason_of(reply)
                about.transcript.decided(*self._entry(about, outcome, work, reason), said)
            else:
                await self.together.write(lambda tx: write_all(tx, said))
            raise reply
        if about.transcript:
            entry = self._entry(about, ledger.outcome_of(reply), work)
            about.transcript.decided(*entry, said)
        else:
            await self._enter(about, reply, work, said)
        return reply

    async def _ask_home(
        self,
        case: Case,
        home: Party,
        way: tuple[Link, Said],
        stored: AuthorisationReply,
        correlation: str,
    ) -> tuple[AuthorisationReply | GatewayError, list[Written]]:
        link, said = way
        await STEP
        begun = self.clock()
        reply, outcome = await real_time.ask(link, self.runtime, home, case, stored, correlation)
        entry = ledger.entry(
            self.new_id(),
            begun,
            self.clock(),
            "out",
            home,
            case.query,
            correlation,
            outcome,
        )
        entry = entry._replace(findings=self.findings(home.id, correlation))
        names = ledger.identifiers(case.query)
        return reply, list(said.entries(entry, names, case.query))

    # -- the operator's word -------------------------------------------------------------------

    async def decide(self, owner: PartyId, cdr_id: str, *, approved: bool) -> bool:
        """Approve or decline a CDR for a home-CSP that does not; False: it is not to be decided."""

        def write(tx: Transaction) -> tuple[bool, bool]:
            work = self.work(tx, None, self.new_id())
            stored = cdr_told.original(work, owner_key(owner), cdr_id)
            done = stored is not None and cdr_told.decide(work, stored, approved=approved)
            return done, work.finish()

        done, owed = await self.runtime.in_thread(lambda: self.store.run(write), writing=True)
        if owed:
            self.wake()
        return done

    # -- the ledger ----------------------------------------------------------------------------

    def record(self, *entries: Written) -> None:
        """Keep messages as they were on the wire, with what was reported on them. Blocks."""

        self.store.run(lambda tx: write_all(tx, entries))

    def report(self, partner: Partner, correlation_id: str, notes: Sequence[Note]) -> None:
        """What was converted or lost for a partner; stands in the next entry of this message."""
        self._reports.add(partner.id, correlation_id, notes)

    def findings(self, party: str, correlation: str) -> bytes | None:
        """What was reported on a message, JSON, once."""
        return self._reports.take(party, correlation)

    def follow(self, step: Step) -> None:
        """Have something written in the next moment."""
        self.journal.add(step)

    async def written(self, step: Step) -> None:
        """Have something written; returns when it is on disk."""
        await self.together.write(step)

    async def _enter(
        self, asked: "_Asked", reply: Message, work: Work, said: Sequence[Written] = ()
    ) -> None:
        """Keep what was asked, and what it means that a partner fetched something. ``said``: what
        others were asked for it."""

        def write(tx: Transaction) -> Entry:
            write_all(tx, said)
            follow = self.work(tx, None, asked.correlation)
            for owner, id in work.fetched:
                cdr_told.taken(follow, owner, id)
            follow.finish()
            return self._write(tx, asked, ledger.outcome_of(reply), work)

        entry = await self.together.write(write, locking=bool(work.fetched))
        if asked.transcript:
            asked.transcript.entered(entry)

    def _entry(
        self, asked: "_Asked", outcome: str, work: Work | None = None, reason: str | None = None
    ) -> tuple[Entry, list[tuple[str, str]]]:
        entry = ledger.entry(
            self.new_id(),
            asked.started,
            self.clock(),
            "in",
            asked.party,
            asked.message,
            asked.correlation,
            outcome,
            work.findings if work else (),
            reason=reason,
        )
        return entry, list(work.identifiers) if work else []

    def _write(
        self,
        tx: Transaction,
        asked: "_Asked",
        outcome: str,
        work: Work | None = None,
        reason: str | None = None,
    ) -> Entry:
        entry, names = self._entry(asked, outcome, work, reason)
        if asked.transcript:
            asked.transcript.enter(tx, entry, names, asked.message)
        else:
            tx.ledger.write(entry, names)
        return entry

    async def _failed(self, asked: "_Asked", error: Exception) -> None:
        if asked.transcript:
            return  # it is told of the error with the answer
        outcome, reason = ledger.error_of(error), ledger.reason_of(error)

        def write(tx: Transaction) -> None:
            self._write(tx, asked, outcome, reason=reason)

        try:
            await self.together.write(write)
        except GatewayError:
            operation = type(asked.message).__name__
            _log.warning("no ledger entry for %s of %s", operation, asked.party.id)

    # -- what a protocol's server may ask besides ----------------------------------------------

    def facts(self, partner: Partner) -> Facts:
        """What the gateway knows, as an encoder towards this partner may use it."""
        return enrich.StoreFacts(
            partner.id, self.directory, self.store, self.clock, self._known, self.tally
        )

    def gather(self, tx: Transaction, message: Message) -> None:
        """Look up what a writer of a message is going to ask."""
        enrich.gather(tx, self._known, message)

    async def recall(self, partner: Partner, key: str, *, recent: bool = False) -> Any:
        """A partner's stored state (JSON value) or None; see ``Desk.recall``."""
        return await self._state.recall(partner.id, key, recent=recent)

    async def remember(self, partner: Partner, key: str, value: Any) -> None:
        """Store a partner's state; survives a restart. None forgets."""
        await self._state.remember(partner.id, key, value)

    def alone(self, partner: Partner, key: str) -> AbstractAsyncContextManager[None]:
        """One at a time per partner and key."""
        return self._alone.holding(f"{partner.id} {key}")

    async def identify(
        self, protocol: str, secrets: tuple[str, ...], *, anew: bool = False
    ) -> Partner | None:
        """The partner who presents one of these secrets; see ``Desk``."""
        return await self._state.identify(protocol, secrets, anew=anew)


def _size(message: Message) -> int:
    """Objects in an upload."""
    values = (getattr(message, name) for name in message.__struct_fields__)
    return sum(len(value) for value in values if isinstance(value, tuple))


def _is_single(message: Message) -> bool:
    """Whether a query is for one object."""
    return bool(getattr(message, "id", None) or getattr(message, "uid", None))


async def _anybody(partner: Partner, request: Request) -> Seal | None:
    """The secret that was presented is enough."""
    return None


@dataclass(frozen=True)
class _Asked:
    """One canonical request."""

    party: Party
    message: Message
    correlation: str
    started: datetime
    transcript: Transcript | None
