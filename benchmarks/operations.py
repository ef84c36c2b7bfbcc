"""Operations that ``inside.py`` repeats in a process of their own, by ``<work>/<contender>``.

A function prepares and gives the operation.
"""

from collections.abc import Callable
from typing import Any

from lxml import etree

from gateway.schema import contract_file

Operation = Callable[[], Any]
Prepare = Callable[[], Operation]
OPERATIONS: dict[str, Prepare] = {}
USER, PASSWORD = "alpenstrom", "bench-in"
"""Who asks."""
XSD, WSDL = "xsd/ochp/1.4/ochp.xsd", "wsdl/ochp/1.4/ochp.wsdl"


def operation(name: str) -> Callable[[Prepare], Prepare]:
    """Enter a function under a name."""

    def add(prepare: Prepare) -> Prepare:
        OPERATIONS[name] = prepare
        return prepare

    return add


def xsd() -> etree.XMLSchema:
    """libxml2's schema of our contract."""
    return etree.XMLSchema(etree.parse(str(contract_file(XSD))))


def body_of(root: Any) -> Any:
    """The child of the Body, without any check."""
    return root[-1][0]


def zeep_types() -> Any:
    """zeep's types of our contract."""
    import zeep

    return zeep.Client(str(contract_file(WSDL))).wsdl.types
