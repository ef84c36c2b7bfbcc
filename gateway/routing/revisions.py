"""A CDR that changes: the same id again in one protocol, credit and new CDR in the other.

Source: OCHP 1.4, status ``revised`` of a CDR; OCPI 2.2.1, CDRs module, credit CDRs (everything is
copied, ``total_cost`` negated, ids up to 39 characters for credits, 36 for others).
Why: the n-th revision of X is told as credit of the one before (``X-C``, ``X-R1-C``) and a new CDR
``X-R<n>``; ids that would be too long keep a part of X and a hash of all of it.
"""

import hashlib
from decimal import Decimal

from msgspec.structs import replace

from gateway.model.charging import Cdr
from gateway.model.tariff import Price

LONGEST = 36
LONGEST_CREDIT = 39


def _named(id: str, suffix: str, longest: int) -> str:
    if len(id) + len(suffix) <= longest:
        return id + suffix
    mark = hashlib.sha256(id.encode()).hexdigest()[:10].upper()
    return f"{id[: longest - len(suffix) - len(mark)]}{mark}{suffix}"


def revision_id(id: str, number: int) -> str:
    """The id of the n-th revision; the 0th is the original.

    >>> revision_id("ABC1", 0), revision_id("ABC1", 2)
    ('ABC1', 'ABC1-R2')
    """
    return _named(id, f"-R{number}", LONGEST) if number else id


def credit_id(id: str) -> str:
    """The id of the credit for a CDR.

    >>> credit_id("ABC1")
    'ABC1-C'
    """
    return _named(id, "-C", LONGEST_CREDIT)


def _negated(price: Price) -> Price:
    zero = Decimal(0)
    return Price(net=zero - price.net, gross=None if price.gross is None else zero - price.gross)


def credit_of(cdr: Cdr, sent_as: str) -> Cdr:
    """The credit for a CDR that was sent under the id ``sent_as``.

    A CDR without a total has that of its items, so that there is an amount to negate.
    """
    total = cdr.total_cost
    if total is None and cdr.items:
        costs = (
            item.value * item.unit_price if item.cost is None else item.cost for item in cdr.items
        )
        total = Price(net=sum(costs, Decimal(0)))
    return replace(
        cdr,
        id=credit_id(sent_as),
        state=None,
        credit=True,
        credit_reference_id=sent_as,
        total_cost=None if total is None else _negated(total),
    )


def revision_of(cdr: Cdr, number: int) -> Cdr:
    """The new CDR that takes the place of the credited one."""
    return replace(cdr, id=revision_id(cdr.id, number), state=None)


def replaces(new: Cdr, old: Cdr) -> bool:
    """Whether a CDR can be the one that follows the credit of another: the same charging session.

    By session id where both have one, else the same driver at the same EVSE from the same instant.
    """
    if new.session_id and old.session_id:
        return new.session_id.upper() == old.session_id.upper()
    return (
        new.token.uid.upper() == old.token.uid.upper()
        and new.evse_id.upper() == old.evse_id.upper()
        and new.start == old.start
    )
