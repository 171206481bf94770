"""What a provisioner did not read is found, at every depth, and nothing else is."""

from __future__ import annotations

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from localcloud.base.cloudformation.property_tracking import TrackedObject, unread, untracked

TEMPLATE = {"Name": "n", "Rules": [{"Id": 1, "Filter": {"Prefix": "p", "Size": 2}}], "Tags": [{"Key": "k"}]}


def test_what_was_never_asked_for_is_unread() -> None:
    properties = TrackedObject(TEMPLATE)
    assert properties["Name"] == "n"
    assert properties.get("Absent") is None
    assert unread(properties) == ["Rules", "Tags"]


def test_members_of_a_member_are_followed() -> None:
    properties = TrackedObject(TEMPLATE)
    for rule in properties["Rules"]:
        assert rule["Id"] == 1
        assert rule["Filter"].get("Prefix") == "p"
    assert properties["Name"]
    assert unread(properties) == ["Rules[0].Filter.Size", "Tags"]


def test_a_member_that_is_stored_whole_is_read() -> None:
    properties = TrackedObject(TEMPLATE)
    stored = [properties["Name"], properties["Rules"], properties["Tags"]]
    assert len(stored) == 3
    assert unread(properties) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


@given(objects)
def test_every_way_of_taking_all_leaves_nothing_unread(plain: dict[str, object]) -> None:
    for take in (dict, json.dumps, copy.deepcopy, lambda value: {**value}, list, lambda value: value.copy()):
        properties = TrackedObject(plain)
        take(properties)
        assert unread(properties) == []


@given(objects)
def test_the_plain_value_is_what_it_was(plain: dict[str, object]) -> None:
    properties = TrackedObject(plain)
    assert untracked(properties) == plain
    assert not properties.touched
    assert copy.deepcopy(properties) == plain
    assert json.loads(json.dumps(properties)) == plain
