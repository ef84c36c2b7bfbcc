"""Protocol adapters: one folder a protocol, found by the entry points roamgate.adapters."""
