"""Calls to SOAP partners: a body goes out by the contract, the answer's checked body comes back.

Source: SOAP 1.1 chapter 6 and SOAP 1.2 part 2 chapter 7 (HTTP binding).
Limits: bodies come from the caller; one port of one contract per client.
Why: zeep reads the contract, once and from disk only, and knows operations, ports and actions. It
does not build or read bodies: it enforces no facets, reads floats as binary and fails on some
legal answers.
"""

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

import structlog
from lxml import etree
from lxml.etree import _Element as Element
from msgspec.structs import replace
from zeep import Client
from zeep.exceptions import Error as ZeepError
from zeep.transports import Transport

from gateway.adapter import Fetch, SoapAnswer
from gateway.errors import (
    BadAnswer,
    ConfigError,
    Inexpressible,
    Malformed,
    UnknownOperation,
    Unreachable,
    Untrusted,
)
from gateway.http import HttpAnswer, HttpCall
from gateway.mapping.record import Record
from gateway.mapping.stream import Checker, NotStreamed
from gateway.security import wsse
from gateway.security.credentials import write_basic
from gateway.security.parse import Limits, parse
from gateway.security.unverified import Unverified
from gateway.soap import envelope, long
from gateway.soap.binding import read_content_type, request_headers
from gateway.soap.check import Lenient, checked, sorted_out
from gateway.soap.contract import ContractOperation
from gateway.soap.envelope import Envelope, SoapFault, Version
from gateway.soap.offload import IN_THREAD, run
from gateway.soap.security import PartnerSecurity
from gateway.step import STEP

log = structlog.get_logger(__name__)

_LATER = (429, 503)
"""Statuses by which the partner itself says that it has too much to do, whatever the body says."""
_BUSY = (429, 502, 503, 504)
"""Statuses by which something in between says that the partner cannot be reached now."""


class FaultAnswer(BadAnswer):
    """The partner answered with a fault, kept as it came."""

    def __init__(self, fault: SoapFault) -> None:
        self.fault = fault
        code = fault.codes[-1] if fault.codes else "without code"
        super().__init__(f"SOAP fault {code}: {fault.text[:500]}")


