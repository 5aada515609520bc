"""Non-negative least squares against scipy's."""

import numpy as np
import pytest
from scipy.optimize import nnls

from orchprof.models.paced.nnls import Normal


def _normal(features, targets):
    normal = Normal(features.shape[1])
    for line, target in zip(features, targets, strict=True):
        normal.add([float(x) for x in line], float(target))
    return normal


@pytest.mark.parametrize("seed", range(60, 200))
def test_as_good_as_scipy(seed):
    random = np.random.default_rng(seed)
    common = random.normal(size=(8, 1))  # columns alike: some entries enter and have to leave again
    features = common + 0.3 * random.normal(size=(8, 6))
    targets = common[:, 0] + 0.5 * random.normal(size=8)
    _, least = nnls(features, targets)
    solution = _normal(features, targets).solve()
    assert min(solution) >= 0
    assert np.linalg.norm(features @ solution - targets) == pytest.approx(least, rel=1e-9)


def test_a_row_taken_away_was_never_there():
    random = np.random.default_rng(1)
    features, targets = random.uniform(size=(8, 3)), random.uniform(size=8)
    normal = _normal(features, targets)
    normal.add([float(x) for x in features[3]], float(targets[3]), -1.0)
    without = _normal(np.delete(features, 3, axis=0), np.delete(targets, 3))
    assert normal.solve() == pytest.approx(without.solve())


def test_nothing_said_is_zero():
    assert Normal(2).solve() == [0.0, 0.0]
    assert _normal(np.array([[1.0, 0.0]]), np.array([3.0])).solve() == [3.0, 0.0]
