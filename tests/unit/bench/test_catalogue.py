"""The catalogue's word on packages that are not there."""

from types import SimpleNamespace

import pytest

from orchprof.bench import catalogue
from orchprof.errors import MissingExtraError


def test_what_to_install_is_named_package_by_package():
    needs = {"json": "never-asked", "no_such_module_a": "package-a>=1", "no_such_module_b": "package-b"}
    workload = SimpleNamespace(REQUIRES={"framework": needs})
    with pytest.raises(MissingExtraError, match="overhead needs more packages") as refused:
        catalogue.refuse_missing("overhead", workload, "framework")
    assert str(refused.value).endswith("@ --variant framework, run pip install 'package-a>=1' 'package-b'")
    catalogue.refuse_missing("overhead", workload, "bare")
