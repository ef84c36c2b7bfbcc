"""The XML gate: every refusal is typed, names its rule, and comes at once."""

import gzip
import random
import time

import pytest
from lxml import etree

from gateway.errors import GatewayError, Malformed, TooLarge
from gateway.security import parse as parse_module
from gateway.security.parse import Limits, OverLimit, cut_out, parse

LAUGHS = (
    b'<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;"><!ENTITY n "&m;&m;&m;&m;">]><a>&n;</a>'
)
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'

MALFORMED = {
    "empty": ("empty", b""),
    "white space only": ("empty", b" \r\n\t"),
    "gzip": ("no-xml", gzip.compress(b"<a/>")),
    "json": ("no-xml", b'{"a": 1}'),
    "billion laughs": ("doctype", LAUGHS),
    "external entity": ("doctype", EXTERNAL),
    "bare doctype": ("doctype", b"<!DOCTYPE html><a/>"),
    "doctype in UTF-16": ("doctype", LAUGHS.decode().encode("utf-16")),
    "NUL": ("nul", b"<a>\0</a>"),
    "NUL reference": ("syntax", b"<a>&#0;</a>"),
    "control character": ("syntax", b"<a>\x01</a>"),
    "truncated": ("syntax", b"<a><b>text</b"),
    "truncated between elements": ("syntax", b"<a><b>text</b>"),
    "two roots": ("syntax", b"<a/><b/>"),
    "undeclared prefix": ("syntax", b"<x:a/>"),
    "undefined entity": ("syntax", b"<a>&nbsp;</a>"),
    "attribute twice": ("syntax", b'<a b="1" b="2"/>'),
    "not UTF-8": ("syntax", "<a>\u00e9</a>".encode("latin-1")),
    "instruction inside": ("instruction", b"<a><?php x?></a>"),
    "instruction before": ("instruction", b'<?xml-stylesheet href="x"?><a/>'),
    "declared charset unknown": ("charset", b'<?xml version="1.0" encoding="ebcdic"?><a/>'),
    "declared UTF-16, sent UTF-8": ("charset", b'<?xml version="1.0" encoding="utf-16"?><a/>'),
    "odd UTF-16": ("charset", "<a/>".encode("utf-16") + b"x"),
    "instruction beside CDATA": ("instruction", b"<a><![CDATA[x]]><?b?></a>"),
    "instruction after": ("instruction", b"<!-- --><a/><?b?>"),
    "instruction before a comment": ("instruction", b"<?b?><!-- --><a/>"),
    "UTF-32 with mark": ("charset", "<a/>".encode("utf-32")),
    "UTF-32, big end first": ("charset", b"\0\0\xfe\xff" + "<a/>".encode("utf-32-be")),
    "UTF-32 by look": ("charset", "<a/>".encode("utf-32-le")),
    "EBCDIC": ("charset", '<?xml version="1.0"?><a/>'.encode("cp037")),
    "UTF-7 with mark": ("charset", "\ufeff<a/>".encode("utf-7")),
    "UTF-8 with two marks": ("no-xml", b"\xef\xbb\xbf" * 2 + b"<a/>"),
    "MIME": ("no-xml", b"--b\r\nContent-Type: text/xml\r\n\r\n<a/>\r\n--b--"),
    "UTF-7": ("charset", b'<?xml version="1.0" encoding="utf-7"?><a/>'),
}


@pytest.mark.parametrize(("code", "body"), MALFORMED.values(), ids=MALFORMED.keys())
def test_broken_xml_is_malformed(code, body):
    """No other exception than Malformed, with the code of the rule."""
    with pytest.raises(Malformed) as caught:
        parse(body, Limits())
    assert caught.value.code == code
    assert caught.value.problems
    assert not isinstance(caught.value, TooLarge)


SMALL = Limits(
    bytes=100_000, depth=5, elements=50, attributes=4, declarations=40, namespaces=3, text=1000
)


def _xmlns(count, start=0):
    return b" ".join(b'xmlns:n%d="urn:%d"' % (i, i) for i in range(start, start + count))


