"""The comparison with peers: its messages are valid, its turns fair, its pages whole."""

from types import SimpleNamespace

import pytest
from lxml import etree

from benchmarks import page, plot, report, samples
from benchmarks.measure import ROOT, Contender, Measured, Sample, Work, in_turns, ratio
from benchmarks.operations import body_of
from benchmarks.profiled import STEPS, step_of
from gateway.schema import schema_for


class Fixed:
    """A contender that notes its turns and needs so many seconds for an operation."""

    def __init__(self, name, cpu, log):
        self.name, self.cpu, self.log = name, cpu, log

    def turn(self, seconds):
        self.log.append(self.name)
        if self.cpu is None:
            raise RuntimeError("it broke")
        return Sample(cpu=self.cpu)

    def close(self):
        self.log.append(f"{self.name} closed")


def work(log, *rows, **more):
    contenders = tuple(
        Contender(name, role, lambda n=name, c=cpu: Fixed(n, c, log), "none", items=items)
        for name, role, cpu, items in rows
    )
    return Work("key", "A work", "What it is.", contenders, **{"warm": 0, **more})


@pytest.mark.parametrize(
    "body",
    [samples.question(7), samples.tokens(), samples.cdrs(3)],
    ids=["question", "tokens", "cdrs"],
)
def test_messages_are_valid_and_always_the_same(body):
    """A peer that validates has nothing to refuse."""
    message = samples.envelope(body, "user", "secret")

    assert schema_for("ochp", "1.4").check(body_of(etree.fromstring(message))) == []


def test_a_list_of_charge_points_is_valid_and_made_once(tmp_path):
    """Every contender reads the same file."""
    file = samples.charge_points(tmp_path / "points.xml", 5)
    body = body_of(etree.parse(str(file)).getroot())

    assert schema_for("ochp", "1.4").check(body) == []
    assert len(body) == 5
    assert samples.charge_points(file, 7).read_bytes() == file.read_bytes()


def test_contenders_take_turns_and_one_that_breaks_is_named():
    """A B A B; the others go on, everything is closed."""
    log = []
    one = work(log, ("a", "ours", 1.0, None), ("b", "peer", 3.0, None), ("c", "peer", None, None))

    measured, failed = in_turns(one.contenders, one, 2, lambda text: None)

    assert log == ["a", "b", "c", "a", "b", "a closed", "b closed", "c closed"]
    assert failed == {"c": "RuntimeError: it broke"}
    assert ratio(measured[1], measured[0]) == 3.0


def test_a_smaller_piece_of_work_is_scaled_up():
    """A tenth of the items counts ten times."""
    one = work([], ("a", "peer", 2.0, 10), items=100)

    (measured,), _ = in_turns(one.contenders, one, 1, lambda text: None)

    assert measured.median() == 20.0
    assert measured.scaled_from == 10


def test_the_page_names_every_contender_and_what_is_missing(tmp_path, monkeypatch):
    """Ratios to the floor and to ours, the plot, the figures."""
    one = work(
        [], ("Roamgate", "ours", 2.0, None), ("zeep", "peer", 8.0, None), ("c", "floor", 1.0, None)
    )
    result = report.Result.of(one, *in_turns(one.contenders, one, 3, lambda text: None))
    monkeypatch.setattr(page, "_DOCS", tmp_path)

    page.write(report.Report.of([result], {"gSOAP": "needs the Debian package gsoap"}, 60.0))
    text = (tmp_path / "performance.md").read_text()

    assert "| 2.00x c | zeep 4.00x |" in text
    assert "gSOAP: needs the Debian package gsoap" in text
    assert len(etree.parse(tmp_path / "performance.svg").getroot().findall("{*}rect")) == 7
    assert (tmp_path / "performance.json").stat().st_size > 100


def test_a_bar_is_the_longer_the_slower():
    """On a scale of powers of ten."""
    rows = [(Measured("x", "peer", "", [Sample(cpu=cpu)]), "") for cpu in (1e-5, 1e-4, 1e-3)]
    bars = etree.fromstring(plot.svg([("t", rows)])).findall("{*}rect")[-3:]
    widths = [float(bar.get("width")) for bar in bars]

    assert widths == sorted(widths)
    assert widths[2] - widths[1] == pytest.approx(widths[1], rel=0.01)


def test_a_stack_belongs_to_the_step_of_its_first_known_frame():
    """What is called by many counts for its caller."""
    frame = None
    for name in (
        "/twisted/x.py",
        "/gateway/routing/home.py",
        "/gateway/store/tx.py",
        "/sqlalchemy/",
    ):
        code = SimpleNamespace(co_filename=name)
        frame = SimpleNamespace(f_code=code, f_back=frame)

    assert step_of(frame) == dict(STEPS)["/gateway/routing/"]
    assert step_of(None) == "everything else"


def test_a_work_that_was_done_again_counts_once():
    """As it was done last."""
    run = ROOT / "docs/performance.json"
    once, twice = report.joined([run]), report.joined([run, run])
    assert [each.key for each in twice.results] == [each.key for each in once.results]
