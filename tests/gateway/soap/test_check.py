"""A body against its schema: what is neither mended nor sorted out."""

import pytest
from lxml import etree

from gateway.errors import Malformed, Problem
from gateway.mapping.xml_items import UNWIELDY
from gateway.soap.check import checked, sorted_out


class Wants:
    """A schema in which ``bad`` is not allowed."""

    def check(self, element):
        return [
            Problem(f"list/item[{number}]/bad", "not allowed")
            for number, item in enumerate(element, 1)
            if item.find("bad") is not None
        ]

    def accepts(self, element):
        return not self.check(element)


@pytest.mark.parametrize(("size", "taken"), [(UNWIELDY - 1, True), (UNWIELDY, False)])
async def test_an_item_that_is_too_large_to_be_moved(size, taken):
    """A message with one is refused as it is, if anything is wrong with it."""
    asked = []

    def mend(body):
        asked.append(body)
        return body, []

    large = f"<item><bad/>{'<a/>' * size}</item>"
    body = etree.fromstring(f"<list>{large}<item><good/></item></list>")
    if taken:
        left, _, refused = await sorted_out(body, 1, Wants(), mend, {"item"})
        assert [len(left), [len(each.element) for each in refused]] == [1, [size + 1]]
    else:
        with pytest.raises(Malformed, match="not allowed"):
            await sorted_out(body, 1, Wants(), mend, {"item"})
    assert len(asked) == taken


async def test_a_large_item_with_nothing_wrong():
    body = etree.fromstring(f"<list><item>{'<a/>' * 2 * UNWIELDY}</item></list>")
    assert await sorted_out(body, 1, Wants(), None, {"item"}) == (body, [], [])


async def test_a_deviation_is_put_right_before_anybody_asks_for_reasons():
    """The reasons take longer than all else, and need a library that is loaded for them alone."""
    reasons = []

    class Asked(Wants):
        def check(self, element):
            reasons.append(element)
            return super().check(element)

        def accepts(self, element):
            return not super().check(element)

    def mend(body):
        return etree.fromstring("<list><item/></list>"), ["list: put right"]

    body = etree.fromstring("<list><item><bad/></item></list>")
    mended, notes = await checked(body, 1, Asked(), mend)

    assert etree.tostring(mended) == b"<list><item/></list>"
    assert notes == ["list: put right"]
    assert not reasons
    with pytest.raises(Malformed, match="not allowed"):
        await checked(body, 1, Asked(), lambda body: (body, []))
    assert reasons


async def test_an_item_of_no_namespace_among_wrong_ones():
    """It is counted in the path of a problem, and is none of the items."""

    class Schema(Wants):
        def check(self, element):
            return [Problem("list/item[3]", "not expected here")]

    items = f"{'<item/>' * 2}<item xmlns=''/>"
    body = etree.fromstring(f"<list xmlns='urn:x'>{items}</list>")
    with pytest.raises(Malformed, match="not expected"):
        await sorted_out(body, 1, Schema(), None, {"{urn:x}item"})
