"""A SOAP contract served over HTTP: from bytes to a checked body, and from an answer to bytes.

Source: SOAP 1.1 chapter 6 (HTTP binding); SOAP 1.2 part 2 chapter 7; WS-I Basic Profile 1.1.
Limits: HTTP itself is done elsewhere; every operation has one request and one answer.
Why: spyne dispatches by body root, keeps the call's context and fires its events, but it never
parses, validates or serialises a value: what reaches an operation is the very element that passed
the gate, the envelope's grammar, the authentication and the schema. Answers are found by awaiting,
so the spyne operation hands back an awaitable.
"""

import io
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from inspect import isawaitable
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from lxml import etree
from lxml.etree import _Element as Element

from gateway.adapter import Served
from gateway.errors import Busy, GatewayError, Malformed, StoreUnavailable, UnknownOperation
from gateway.http import Request, Response, Welcome, correlation_id
from gateway.mapping.stream import Checker
from gateway.security import credentials, wsse
from gateway.security.parse import Limits, cut_out, parse
from gateway.security.unverified import Unverified
from gateway.security.wss_structure import Structure
from gateway.security.wsse import UsernameToken
from gateway.soap import _spyne_imports, envelope, long
from gateway.soap.binding import deviations, fault_status, read_content_type
from gateway.soap.call import Progress, SoapCall, fault, fault_code
from gateway.soap.check import Lenient, sorted_out
from gateway.soap.contract import Contract, ContractOperation
from gateway.soap.envelope import Envelope, NotUnderstood, Version, VersionMismatch
from gateway.soap.long import Long
from gateway.soap.offload import IN_THREAD, run
from gateway.soap.security import MessageSecurity, Sender, is_signed
from gateway.step import STEP

_spyne_imports.provide()

import spyne.const  # noqa: E402 - needs the stand-ins
from spyne import AnyXml, Application, MethodContext, ServerBase, Service, rpc  # noqa: E402
from spyne.error import Fault  # noqa: E402
from spyne.interface import InterfaceDocumentsBase  # noqa: E402
from spyne.protocol import ProtocolBase  # noqa: E402
from spyne.util.appreg import unregister_application  # noqa: E402

spyne.const.MIN_GC_INTERVAL = float("inf")  # its gc.collect() stops the process for up to 0.3 s

log = structlog.get_logger(__name__)


Answer = Element | bytes | Iterator[bytes]
"""A body: a tree, or what it is serialised to, whole or in pieces."""
Authenticate = Callable[[str, str], Any]
"""(username, password) -> party, None, or an awaitable of these."""
CheckDigest = Callable[[UsernameToken, bool], Any]
"""A token with a digest, and whether it is used up by this -> party; blocks, raises Unverified."""
AnswerError = Callable[[SoapCall, GatewayError], Element | bytes | None]
"""An answer that says the error in the protocol's own way; None: a fault says it."""


class Connections(Protocol):
    """What a connection says of who is at its other end."""

    def check(self, party: Any, request: Request) -> None:
        """Raises Untrusted when the party is not to be believed over it."""
        ...

    def identify(self, request: Request) -> Any | None:
        """The party that it identifies by itself."""
        ...


class _AnyConnection:
    """Every party over any connection."""

    def check(self, party: Any, request: Request) -> None: ...

    def identify(self, request: Request) -> Any | None:
        return None


