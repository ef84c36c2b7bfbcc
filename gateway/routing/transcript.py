"""What went over the wire for one message, on its way into the ledger.

``Heard`` is a request of a partner while it is answered, ``Said`` what the gateway asks a partner.
Both are a ``Desk``: who answers or asks is handed one of them and needs to know nothing of ledgers.
Rules: what a request changes and its bytes are kept in one transaction; the answer is written after
it, so it follows with other answers in the next moment. A request that changes nothing is entered
with its answer.
Limits: a message over ``LONGEST`` bytes (``STREAMED`` for one that was never held as a whole) is
kept as its hash, and so is every message of a kind that the operator wants kept so. A process that
is killed loses the answers of the last moment, not the requests.
Why: no state of the process tells which message bytes belong to; they travel with the request.
"""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from gateway.adapter import Desk, Fetch, Link, Lists, Partner, Seal, Served
from gateway.errors import Busy, GatewayError
from gateway.http import HttpAnswer, HttpCall, Request, Response, retry_after
from gateway.mapping.context import Facts, Note
from gateway.model.message import Message
from gateway.routing import ledger
from gateway.routing.records import pack_message
from gateway.store import Clock, Entry, Transaction

LONGEST = 32 * 1024 * 1024
STREAMED = 1024 * 1024
"""The same for a message that was never held as a whole."""
T = TypeVar("T")
Names = Collection[tuple[str, str]]
Written = tuple[Entry, Names]
"""A ledger entry and by what it is found again."""
Step = Callable[[Transaction], object]


def write_all(tx: Transaction, entries: Iterable[Written]) -> None:
    """Enter messages in the ledger."""
    for entry, names in entries:
        tx.ledger.write(entry, names)


@dataclass(frozen=True)
class Keeping:
    """How bytes are kept."""

    hide: Callable[[bytes], bytes | None] = bytes
    """Takes what is secret out of a message; None when it cannot."""
    hashed: frozenset[str] = frozenset()
    """Kinds of messages of which only a hash is kept."""

    def kept(self, kind: str, sent: bytes | None) -> tuple[bytes | None, bytes | None]:
        """What of a message is kept: its bytes; its hash where they are not those that were sent.

        >>> Keeping().kept("cdrs", b"<a/>")
        (b'<a/>', None)
        """
        if sent is None:
            return None, None
        shown = None
        if kind not in self.hashed and len(sent) <= LONGEST:
            shown = self.hide(sent)
        return shown, None if shown == sent else hashlib.sha256(sent).digest()

    def canonical(self, kind: str, message: Message | None) -> bytes | None:
        """What is kept of the canonical message."""
        if message is None or kind in self.hashed:
            return None
        packed = pack_message(message)
        return packed if len(packed) <= LONGEST else None


class Gateway(Desk, Protocol):
    """What a transcript needs of the exchange."""

    clock: Clock
    keeping: Keeping
    new_id: Callable[[], str]
    admit: Callable[[Partner, Request], Awaitable[Seal | None]]

    async def ask_for(
        self, transcript: "Transcript", partner: Partner, message: Message, correlation_id: str
    ) -> Message:
        """As ``ask``; what it does is entered by the transcript."""
        ...

    async def ask_lists_for(
        self,
        transcript: "Transcript",
        partner: Partner,
        head: Message,
        lists: Lists,
        correlation_id: str,
    ) -> Message:
        """As ``ask_lists``; what it does is entered by the transcript."""
        ...

    async def ask_parts_for(
        self,
        transcript: "Transcript",
        partner: Partner,
        message: Message,
        correlation_id: str,
        take: Callable[[Iterator[Message]], T],
    ) -> T:
        """As ``ask_parts``; what it does is entered by the transcript."""
        ...

    def follow(self, step: Step) -> None:
        """Have something written in the next moment."""
        ...

    async def written(self, step: Step) -> None:
        """Have something written; returns when it is on disk."""
        ...


