"""The contract of an adapter: what the core asks of one protocol.

An adapter is tables and a few pure functions. It has no sockets, files, clock or settings: trees
come in, canonical messages go out, and the other way round. What it needs from outside comes as an
argument: ``Desk`` answers canonical messages and keeps a partner's state, ``Fetch`` carries an HTTP
call, ``SoapCaller`` a SOAP call.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from gateway.errors import Problem, forget_frames
from gateway.http import HttpAnswer, HttpCall, Request, Response
from gateway.mapping.context import Facts, Note
from gateway.mapping.record import Record
from gateway.mapping.spool import Spools
from gateway.model.base import PartyId
from gateway.model.message import Message

T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """One wire form of one canonical message: a SOAP body root, a JSON object or list.

    ``name`` is the wire's word (``AddCDRsRequest``, ``CDR list``); ``object`` the canonical object
    that it is about (``cdr location status tariff token session authorisation credentials ...``).
    ``fits`` tells whether a parsed JSON value is of this form (XML forms go by root name).
    """

    name: str
    record: Record
    object: str
    fits: Callable[[Any], bool] | None = None

    @property
    def message(self) -> type[Message]:
        """The canonical message class."""
        return self.record.cls  # type: ignore[return-value]


@dataclass(frozen=True)
class Operation:
    """One row of an adapter's operation table."""

    name: str
    request: Form
    reply: Form
    asked_by: tuple[str, ...]
    clause: str


@dataclass(frozen=True)
class SoapEndpoint:
    """Where a SOAP contract (or a part of it) is served."""

    path: str
    wsdl: str
    port_types: tuple[str, ...]
    option: str = "address"
    """Which option of a party holds the address of its service of this contract."""


@dataclass(frozen=True)
class Partner:
    """What an adapter may know of a configured party. ``options`` are the party's settings for its
    protocol (``[party.ochp]``, ``[party.ocpi]``) as plain values; secrets only where it must send
    them."""

    id: str
    name: str
    roles: frozenset[str]
    parties: tuple[PartyId, ...]
    protocol: str
    options: Mapping[str, Any] = field(default_factory=dict)


class Items(Protocol):
    """The objects of a list of any length."""

    def __len__(self) -> int: ...

    def batches(self, size: Callable[[], int]) -> Iterator[tuple[Any, ...]]:
        """All of them in order, ``size`` at a time, which is asked for each time."""
        ...


Lists = Iterable[tuple[str, Items]]
"""The lists of a message that are too long for it, by their fields."""


class Desk(Protocol):
    """What a protocol's server may ask of the gateway."""

    async def ask(self, partner: Partner, message: Message, correlation_id: str) -> Message:
        """The reply to a canonical request; raises GatewayError subclasses."""
        ...

    async def ask_lists(
        self, partner: Partner, head: Message, lists: Lists, correlation_id: str
    ) -> Message:
        """As ``ask`` for an upload that is too long for one message; ``head`` is it without lists.

        They were read to their ends. They are taken in parts, each for itself.
        """
        ...

    async def ask_parts(
        self,
        partner: Partner,
        message: Message,
        correlation_id: str,
        take: Callable[[Iterator[Message]], T],
    ) -> T:
        """As ``ask`` for a query whose reply may be long: ``take`` gets it in parts, at least one,
        each with a part of its list, all of one state of the store. ``take`` may block."""
        ...

    def facts(self, partner: Partner) -> Facts:
        """What the gateway knows, as an encoder towards this partner may use it."""
        ...

    async def identify(
        self, protocol: str, secrets: tuple[str, ...], *, anew: bool = False
    ) -> Partner | None:
        """The partner who presents one of these secrets (tried in order, constant time).

        A partner's secrets are ``options["token_in"]`` and ``options["token_in_next"]``, as they
        are or in their stored form, and those whose hexadecimal SHA-256 stands in the list
        ``secrets`` of its remembered state ``credentials``. None as well when a secret fits two
        partners. Which secrets are still good for what, the adapter decides.

        Raises Untrusted when the request is not the partner's own: its connection or its signature.
        ``anew``: secrets that another process has agreed on in this moment count too.
        """
        ...

    async def recall(self, partner: Partner, key: str, *, recent: bool = False) -> Any:
        """A partner's stored state (JSON value) or None.

        ``recent``: of the state ``credentials``, what ``identify`` knows of it will do; another
        process may have changed that some seconds ago.
        """
        ...

    async def remember(self, partner: Partner, key: str, value: Any) -> None:
        """Store a partner's state; survives a restart. None forgets."""
        ...

    def report(self, partner: Partner, correlation_id: str, notes: Sequence[Note]) -> None:
        """What was converted or lost when objects were written for this partner."""
        ...

    def alone(self, partner: Partner, key: str) -> AbstractAsyncContextManager[None]:
        """One at a time per partner and key, for reading, changing and storing. Not re-entrant;
        nobody calls a partner while holding it."""
        ...


Seal = Callable[[Response], Response]
"""Makes an answer one that its reader can check."""


