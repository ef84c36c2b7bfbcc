"""OCHP, the Open Clearing House Protocol."""

from adapters.ochp.adapter import Ochp

ADAPTER = Ochp()

__all__ = ["ADAPTER"]