OVER = {
    "bytes": ("bytes", b"<a>" + b" " * 100_000 + b"</a>"),
    "bytes after transcoding": ("bytes", ("<a>" + "\u20ac" * 40_000 + "</a>").encode("utf-16")),
    "depth": ("depth", b"<a>" * 6 + b"</a>" * 6),
    "depth, the last one empty": ("depth", b"<a>" * 5 + b"<b/>" + b"</a>" * 5),
    "elements": ("elements", b"<a>" + b"<b/>" * 50 + b"</a>"),
    "attributes": ("attributes", b'<a><b a="" b="" c="" d="" e=""/></a>'),
    "attributes after >": ("attributes", b"<a b='>' c='\"' d='' e='' f=''/>"),
    "attributes of a tag that never ends": (
        "attributes",
        b"<a " + b" ".join(b"a%d=''" % i for i in range(9)),
    ),
    "attributes in lines": ("attributes", b"<a\n a = ''\n b\t=\t'' c='' d='' e=''>"),
    "declarations": ("declarations", b"<a>" + b'<b xmlns="urn:b"/>' * 41 + b"</a>"),
    "namespaces of a tag that never ends": ("namespaces", b"<a " + _xmlns(9)),
    "namespaces on one": ("namespaces", b"<a " + _xmlns(4) + b"/>"),
    "namespaces nested": ("namespaces", b"<a %s><b %s/></a>" % (_xmlns(2), _xmlns(2, 2))),
    "text": ("text", b"<a>" + b"x" * 1001 + b"</a>"),
    "attribute text": ("text", b'<a b="' + b"x" * 1001 + b'"/>'),
    "text in CDATA parts": (
        "text",
        b"<a>" + b"<![CDATA[" + b"x" * 600 + b"]]>" + b"y" * 600 + b"</a>",
    ),
}


@pytest.mark.parametrize(("code", "body"), OVER.values(), ids=OVER.keys())
def test_each_limit_has_its_code(code, body):
    """What is over a limit is TooLarge; the limit is named."""
    with pytest.raises(TooLarge) as caught:
        parse(body, SMALL)
    assert caught.value.code == code


def test_depth_beyond_the_parser_is_depth_too():
    """libxml2 stops at 256 levels by itself; the reason stays ours."""
    with pytest.raises(TooLarge) as caught:
        parse(b"<a>" * 20_000, Limits())
    assert caught.value.code == "depth"


def test_everything_up_to_the_limits_is_read():
    """A document exactly at every limit passes."""
    body = (
        b"<a " + _xmlns(3) + b' a="" b="" c="" d="">'
        b"<b><c><d><e>" + b"x" * 1000 + b"</e></d></c></b>" + b"<f/>" * 45 + b"</a>"
    )
    assert len(list(parse(body, SMALL).iter())) == 50


def test_the_quick_look_misses_no_namespaces():
    """What it lets pass has no more in scope than allowed, wherever declarations stand."""
    chance, limits, found = random.Random(1), Limits(namespaces=8, depth=16), []
    texts = ("", "xmlns", "<![CDATA[<y xmlns:q='1'>]]>", "<!-- xmlns <z xmlns -->")

    def element(level: int) -> str:
        few = range(chance.choice((0, 0, 1, 1, 2, 3)))
        tag = "x" + "".join(f' xmlns:{chance.choice("abcdef")}{each}="u{each}"' for each in few)
        if level >= chance.randint(1, 12):
            return f"<{tag}/>"
        inner = "".join(element(level + 1) for _ in range(chance.randint(1, 2)))
        return f"<{tag}>{chance.choice(texts)}{inner}</x>"

    for _ in range(500):
        body = element(0).encode()
        root = etree.fromstring(body)
        try:
            parse_module._measure_namespaces(root, limits)
        except OverLimit:
            assert parse_module._may_have_namespaces(root, body, limits), body
            found.append(True)
        else:
            found.append(parse_module._may_have_namespaces(root, body, limits))
    assert True in found
    assert False in found


def test_namespaces_beside_each_other_do_not_add_up():
    """Lists of peers that declare a prefix on every item are read."""
    body = b"<a>" + b'<b xmlns:x="urn:x"/>' * 40 + b"</a>"
    assert len(parse(body, SMALL)) == 40


@pytest.mark.parametrize(
    "body",
    [
        b"<a><b c='" + b"x=" * 400 + b"'>" + b'"=' * 400 + b"</b></a>",
        b'<a><b c=\'1 d="2" e="3" f="4" g="5" xmlns:h="6" xmlns:i="" xmlns:j=""\'/></a>',
        b"<a>" + b"<b " * 0 + b" c=''" * 100 + b"</a>",
        b"<a><!--" + b" c=''" * 100 + b"--></a>",
        b"<a><![CDATA[<b" + b" c=''" * 100 + b"/>]]></a>",
        b"<a b='&lt;c' c='' d='' e=''/>",
    ],
)
def test_what_only_looks_like_too_many(body):
    """Text, comments and values that are full of attributes are none."""
    assert parse(body, SMALL) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"<a>" + b"<?b?>" * 200_000 + b"<!-- --></a>",
        b"<a " + _xmlns(100_000) + b"/>",
        b"<a " + b" ".join(b'n%d=""' % i for i in range(100_000)) + b"/>",
        b"<a>" * 200_000,
        b"<a/>" * 2_000_000,
        b"<a>" + b"&lt;" * 500_000 + b"</a>",
    ],
    ids=["instructions", "xmlns", "attributes", "depth", "elements", "references"],
)
def test_floods_are_refused_quickly(body):
    """A flood costs no more than a message of its size."""
    started = time.process_time()
    with pytest.raises(GatewayError):
        parse(body, Limits(text=100_000, elements=1_000_000))
    assert time.process_time() - started < 2


