"""What the eight flips and quarter turns of a square do to cosine coefficients.

Symmetries are numbered as in ``data.symmetry``. On the coefficients C[u, v] of a two-dimensional
cosine transform a transposition swaps u and v, and a flip changes signs where u or v is odd. So
the distances of two images in all eight symmetries come from eight partial sums, and some
combinations of C[u, v] and C[v, u] are the same in all symmetries: see ``invariants``.
"""

from __future__ import annotations

import numpy as np


class Frequencies:
    """The pairs (u, v) of a disc of low frequencies, ordered by the parity of u, then of v.

    Args:
        below: The disc's radius: u^2 + v^2 < below^2, without (0, 0).
    """

    def __init__(self, below: int) -> None:
        u, v = np.mgrid[:below, :below].reshape(2, -1)
        inside = (u**2 + v**2 < below**2) & (u + v > 0)
        u, v = u[inside], v[inside]
        parity = 2 * (u % 2) + v % 2
        order = np.lexsort((v, u, parity))
        self.u, self.v = u[order], v[order]
        #: Where each of the parities (even, even), (even, odd), (odd, even), (odd, odd) begins.
        self.starts = np.searchsorted(parity[order], np.arange(4))
        place = {pair: index for index, pair in enumerate(self._pairs())}
        #: The index of (v, u) for each (u, v).
        self.transposed = np.array([place[v, u] for u, v in self._pairs()])

    def __len__(self) -> int:
        return len(self.u)

    def _pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.u.tolist(), self.v.tolist(), strict=True))

    def products(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Inner products of ``first`` with ``second`` in each symmetry.

        Args:
            first: Coefficients, shape (n, len(self)).
            second: The same.

        Returns:
            Shape (n, 8).
        """
        upright = np.add.reduceat(first * second, self.starts, axis=1)
        turned = np.add.reduceat(first * second[:, self.transposed], self.starts, axis=1)
        return np.concatenate([upright @ _SIGNS, turned @ _SIGNS], axis=1)

    def invariants(self, coefficients: np.ndarray) -> np.ndarray:
        """Numbers that no symmetry changes, never farther apart than the coefficients are.

        C[u, u] as it is, or its size if u is odd. Of a = C[u, v] and b = C[v, u]: both even,
        the larger and the smaller; both odd, the sizes of (a + b) / sqrt 2 and (a - b) / sqrt 2,
        since a and b change sign together; one odd, the larger and the smaller of the sizes.

        Args:
            coefficients: Shape (n, len(self)).

        Returns:
            Shape (n, len(self)).
        """
        even_u, even_v = self.u % 2 == 0, self.v % 2 == 0
        diagonal, above = self.u == self.v, self.u < self.v
        a, b = coefficients[:, above], coefficients[:, self.transposed[above]]
        even, odd = (even_u & even_v)[above], (~even_u & ~even_v)[above]
        root = np.float32(np.sqrt(0.5))
        a, b = (
            np.where(odd, (a + b) * root, np.where(even, a, np.abs(a))),
            np.where(odd, (a - b) * root, np.where(even, b, np.abs(b))),
        )
        larger = np.where(odd, np.abs(a), np.maximum(a, b))
        smaller = np.where(odd, np.abs(b), np.minimum(a, b))
        own = coefficients[:, diagonal]
        own = np.where(even_u[diagonal], own, np.abs(own))
        return np.concatenate([own, larger, smaller], axis=1)


# What flipping upside down (2) and left to right (1) does to the four parities.
_SIGNS = np.array(
    [[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]],
    dtype=np.float32,
)
