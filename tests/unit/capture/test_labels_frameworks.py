"""Every framework's labels: a version that they do not know costs its names, and nothing else."""

import importlib
import sys
import types

import pytest

from orchprof.capture.frameworks import LABELS
from orchprof.capture.hooks import install


class Watched:
    """Patches that only note which modules a label waits for."""

    def __init__(self):
        self.names, self.changes = [], []

    def when_imported(self, name, patch):
        self.names.append((name, patch))

    def replace(self, owner, name, make):
        self.changes.append((owner, name))
        getattr(owner, name)

    def also(self, undo):
        self.changes.append(undo)

    def complain(self, where, error):
        raise AssertionError(f"{where}: {error}")


def hook_of(framework):
    return importlib.import_module(f"orchprof.capture.frameworks.{framework}").hook


@pytest.fixture(params=LABELS, ids=str)
def awaited(request):
    """Return the modules that a framework's labels wait for, each with its patch."""
    patches = Watched()
    hook_of(request.param)(None, patches)
    return patches.names


@pytest.mark.parametrize("framework", LABELS)
def test_labels_wait_for_submodules_and_import_nothing(framework):
    patches, hook, before = Watched(), hook_of(framework), set(sys.modules)
    hook(None, patches)
    assert patches.names
    assert set(sys.modules) == before


def test_a_module_without_what_is_labelled_is_said_to_be_so(awaited):
    """An entry for a named class fails as a finding; one for any class of a module finds none, and changes nothing."""
    for name, patch in awaited:
        empty = types.ModuleType(name)
        try:
            patch(empty)
        except AttributeError:
            continue
        assert not [key for key in vars(empty) if not key.startswith("__")]


@pytest.mark.parametrize("framework", LABELS)
def test_labels_are_loaded_with_any_library_that_they_wait_for(framework):
    patches = Watched()
    hook_of(framework)(None, patches)
    waited = {name for name, _ in patches.names}
    assert all(any(f"{name}.".startswith(f"{library}.") for library in LABELS[framework]) for name in waited)


@pytest.mark.parametrize(("asked", "expected"), [("off", False), ("on", True), (None, True)])
def test_labels_can_be_left_off(monkeypatch, asked, expected):
    if asked is None:
        monkeypatch.delenv(install.LABELS_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(install.LABELS_VARIABLE, asked)
    assert {f"frameworks.{name}" in install._before().values() for name in LABELS} == {expected}


def test_every_hook_is_loaded_with_its_library_and_not_before():
    modules = {name for names in install._AFTER.values() for name in names} | set(install._before().values())
    for name in modules:
        assert callable(importlib.import_module(f"orchprof.capture.{name}").hook)
