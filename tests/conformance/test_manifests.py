"""What an adapter says of itself, its tables and its contract name the same things; made pages."""

from pathlib import Path

import pytest

from gateway import registry
from gateway.cli import pages
from gateway.schema import contract_file
from gateway.soap.contract import Contract

ROOT = Path(__file__).parents[2]
FAMILIES = sorted({protocol.partition("-")[0] for protocol in registry.protocols()})


@pytest.mark.parametrize("family", FAMILIES)
def test_manifest_names_the_versions(family: str) -> None:
    """The manifest's versions are the adapter's protocols."""
    said = pages.manifest(family)
    assert [f"{family}-{version}" for version in said["versions"]] == list(
        registry.adapter(family).protocols
    )


@pytest.mark.parametrize(
    "family", [f for f in FAMILIES if hasattr(registry.adapter(f), "endpoints")]
)
def test_manifest_operations_and_wsdl_agree(family: str) -> None:
    """The same operations in the manifest, in the table and in the contract."""
    adapter = registry.adapter(family)
    said = pages.manifest(family)
    offered = {name for name, state in said["operations"].items() if state != "none"}
    contracts = {
        name
        for endpoint in adapter.endpoints
        for name in Contract(
            contract_file(endpoint.wsdl), family, said["versions"][0], endpoint.port_types
        ).operations
    }
    assert offered == set(adapter.operations) == contracts


@pytest.mark.parametrize("path", list(pages.pages(ROOT)), ids=lambda path: path.name)
def test_made_pages_are_up_to_date(path: Path) -> None:
    """`make docs` would change nothing."""
    assert path.read_text(encoding="utf-8") == pages.pages(ROOT)[path], "run make docs"