@dataclass
class Served:
    """What becomes known of a request while it is answered; the gateway logs it."""

    operation: str = ""
    """The route's name, without the values in its path."""
    object: str = ""
    """The canonical object that it is about, as of a form."""
    partner: Partner | None = None
    correlation_id: str = ""
    error: Exception | None = None
    """Why it was refused."""
    desk: Desk | None = None
    """Who is to be asked for this request, in place of the service's own desk."""
    request_hash: bytes | None = None
    """SHA-256 of a request that was too long to be held."""
    admit: Callable[[Partner], Awaitable[None]] | None = None
    """Asked once it is certain who the partner is; returns when it is the partner's turn. Raises
    Busy."""
    seal: Seal | None = None
    """What the whole answer goes through at the very end."""
    read_json: Callable[[bytes], Any] | None = None
    """Reads a JSON body within the limits of its route; raises Malformed, TooLarge."""
    keep: Callable[[int, bytes], Awaitable[None]] | None = None
    """Returns when an answer (status, body) may go out: when what has to be on disk before that
    is there. Raises StoreUnavailable: then it must not."""

    def let_go(self) -> None:
        """It is answered: forget what leads back to it, and with it to the whole message. Else it
        would stay in memory until Python looks for such circles, thousands of requests later."""
        self.desk = self.admit = self.keep = self.seal = None
        forget_frames(self.error)


Fetch = Callable[[HttpCall], Awaitable[HttpAnswer]]
FetchFor = Callable[[Partner], Fetch]
"""The way to a partner's addresses: where that partner may make the gateway call, no further."""


class SoapAnswer(NamedTuple):
    """What a SOAP partner answered: the checked body element, and what of it was put right, and not
    taken, to make it one."""

    body: Any
    mended: tuple[str, ...] = ()
    """Where and how known deviations were read."""
    refused: tuple[Problem, ...] = ()
    """What is wrong with the items of its lists that are not in ``body`` for that."""
    head: Message | None = None
    """A long message, without its lists; ``body`` is nothing then."""
    lists: Spools | None = None
    """These, for whoever asked to close."""


class SoapCaller(Protocol):
    """A SOAP partner: calls an operation of the contract with a body."""

    async def call(
        self, operation: str, body: bytes, correlation_id: str, list_of: Record | None = None
    ) -> SoapAnswer:
        """``list_of``: the reply, if its lists may be read item by item where it is long."""
        ...


class Link(Protocol):
    """The way to one partner: a canonical request goes out, its canonical reply comes back."""

    async def ask(self, message: Message, correlation_id: str) -> Message:
        """Raises Unreachable, Untrusted, BadAnswer, Inexpressible, Refused."""
        ...


@runtime_checkable
class Listing(Protocol):
    """A link to a partner whose lists may be too long to be held."""

    async def ask_lists(
        self, message: Message, correlation_id: str
    ) -> tuple[Message, Spools | None]:
        """As ``Link.ask``; the lists of a long reply come apart, for the caller to close."""
        ...


@runtime_checkable
class Registering(Protocol):
    """A link to a partner that has to be registered with before anything else is said."""

    async def connect(self, correlation_id: str) -> Any:
        """Register, or renew the registration. Raises as ``Link.ask``, and ConfigError."""
        ...

    async def disconnect(self, correlation_id: str) -> None:
        """End the registration; raises as ``connect``."""
        ...


class Adapter(Protocol):
    """One protocol family, in all its versions."""

    name: str
    protocols: tuple[str, ...]

    def forms(self, protocol: str) -> Mapping[str, Form]:
        """All wire forms by name."""
        ...

    def detect(self, protocol: str, tree: Any) -> Form:
        """The form of a body element or JSON value; raises UnknownOperation with a reason."""
        ...

    def natural(self, protocol: str, message: Message) -> Form:
        """The form in which this protocol says a canonical message; raises Inexpressible."""
        ...


class SoapAdapter(Adapter, Protocol):
    """A protocol whose service is a SOAP contract."""

    operations: Mapping[str, Operation]
    endpoints: tuple[SoapEndpoint, ...]

    def mend(self, body: Any) -> tuple[Any, list[str]]:
        """A body with known peer deviations put right, and what was put right (lenient reader)."""
        ...

    def refusal(self, operation: Operation, error: Exception) -> Message | None:
        """The reply that says an error in the protocol's own result code; None: a SOAP Fault."""
        ...

    def link(self, protocol: str, partner: Partner, caller: SoapCaller, desk: Desk) -> Link: ...


class RestService(Protocol):
    """The HTTP side of a protocol."""

    async def __call__(self, request: Request, served: Served) -> Response:
        """The answer to a request; never raises."""
        ...

    async def begun(self, request: Request, served: Served) -> Response | None:
        """What refuses a request of whose body only the beginning is here, because of its head:
        nobody knows the sender, or it leads nowhere. None: the rest may come. Never raises."""
        ...


class RestAdapter(Adapter, Protocol):
    """A protocol whose service is HTTP and JSON."""

    prefixes: tuple[str, ...]

    def service(self, desk: Desk, fetch_for: FetchFor, public_url: str) -> RestService:
        """What serves everything below ``prefixes``."""
        ...

    def takes(self, headers: Mapping[str, str]) -> str | None:
        """Why a body with these header fields is not taken, by its type or coding; None: it is."""
        ...

    def refused(self, request: Request, status: int, reason: str) -> Response:
        """The answer to a request that nobody takes, in the protocol's own words: there is no
        route (404, 405), or too much to do (503)."""
        ...

    def openapi(self, public_url: str) -> Mapping[str, Any]:
        """The OpenAPI document of the service."""
        ...

    def link(self, protocol: str, partner: Partner, fetch: Fetch, desk: Desk) -> Link: ...
