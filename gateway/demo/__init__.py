"""The demo: a gateway on loopback between five simulated partners.

The partners speak raw XML and JSON of their own making, not the gateway's codecs, so that what they
accept is a second opinion.
"""
