"""Makes spyne 2.14 importable on every Python that the gateway runs on.

Limits: only what ``service.py`` imports from spyne is made to work.
Why: spyne carries a copy of six whose lazy modules (``six.moves``) need an import hook that Python
3.12 took away; they are put in place by hand, so that the hook is never asked. Its WSGI and Twisted
servers need ``cgi``, gone in 3.13; they are not imported.
"""

import sys

import six.moves
import six.moves.collections_abc
import six.moves.http_cookies
import six.moves.urllib.parse


def provide() -> None:
    """Put the stand-ins where spyne looks for them; to be called before the first import."""
    moved = {
        "": six.moves,
        ".collections_abc": six.moves.collections_abc,
        ".http_cookies": six.moves.http_cookies,
        ".urllib": six.moves.urllib,
        ".urllib.parse": six.moves.urllib.parse,
    }
    for name, module in moved.items():
        sys.modules.setdefault(f"spyne.util.six.moves{name}", module)