class Transcript(Protocol):
    """Who enters what is asked for a message."""

    def enter(self, tx: Transaction, entry: Entry, names: Names, message: Message) -> None:
        """In the transaction of what it changes; ``entered`` follows when that is on disk."""
        ...

    def entered(self, entry: Entry) -> None: ...

    def looked_up(self, entry: Entry, names: Names) -> None:
        """Something was asked that changes nothing."""
        ...

    def decided(self, entry: Entry, names: Names, said: Sequence[Written]) -> None:
        """The same of what has to be on disk with its answer before that goes out; ``said``: what
        others were asked for it."""
        ...


class _NotedFacts:
    """Facts that remember what was noted."""

    def __init__(self, facts: Facts, notes: "_Notes") -> None:
        self._facts, self._notes = facts, notes

    def noted(self, protocol: str, name: str, notes: Sequence[Note]) -> None:
        self._notes.add(notes)
        self._facts.noted(protocol, name, notes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._facts, name)


class _Notes:
    """Each note once, whoever tells it."""

    def __init__(self) -> None:
        self._notes: dict[int, Note] = {}

    def add(self, notes: Sequence[Note]) -> None:
        self._notes |= {id(note): note for note in notes}

    def rows(self) -> list[dict[str, str | None]]:
        return [ledger.row_of(note) for note in self._notes.values()]


