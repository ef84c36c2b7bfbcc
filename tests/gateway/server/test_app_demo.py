"""The demo as it is run, and the examples as integrators run them against it.

``caller.php`` needs PHP with its SOAP extension; without them it is left out and a line says so,
with ROAMGATE_REQUIRE_SERVICES=1 it fails instead.
"""

import re
import signal
import subprocess
import sys
import threading

import pytest

from tests.support.gate import PHP_IS_MISSING, REQUIRED, ROOT

PYTHON = sys.executable


class Demo:
    """``roamgate demo --serve``, when all flows are through."""

    def __init__(self):
        self._process = subprocess.Popen(
            [PYTHON, "-m", "gateway", "demo", "--serve"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # what a shell runs in the background begins with Ctrl-C ignored, and hands that on
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        # a demo that hangs ends here, and what it said so far is in the report of the test
        late = threading.Timer(100, self._process.kill)
        late.start()
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            if "examples/ocpi_partner.py" in line:
                break
        late.cancel()
        self.said = "".join(lines)
        found = re.search(r"The gateway stays at (\S+)", self.said)
        self.url = found[1] if found else ""
        self.tries = [line.split() for line in lines if line.startswith("  .venv/bin/python")]

    def end(self):
        """Ctrl-C; the exit code and what came on the way out."""
        self._process.send_signal(signal.SIGINT)
        try:
            rest, _ = self._process.communicate(timeout=60)
        finally:
            self._process.kill()
        return self._process.returncode, rest


@pytest.fixture(scope="module")
def demo():
    """One run for all; that it ends well is a test of its own, the last one."""
    demo = Demo()
    yield demo
    demo._process.kill()
    demo._process.wait()


def ran(*command):
    """What a command prints; it has to end well."""
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_all_flows(demo):
    """Nothing is missing."""
    assert demo.url, demo.said
    assert "missing" not in demo.said
    assert demo.said.count("   ok ") > 30


def test_the_example_of_the_library():
    """A record and what did not go over as it was."""
    said = ran(PYTHON, "examples/library.py")
    assert '"total_cost"' in said
    assert re.search(r"^(dropped|defaulted|approximated) ", said, re.MULTILINE)


def test_the_message_of_the_readme(tmp_path):
    """The command as it stands there."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [line] = re.findall(
        r"^ +\.venv/bin/roamgate (translate .*) --report \S+$", readme, re.MULTILINE
    )
    report = tmp_path / "findings.json"
    said = ran(PYTHON, "-m", "gateway", *line.split(), "--report", str(report))
    assert '"id": "NLQGW000000000042A"' in said
    assert '"outcome"' in report.read_text(encoding="utf-8")


def test_the_example_of_zeep(demo):
    """As the demo prints it: a tool-kit reads the WSDL and downloads lists."""
    [command] = [words for words in demo.tries if words[1].endswith("zeep_caller.py")]
    said = ran(PYTHON, *(word.strip("'") for word in command[1:]))
    points = re.search(r"^ok (\d+) charge points$", said, re.MULTILINE)
    assert points
    assert int(points[1]) > 500
    assert re.search(r"^ok [1-9]\d* tariffs$", said, re.MULTILINE)


def test_the_example_of_an_ocpi_partner(demo):
    """As the demo prints it: a newcomer registers, pushes and reads back."""
    [command] = [words for words in demo.tries if words[1].endswith("ocpi_partner.py")]
    said = ran(PYTHON, *command[1:])
    assert "registered with OCPI 2.2.1" in said
    assert "location EXAMPLE1 holds NL*VIS*EEX1" in said


if PHP_IS_MISSING is None or REQUIRED:

    def test_the_example_of_php(demo):
        """PHP's own SOAP client with the same list."""
        wsdl = f"{demo.url}/ochp/1.4?wsdl"
        said = ran("php", "examples/caller.php", wsdl, "fahrstrom", "demo-fahrstrom")
        points = re.search(r"^ok (\d+) charge points$", said, re.MULTILINE)
        assert points
        assert int(points[1]) > 500


def test_it_ends_well(demo):
    """Ctrl-C: exit code 0 as nothing was missing, and no complaint."""
    code, rest = demo.end()
    assert (code, "Traceback" in rest) == (0, False), rest
