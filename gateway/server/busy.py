"""How each protocol says "try later" to a request that nobody looks at.

Source: RFC 9110, 15.6.4 and 10.2.3 (503, Retry-After). OCHP 1.4 has no code for it (only
``server``, internal error), so SOAP callers get a fault of the receiver; OCPI 2.2.1, status codes,
has 3000, generic server error.
Limits: the request's body is not looked at, so SOAP faults are of version 1.1.
Why: it costs next to nothing, or it would not help.
"""

from typing import Any

from gateway import registry
from gateway.http import Handler, Request, Response, correlation_id
from gateway.server.wire import BUSY, RETRY_AFTER, error_body
from gateway.soap import envelope
from gateway.soap.envelope import Code, Version


def busy_answers() -> Handler:
    """A handler that turns every request away, in the words of its protocol."""
    fault = envelope.fault(Version.SOAP_11, Code.RECEIVER, BUSY)
    soap, rest = set[str](), dict[str, Any]()
    for family in sorted({name.partition("-")[0] for name in registry.protocols()}):
        adapter = registry.adapter(family)
        if hasattr(adapter, "endpoints"):
            soap |= {endpoint.path for endpoint in adapter.endpoints}
        else:
            rest |= dict.fromkeys(adapter.prefixes, adapter)

    async def busy(request: Request) -> Response:
        headers = {"Retry-After": RETRY_AFTER, "X-Correlation-ID": correlation_id(request.headers)}
        if request.path in soap:
            headers["Content-Type"] = f"{Version.SOAP_11.media_type}; charset=utf-8"
            return Response(status=503, headers=headers, body=fault)
        for prefix, adapter in rest.items():
            if request.path.startswith(prefix):
                said: Response = adapter.refused(request, 503, BUSY)
                return Response(status=503, headers=said.headers | headers, body=said.body)
        headers["Content-Type"] = "application/json"
        return Response(status=503, headers=headers, body=error_body("busy", BUSY))

    return busy
