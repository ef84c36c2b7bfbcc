"""Roamgate: a SOAP/XML interoperability gateway for EV-charging roaming (IEC 63119)."""

__version__ = "0.1.0"
