"""An exchange between parties of both kinds, on every database, without network or waiting.

``town`` is the whole thing: it asks as a party, delivers what is owed, and lets time pass. The
partners' ends of the links are ``FakeLink``: they note what comes and answer as they are told.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.adapter import Partner
from gateway.errors import TimedOut
from gateway.model.ids import parse_party
from gateway.model.message import REPLIES, Message
from gateway.routing.delivery import Deliveries, Effort
from gateway.routing.exchange import Exchange
from gateway.routing.parties import Agreement, Directory, Party, Policy
from gateway.routing.runtime import Inline, run
from gateway.store import Store


class Never:
    """An answer that does not come."""

    def __await__(self) -> Any:
        yield


class Manual(Inline):
    """Calls that wait for their time until the test says so; who does not answer is too late."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.waiting: list[tuple[datetime, Callable[[], None]]] = []

    async def within(self, seconds: float, waiting: Awaitable[Any]) -> Any:
        async def whole() -> Any:
            return await waiting

        coroutine = whole()
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        coroutine.close()
        raise TimedOut(f"no answer within {seconds:g} s")

    def later(self, seconds: float, call: Callable[[], None]) -> Any:
        entry = (self._clock() + timedelta(seconds=seconds), call)
        self.waiting.append(entry)
        return _Entry(self.waiting, entry)

    def run_due(self) -> None:
        due = [entry for entry in self.waiting if entry[0] <= self._clock()]
        for entry in due:
            if entry in self.waiting:
                self.waiting.remove(entry)
                entry[1]()


class _Entry:
    def __init__(self, waiting: list[Any], entry: Any) -> None:
        self._waiting, self._entry = waiting, entry

    def cancel(self) -> None:
        if self._entry in self._waiting:
            self._waiting.remove(self._entry)


class FakeLink:
    """A partner that can be called. ``answers``: reply, error or Never, by message class, used up
    from the front of a list, or for good."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.answers: dict[type[Message], Any] = {}

    async def ask(self, message: Message, correlation_id: str) -> Message:
        answer = self.answers.get(type(message))
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else None
        self.got.append(message)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Never):
            await answer
        return answer or REPLIES[type(message)]()

    def take(self, wanted: type[Any] | None = None) -> list[Any]:
        """What came since the last time."""
        got, self.got = self.got, []
        return [each for each in got if wanted is None or isinstance(each, wanted)]


def party(
    id: str,
    protocol: str,
    roles: str,
    *codes: str,
    options: Mapping[str, Any] | None = None,
    **policy: Any,
) -> Party:
    partner = Partner(
        id,
        id.title(),
        frozenset(roles.split()),
        tuple(map(parse_party, codes)),
        protocol,
        options or {},
    )
    return Party(partner, Policy(**policy))


PARTIES = (
    party("lists-cpo", "ochp-1.4", "cpo", "DE*ACM"),
    party("lists-emp", "ochp-1.4", "emsp", "DE*EMP"),
    party("house", "ochp-1.4", "hub", "DE*HUB"),
    party("objects-cpo", "ocpi-2.2.1", "cpo", "NL*CPO", options={"token_in": "letmein"}),
    party("objects-emp", "ocpi-2.2.1", "emsp", "NL*TNM"),
    party("stranger", "ocpi-2.2.1", "cpo emsp", "FR*XYZ"),
)
AGREEMENTS = tuple(
    Agreement(cpo, emsp)
    for cpo, emsps in {
        "lists-cpo": ("lists-emp", "objects-emp", "house"),
        "objects-cpo": ("lists-emp", "objects-emp", "house"),
        "house": ("lists-emp", "objects-emp"),
    }.items()
    for emsp in emsps
)


class Town:
    """The exchange with its parties. Only ``objects-*`` and ``house`` can be called."""

    def __init__(
        self,
        store: Store,
        clock: Any,
        parties: tuple[Party, ...] = PARTIES,
        agreements: tuple[Agreement, ...] = AGREEMENTS,
        links: Mapping[str, FakeLink] | None = None,
    ) -> None:
        self.store, self.clock = store, clock
        self.runtime = Manual(clock)
        if links is None:
            links = {
                each.id: FakeLink() for each in parties if each.habits.asked_live or each.is_hub
            }
        self.links = dict(links)
        ids = (f"id-{number}" for number in range(10**9))
        self.ids = ids
        self.exchange = Exchange(
            Directory(parties, agreements),
            store,
            self.links,
            clock,
            self.runtime,
            new_id=lambda: f"{id(ids):x}-{next(ids)}",
        )
        self.deliveries = Deliveries(
            self.exchange, clock, chance=lambda: 1.0, effort=Effort(give_up=timedelta(hours=1))
        )

    def ask(self, who: str, message: Message, correlation: str = "c-1") -> Any:
        partner = self.exchange.directory.parties[who].partner
        return run(self.exchange.ask(partner, message, correlation))

    def deliver(self) -> None:
        """Send what is due now."""
        self.deliveries.start()
        run(self.deliveries.stop())

    def later(self, **span: float) -> None:
        """Time passes; what became due is sent."""
        self.clock.advance(**span)
        self.deliver()

    def got(self, who: str, wanted: type[Any] | None = None) -> list[Any]:
        """What a party was sent since the last time."""
        self.deliver()
        return self.links[who].take(wanted)

    def dead(self) -> list[Any]:
        with self.store.read() as tx:
            return tx.outbox.find("dead")

    def pending(self, who: str | None = None) -> list[Any]:
        with self.store.read() as tx:
            return tx.outbox.find("pending", party=who)
