"""The hand-made record every renderer test starts from."""

import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[2] / "golden" / "report"


@pytest.fixture
def rag():
    return json.loads((GOLDEN / "rag.json").read_text())


@pytest.fixture
def golden():
    return lambda name: (GOLDEN / name).read_text()
