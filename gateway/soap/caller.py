"""A SOAP partner with the addresses of its contract's parts: each operation goes to its own.

Limits: a part without an address of its own is asked at the first one's.
"""

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import Any, Literal

from gateway.adapter import Fetch, SoapAnswer, SoapEndpoint
from gateway.errors import ConfigError
from gateway.mapping.record import Record
from gateway.mapping.stream import Checker
from gateway.schema import contract_file
from gateway.security.parse import Limits
from gateway.soap.check import Lenient
from gateway.soap.client import SoapClient
from gateway.soap.contract import Contract
from gateway.soap.security import PartnerSecurity


class PartnerCaller:
    """Calls any operation of any of the adapter's contracts at one partner."""

    def __init__(
        self,
        endpoints: Sequence[SoapEndpoint],
        options: Mapping[str, Any],
        fetch: Fetch,
        schema: Checker,
        *,
        timeout: float,
        limits: Limits | None = None,
        lenient: Lenient | None = None,
        items: Mapping[str, Collection[str]] = MappingProxyType({}),
        security: PartnerSecurity | None = None,
    ) -> None:
        """``options``: ``address`` ..., ``username_out``, ``password_out``. Raises ConfigError."""
        self._fetch = fetch
        self._clients: dict[str, SoapClient] = {}
        for endpoint in endpoints:
            client = SoapClient(
                contract_file(endpoint.wsdl),
                _port(endpoint),
                options.get(endpoint.option) or options["address"],
                fetch,
                schema,
                username=options.get("username_out") or "",
                password=options.get("password_out") or "",
                scheme=_scheme(options),
                timeout=timeout,
                limits=limits,
                lenient=lenient,
                items=items,
                security=security,
            )
            self._clients |= dict.fromkeys(client.operations, client)

    def over(self, fetch: Fetch) -> "PartnerCaller":
        """The same partner on another way."""
        other = copy(self)
        other._fetch = fetch
        return other

    async def call(
        self, operation: str, body: bytes, correlation_id: str, list_of: Record | None = None
    ) -> SoapAnswer:
        """See SoapClient.call."""
        client = self._clients[operation]
        return await client.call(operation, body, correlation_id, self._fetch, list_of)


_SCHEMES: Mapping[str, Literal["digest", "basic"]] = {"digest": "digest", "basic": "basic"}


def _scheme(options: Mapping[str, Any]) -> Literal["wsse", "digest", "basic", "none"]:
    if not options.get("username_out"):
        return "none"
    return _SCHEMES.get(options.get("wsse_out", ""), "wsse")


def _port(endpoint: SoapEndpoint) -> str:
    contract = Contract(contract_file(endpoint.wsdl), "", "", endpoint.port_types)
    port = next((p for p in contract.ports if p.port_type in endpoint.port_types), None)
    if port is None:
        raise ConfigError(f"{endpoint.wsdl} has no port for {', '.join(endpoint.port_types)}")
    return port.name