class SoapClient:
    """One address of one partner."""

    def __init__(
        self,
        contract: Path,
        port: str,
        address: str,
        fetch: Fetch,
        schema: Checker,
        *,
        service: str | None = None,
        username: str = "",
        password: str = "",
        scheme: Literal["wsse", "digest", "basic", "none"] = "wsse",
        timeout: float | None = None,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        items: Mapping[str, Collection[str]] = MappingProxyType({}),
        security: PartnerSecurity | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``timeout``: seconds for a whole call, if shorter than that of ``fetch``; ``items``: the
        body elements of answers of whose lists one item may be wrong, and the elements of the
        lists; ``security`` signs requests and verifies answers; ``clock``: for the instant in a
        password digest.

        Raises ``ConfigError`` when the contract cannot be read or has no such port.
        """
        self._version, self.operations = _port(contract, service, port)
        self._address = address
        self._fetch = fetch
        self._schema = schema
        self._timeout = timeout
        self._limits = limits or Limits()
        self._lenient, self._items = lenient, items
        self._security = security
        self._headers: dict[str, str] = {}
        self._token: wsse.UsernameToken | None = None
        if scheme == "basic":
            self._headers["Authorization"] = write_basic(username, password)
        elif scheme != "none":
            self._token = wsse.UsernameToken(username, password)
        self._digests, self._clock = scheme == "digest", clock
        self._block = b"" if self._token is None else self._written(self._token)

    async def call(
        self,
        operation: str,
        body: Element | bytes,
        correlation_id: str = "",
        fetch: Fetch | None = None,
        list_of: Record | None = None,
    ) -> SoapAnswer:
        """Send a request body (by another ``fetch``, where one is given); the response's body
        element, valid by the schema. ``list_of``: the response, if its lists come apart where it is
        long (and no signature has to be verified, for which it is read whole).

        Raises ``Inexpressible`` (our own body is not valid), ``Unreachable``, ``Untrusted``,
        ``BadAnswer`` (``FaultAnswer`` for a fault).
        """
        known = self.operations.get(operation)
        if known is None:
            raise UnknownOperation(f"{operation} is no operation of this port")
        await STEP
        message = await self._message(known, body)
        await STEP
        headers = {**self._headers, **request_headers(known, self._version)}
        if correlation_id:
            headers["X-Correlation-ID"] = correlation_id
        answer = await (fetch or self._fetch)(
            HttpCall(
                method="POST",
                url=self._address,
                headers=headers,
                body=message,
                timeout=self._timeout,
                operation=known.name,
                long=list_of is not None and not self._verifies,
            )
        )
        if answer.file is not None and list_of is not None:
            with answer.file as file:
                listed = await run(IN_THREAD, self._listed, known, answer, file, list_of)
                if listed is not None:
                    return listed
                if (size := file.seek(0, 2)) > self._limits.bytes:
                    most = self._limits.bytes
                    raise BadAnswer(f"{size} bytes, allowed are {most} for what is no plain list")
                file.seek(0)
                answer = replace(answer, body=await run(IN_THREAD, file.read), file=None)
        read = await self._read(known, answer)
        await STEP
        return read

    async def _message(self, operation: ContractOperation, body: Element | bytes) -> bytes:
        """The envelope. What is not valid does not go out."""
        message = envelope.write(self._version, body, self._credentials())
        try:
            tree = await run(len(message), self._parsed, body) if isinstance(body, bytes) else body
            if tree.tag != operation.request_root:
                raise Inexpressible(f"{operation.name} takes {operation.request_root}")
            await checked(tree, len(message), self._schema)
            if self._security is not None:
                message = await self._security.signed(message, self._limits)
        except Malformed as error:
            raise Inexpressible(error.problems) from None
        return message

    def _credentials(self) -> list[bytes]:
        """The header block that says who we are."""
        token = self._token
        if token is None:
            return []
        if not self._digests:
            return [self._block]
        nonce = secrets.token_bytes(16)
        return [self._written(wsse.digested(token.username, token.password, nonce, self._clock()))]

    def _written(self, token: wsse.UsernameToken) -> bytes:
        return envelope.serialised(wsse.write(token, self._version.value))

    def _parsed(self, body: bytes) -> Element:
        return parse(body, self._limits)

    async def _read(self, operation: ContractOperation, answer: HttpAnswer) -> SoapAnswer:
        """The answer's body, or the error that it amounts to."""
        try:
            if not answer.body:
                raise Malformed("no content")
            charset = read_content_type(answer.headers).charset
            message = await run(len(answer.body), self._opened, answer.body, charset)
            await STEP
        except Malformed as error:
            raise _without_message(answer.status, error) from None
        fault = envelope.read_fault(message.body)
        if fault is not None and wsse.FAILED_AUTHENTICATION in fault.codes:
            raise Untrusted(f"the partner refused our credentials: {fault.text[:200]}")
        received = message
        if self._security is not None and self._security.verifies:
            try:
                message = await self._security.verified(message, self._limits, len(answer.body))
            except Unverified as error:
                if fault is None:
                    raise
                raise BadAnswer(f"SOAP fault without a good signature ({error.code})") from None
        if fault is not None and answer.status in _LATER:
            raise Unreachable(f"HTTP {answer.status}: {fault.text[:200]}")
        if fault is not None:
            raise FaultAnswer(fault)
        body = message.body
        if answer.status != 200:
            raise _without_message(answer.status, Malformed(f"{body.tag} with that status"))
        try:
            if message.version is not self._version:
                raise Malformed(f"the answer is {message.version.name}")
            if names := envelope.not_understood(received, {wsse.SECURITY}):
                raise Malformed(f"headers not understood: {', '.join(names)}")
            return await self._checked(operation, body, len(answer.body))
        except Malformed as error:
            raise BadAnswer(error.problems) from None

    @property
    def _verifies(self) -> bool:
        return self._security is not None and self._security.verifies

    def _listed(
        self, operation: ContractOperation, answer: HttpAnswer, file: BinaryIO, list_of: Record
    ) -> SoapAnswer | None:
        """The answer of which the lists stay in files; None for one that has to be read whole.
        Raises BadAnswer."""
        if answer.status != 200:
            return None
        try:
            charset = read_content_type(answer.headers).charset
            head = long.read_head(file, charset)
            if head is None or head.version is not self._version:
                return None
            if head.body.tag != operation.response_root:
                return None
            if envelope.not_understood(head, {wsse.SECURITY}):
                return None
            found = long.read(list_of, file, self._schema, self._lenient)
        except NotStreamed:
            return None
        except Malformed as error:
            raise BadAnswer(error.problems) from None
        problems = tuple(problem for one in found.refused for problem in one.problems)
        if problems and not len(found.lists):
            found.lists.close()
            raise BadAnswer(problems)
        return SoapAnswer(None, tuple(found.mended), problems, found.head, found.lists)

    def _opened(self, body: bytes, charset: str | None) -> Envelope:
        return envelope.read(parse(body, self._limits, charset), whole=self._verifies)

    async def _checked(self, operation: ContractOperation, body: Element, size: int) -> SoapAnswer:
        notes: list[str] = []
        if body.tag != operation.response_root and self._lenient is not None:
            body, notes = await run(size, self._lenient, body)
        if body.tag != operation.response_root:
            raise Malformed(f"the answer is {body.tag}, expected {operation.response_root}")
        items = self._items.get(body.tag, ())
        body, more, refused = await sorted_out(body, size, self._schema, self._lenient, items)
        problems = tuple(problem for one in refused for problem in one.problems)
        return SoapAnswer(body, (*notes, *more), problems)


def _without_message(status: int, error: Malformed) -> Exception:
    """What an answer without a usable SOAP message means."""
    if status in (401, 403):
        return Untrusted(f"the partner refused our credentials: HTTP {status}")
    if status in _BUSY:
        return Unreachable(f"HTTP {status}")
    return BadAnswer(f"HTTP {status}, not an answer: {error}")


# ---------------------------------------------------------------- zeep

_Port = tuple[Version, Mapping[str, ContractOperation]]


class _FromDisk(Transport):
    """Loads files, and nothing from the network."""

    def load(self, url: str) -> Any:
        if urlsplit(url).scheme:
            raise ConfigError(f"a contract refers to {url}, expected a file beside it")
        return super().load(url)  # type: ignore[no-untyped-call]


def _port(contract: Path, service: str | None, port: str) -> _Port:
    found = [
        each
        for (its_service, its_port), each in _ports(contract).items()
        if its_port == port and service in (None, its_service)
    ]
    if len(found) != 1:
        raise ConfigError(f"{contract.name} has {len(found)} ports {port}, expected 1")
    return found[0]


@cache
def _ports(contract: Path) -> Mapping[tuple[str, str], _Port]:
    """All ports of a contract by service and name, read once."""
    try:
        client = Client(str(contract), transport=_FromDisk())  # type: ignore[no-untyped-call]
    except (ZeepError, etree.LxmlError, OSError) as error:
        raise ConfigError(f"{contract.name}: {error}") from None
    return {
        (service.name, port.name): (
            Version(port.binding.nsmap["soap-env"]),
            {
                name: _operation(port.binding, name, each)
                for name, each in port.binding.all().items()
            },
        )
        for service in client.wsdl.services.values()
        for port in service.ports.values()
    }


def _operation(binding: Any, name: str, operation: Any) -> ContractOperation:
    return ContractOperation(
        name=name,
        soap_action=operation.soapaction or "",
        request_root=str(operation.input.body.qname),
        response_root=str(operation.output.body.qname),
        port_type=binding.port_type.name.localname,
        binding=binding.name.localname,
    )
