"""Patches: modules are patched right after the program imports them, by one finder, and everything goes back."""

import importlib
import importlib.util
import sys

import pytest

from orchprof.capture.hooks.patches import Patches


@pytest.fixture
def patches():
    recording_faults = []
    made = Patches(lambda where, error: recording_faults.append((where, type(error))))
    made.recording_faults = recording_faults
    yield made
    made.undo()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Return a function that writes a module and makes sure that it is imported anew."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def add_to(module, what):
    module.seen = [*getattr(module, "seen", []), what]


def test_one_finder_serves_all_and_goes_with_the_last(patches, library):
    before = len(sys.meta_path)
    for name in ("patched_one", "patched_two"):
        patches.when_imported(library(name, ""), lambda module: add_to(module, "first"))
        patches.when_imported(name, lambda module: add_to(module, "second"))
    assert len(sys.meta_path) == before + 1
    assert importlib.import_module("patched_one").seen == ["first", "second"]
    assert len(sys.meta_path) == before + 1
    assert importlib.import_module("patched_two").seen == ["first", "second"]
    assert len(sys.meta_path) == before


def test_a_module_that_is_loaded_is_patched_at_once(patches, library):
    module = importlib.import_module(library("patched_loaded", ""))
    before = len(sys.meta_path)
    patches.when_imported("patched_loaded", lambda found: add_to(found, "now"))
    assert module.seen == ["now"]
    assert len(sys.meta_path) == before


def test_asking_whether_a_module_is_there_does_not_spend_its_patches(patches, library):
    patches.when_imported(library("patched_asked", ""), lambda module: add_to(module, "once"))
    assert importlib.util.find_spec("patched_asked") is not None
    assert importlib.import_module("patched_asked").seen == ["once"]


def test_undo_forgets_what_was_never_imported(patches, library):
    before = list(sys.meta_path)
    patches.when_imported(library("patched_never", ""), lambda module: add_to(module, "late"))
    patches.undo()
    assert sys.meta_path == before
    assert not hasattr(importlib.import_module("patched_never"), "seen")


def test_one_patch_that_fails_leaves_the_others_of_its_module(patches, library):
    def break_off(module):
        patches.replace(module, "value", lambda value: value + 1)
        raise LookupError("an unknown version")

    name = library("patched_partly", "value = 1\nother = 1")
    patches.when_imported(name, break_off)
    patches.when_imported(name, lambda module: patches.replace(module, "other", lambda value: value + 1))
    module = importlib.import_module(name)
    assert (module.value, module.other) == (1, 2)
    assert patches.recording_faults == [(name, LookupError)]


class Base:
    @staticmethod
    def static(x):
        return x

    @classmethod
    def of_class(cls, x):
        return cls.__name__, x


class Derived(Base):
    pass


def test_static_and_class_methods_stay_so(patches):
    def louder(original):
        return lambda *args: (original(*args), "louder")

    patches.replace(Base, "static", louder)
    patches.replace(Derived, "of_class", louder)
    assert Base.static(1) == Derived().static(1) == (1, "louder")
    assert Derived.of_class(1) == Derived().of_class(1) == (("Derived", 1), "louder")
    assert Base.of_class(1) == ("Base", 1)
    patches.undo()
    assert Base.static(1) == Derived().static(1) == 1
    assert Derived().of_class(1) == ("Derived", 1)
    assert "of_class" not in vars(Derived)
