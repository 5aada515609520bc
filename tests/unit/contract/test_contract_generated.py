"""What is generated from the contract's types: the files that ship are what they say today."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from msgspec import UNSET, Meta, UnsetType

from orchprof.contract.schema import generate, json_schema, metrics_page, shape, validation
from orchprof.contract.schema.kinds import KINDS
from orchprof.contract.schema.metrics_page import unit


@pytest.mark.parametrize("name", generate.files())
def test_the_file_that_ships_is_what_is_generated(name):
    text = (generate.CHECKOUT / name).read_text(encoding="utf-8")
    assert text == generate.files()[name], "run `make contract`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A part."""

    took_s: Annotated[float | None, Meta(description="to its end; null: it did not end")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """A whole."""

    schema: Literal["orchprof.made/1"] = "orchprof.made/1"
    parts: list[Inner]
    more: Annotated[int | UnsetType, Meta(description="sometimes")] = UNSET
    name: str


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setitem(KINDS, "orchprof.made/1", Outer)


@pytest.mark.usefixtures("made")
def test_a_schema_names_itself_and_keeps_the_order_of_the_type():
    found = json_schema.schema("orchprof.made/1")
    assert (found["$id"], found["title"]) == ("urn:orchprof:made:1", "orchprof.made/1")
    assert found["description"] == "A whole."
    assert list(found["properties"]) == ["schema", "parts", "more", "name"]
    assert found["properties"]["schema"] == {"const": "orchprof.made/1"}
    assert found["required"] == ["schema", "parts", "name"]
    assert found["properties"]["parts"]["items"] == {"$ref": "#/$defs/Inner"}
    assert found["$defs"]["Inner"]["required"] == ["took_s"]


@pytest.mark.usefixtures("made")
def test_a_kind_inside_another_is_referred_to(monkeypatch):
    monkeypatch.setitem(KINDS, "orchprof.part/1", Inner)
    found = json_schema.schema("orchprof.made/1")
    assert found["properties"]["parts"]["items"] == {"$ref": "urn:orchprof:part:1"}
    assert found["$defs"] == {}


@pytest.mark.usefixtures("made")
def test_the_page_says_type_unit_meaning_and_when_it_is_null():
    page = metrics_page.page()
    assert "| `took_s` | number | seconds | to its end | it did not end |" in page
    assert "| `parts` | list of [Inner](#made-inner) | | | |" in page
    assert "| *`more`* | whole number | | sometimes | |" in page


def test_links_on_the_page_lead_to_its_headings():
    page = metrics_page.page()
    headings = [line[4:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("### ")]
    assert len(headings) == len(set(headings))
    linked = {part.partition(")")[0] for part in page.split("](#")[1:]}
    assert linked <= set(headings)


@pytest.mark.parametrize(
    ("name", "said"),
    [("latency_s", "seconds"), ("rate_per_s", "1 / second"), ("memory_bytes", "bytes"), ("schema", "")],
)
def test_a_unit_is_the_end_of_a_name(name, said):
    assert unit(name) == said


def test_every_class_says_what_it_is():
    for root in KINDS.values():
        for kind in shape.classes(root):
            assert kind.__doc__, kind
            assert not kind.__doc__.startswith(f"{kind.__name__}("), kind


def test_every_type_is_a_kind_that_has_a_schema():
    assert set(KINDS) <= set(validation.SCHEMAS)
