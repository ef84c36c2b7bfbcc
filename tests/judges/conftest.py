"""Other people's programs judge what the gateway signs, and sign what it verifies.

Where a program is not installed its tests are left out and a line says so; with
ROAMGATE_REQUIRE_SERVICES=1 they fail instead. Debian: xmlsec1; libwss4j-java and a JDK; nodejs with
the package xml-crypto (npm, in the directory that ROAMGATE_NODE_MODULES names).
"""

import os
import shutil
from pathlib import Path

import pytest

REQUIRED = os.environ.get("ROAMGATE_REQUIRE_SERVICES") == "1"
_JAVA = Path("/usr/share/java/wss4j.jar")
_NODE = Path(os.environ.get("ROAMGATE_NODE_MODULES", "node_modules"), "xml-crypto")
PRESENT = {
    "test_xmlsec1.py": shutil.which("xmlsec1") is not None,
    "test_wss4j.py": _JAVA.is_file() and shutil.which("javac") is not None,
    "test_node.py": _NODE.is_dir() and shutil.which("node") is not None,
}
collect_ignore = [name for name, present in PRESENT.items() if not present and not REQUIRED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if collect_ignore:
        names = ", ".join(name.removeprefix("test_").removesuffix(".py") for name in collect_ignore)
        terminalreporter.write_line(f"message security: not judged by {names}: not installed")