def test_huge_limits_lift_those_of_libxml2():
    """Deeper than 256 levels and texts of over 10 MB only when both limits say so."""
    deep = b"<a>" * 300 + b"</a>" * 300
    long = b"<a>" + b"x" * 10_100_000 + b"</a>"
    for body in (deep, long):
        with pytest.raises(TooLarge):
            parse(body, Limits())
    assert parse(deep, Limits(depth=400)) is not None
    assert len(parse(long, Limits(text=20_000_000)).text) == 10_100_000


ENCODED = {
    "UTF-8 by default": ("<a>\u00e9</a>".encode(), None),
    "UTF-8 with mark": (b"\xef\xbb\xbf" + "<a>\u00e9</a>".encode(), None),
    "UTF-16 with mark": ("<a>\u00e9</a>".encode("utf-16"), None),
    "UTF-16 with mark and header": ("<a>\u00e9</a>".encode("utf-16"), "utf-16"),
    "UTF-16LE by header": ("<a>\u00e9</a>".encode("utf-16-le"), "UTF-16"),
    "UTF-16BE by look": ("<a>\u00e9</a>".encode("utf-16-be"), None),
    "Latin-1 by declaration": (
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00e9</a>'.encode("latin-1"),
        None,
    ),
    "Latin-1 by header": ("<a>\u00e9</a>".encode("latin-1"), "iso-8859-1"),
    "header before declaration": (
        '<?xml version="1.0" encoding="utf-8"?><a>\u00e9</a>'.encode("latin-1"),
        "ISO-8859-1",
    ),
    "header before declaration, other way": (
        '<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00e9</a>'.encode(),
        "utf-8",
    ),
    "mark before header": ("<a>\u00e9</a>".encode("utf-16"), "utf-8"),
    "declared UTF-16": (
        '<?xml version="1.0" encoding="UTF-16"?><a>\u00e9</a>'.encode("utf-16"),
        None,
    ),
}


@pytest.mark.parametrize(("body", "charset"), ENCODED.values(), ids=ENCODED.keys())
def test_encodings(body, charset):
    """Byte order mark, then HTTP charset, then declaration."""
    assert parse(body, Limits(), charset).text == "\u00e9"


@pytest.mark.parametrize("charset", ["bogus", "utf-32", "", "rot13", "zip", "idna", "x" * 1000])
def test_unknown_http_charset(charset):
    """Only the few encodings of the table; none of Python's other codecs."""
    with pytest.raises(Malformed) as caught:
        parse(b"<a/>", Limits(), charset)
    assert caught.value.code == "charset"
    assert len(str(caught.value)) < 200


def test_comments_do_not_split_text():
    """A comment within a value must not hide its rest."""
    root = parse(b"<a>evil<!-- x -->.example</a>", Limits())
    assert root.text == "evil.example"


def test_nothing_is_loaded():
    """Neither entities nor XInclude nor schema hints touch a file."""
    root = parse(
        b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></a>',
        Limits(),
    )
    assert b"root:" not in etree.tostring(root)


@pytest.mark.parametrize("count", [3, parse_module._MOVED + 1])
def test_cut_out_keeps_what_was_in_scope(count: int) -> None:
    """Also of an element that is too large to be moved; what stands behind it stays there."""
    inner = '<c q:k="z:v">\u00e9&amp;' + "<a/>t" * count + "</c>"
    text = (
        '<s:E xmlns:s="urn:s" xmlns:z="urn:z"><s:B xmlns="urn:u" xmlns:q="urn:q">'
        f'<U x="1"> {inner}<b xmlns=""/></U>tail</s:B></s:E>'
    )
    element = parse(text.encode(), Limits())[0][0]
    cut = cut_out(element)
    assert cut.getparent() is None
    assert cut.getroottree().getroot() is cut
    assert cut.nsmap == {None: "urn:u", "s": "urn:s", "z": "urn:z", "q": "urn:q"}
    assert cut.tail is None
    expected = f'<U xmlns="urn:u" x="1"> {inner}<b xmlns=""/></U>'.replace(
        "<c ", '<c xmlns:q="urn:q" '
    )
    alone = etree.tostring(cut, method="c14n", exclusive=True)
    assert alone == etree.tostring(etree.fromstring(expected), method="c14n", exclusive=True)
