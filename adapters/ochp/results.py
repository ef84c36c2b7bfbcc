"""Errors of the gateway as OCHP results, and results as errors.

Source: OCHP 1.4, table of result codes.
Limits: ``GetStatusResponse`` has no result: there, and for wrong credentials, a SOAP Fault speaks.
Text is for people: it is written, and never read for meaning.
"""

from gateway.adapter import Operation
from gateway.errors import (
    BadAnswer,
    GatewayError,
    Inexpressible,
    Malformed,
    NoRoute,
    Refused,
    UnknownId,
    UnknownOperation,
    Unreachable,
    Untrusted,
)
from gateway.model.message import (
    AuthorisationReply,
    Message,
    Receipt,
    Result,
    ResultCode,
    StatusList,
)

_LONGEST = 1000

# The first class that fits counts.
RESULTS: tuple[tuple[type[GatewayError], ResultCode], ...] = (
    (Malformed, ResultCode.FORMAT),
    (UnknownId, ResultCode.INVALID_ID),
    (NoRoute, ResultCode.ROAMING),
    (Refused, ResultCode.NOT_AUTHORIZED),
    (Inexpressible, ResultCode.SERVER),
    (Unreachable, ResultCode.SERVER),
    (BadAnswer, ResultCode.SERVER),
)

ERRORS: dict[ResultCode, type[GatewayError]] = {
    ResultCode.NOT_AUTHORIZED: Untrusted,
    ResultCode.INVALID_ID: UnknownId,
    ResultCode.ROAMING: NoRoute,
    ResultCode.FORMAT: Refused,
    ResultCode.SERVER: BadAnswer,
}


def result_of(error: Exception) -> Result:
    """The result that says an error; one that is not in the table is ours, and kept to us."""
    for cls, code in RESULTS:
        if isinstance(error, cls):
            return Result(code=code, text=str(error)[:_LONGEST])
    return Result(code=ResultCode.SERVER, text="internal error")


def refusal(operation: Operation, error: Exception) -> Message | None:
    """The reply of an operation that says an error; None where a SOAP Fault has to."""
    reply = operation.reply.message
    if reply is StatusList or isinstance(error, Untrusted | UnknownOperation):
        return None
    return reply(result=result_of(error))  # type: ignore[call-arg] # every other reply has one


def checked(reply: Message) -> Message:
    """A partner's reply that is no error; raises what its result says.

    A receipt that names what was refused is an answer, whatever its code: an old server answers
    ``ok`` with everything refused. ``roaming`` on a download means that there is nothing yet,
    ``invalid-id`` on a question about a token that nobody knows it.
    """
    result: Result = getattr(reply, "result", Result(code=ResultCode.OK))
    if result.code in (ResultCode.OK, ResultCode.PARTLY):
        return reply
    if isinstance(reply, Receipt) and (
        reply.cdrs or reply.tokens or reply.locations or reply.tariffs
    ):
        return reply
    if result.code is ResultCode.ROAMING and not isinstance(reply, Receipt):
        return reply
    if result.code is ResultCode.INVALID_ID and isinstance(reply, AuthorisationReply):
        return reply
    raise ERRORS[result.code](f"{result.code.value}: {result.text or 'no description'}")
