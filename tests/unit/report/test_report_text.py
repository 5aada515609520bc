"""Layout and figures of the plain text."""

import pytest
from support import render

from orchprof.report import text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "-"), (0, "0"), (2.0, "2"), (1.148, "1.15"), (0.1041, "0.10"), (0.0424, "0.042"), (0.00015, "0.00015"),
        (82.44, "82.4"), (812.5, "812"), (120000.4, "120000"), (-1.148, "-1.15"), (3e-7, "3e-07"),
    ],
)  # fmt: skip
def test_number(value, said):
    assert text.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "-"), (0, "0 s"), (1.41, "1.41 s"), (0.2576, "258 ms"), (4e-4, "400 us"), (2e-9, "< 1 us")],
)
def test_fine_seconds(value, said):
    assert text.fine_seconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"), [(None, "-"), (0.0, "0.0%"), (0.0004, "<0.1%"), (0.006, "0.6%"), (1.0, "100.0%")]
)
def test_fine_share(value, said):
    assert text.fine_share(value) == said


def test_columns_close_up_before_they_leave_the_terminal():
    narrow = text.columns([("a", "b")], "<>")
    wide = text.columns([("a" * 40, "b" * 39)], "<>")
    assert narrow == ["a  b"]
    assert wide == ["a" * 40 + " " + "b" * 39]


def test_columns_align():
    assert text.columns([("x", "1"), ("long", "100")], "<>", indent=1) == [" x       1", " long  100"]


def test_labelled_wraps_under_its_text():
    first, second = text.labelled("Note", "word " * 15)
    assert first.startswith("Note         word")
    assert second.startswith("             word")


def test_joined_breaks_between_parts_only():
    parts = ["a" * 30, "b" * 30, "c" * 20]
    assert text.joined(parts) == ["a" * 30 + " | " + "b" * 30, "c" * 20]
    assert text.joined(parts, "Trust") == [f"Trust        {parts[0]} | {parts[1]}", " " * 13 + parts[2]]


def test_explained_times_without_a_model():
    record = {
        "schema": "orchprof.explain/1", "spec": "http://h/v1#m", "ttft_ms": None, "tpot_ms": None, "band": None,
        "source": "the server", "provenance": "reported",
    }  # fmt: skip
    said = render(record, "console")
    assert said.count("not known before it is asked") == 2
    assert "MODELLED" not in said


def test_workload_that_needs_packages():
    entry = {
        "name": "rag", "summary": "Answers.", "variants": ["plain"], "settings": {"k": {"default": 4, "help": "many"}},
        "missing": ["faiss-cpu>=1.8"],
    }  # fmt: skip
    said = render({"schema": "orchprof.workloads/1", "workloads": [entry]}, "console")
    assert "NOT INSTALLED: pip install 'faiss-cpu>=1.8'" in said
    assert "--set k=4  many" in said
    assert (
        render({"schema": "orchprof.workloads/1", "workloads": []}, "console")
        == "no workloads are installed\n"
    )
