"""Roamgate as a library: an OCHP charge detail record becomes an OCPI one, with its findings.

Run it: python examples/library.py
"""

from pathlib import Path

import msgspec
from lxml import etree

from gateway.translate import translate

CDR = Path(__file__).with_name("cdrs.xml")


def main() -> None:
    """Translate the record and print it, and what did not go over as it was."""
    result = translate(
        "ochp-1.4",
        "ocpi-2.2.1",
        etree.parse(CDR, etree.XMLParser(remove_blank_text=True)).getroot(),
        options={"cdr_location_fallback": True},
    )
    encode = msgspec.json.Encoder(decimal_format="number").encode
    print(msgspec.json.format(encode(result.tree), indent=2).decode())
    for finding in result.report.findings:
        if finding.outcome not in ("exact", "converted"):
            print(finding.outcome, finding.source or "-", "->", finding.target or "-", finding.rule)


if __name__ == "__main__":
    main()
