"""Sets up what Roamgate is compared with, below ``.peers/``: from Debian, PyPI and npm.

As root what is missing is installed; otherwise, or without a network, it is named, and the works go
on without it. Stubs are made from our own contract.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = HERE / ".peers"
WSDL = ROOT / "wsdl/ochp/1.4/ochp.wsdl"
JARS = "/usr/share/java/jaxws-rt.jar"
NODE_SOAP, XMLSEC = "soap@1", "xmlsec>=1.3"


class Missing(Exception):
    """A peer that cannot be had here, and why."""


def run(*command: str | Path, cwd: Path | None = None, seconds: float = 300) -> None:
    """Raises Missing when it fails."""
    name = Path(command[0]).name
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, capture_output=True, timeout=seconds, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{name}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise Missing(f"{name}: {said[-1] if said else done.returncode}")


_updated = False


def debian(*packages: str, has: Callable[[], object]) -> None:
    """Have packages installed unless ``has`` finds what they bring."""
    global _updated
    if has():
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing(f"needs the Debian package {' and '.join(packages)}")
    if not _updated:
        run("apt-get", "update", "-qq")
        _updated = True
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    if not has():
        raise Missing(f"not there after the installation of {' and '.join(packages)}")


def _which(*names: str) -> Callable[[], object]:
    return lambda: all(map(shutil.which, names))


def wrk() -> None:
    debian("wrk", has=_which("wrk"))


def nginx() -> None:
    # the package starts a server of its own on port 80, which is none of ours
    installed = shutil.which("nginx")
    debian("nginx-light", has=_which("nginx"))
    if not installed:
        subprocess.run(["service", "nginx", "stop"], capture_output=True, check=False)


def gsoap() -> None:
    debian("gsoap", "libgsoap-dev", has=lambda: Path("/usr/include/stdsoap2.h").exists())
    debian("g++", has=_which("g++"))
    folder = BUILD / "gsoap"
    if _fresh(folder / "server", HERE / "peers/gsoap.cpp"):
        return
    folder.mkdir(parents=True, exist_ok=True)
    run("wsdl2h", "-s", "-o", "ochp.h", WSDL, cwd=folder)
    run("soapcpp2", "-S", "-L", "-w", "-x", "ochp.h", cwd=folder)
    (folder / "ochp.nsmap").write_text(next(folder.glob("*USCORE*.nsmap")).read_text())
    source = HERE / "peers/gsoap.cpp"
    code = ["soapC.cpp", "soapServer.cpp", "-lgsoap++", "-lpthread"]
    run("g++", "-O2", "-w", "-I.", "-o", "server", source, *code, cwd=folder)


def jaxws() -> None:
    debian("default-jdk-headless", has=_which("javac"))
    debian("libjaxws-java", "jaxws", has=lambda: shutil.which("wsimport") and Path(JARS).exists())
    folder = BUILD / "jaxws"
    if _fresh(folder / "JaxWs.class", HERE / "peers/JaxWs.java"):
        return
    (folder / "stubs").mkdir(parents=True, exist_ok=True)
    options = ["-keep", "-Xnocompile", "-extension", "-s", "stubs", "-p", "bench.ochp"]
    run("wsimport", *options, WSDL, cwd=folder)
    sources = (folder / "stubs").rglob("*.java")
    jars = "/usr/share/java/jaxws-rt.jar:/usr/share/java/*"
    run("javac", "-nowarn", "-cp", jars, "-d", ".", *sources, HERE / "peers/JaxWs.java", cwd=folder)
    for contract in ("wsdl/ochp/1.4/ochp.wsdl", "xsd/ochp/1.4/ochp.xsd"):
        (folder / contract).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / contract, folder / contract)


def node() -> None:
    debian("nodejs", "npm", has=_which("node", "npm"))
    if not (BUILD / "node/node_modules/soap").exists():
        (BUILD / "node").mkdir(parents=True, exist_ok=True)
        quiet = ["--silent", "--no-audit", "--no-fund"]
        run("npm", "install", *quiet, "--prefix", BUILD / "node", NODE_SOAP)


def xmlsec() -> None:
    if not list((BUILD / "python").glob("xmlsec*")):
        target = ["--quiet", "--no-deps", "--target", BUILD / "python"]
        run(sys.executable, "-m", "pip", "install", *target, XMLSEC)
    run(
        sys.executable,
        "-c",
        f"import sys; sys.path.append({str(BUILD / 'python')!r})\nimport lxml.etree, xmlsec",
    )


def _fresh(made: Path, source: Path) -> bool:
    newest = max(source.stat().st_mtime, WSDL.stat().st_mtime)
    return made.exists() and made.stat().st_mtime > newest


PEERS: Mapping[str, Callable[[], None]] = {
    "wrk": wrk,
    "nginx": nginx,
    "gSOAP": gsoap,
    "JAX-WS RI": jaxws,
    "node-soap": node,
    "xmlsec": xmlsec,
}


def set_up(wanted: set[str]) -> dict[str, str]:
    """Set up what is wanted; those that are missing, with the reason."""
    BUILD.mkdir(parents=True, exist_ok=True)
    missing = {}
    for name in sorted(wanted):
        try:
            PEERS[name]()
        except Missing as error:
            missing[name] = str(error)
    return missing
