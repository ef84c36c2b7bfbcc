"""OCPI 2.2.1."""

from adapters.ocpi.adapter import ADAPTER

__all__ = ["ADAPTER"]