class _Transcript:
    """A desk that remembers what is noted while a message is read or written."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._notes = _Notes()

    async def ask(self, partner: Partner, message: Message, correlation_id: str) -> Message:
        return await self._gateway.ask_for(self, partner, message, correlation_id)

    async def ask_lists(
        self, partner: Partner, head: Message, lists: Lists, correlation_id: str
    ) -> Message:
        return await self._gateway.ask_lists_for(self, partner, head, lists, correlation_id)

    async def ask_parts(
        self,
        partner: Partner,
        message: Message,
        correlation_id: str,
        take: Callable[[Iterator[Message]], T],
    ) -> T:
        return await self._gateway.ask_parts_for(self, partner, message, correlation_id, take)

    def enter(self, tx: Transaction, entry: Entry, names: Names, message: Message) -> None:
        raise NotImplementedError

    def entered(self, entry: Entry) -> None:
        raise NotImplementedError

    def looked_up(self, entry: Entry, names: Names) -> None:
        raise NotImplementedError

    def decided(self, entry: Entry, names: Names, said: Sequence[Written]) -> None:
        raise NotImplementedError

    def facts(self, partner: Partner) -> Facts:
        facts: Any = _NotedFacts(self._gateway.facts(partner), self._notes)
        return facts  # type: ignore[no-any-return]

    def report(self, partner: Partner, correlation_id: str, notes: Sequence[Note]) -> None:
        self._notes.add(notes)

    async def identify(
        self, protocol: str, secrets: tuple[str, ...], *, anew: bool = False
    ) -> Partner | None:
        return await self._gateway.identify(protocol, secrets, anew=anew)

    async def recall(self, partner: Partner, key: str, *, recent: bool = False) -> Any:
        return await self._gateway.recall(partner, key, recent=recent)

    async def remember(self, partner: Partner, key: str, value: Any) -> None:
        await self._gateway.remember(partner, key, value)

    def alone(self, partner: Partner, key: str) -> AbstractAsyncContextManager[None]:
        return self._gateway.alone(partner, key)


class Way(Protocol):
    """A link that lets itself be listened to."""

    async def ask(self, message: Message, correlation_id: str) -> Message: ...

    def over(self, said: "Said") -> Link:
        """The same link, for one message."""
        ...


# -- what partners ask -------------------------------------------------------------------------


class Heard(_Transcript):
    """One request of a partner. ``served`` is filled in by who answers it."""

    def __init__(self, gateway: Gateway, request: Request) -> None:
        super().__init__(gateway)
        self.id = gateway.new_id()
        self.served = Served(desk=self, keep=self._keep)
        self._request = request
        self._at = gateway.clock()
        self._entered = False
        self._due = self._kept = False
        self._entry: Entry | None = None
        self._said: list[Written] = []
        self._names: dict[tuple[str, str], None] = {}
        self._rows: list[object] = []
        self._admitted: set[str] = set()

    async def identify(
        self, protocol: str, secrets: tuple[str, ...], *, anew: bool = False
    ) -> Partner | None:
        """Who presents a secret, with a request that is its own; raises Untrusted."""
        partner = await super().identify(protocol, secrets, anew=anew)
        if partner is not None and partner.id not in self._admitted:
            self.served.seal = await self._gateway.admit(partner, self._request)
            self._admitted.add(partner.id)
        return partner

    def enter(self, tx: Transaction, entry: Entry, names: Names, message: Message) -> None:
        """Keep the request in the transaction of what it changes."""
        every = [*self._names, *names]
        if self._entered:
            tx.ledger.change(self.id, every, outcome=entry.outcome, reason=entry.reason)
        else:
            tx.ledger.write(self._whole(entry, message), every)

    def entered(self, entry: Entry) -> None:
        """What was entered is on disk."""
        self._entered = True
        self._entry = entry
        self._add_rows(entry)

    def looked_up(self, entry: Entry, names: Names) -> None:
        """Something was asked that changes nothing."""
        self._names |= dict.fromkeys(names)
        self._add_rows(entry)
        if not self._entered:
            self._entry = entry

    def decided(self, entry: Entry, names: Names, said: Sequence[Written]) -> None:
        self.looked_up(entry, names)
        self._said += said
        self._due = True

    async def _keep(self, status: int, answer: bytes) -> None:
        """Have the request and its answer written where that comes first."""
        if self._due:
            await self._gateway.written(self._ending(status, answer))
            self._kept = True

    def _add_rows(self, entry: Entry) -> None:
        if entry.findings:
            self._rows += msgspec.json.decode(entry.findings)

    def answered(self, response: Response) -> Response:
        """The same answer, with the ledger told about it."""
        served, body = self.served, response.body
        if served.partner is None or self._kept or isinstance(served.error, Busy):
            # nobody who is known, or nobody has looked at it (the log says so); or all is told
            return response
        if isinstance(body, bytes):
            self._gateway.follow(self._ending(response.status, body))
            return response
        return msgspec.structs.replace(response, body=self._listened(response.status, body))

    def _listened(self, status: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces; kept when the last one is out, or nobody wants more."""
        kept, size, hashed = bytearray(), 0, hashlib.sha256()
        try:
            for piece in pieces:
                size += len(piece)
                hashed.update(piece)
                if size <= STREAMED:
                    kept += piece
                yield piece
        finally:
            whole = bytes(kept) if size <= STREAMED else None
            self._gateway.follow(self._ending(status, whole, hashed.digest()))

    def _ending(self, status: int, answer: bytes | None, streamed: bytes | None = None) -> Step:
        """What the answer adds to the ledger; ``streamed``: the hash of one that was not held."""
        error = self.served.error
        took = self._took()
        findings = [*self._rows, *self._notes.rows()]

        def write(tx: Transaction) -> None:
            write_all(tx, self._said)
            entry = self._entry or self._refused()
            shown, digest = self._gateway.keeping.kept(entry.kind, answer)
            if answer is None:
                digest = streamed
            known: dict[str, Any] = {
                "answer": shown,
                "answer_hash": digest,
                "status": status,
                "duration": took,
                "findings": msgspec.json.encode(findings) if findings else None,
            }
            if error is not None and entry.outcome == "ok":
                known["outcome"] = ledger.error_of(error)
                known["reason"] = ledger.reason_of(error)
            if self._entered:
                tx.ledger.change(self.id, **known)
            else:
                tx.ledger.write(self._whole(entry, None)._replace(**known), [*self._names])

        return write

    def _took(self) -> timedelta:
        return max(self._gateway.clock() - self._at, timedelta(0))

    def _refused(self) -> Entry:
        """The entry of a request of which nothing was asked."""
        partner, error = self.served.partner, self.served.error
        assert partner is not None
        return Entry(
            id=self.id,
            at=self._at,
            direction="in",
            party=partner.id,
            protocol=partner.protocol,
            operation=self.served.operation or "unknown",
            correlation=self.served.correlation_id,
            outcome="ok" if error is None else ledger.error_of(error),
            reason=None if error is None else ledger.reason_of(error),
            duration=timedelta(0),
            request=None,
            kind=ledger.kind_of(self.served.object),
        )

    def _whole(self, entry: Entry, message: Message | None) -> Entry:
        request, keeping = self._request, self._gateway.keeping
        shown, digest = keeping.kept(entry.kind, request.body)
        if request.file is not None:
            shown, digest, message = None, self.served.request_hash, None
        target = f"{request.path}?{request.query}" if request.query else request.path
        return entry._replace(
            id=self.id,
            at=self._at,
            wire=self.served.operation or None,
            kind=entry.kind if entry.kind != "other" else ledger.kind_of(self.served.object),
            line=f"{request.method} {target}",
            request=shown,
            request_hash=digest,
            canonical=keeping.canonical(entry.kind, message),
        )


