"""spyne over HTTP in the Twisted loop, stubs alone: ``python -m benchmarks.spyne_server PORT``."""

import sys
from io import BytesIO
from typing import Any

from benchmarks.spyne_models import Models, application


def authorisation() -> Any:
    """spyne's application with the two operations of the comparison."""
    models = Models()
    response = models.message("GetSingleRoamingAuthorisationResponse")
    taken = models.message("AddCDRsResponse")
    result, code = models.type("Result"), models.type("ResultCodeType")
    info, moment = models.type("RoamingAuthorisationInfo"), models.type("DateTimeType")

    def ok(text: str) -> Any:
        return result(resultCode=code(resultCode="ok"), resultDescription=text)

    def answer(request: Any) -> Any:
        return response(
            result=ok(""),
            roamingAuthorisationInfo=info(
                EmtId=request.emtId,
                contractId="DE-FST-C00000001-X",
                printedNumber="FST 00001",
                expiryDate=moment(DateTime="2033-01-31T22:59:59Z"),
            ),
        )

    def take(request: Any) -> Any:
        return taken(result=ok(f"{len(request.cdrInfoArray)} taken"))

    return application(models, {"GetSingleRoamingAuthorisation": answer, "AddCDRs": take})


def main(port: int) -> None:
    import constantly

    sys.modules["twisted.python.constants"] = constantly  # which is where they went

    from spyne.server.twisted import TwistedWebResource
    from spyne.server.twisted.http import TwistedHttpTransportContext as Context
    from twisted.internet import reactor
    from twisted.web.resource import Resource
    from twisted.web.server import Request, Site

    class InMemory(Request):
        def gotLength(self, length: int) -> None:
            self.content = BytesIO()  # it cannot read the file that a long body is kept in

    # it compares the method, which is bytes, with a text
    Context.get_request_method = lambda self: self.req.method.decode()
    loop: Any = reactor
    root, below = Resource(), Resource()
    root.putChild(b"ochp", below)
    below.putChild(b"1.4", TwistedWebResource(authorisation()))
    loop.listenTCP(port, Site(root, InMemory), interface="127.0.0.1")
    loop.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
