"""OCHP 1.4 as an adapter: its forms, operations and addresses.

Source: OCHP 1.4, core and live interface.
Limits: OCHPdirect is not served here.
"""

from collections.abc import Mapping
from typing import Any

from adapters.ochp import operations
from adapters.ochp.kinds import PROTOCOL
from adapters.ochp.lenient import mend
from gateway.adapter import Desk, Form, Link, Operation, Partner, SoapCaller, SoapEndpoint
from gateway.model.message import Message

_WSDL = "wsdl/ochp/1.4/ochp.wsdl"


class Ochp:
    """See ``gateway.adapter.SoapAdapter``."""

    name = "ochp"
    protocols: tuple[str, ...] = (PROTOCOL,)
    operations: Mapping[str, Operation] = operations.OPERATIONS
    endpoints: tuple[SoapEndpoint, ...] = (
        SoapEndpoint("/ochp/1.4", _WSDL, ("OCHP_1.4",)),
        SoapEndpoint("/ochp/1.4/live", _WSDL, ("OCHP_1.4-live",), "live_address"),
    )

    def forms(self, protocol: str) -> Mapping[str, Form]:
        return operations.FORMS

    def detect(self, protocol: str, tree: Any) -> Form:
        return operations.detect(tree)

    def natural(self, protocol: str, message: Message) -> Form:
        return operations.natural(message)

    def mend(self, body: Any) -> tuple[Any, list[str]]:
        return mend(body)

    def refusal(self, operation: Operation, error: Exception) -> Message | None:
        from adapters.ochp import results

        return results.refusal(operation, error)

    def link(self, protocol: str, partner: Partner, caller: SoapCaller, desk: Desk) -> Link:
        from adapters.ochp.link import OchpLink

        return OchpLink(partner, caller, desk)
