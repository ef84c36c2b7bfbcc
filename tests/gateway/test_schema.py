"""Contract files, checking messages, fields of types."""

import copy
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from lxml.etree import _Element as Element

from gateway import schema
from gateway.errors import ConfigError, Problem
from gateway.schema import TOLD, WIDE, Field, Schema, contract_file, schema_for

ROOT = Path(__file__).resolve().parents[2]
WIRE = ROOT / "tests/wire/ochp/1.4"
OCHP = schema_for("ochp", "1.4")
NS = {"o": "http://ochp.eu/1.4"}
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def message(path: str) -> Element:
    return etree.parse(WIRE / path).getroot()


def one(root: Element, path: str) -> Element:
    (found, *_) = root.iterfind(path, NS)
    return found


def told(root: Element) -> list[str]:
    return [str(problem) for problem in OCHP.check(root)]


# ------------------------------------------------------------------ files


def test_contract_file_is_found_wherever_one_stands(monkeypatch, tmp_path):
    """The working directory does not matter."""
    monkeypatch.chdir(tmp_path)

    assert contract_file("wsdl/ochp/1.4/ochp.wsdl").is_file()


@pytest.mark.parametrize(
    "path",
    [
        "wsdl/ochp/1.4/none.wsdl",
        "xsd/ochp",
        "xsd/../pyproject.toml",
        "pyproject.toml",
        "/etc/hostname",
    ],
)
def test_other_files_are_no_contracts(path):
    """Only files below wsdl/ and xsd/ are given out."""
    with pytest.raises(ConfigError):
        contract_file(path)