# -- what partners are asked -------------------------------------------------------------------


class _Call(NamedTuple):
    """One call of a partner."""

    at: datetime
    call: HttpCall
    answer: HttpAnswer | None
    error: GatewayError | None
    took: timedelta


class Said(_Transcript):
    """What is said to one partner for one message: any number of calls."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._calls: list[_Call] = []
        self.guard: Callable[[], None] = lambda: None
        """Called right before each call; what it raises keeps the call from going out."""

    def over(self, fetch: Fetch) -> Fetch:
        """The same way, listened to."""

        async def listened(call: HttpCall) -> HttpAnswer:
            at = self._gateway.clock()
            answer: HttpAnswer | None = None
            failed: GatewayError | None = None
            self.guard()
            try:
                answer = await _awaited(fetch(call))
            except GatewayError as error:
                failed = error
                raise
            finally:
                took = max(self._gateway.clock() - at, timedelta(0))
                self._calls.append(_Call(at, call, answer, failed, took))
            return answer

        return listened

    @property
    def silent(self) -> bool:
        """Whether nothing has gone out: the partner was not even asked."""
        return not self._calls

    def wait(self, now: datetime) -> timedelta | None:
        """For how long the last answer asks to be left alone (``Retry-After``)."""
        answer = self._calls[-1].answer if self._calls else None
        return retry_after(answer.headers, now) if answer else None

    def enter(self, tx: Transaction, entry: Entry, names: Names, message: Message) -> None:
        """What the partner's answer made the gateway change."""
        tx.ledger.write(entry, names)

    def entered(self, entry: Entry) -> None:
        """It is on disk."""

    def looked_up(self, entry: Entry, names: Names) -> None:
        """The gateway asked itself; nobody else said anything."""

    def decided(self, entry: Entry, names: Names, said: Sequence[Written]) -> None:
        """As ``looked_up``."""

    def entries(
        self, entry: Entry, names: Names, message: Message | None = None
    ) -> Iterator[Written]:
        """The ledger's entries of it, one for each call, the last one with how it ended.

        ``entry`` tells what was to be said and how that ended.
        """
        keeping = self._gateway.keeping
        rows = self._notes.rows()
        if entry.findings:
            rows = [*msgspec.json.decode(entry.findings), *rows]
        entry = entry._replace(
            findings=msgspec.json.encode(rows) if rows else None,
            canonical=keeping.canonical(entry.kind, message),
        )
        if not self._calls:
            yield entry, names
            return
        *earlier, last = self._calls
        for each in earlier:
            outcome = "ok" if each.error is None else ledger.error_of(each.error)
            step = entry._replace(
                id=self._gateway.new_id(),
                outcome=outcome,
                reason=None if each.error is None else ledger.reason_of(each.error),
                findings=None,
                canonical=None,
            )
            yield self._with(step, each), names
        yield self._with(entry, last), names

    def _with(self, entry: Entry, each: _Call) -> Entry:
        keeping, answer = self._gateway.keeping, each.answer
        request, request_hash = keeping.kept(entry.kind, each.call.body)
        if answer and answer.file is not None:
            shown, digest = None, answer.file_hash
        else:
            shown, digest = keeping.kept(entry.kind, answer.body if answer else None)
        return entry._replace(
            at=each.at,
            duration=each.took,
            line=f"{each.call.method} {each.call.url}",
            wire=each.call.operation or None,
            request=request,
            request_hash=request_hash,
            answer=shown,
            answer_hash=digest,
            status=answer.status if answer else None,
        )


async def _awaited(waiting: Awaitable[HttpAnswer]) -> HttpAnswer:
    return await waiting
