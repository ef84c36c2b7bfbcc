"""Connections to partners: only to addresses that a guard has seen, over TLS where the URL says so.

Source: RFC 6890 (special addresses; the rules stand in ``reach``).
Why: whoever resolves a name to check it, and lets it be resolved again to connect, has checked
nothing. Here the addresses that are tried are the very ones that were judged.
"""

from typing import Any, Protocol
from urllib.parse import urlsplit

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer  # type: ignore[import-untyped]

from gateway.errors import Refused
from gateway.server.reach import PORTS
from gateway.server.tls import ClientTls


class Guard(Protocol):
    """Says what must not be called; see ``gateway.server.reach``. Both raise Refused."""

    def url(self, url: str) -> None: ...
    def address(self, text: str) -> None: ...


class _Anywhere:
    """The guard unless another is given: http and https, to anywhere."""

    def url(self, url: str) -> None:
        if urlsplit(url).scheme not in PORTS:
            raise Refused(f"{url} is neither http nor https")

    def address(self, text: str) -> None: ...


ANYWHERE = _Anywhere()


@implementer(IAgentEndpointFactory)
class GuardedEndpoints:
    """Connects to addresses that the guard has seen."""

    def __init__(self, reactor: Any, tls: ClientTls, guard: Guard, seconds: float) -> None:
        self._reactor, self._tls, self._guard, self._seconds = reactor, tls, guard, seconds

    def endpointForURI(self, uri: Any) -> Any:
        """Twisted's word for: how to connect to where this leads."""
        host = f"[{uri.host.decode()}]" if b":" in uri.host else uri.host.decode()
        # what the agent has read of the URL, lest it reads it otherwise than the guard
        self._guard.url(f"{uri.scheme.decode()}://{host}:{uri.port}/")
        endpoint: Any = _Endpoint(self._reactor, uri.host, uri.port, self._guard, self._seconds)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._tls.creatorForNetloc(uri.host, uri.port), endpoint)
        return endpoint


@implementer(IStreamClientEndpoint)
class _Endpoint:
    """A host and port; of its addresses those are tried that the guard lets pass."""

    def __init__(self, reactor: Any, host: bytes, port: int, guard: Guard, seconds: float) -> None:
        self._reactor, self._host, self._port = reactor, host, port
        self._guard, self._seconds = guard, seconds

    def connect(self, factory: Any) -> Any:
        """Twisted's word for: connect."""
        names = _Names(self._reactor, self._guard)
        endpoint = HostnameEndpoint(names, self._host, self._port, self._seconds)

        def failed(failure: Failure) -> Any:
            if names.refused is not None and failure.check(DNSLookupError):
                raise names.refused  # it has no other address
            return failure

        return endpoint.connect(factory).addErrback(failed)


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _Names:
    """The reactor, with names that resolve to what the guard lets pass."""

    def __init__(self, reactor: Any, guard: Guard) -> None:
        self._reactor, self._guard = reactor, guard
        self.nameResolver = self
        self.refused: Refused | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def installNameResolver(self, resolver: Any) -> Any:
        raise NotImplementedError

    def resolveHostName(self, receiver: Any, hostName: str, *args: Any, **kwargs: Any) -> Any:
        """Twisted's word for: tell the receiver each address of a name."""
        answers = _Answers(receiver, self)
        return self._reactor.nameResolver.resolveHostName(answers, hostName, *args, **kwargs)

    def may(self, host: str) -> bool:
        try:
            self._guard.address(host)
        except Refused as error:
            self.refused = error
            return False
        return True


@implementer(IResolutionReceiver)
class _Answers:
    """Hands on the addresses that may be called."""

    def __init__(self, receiver: Any, names: _Names) -> None:
        self._receiver, self._names = receiver, names
        self.resolutionBegan = receiver.resolutionBegan
        self.resolutionComplete = receiver.resolutionComplete

    def addressResolved(self, address: Any) -> None:
        if self._names.may(address.host):
            self._receiver.addressResolved(address)