def test_all_files_beside_the_code_go_into_the_wheel():
    """The package data of pyproject.toml names every file of the packages that is no module."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {
        path
        for package, patterns in data["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    there = {
        path
        for package in ("gateway", "adapters", "wsdl", "xsd")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert shipped == there
    assert {"wsdl*", "xsd*"} <= set(data["packages"]["find"]["include"])


def test_contracts_refer_to_files_beside_them():
    """Loading never needs the network."""
    for path in [*(ROOT / "xsd").rglob("*.xsd"), *(ROOT / "wsdl").rglob("*.wsdl")]:
        for location in (
            etree.parse(path).getroot().xpath("//@schemaLocation | //*/@location[../@namespace]")
        ):
            assert (path.parent / location).resolve().is_file()


def test_unknown_version_is_refused():
    with pytest.raises(ConfigError):
        schema_for("ochp", "9.9")


@pytest.mark.parametrize(
    "text", ["", "<a/>", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'"]
)
def test_broken_schema_is_refused(tmp_path, text):
    (tmp_path / "x.xsd").write_text(text)
    with pytest.raises(ConfigError, match=r"x\.xsd"):
        Schema(tmp_path / "x.xsd")


# ------------------------------------------------------------------ checking


def test_schema_is_loaded_once():
    assert schema_for("ochp", "1.4") is OCHP


def test_valid_message_has_no_problems():
    assert OCHP.check(message("AddCDRs/request_rich.xml")) == []


@pytest.mark.parametrize("prefix", ["ochp", None])
def test_all_problems_are_told_in_the_words_of_the_message(prefix):
    """Values, attributes and structure in document order; repeatable elements are numbered."""
    root = message(f"AddCDRs/request_{'rich' if prefix else 'night_of_clock_change'}.xml")
    record = root[-1]
    one(record, "o:emtId").set("representation", "md5")
    one(record, "o:status/o:CdrStatusType").text = "final"
    one(record, "o:chargingPeriods[2]/o:billingValue").text = "eighteen"
    record.remove(one(record, "o:currency"))

    place = f"AddCDRsRequest/cdrInfoArray[{len(root)}]"
    assert sorted(told(root)) == sorted(
        [
            f"{place}/emtId/@representation: The value 'md5' is not an element of the set "
            "{'plain', 'sha-160', 'sha-256'}.",
            f"{place}/status/CdrStatusType: The value 'final' is not an element of the set "
            "{'new', 'accepted', 'rejected', 'declined', 'approved', 'revised'}.",
            f"{place}/chargingPeriods[2]/billingValue: 'eighteen' is not a valid value of the "
            "atomic type 'xs:float'.",
            f"{place}/currency: missing",
        ]
    )


def test_single_element_that_may_repeat_is_numbered():
    """A number says that there could be more; an element that stands once has none."""
    root = message("GetSingleRoamingAuthorisation/response_rich.xml")
    one(root, "o:roamingAuthorisationInfo/o:contractId").text = "?"
    update = message("GetRoamingAuthorisationListUpdates/response_rich.xml")
    update.remove(update[-1])
    one(update, "o:roamingAuthorisationInfo/o:contractId").text = "?"

    assert OCHP.check(root)[0].path == (
        "GetSingleRoamingAuthorisationResponse/roamingAuthorisationInfo/contractId"
    )
    assert OCHP.check(update)[0].path == (
        "GetRoamingAuthorisationListUpdatesResponse/roamingAuthorisationInfo[1]/contractId"
    )


def test_problems_behind_a_misplaced_element_are_told_too():
    """libxml2 leaves off at the first unexpected child."""
    root = etree.fromstring(
        '<UpdateStatusRequest xmlns="http://ochp.eu/1.4"><x/>'
        '<evse major="open"><evseId>?</evseId></evse><evse/></UpdateStatusRequest>'
    )
    problems = OCHP.check(root)

    assert [problem.path for problem in problems[:2]] == [
        "UpdateStatusRequest/x",
        "UpdateStatusRequest/evse[1]/@major",
    ]
    assert {problem.path for problem in problems} == {
        "UpdateStatusRequest/x",
        "UpdateStatusRequest/evse[1]/@major",
        "UpdateStatusRequest/evse[1]/evseId",
        "UpdateStatusRequest/evse[2]/@major",
        "UpdateStatusRequest/evse[2]/evseId",
    }


def test_long_message_says_where_checking_left_off(monkeypatch):
    """Looking for every problem is slow, so a long message gets a note instead."""
    monkeypatch.setattr(schema, "EXPLAINED", 3)
    root = etree.fromstring(
        '<UpdateStatusRequest xmlns="http://ochp.eu/1.4"><x/><evse/><evse/></UpdateStatusRequest>'
    )

    (problem,) = OCHP.check(root)
    assert problem.path == "UpdateStatusRequest/x"
    assert problem.reason.endswith("The rest of the element was not checked.")


def test_wrong_namespace_is_named():
    """The name alone would look right."""
    child = etree.fromstring(
        '<GetCDRsRequest xmlns="http://ochp.eu/1.4"><o:cdrStatus xmlns:o="urn:o"/></GetCDRsRequest>'
    )
    attribute = message("UpdateStatus/request_rich.xml")
    attribute[0].set("{urn:o}major", "available")

    assert told(child) == ["GetCDRsRequest/cdrStatus: not expected here in namespace 'urn:o'"]
    assert told(attribute) == [
        "UpdateStatusRequest/evse[1]/@major: The attribute '{urn:o}major' is not allowed."
    ]


@pytest.mark.parametrize("root", ["<GetCDRsRequest/>", '<Nothing xmlns="http://ochp.eu/1.4"/>'])
def test_unknown_root_is_a_problem(root):
    (problem,) = OCHP.check(etree.fromstring(root))

    assert "No matching global declaration" in problem.reason


def test_comments_and_instructions_do_not_count():
    """They neither disturb the verdict nor the places."""
    root = etree.fromstring(
        '<UpdateStatusRequest xmlns="http://ochp.eu/1.4"><!-- a --><?b c?><evse major="unknown">'
        "<evseId>DE*8QX*E1</evseId></evse><!-- d --><evse major='unknown'/></UpdateStatusRequest>"
    )

    assert told(root) == ["UpdateStatusRequest/evse[2]/evseId: missing"]


def test_message_is_checked_inside_its_envelope():
    """Namespaces declared further out hold, also for values such as xsi:type."""
    envelope = etree.fromstring(
        '<e:Envelope xmlns:e="urn:e" xmlns:o="http://ochp.eu/1.4"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><e:Body>'
        '<o:GetSingleRoamingAuthorisationRequest><o:emtId i:type="o:EmtId">'
        "<o:instance>1</o:instance><o:tokenType>rfid</o:tokenType></o:emtId>"
        "</o:GetSingleRoamingAuthorisationRequest></e:Body></e:Envelope>"
    )
    root = envelope[0][0]
    assert OCHP.check(root) == []

    root[0].remove(root[0][1])
    assert [problem.path for problem in OCHP.check(root)] == [
        "GetSingleRoamingAuthorisationRequest/emtId"
    ]


def test_location_hints_of_a_message_are_not_followed(tmp_path):
    """A message cannot bring its own schema."""
    theirs = tmp_path / "theirs.xsd"
    theirs.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:theirs">'
        '<xs:element name="Any"/></xs:schema>'
    )
    xsi = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
    theirs_root = f'<Any xmlns="urn:theirs" {xsi} i:schemaLocation="urn:theirs {theirs}"/>'
    inside = f'<GetCDRsRequest xmlns="http://ochp.eu/1.4">{theirs_root}</GetCDRsRequest>'

    assert OCHP.check(etree.fromstring(theirs_root))
    assert OCHP.check(etree.fromstring(inside))


@pytest.mark.parametrize(
    "inside",
    [
        '<x i:type="no:such"/>',
        '<evse i:type="no:such"/>',
        '<evse i:nil="perhaps"/>',
        "<x>" * 250 + "</x>" * 250,
        f"<x{'y' * 5000}/>",
        f"<evse major='{'y' * 5000}'/>",
        "<evse/>" * 3000,
        "<a:b xmlns:a=\"urn:'q':\"/>",
    ],
)
def test_hostile_message_gets_short_problems(inside):
    """Never an exception, never nothing, and no long echo."""
    problems = OCHP.check(
        etree.fromstring(
            '<UpdateStatusRequest xmlns="http://ochp.eu/1.4"'
            f' xmlns:i="http://www.w3.org/2001/XMLSchema-instance">{inside}</UpdateStatusRequest>'
        )
    )

    assert problems
    assert max(len(problem.reason) for problem in problems) <= 400


def confirmed(*inside: str) -> etree._Element:
    """A message with a list of anything."""
    return etree.fromstring(
        f'<ConfirmCDRsRequest xmlns="http://ochp.eu/1.4">{"".join(inside)}</ConfirmCDRsRequest>'
    )


def items(problems: list[Problem]) -> list[str]:
    """In which items they are."""
    return list(dict.fromkeys(problem.path.split("/")[1] for problem in problems))


@pytest.mark.parametrize("count", [WIDE // 2, 20 * WIDE])
def test_of_a_crowd_the_first_are_told(count):
    """With their places, and how many there are; in a time that does not grow with the square."""
    *first, last = OCHP.check(confirmed("<approved/>" * count))

    assert items(first) == [f"approved[{number}]" for number in range(1, TOLD + 1)]
    assert last == Problem("ConfirmCDRsRequest", f"{count} problems, of which the first are told")


def test_the_first_of_a_crowd_stand_behind_good_items():
    """Their places are those in the whole message."""
    good = "<approved><cdrId>A</cdrId><evseId>DE*ABC*E1</evseId></approved>"
    wrong = "<declined/>" * (3 * WIDE)
    *first, last = OCHP.check(confirmed(good * 130, good.replace("approved", "declined"), wrong))

    assert items(first) == [f"declined[{number}]" for number in range(2, TOLD - 130 % TOLD + 1)]
    assert last.reason == f"{3 * WIDE} problems, of which the first are told"


@pytest.mark.parametrize("width", [10, WIDE + 500, 20 * WIDE])
def test_a_few_problems_among_many_items_are_all_told(width):
    """Wherever they are."""
    good = "<approved><cdrId>A</cdrId><evseId>DE*ABC*E1</evseId></approved>"
    each = [good] * width
    each[::10] = ["<approved/>"] * len(each[::10])

    found = items(OCHP.check(confirmed(*each)))
    assert found == [f"approved[{number}]" for number in range(1, width + 1, 10)]


def test_of_some_problems_in_a_very_long_message_the_first_are_told():
    """To find the place of each would take a time that grows with the square."""
    good = "<approved><cdrId>A</cdrId><evseId>DE*ABC*E1</evseId></approved>"
    each = [good] * 50_000
    each[::10] = ["<approved/>"] * len(each[::10])

    *first, last = OCHP.check(confirmed(*each))
    assert items(first) == [f"approved[{number}]" for number in range(1, TOLD + 1, 10)]
    assert last.reason == "5000 problems, of which the first are told"


def test_a_crowd_inside_an_item():
    """It is told, if not where each one is."""
    root = message("AddCDRs/request_minimal.xml")
    period = one(root, ".//o:chargingPeriods")
    above = period.getparent()
    assert above is not None
    above[above.index(period) : len(above)] = [etree.Element(period.tag) for _ in range(20 * WIDE)]

    (problem,) = OCHP.check(root)
    assert problem.path == "AddCDRsRequest"
    assert problem.reason.endswith("problems, too many to tell where")


def test_not_every_problem_of_a_large_message_is_looked_for():
    """Attributes that nobody knows: each is a problem, and would take memory."""
    unknown = " ".join(f'a{number}=""' for number in range(60))

    *first, last = OCHP.check(confirmed(f"<approved {unknown}/>" * 2000))
    assert items(first) == ["approved[1]"]
    assert last.reason == "more than 50000 problems, of which the first are told"


def test_threads_do_not_see_each_others_problems():
    """Each thread is told about its own message only."""
    together = threading.Barrier(8)

    def check(number: int) -> bool:
        root = etree.fromstring(
            f'<GetCDRsRequest xmlns="http://ochp.eu/1.4"><cdrStatus><CdrStatusType>bad{number}'
            "</CdrStatusType></cdrStatus></GetCDRsRequest>"
        )
        together.wait()
        found = [OCHP.check(root) for _ in range(50)]
        return all(len(each) == 1 and f"'bad{number}'" in each[0].reason for each in found)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(8)))


# ------------------------------------------------------------------ fields


def test_fields_are_elements_in_order_then_attributes():
    assert OCHP.fields("EmtId") == (
        Field("instance", "element", "string", 1, 1),
        Field("tokenType", "element", "string", 1, 1),
        Field("tokenSubType", "element", "string", 0, 1),
        Field("representation", "attribute", "string", 0, 1),
    )


def test_fields_of_a_choice_are_optional():
    assert OCHP.fields("HoursType")[:2] == (
        Field("regularHours", "element", "RegularHoursType", 0, 7),
        Field("twentyfourseven", "element", "boolean", 0, 1),
    )


def test_fields_include_inherited_ones():
    assert [field.name for field in OCHP.fields("AdditionalGeoPointType")] == [
        "lat",
        "lon",
        "name",
        "type",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AddCDRsRequest", [Field("cdrInfoArray", "element", "CDRInfo", 1, None)]),
        ("GetCDRsRequest/cdrStatus", [Field("CdrStatusType", "element", "string", 1, 1)]),
        (
            "ConfirmCDRsRequest/approved",
            [Field("cdrId", "element", "CdrId", 1, 1), Field("evseId", "element", "EvseId", 1, 1)],
        ),
        ("GetChargePointListRequest", []),
        (
            "{http://ochp.eu/1.4}GeoPointType",
            [Field(n, "attribute", "string", 1, 1) for n in ("lat", "lon")],
        ),
    ],
)
def test_fields_by_type_root_or_path(name, expected):
    assert list(OCHP.fields(name)) == expected


@pytest.mark.parametrize("name", ["Nothing", "CDRInfo/nothing", "string", ""])
def test_unknown_type_is_an_error(name):
    with pytest.raises(LookupError):
        OCHP.fields(name)


def test_roots_are_in_the_order_of_the_schema():
    roots = OCHP.roots()

    assert roots[:2] == tuple(
        f"{{http://ochp.eu/1.4}}AddCDRs{way}" for way in ("Request", "Response")
    )
    assert len(roots) == 34


def test_siblings_without_a_namespace_are_counted_once(tmp_path):
    """Also where their name is all that there is of them, in short messages and in long ones."""
    path = tmp_path / "list.xsd"
    path.write_text(
        '<schema xmlns="http://www.w3.org/2001/XMLSchema"><element name="list"><complexType>'
        '<sequence><element name="item" type="int" maxOccurs="unbounded"/></sequence>'
        "</complexType></element></schema>"
    )
    for count in (3, schema.EXPLAINED + 3):
        items = ["<item>1</item>"] * count
        items[2] = "<item>x</item>"
        problems = schema.Schema(path).check(etree.fromstring(f"<list>{''.join(items)}</list>"))
        assert [problem.path for problem in problems] == ["list/item[3]"]


@pytest.mark.parametrize(
    "inner",
    [
        "<x/>" * 3 + "<evse/>" * 2 + "<x/>",
        "<evse><evseId/><a/><a/></evse>" * 3 + "<!--c--><?pi d?><evse/>",
        '<o:evse xmlns:o="urn:o"/><evse/><o:evse xmlns:o="urn:o"/><b xmlns=""/><b xmlns=""/>',
        '<evse xmlns=""><c/><c/></evse><evse><p:c xmlns:p="urn:p"/><p:c xmlns:p="urn:p"/></evse>',
    ],
)
def test_places_that_are_found_one_by_one_are_the_same(inner):
    """In another way than with all around them: by path, words, element and order."""
    root = etree.fromstring(
        f'<UpdateStatusRequest xmlns="http://ochp.eu/1.4">{inner}</UpdateStatusRequest>'
    )
    every = OCHP._places(root, None)
    paths = {path: place.node for path, place in every.items()}
    tree = root.getroottree()
    assert {tree.getpath(node) for node in paths.values()} == set(paths)
    for path, place in every.items():
        some = OCHP._some_places(root, {path})
        assert (some[path].words, some[path].node) == (place.words, place.node)
    order = OCHP._some_places(root, set(every))
    assert [place.words for place in order.values()] == [place.words for place in every.values()]
    assert OCHP._some_places(root, {"/nothing/x", "/*/*[99]"}).keys() == {"/*"}


# ------------------------------------------------------------------ the quick way


MESSAGES = sorted(each.relative_to(WIRE) for each in WIRE.rglob("*.xml"))


@given(st.data())
@settings(deadline=None)
def test_what_holds_has_nothing_wrong(data: st.DataObject) -> None:
    """Whatever is changed in a message: without a tree the same is said of it as with one."""
    root = message(str(data.draw(st.sampled_from(MESSAGES))))
    body = root.find("{*}Body")
    element = root if body is None else body[0]
    every = list(element.iter(etree.Element))
    for _ in range(data.draw(st.integers(0, 2))):
        node = data.draw(st.sampled_from(every))
        change = data.draw(st.sampled_from(["text", "gone", "twice", "attribute", "name", "blank"]))
        if change == "text":
            node.text = data.draw(
                st.sampled_from(["", "x", "-1", "2016-99-99T00:00:00Z", "\u20ac"])
            )
        elif change == "gone" and node is not element and node.getparent() is not None:
            node.getparent().remove(node)
        elif change == "twice" and node is not element and node.getparent() is not None:
            node.addnext(copy.deepcopy(node))
        elif change == "attribute":
            node.set(data.draw(st.sampled_from(["lat", "x", "{urn:x}y", f"{{{XSI}}}nil"])), "true")
        elif change == "name":
            node.tag = data.draw(st.sampled_from(["x", "{http://ochp.eu/1.4}evseId", "{urn:x}y"]))
        else:
            node.tail = data.draw(st.sampled_from(["", " \n", "loose"]))
    text = etree.tostring(element, with_tail=False)

    assert OCHP.holds(text) == (not OCHP.check(etree.fromstring(text)))
    assert OCHP.accepts(etree.fromstring(text)) == OCHP.holds(text)


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_half_a_message_does_not_hold(message: Path) -> None:
    """Nor what is no XML at all; and nothing of it is remembered for the next."""
    root = etree.parse(WIRE / message).getroot()
    body = root.find("{*}Body")
    text = etree.tostring(root if body is None else body[0], with_tail=False)
    holds = OCHP.holds(text)

    for cut in (1, 2, len(text) // 2, len(text)):
        assert not OCHP.holds(text[:-cut])
    assert not OCHP.holds(text + b"<")
    assert not OCHP.holds(text.replace(b">", b">\xff", 1))
    assert not OCHP.holds(text.replace(b">", b">&x;", 1))
    assert OCHP.holds(text) is holds


def test_a_long_text_is_for_the_other_way() -> None:
    """Faults of a text that is checked without a tree are kept, so it must not hold too many."""
    root = message("SetChargepointList/request_rich.xml")
    item = etree.tostring(next(root.iter("{*}chargePointInfoArray")), with_tail=False)
    start, end = (
        b'<SetChargePointListRequest xmlns="http://ochp.eu/1.4">',
        b"</SetChargePointListRequest>",
    )
    count = schema.TEXT // len(item)

    assert OCHP.holds(start + (count - 1) * item + end)
    assert not OCHP.holds(start + (count + 1) * item + end)