class SoapService:
    """Serves a contract at one address."""

    def __init__(
        self,
        contract: Contract,
        schema: Checker,
        answer: Callable[[SoapCall], Awaitable[Answer]],
        authenticate: Authenticate,
        public_url: str,
        limits: Limits | None = None,
        *,
        basic: Authenticate | None = None,
        lenient: Lenient | None = None,
        mends: Callable[[Any], bool] = lambda party: True,
        answer_error: AnswerError | None = None,
        tolerated: Contract | None = None,
        security: MessageSecurity | None = None,
        digests: CheckDigest | None = None,
        claimed: Callable[[str], str | None] = lambda username: None,
        connections: Connections | None = None,
        lists: Collection[str] = (),
        items: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        """``basic``: as ``authenticate``, of those who present HTTP Basic credentials in place of a
        UsernameToken; ``lenient`` reads the messages of those parties for whom ``mends`` says so;
        ``tolerated``: operations of this contract are answered here too, with a deviation;
        ``security``: signatures of the parties that have a profile; ``claimed``: the id of the
        party that has a username, for the log; ``connections``: over which a party is believed;
        ``lists``: the body elements that ``answer`` reads item by item when they are long;
        ``items``: those of whose lists one item may be wrong, and the elements of the lists."""
        self._contract = contract
        self._schema = schema
        self._authenticate, self._basic = authenticate, basic
        self._limits = limits or Limits()
        self._lenient, self._mends = lenient, mends
        self._answer_error = answer_error
        self._security = security
        self._digests, self._claimed = digests, claimed
        self._connections = connections or _AnyConnection()
        self._documents = contract.documents(public_url)
        self._lists, self._items = frozenset(lists), items
        self._operations = {**(tolerated.operations if tolerated else {}), **contract.operations}
        self._versions = sorted(contract.soap_versions, key=lambda each: each.name)
        self._roots = {each.request_root for each in self._operations.values()}
        self._understood = frozenset({wsse.SECURITY})
        self._server = _Server(_application(contract, self._operations, answer))
        self._server.dispatch(self._roots)

    async def handle(self, request: Request, served: Served | None = None) -> Response:
        """Answer one HTTP request. Never raises for anything a partner sent.

        ``served`` brings the desk to ask and is told what became known of the request.
        """
        if request.method != "POST":
            return self._published(request)
        served = served or Served()
        call = SoapCall(correlation_id=correlation_id(request.headers), desk=served.desk)
        progress = Progress(call, request.size, self._expected_version(request))
        context: MethodContext | None = None
        try:
            context = await self._dispatched(request, progress, served)
            await STEP
            served.operation, served.partner = call.operation, call.party
            if request.file is not None:
                served.request_hash = await run(IN_THREAD, long.digest, request.file)
            context.out_object = [await self._answered(context, progress)]
            await STEP
            self._server.get_out_string(context)
            await self._sign(context)
        except GatewayError as error:
            context = self._failed(context, progress, error)
        except Exception as error:
            log.error(
                "soap call failed",
                operation=call.operation,
                correlation_id=call.correlation_id,
                exc_info=error,
            )
            context = self._failed(context, progress, GatewayError("internal error"))
        if context.out_error is not None:
            await self._sign(context)
        served.operation, served.partner = call.operation, call.party
        served.correlation_id, served.error = call.correlation_id, progress.error
        await self._keep(context, served)
        response = self._response(context, progress)
        context.close()
        return response

    async def begun(self, request: Request, *, longest: int) -> Welcome | Response:
        """What may come of a long message whose beginning is here.

        A plain list may have ``longest`` bytes, of a sender who is known; who can only be known
        once all of it is here (by the signature alone, or because it cannot be read in pieces)
        gets what may be read whole, as unknown. Never raises for anything a partner sent.
        """
        call = SoapCall(correlation_id=correlation_id(request.headers))
        progress = Progress(call, request.size, self._expected_version(request))
        try:
            return await self._welcome(request, progress, longest)
        except GatewayError as error:
            context = self._failed(None, progress, error)
        response = self._response(context, progress)
        context.close()
        return response

    async def _welcome(self, request: Request, progress: Progress, longest: int) -> Welcome:
        charset = read_content_type(request.headers).charset
        head = long.read_head(io.BytesIO(request.body), charset)
        if head is None:
            return Welcome(sender="", most=self._limits.bytes)
        signed = is_signed(head)
        if signed and not wsse.is_named(head.headers) and not self._by_basic(request, head):
            alone = self._connections.identify(request)
            return Welcome(sender=alone.id if alone else "", most=self._limits.bytes)
        progress.challenges = self._challenges(head)
        party = await self._identified(request, head, progress.call, final=False)
        self._connections.check(party, request)
        whole = signed or head.body.tag not in self._lists or self._has_to_sign(party)
        return Welcome(sender=party.id, most=self._limits.bytes if whole else longest)

    def refused(self, request: Request, status: int, reason: str) -> Response:
        """The fault for a request that did not get as far as a call."""
        call = SoapCall(correlation_id=correlation_id(request.headers))
        progress = Progress(call, 0, self._expected_version(request))
        progress.error = Malformed(reason) if status < 500 else GatewayError(reason)
        headers = {"Content-Type": f"{progress.version.media_type}; charset=utf-8"}
        return Response(status=status, headers=headers, body=fault(progress))

    # ------------------------------------------------------------ one call, step by step

    async def _dispatched(
        self, request: Request, progress: Progress, served: Served
    ) -> MethodContext:
        """From bytes to a known operation of a known sender; the context that belongs to it."""
        call = progress.call
        content_type = read_content_type(request.headers)
        message, whole = await self._message(request, content_type.charset)
        await STEP
        if message.version not in self._contract.soap_versions:
            raise VersionMismatch(f"{message.version.name} is not offered here")
        progress.version = message.version
        if names := envelope.not_understood(message, self._understood):
            raise NotUnderstood(names)
        # who says by its key alone who it is, is that only once the signature was found good
        progress.challenges = self._challenges(message)
        sender: Sender | None = None
        if self._security is not None and not self._by_basic(request, message):
            sender = await self._security.sender(message, self._limits, progress.bytes_in)
        if sender is None:
            party = call.party = await self._identified(request, message, call)
        else:
            party = sender.party
            call.claimed = str(getattr(party, "id", party))
        self._connections.check(party, request)
        if sender is None and served.admit:
            await served.admit(party)
        if whole is not None and self._has_to_sign(party):
            message, whole = await run(IN_THREAD, whole), None
        structure = sender and sender.structure
        call.body = await self._verified_body(message, party, call, progress.bytes_in, structure)
        if sender is not None and served.admit:
            await served.admit(party)
        call.party = party
        lenient = self._lenient_for(call.party)
        if lenient is not None and call.body.tag not in self._roots:
            call.body, notes = lenient(call.body)
            call.mended += notes
        context = self._server.context(progress, call.body.tag)
        context.in_document = call.body
        call.operation = context.descriptor.operation_name
        if call.operation not in self._contract.operations:
            call.deviations.append(f"{call.operation} belongs to another address")
        operation = self._operations[call.operation]
        call.deviations += deviations(request.headers, content_type, operation, message.version)
        if whole is not None and request.file is not None:
            lenient = self._lenient_for(call.party)
            call.long = Long(request.file, self._schema, lenient, partial(_body, whole))
        return context

    async def _message(
        self, request: Request, charset: str | None
    ) -> tuple[Envelope, Callable[[], Envelope] | None]:
        """The message, or the head of one that is too long to be held and what reads the rest."""
        file = request.file
        if file is None:
            return await run(len(request.body), self._read, request.body, charset), None

        def whole() -> Envelope:
            root = long.whole(file, self._limits, charset)
            return envelope.read(root, whole=True)

        head = await run(IN_THREAD, long.read_head, file, charset)
        if head is None or head.body.tag not in self._lists or is_signed(head):
            return await run(IN_THREAD, whole), None
        return head, whole

    def _has_to_sign(self, party: Any) -> bool:
        secured = self._security and self._security.of(party)
        return bool(secured and secured.verifies)

    def _read(self, body: bytes, charset: str | None) -> Envelope:
        return envelope.read(parse(body, self._limits, charset), whole=True)

    async def _identified(
        self, request: Request, message: Envelope, call: SoapCall, *, final: bool = True
    ) -> Any:
        """The party that the message is from; not ``final``: it is going to be asked again."""
        authenticate = self._authenticate
        if self._basic is not None and self._by_basic(request, message):
            token = UsernameToken(*credentials.read_basic(request.headers.get("authorization")))
            authenticate = self._basic
        else:
            party = self._connections.identify(request)
            if party is not None and not wsse.is_named(message.headers):
                return party
            token = wsse.read(message.headers)
        call.claimed = self._claimed(token.username) or ""
        if token.digested:
            if self._digests is None:
                raise Unverified("token-type", "digests are not taken here")
            return await run(IN_THREAD, self._digests, token, final)
        party = authenticate(token.username, token.password)
        if isawaitable(party):
            party = await party
        if party is None:
            raise Unverified("credentials", "wrong username or password")
        return party

    def _by_basic(self, request: Request, message: Envelope) -> bool:
        """Whether HTTP says who sends the message: nothing in it does."""
        presented = self._basic is not None and "authorization" in request.headers
        return presented and not wsse.is_named(message.headers)

    def _challenges(self, message: Envelope) -> bool:
        """Whether HTTP should have said it, if nobody else does: some clients wait to be asked."""
        silent = not wsse.is_named(message.headers) and not is_signed(message)
        return self._basic is not None and silent

    async def _verified_body(
        self,
        message: Envelope,
        party: Any,
        call: SoapCall,
        size: int,
        structure: Structure | None,
    ) -> Element:
        """The body, and nothing but what the signature covers if the party has to sign."""
        secured = self._security and self._security.of(party)
        if secured and secured.verifies:
            return (await secured.verified(message, self._limits, size, structure)).body
        if is_signed(message):
            call.deviations.append("a signature that nobody looked at")
        return cut_out(message.body)

    async def _answered(self, context: MethodContext, progress: Progress) -> Answer:
        """Check the body and have it answered; errors from here on may be answers themselves."""
        try:
            call = progress.call
            if call.long is None:
                lenient, items = self._lenient_for(call.party), self._items.get(call.body.tag, ())
                call.body, notes, call.refused = await sorted_out(
                    call.body, progress.bytes_in, self._schema, lenient, items
                )
                call.mended += notes
            context.in_body_doc = call.body
            self._server.get_in_object(context)
            self._server.get_out_object(context)
            (awaitable,) = context.out_object
            answer: Answer = await awaitable
            return answer
        except GatewayError as error:
            reply = self._answer_error and self._answer_error(progress.call, error)
            if reply is None:
                raise
            progress.error = error
            return reply

    def _lenient_for(self, party: Any) -> Lenient | None:
        return self._lenient if self._mends(party) else None

    # ------------------------------------------------------------ what goes out

    def _expected_version(self, request: Request) -> Version:
        """The version in which to refuse a message that does not tell its own."""
        declared = request.headers.get("content-type", "").lower()
        return self._versions[-1 if declared.startswith(Version.SOAP_12.media_type) else 0]

    async def _sign(self, context: MethodContext) -> None:
        """Sign the answer, be it a fault, if the profile of the party asks for it."""
        secured = self._security and self._security.of(context.udc.call.party)
        if secured and secured.signs:
            body = context.out_string
            whole = body if isinstance(body, bytes) else b"".join(body)
            context.out_string = await secured.signed(whole, self._limits)

    async def _keep(self, context: MethodContext, served: Served) -> None:
        """Have on disk what has to be there before the answer goes out, or answer otherwise."""
        if served.keep is None or not isinstance(context.out_string, bytes):
            return
        try:
            await served.keep(self._status(context), context.out_string)
        except StoreUnavailable as error:
            served.error = error
            self._fail(context, error)
            await self._sign(context)

    def _status(self, context: MethodContext) -> int:
        error, version = context.udc.error, context.udc.version
        if context.out_error is None or error is None:
            return 200
        return fault_status(error, fault_code(error)[0], version, challenges=context.udc.challenges)

    def _failed(
        self, context: MethodContext | None, progress: Progress, error: GatewayError
    ) -> MethodContext:
        context = context or self._server.context(progress)
        self._fail(context, error)
        return context

    def _fail(self, context: MethodContext, error: GatewayError) -> None:
        context.udc.error = error
        context.out_error = Fault(type(error).__name__)
        context.out_document = context.out_string = None
        self._server.get_out_string(context)

    def _response(self, context: MethodContext, progress: Progress) -> Response:
        outcome, status = "ok" if progress.error is None else "refused", self._status(context)
        headers = {
            "Content-Type": f"{progress.version.media_type}; charset=utf-8",
            "X-Correlation-ID": progress.call.correlation_id,
        }
        if context.out_error is not None:
            outcome = "fault"
        if isinstance(progress.error, Busy):
            headers["Retry-After"] = str(progress.error.after)
        if status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="roamgate", charset="UTF-8"'
        body: bytes | Iterator[bytes] = context.out_string
        if isinstance(body, bytes):
            progress.log(outcome, len(body))
        else:
            body = progress.logged(outcome, body)
        return Response(status=status, headers=headers, body=body)

    def _published(self, request: Request) -> Response:
        """The contract's documents: ``?wsdl``, and what it refers to."""
        name, _, value = request.query.partition("=")
        document = self._documents.get(f"{name.lower()}={value}" if value else name.lower())
        asks = request.method in ("GET", "HEAD")
        if asks and document is not None:
            return Response(headers={"Content-Type": "text/xml; charset=utf-8"}, body=document)
        headers = {"X-Correlation-ID": correlation_id(request.headers)}
        status, text = 404, b"no such document; the contract is at ?wsdl\n"
        if not asks or not request.query:
            status, text = 405, b"messages come by POST; the contract is at ?wsdl\n"
            headers["Allow"] = "GET, HEAD, POST"
        log.info("no soap call", status=status, correlation_id=headers["X-Correlation-ID"])
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return Response(status=status, headers=headers, body=text)


def _body(read: Callable[[], Envelope]) -> Element:
    return cut_out(read().body)


# ---------------------------------------------------------------- spyne


class _WholeBody(ProtocolBase):  # type: ignore[misc] # spyne has no types
    """A spyne protocol that passes whole elements through, in and out."""

    def __init__(self, operation_of: Mapping[str, str]) -> None:
        super().__init__()
        self._operation_of = operation_of

    def decompose_incoming_envelope(self, ctx: MethodContext, message: object) -> None:
        ctx.in_body_doc = ctx.in_document
        ctx.method_request_string = self._operation_of.get(ctx.in_body_doc.tag, "")

    def deserialize(self, ctx: MethodContext, message: object) -> None:
        ctx.in_object = ctx.in_body_doc

    def serialize(self, ctx: MethodContext, message: object) -> None:
        ctx.out_document = fault(ctx.udc) if ctx.out_error else ctx.out_object[0]

    def create_out_string(self, ctx: MethodContext, charset: object = None) -> None:
        body = ctx.out_document
        if ctx.out_error:
            ctx.out_string = body
        elif isinstance(body, bytes) or etree.iselement(body):
            ctx.out_string = envelope.write(ctx.udc.version, body)
        elif isinstance(body, Iterator):
            ctx.out_string = envelope.write_stream(ctx.udc.version, body)
        else:
            raise TypeError(f"an answer is an element, bytes or pieces, not {type(body).__name__}")


class _Context(MethodContext):  # type: ignore[misc] # spyne has no types
    """A call's context, made by copying: what is the same for all calls is looked up once."""

    __setattr__ = object.__setattr__  # spyne looks at each name for one that is not its own

    def copied(self) -> "_Context":
        other = _Context.__new__(_Context)
        other.__dict__.update(self.__dict__, call_start=time.time(), files=[])
        return other

    def fire_event(self, event: str, *args: Any, **kwargs: Any) -> None:
        """Tell an event to those who listen, if there are any."""
        managers = [self.app.event_manager]
        if self.descriptor is not None:
            managers += self.descriptor.event_managers
        for manager in managers:
            if event in manager.handlers:
                manager.fire_event(event, self, *args, **kwargs)


class _Server(ServerBase):  # type: ignore[misc] # spyne has no types
    transport = "roamgate"

    def dispatch(self, roots: Iterable[str]) -> None:
        """Let spyne find the operation of each request once."""
        self._empty = _Context(self, _Context.SERVER)
        self._contexts: dict[str, _Context] = {}
        for root in roots:
            context = self._empty.copied()
            context.in_document = etree.Element(root)
            (self._contexts[root],) = self.generate_contexts(context)

    def context(self, progress: Progress, root: str | None = None) -> _Context:
        """The context of a call, for the operation of a request; raises UnknownOperation."""
        context = self._empty if root is None else self._contexts.get(root)
        if context is None:
            raise UnknownOperation(f"{root} is no request of this service")
        context = context.copied()
        context.udc = progress
        return context


def _application(
    contract: Contract,
    operations: Mapping[str, ContractOperation],
    answer: Callable[[SoapCall], Awaitable[Answer]],
) -> Application:
    """Every operation of the contract as a spyne operation, found by its request element."""

    async def answered(call: SoapCall) -> Answer:
        return await answer(call)  # so that an error comes up when awaited, past spyne

    def operation(name: str) -> Any:
        def call(ctx: MethodContext, body: Element) -> Awaitable[Answer]:
            return answered(ctx.udc.call)

        call.__name__ = name
        return rpc(AnyXml, _returns=AnyXml, _body_style="bare")(call)

    service = type(contract.protocol, (Service,), {name: operation(name) for name in operations})
    application = Application(
        [service],
        tns=contract.target_namespace,
        name=f"{contract.protocol}-{uuid.uuid4()}",
        in_protocol=_WholeBody({each.request_root: name for name, each in operations.items()}),
        out_protocol=_WholeBody({}),
        documents_container=lambda interface: InterfaceDocumentsBase(interface, wsdl11=None),
    )
    unregister_application(application)  # spyne's global register would keep it for ever
    return application
