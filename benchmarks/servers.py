"""How each server of the comparisons is started: a command for a port."""

import sys
from collections.abc import Callable

from benchmarks import samples
from benchmarks.peers import BUILD, HERE, JARS, WSDL

Command = Callable[[int], list[str]]
NODE_ENV = {"NODE_PATH": str(BUILD / "node/node_modules")}
_NODE = str(HERE / "peers/node_soap.js")


def python(module: str, *before: str, after: tuple[str, ...] = ()) -> Command:
    """A module of this package."""
    start = [sys.executable, "-m", f"benchmarks.{module}", *before]
    return lambda port: [*start, str(port), *after]


def java(mode: str) -> Command:
    """JAX-WS RI, ``plain`` or with ``xsd``."""
    return lambda port: ["java", "-cp", f"{BUILD / 'jaxws'}:{JARS}", "JaxWs", str(port), mode]


def gsoap(port: int) -> list[str]:
    return [str(BUILD / "gsoap/server"), str(port)]


def node(port: int) -> list[str]:
    """node-soap as a server."""
    return ["node", _NODE, "serve", str(port), str(WSDL)]


def node_hop(partner: int) -> Command:
    """node-soap as a client behind node's own HTTP server."""
    return lambda port: ["node", _NODE, "hop", str(port), str(WSDL), address(partner)]


def address(port: int) -> str:
    """Where a partner is asked."""
    return f"http://127.0.0.1:{port}/ochp/1.4"


_ALWAYS = (
    "daemon off; master_process off; worker_processes 1; error_log stderr crit; pid {0}.pid;"
    "events {{}} http {{ access_log off; keepalive_requests 1000000000;"
    "client_body_temp_path {0}-1; proxy_temp_path {0}-2; fastcgi_temp_path {0}-3;"
    "uwsgi_temp_path {0}-4; scgi_temp_path {0}-5; {1} }}"
)


def _nginx(inside: Callable[[int], str]) -> Command:
    def command(port: int) -> list[str]:
        stem = BUILD / "nginx"
        config = stem.with_suffix(".conf")
        config.write_text(_ALWAYS.format(stem, inside(port)))
        return ["nginx", "-c", str(config)]

    return command


def nginx_constant() -> Command:
    """nginx with an answer of about the size of ours."""
    body = samples.envelope(f"<a>{'a' * 600}</a>").decode().replace("\n", "")
    return _nginx(
        lambda port: (
            f"server {{ listen 127.0.0.1:{port}; location / {{ default_type text/xml; "
            f"return 200 '{body}'; }} }}"
        )
    )


def nginx_proxy(partner: int) -> Command:
    """nginx that only passes the bytes on, over kept connections."""
    return _nginx(
        lambda port: (
            f"upstream partner {{ server 127.0.0.1:{partner}; keepalive 16; "
            "keepalive_requests 1000000000; }"
            f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://partner; "
            'proxy_http_version 1.1; proxy_set_header Connection ""; } }'
        )
    )
