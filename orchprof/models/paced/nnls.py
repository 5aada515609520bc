"""Non-negative least squares for a handful of unknowns, rows added and taken away one by one.

Plain Python: scipy's takes a second of CPU to import, which every start of the endpoint would pay.
"""

from collections.abc import Sequence
from typing import Final

_SMALL: Final = 1e-9  # of a gradient in units of its own column and the targets: rounding, not descent


class Normal:
    """The normal equations of `features . x = target` rows, each with a weight."""

    def __init__(self, size: int) -> None:
        self.matrix = [[0.0] * size for _ in range(size)]
        self.right = [0.0] * size
        self.squares = 0.0  # of the targets

    def copy(self) -> "Normal":
        """Return equations of its own with the same rows."""
        other = Normal(len(self.right))
        other.matrix = [list(line) for line in self.matrix]
        other.right, other.squares = list(self.right), self.squares
        return other

    def add(self, features: Sequence[float], target: float, weight: float = 1.0) -> None:
        """Count one row; a negative weight takes it away again."""
        self.squares += weight * target * target
        for i, feature in enumerate(features):
            self.right[i] += weight * feature * target
            line = self.matrix[i]
            for j, other in enumerate(features):
                line[j] += weight * feature * other

    def solve(self) -> list[float]:
        """Return the x without negative entries that has the least squared error.

        Source: active-set method of Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23.
        """
        solution = [0.0] * len(self.right)
        free: list[int] = []
        while (entering := self._steepest(solution, free)) is not None:
            free.append(entering)
            solution, free = self._descend(solution, free)
        return solution

    def _steepest(self, solution: list[float], free: list[int]) -> int | None:
        best, steepest = _SMALL * max(self.squares, 1e-300) ** 0.5, None
        for i, line in enumerate(self.matrix):
            if i in free or line[i] <= 0:
                continue
            slope = self.right[i] - sum(a * x for a, x in zip(line, solution, strict=True))
            if slope / line[i] ** 0.5 > best:
                best, steepest = slope / line[i] ** 0.5, i
        return steepest

    def _descend(self, solution: list[float], free: list[int]) -> tuple[list[float], list[int]]:
        """Return the least squares over the free entries; those that would turn negative stay at 0."""
        while True:
            wanted = self._unconstrained(free)
            if all(wanted[i] > 0 for i in free):
                return wanted, free
            step = min(solution[i] / (solution[i] - wanted[i]) for i in free if wanted[i] <= 0)
            solution = [x + step * (z - x) for x, z in zip(solution, wanted, strict=True)]
            blocking = min((i for i in free if wanted[i] <= 0), key=lambda i: solution[i])
            free = [i for i in free if i != blocking and solution[i] > 0]
            solution = [x if i in free else 0.0 for i, x in enumerate(solution)]

    def _unconstrained(self, free: list[int]) -> list[float]:
        solved = _gauss([[*(self.matrix[i][j] for j in free), self.right[i]] for i in free])
        solution = [0.0] * len(self.right)
        for i, value in zip(free, solved, strict=True):
            solution[i] = value
        return solution


def _gauss(lines: list[list[float]]) -> list[float]:
    """Return the solution of a square system whose lines end in their right-hand side."""
    size = len(lines)
    for column in range(size):
        pivot = max(range(column, size), key=lambda i: abs(lines[i][column]))
        lines[column], lines[pivot] = lines[pivot], lines[column]
        head = lines[column]
        for line in lines[column + 1 :]:
            factor = line[column] / head[column]
            line[column:] = [a - factor * b for a, b in zip(line[column:], head[column:], strict=True)]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(lines[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (lines[i][size] - known) / lines[i][i]
    return solution
