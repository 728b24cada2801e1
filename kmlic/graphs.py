"""Graphs of labels that occur together, from targets; NumPy to NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kmlic.labelled_arrays import read_arrays, write_arrays

__all__ = [
    "IsolatedLabels",
    "LabelGraph",
    "adjacency",
    "cooccurrence",
    "isolated_labels",
    "normalised_adjacency",
]

# float32 counts whole numbers exactly up to 2**24, far above the rows of one chunk.
_ROWS_PER_CHUNK = 65_536


def cooccurrence(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts the images that carry two labels together, and those that carry each.

    Give it the training split only: a graph that has seen the test set leaks it.

    Shapes: (N, L) to (L, L) and (L,), or (L, L) and (L, L) with unknown targets.

    Args:
        targets: 1 present, 0 absent, -1 unknown.

    Returns:
        counts: symmetric, zero on the diagonal; images with i and j.
        totals: images with i; if any target is unknown, at [i, j] the images with i
            where j is known, so that counts / totals stays a share of what is known.

    Raises:
        ValueError: if targets are not (N, L) or hold another value.

    Example:
        >>> counts, totals = cooccurrence(np.array([[1, 1], [1, 0], [0, 0]]))
        >>> counts.tolist(), totals.tolist()
        ([[0, 1], [1, 0]], [2, 1])
        >>> counts, totals = cooccurrence(np.array([[1, 1], [1, -1]]))
        >>> totals.tolist()  # the second image says nothing of the second label
        [[2, 1], [1, 1]]
    """
    targets = np.asarray(targets)
    if targets.ndim != 2:
        raise ValueError(f"`targets` must be (N, L); got shape {targets.shape}.")
    num_labels = targets.shape[1]
    counts = np.zeros((num_labels, num_labels), np.int64)
    known = np.zeros((num_labels, num_labels), np.int64)
    any_unknown = False
    for start in range(0, len(targets), _ROWS_PER_CHUNK):
        chunk = targets[start : start + _ROWS_PER_CHUNK]
        present, unknown = chunk == 1, chunk == -1
        other = ~(present | unknown | (chunk == 0))
        if other.any():
            row, label = np.argwhere(other)[0]
            raise ValueError(
                f"`targets` must be 1, 0 or -1; got {chunk[row, label]} in row "
                f"{start + row}, label {label}."
            )
        any_unknown = any_unknown or bool(unknown.any())
        ones = present.astype(np.float32)
        counts += (ones.T @ ones).astype(np.int64)
        known += (ones.T @ (~unknown).astype(np.float32)).astype(np.int64)
    totals = known if any_unknown else np.diag(counts).copy()
    np.fill_diagonal(counts, 0)
    return counts, totals


def adjacency(
    counts: np.ndarray,
    totals: np.ndarray,
    *,
    threshold: float = 0.4,
    neighbour_weight: float = 0.2,
) -> np.ndarray:
    """Turns counts into a directed graph whose edges are the likely companions.

    With P[i, j] = counts[i, j] / totals[i], the share of the images with i that also
    show j, and B = P >= threshold, gives A = p B / colsum(B) + (1 - p) I, where p is
    `neighbour_weight`. An edge A[i, j] says that i implies j. A share of zero images is
    zero, and a column without edges keeps only its (1 - p).

    Paper: Chen et al., "Multi-Label Image Recognition with Graph Convolutional
    Networks", CVPR 2019, equations 6 to 8, https://arxiv.org/abs/1904.03582, as MSRN
    takes it over. Differs from their code: there A = 0.25 B / (colsum(B) + 1e-6) + I.
    This is 1.25 times the A here, as 0.25 / 1.25 = 0.2, up to the 1e-6, and
    `normalised_adjacency` is the same for both. Differs from the paper: it divides by
    the sum over the neighbours of a node without saying which axis; the code's columns
    are taken.

    Shapes: (L, L) and (L,) or (L, L) to (L, L) float64.

    Args:
        counts: images with both labels. The diagonal is used as given: zero from
            `cooccurrence`, but NUS-WIDE's published one is not.
        totals: images with each label, as `cooccurrence` gives them.
        threshold: share 0-1, above 0, from which a companion is a neighbour.
        neighbour_weight: weight 0-1 of all neighbours of a label together.

    Raises:
        ValueError: if sizes disagree, a count is negative or not finite, or an argument
            is out of its limits.

    Example:
        >>> counts = np.array([[0, 6, 1], [6, 0, 0], [1, 0, 0]])
        >>> adjacency(counts, np.array([10, 20, 4])).tolist()  # label 0 implies 1
        [[0.8, 0.2, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 0.8]]
    """
    counts, totals = _checked(counts, totals)
    if not 0 < threshold <= 1:
        raise ValueError(
            f"`threshold` must be a share above 0, up to 1; got threshold={threshold}."
        )
    if not 0 <= neighbour_weight <= 1:
        raise ValueError(
            "`neighbour_weight` must be between 0 and 1; got "
            f"neighbour_weight={neighbour_weight}."
        )
    if totals.ndim == 1:
        totals = totals[:, None]
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    edges = (shares >= threshold).astype(np.float64)
    neighbours = edges.sum(axis=0)
    weights = neighbour_weight * edges / np.maximum(neighbours, 1)
    return weights + (1 - neighbour_weight) * np.eye(len(counts))


def normalised_adjacency(adjacency: np.ndarray) -> np.ndarray:
    """Scales a graph by the degrees of both ends and turns its edges round.

    Gives D A^T D with D = diag(rowsum(A) ** -1/2), what ML-GCN's convolution and the
    mask of MSRN's attention take: row i holds the labels from which i receives, those
    that imply i. A label whose row is all zero gets a zero degree, not an infinite one.

    Paper: as `adjacency`, equation 3; the transpose is in the code, not in the paper.

    Shapes: (L, L) to (L, L) float64.

    Args:
        adjacency: what `adjacency` gives; no negative weights.

    Raises:
        ValueError: if it is not square or holds a negative weight.

    Example:
        >>> graph = np.array([[0.8, 0.2], [0.0, 0.8]])
        >>> normalised_adjacency(graph).round(3).tolist()
        [[0.8, 0.0], [0.224, 1.0]]
    """
    weights = _checked_square(adjacency, "adjacency")
    degrees = weights.sum(axis=1)
    scale = np.zeros_like(degrees)
    np.power(degrees, -0.5, out=scale, where=degrees > 0)
    return scale[:, None] * weights.T * scale[None, :]


@dataclass(frozen=True)
class IsolatedLabels:
    """Says what a threshold left of a label graph.

    Args:
        alone: labels that imply no other label and that no other implies.
        without_sources: labels that no other implies, those alone included; attention
            over the graph leaves them as they are.
        num_edges: edges between different labels.
        num_labels: labels in the graph.
    """

    alone: tuple[str, ...]
    without_sources: tuple[str, ...]
    num_edges: int
    num_labels: int

    def __str__(self) -> str:
        text = (
            f"{self.num_edges} edges between {self.num_labels} labels; "
            f"{len(self.without_sources)} labels receive from no other"
        )
        if self.alone:
            text += f"; alone: {', '.join(self.alone)}"
        return text + "."


def isolated_labels(adjacency: np.ndarray, names: Sequence[str]) -> IsolatedLabels:
    """Finds the labels that a graph connects with no other.

    Args:
        adjacency: (L, L) as `adjacency` gives it: an edge [i, j] says i implies j.
        names: the labels, in order.

    Raises:
        ValueError: if there are not as many names as rows.

    Example:
        >>> graph = np.array([[0.8, 0.2, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, 0.8]])
        >>> report = isolated_labels(graph, ["boat", "water", "sofa"])
        >>> report.alone, report.without_sources, report.num_edges
        (('sofa',), ('boat', 'sofa'), 1)
    """
    edges = _checked_square(adjacency, "adjacency") > 0
    if len(names) != len(edges):
        raise ValueError(
            f"`names` must be one per row of `adjacency`; got {len(names)} names for "
            f"{len(edges)} rows."
        )
    np.fill_diagonal(edges, False)
    receives, gives = edges.sum(axis=0), edges.sum(axis=1)
    return IsolatedLabels(
        alone=tuple(n for i, n in enumerate(names) if receives[i] + gives[i] == 0),
        without_sources=tuple(n for i, n in enumerate(names) if receives[i] == 0),
        num_edges=int(edges.sum()),
        num_labels=len(edges),
    )


@dataclass(frozen=True, eq=False)
class LabelGraph:
    """Holds a graph with the labels it is of and the counts it came from.

    Args:
        names: the labels, in the order of rows and columns.
        counts: (L, L) as `cooccurrence` gives them.
        totals: (L,) or (L, L), as `cooccurrence` gives them.
        adjacency: (L, L), as `adjacency` gives it.

    Raises:
        ValueError: if the sizes disagree.

    Example:
        >>> targets = np.array([[1, 1], [1, 0], [0, 1]])
        >>> graph = LabelGraph.from_targets(["boat", "water"], targets)
        >>> graph.adjacency.tolist()
        [[0.8, 0.2], [0.2, 0.8]]
    """

    names: tuple[str, ...]
    counts: np.ndarray
    totals: np.ndarray
    adjacency: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        counts, _ = _checked(self.counts, self.totals)
        graph = _checked_square(self.adjacency, "adjacency")
        if not len(self.names) == len(counts) == len(graph):
            raise ValueError(
                "`names`, `counts` and `adjacency` must be of the same labels; got "
                f"{len(self.names)}, {len(counts)} and {len(graph)}."
            )

    @classmethod
    def from_targets(
        cls,
        names: Sequence[str],
        targets: np.ndarray,
        *,
        threshold: float = 0.4,
        neighbour_weight: float = 0.2,
    ) -> "LabelGraph":
        """Counts targets of the training split and makes their graph."""
        counts, totals = cooccurrence(targets)
        graph = adjacency(
            counts, totals, threshold=threshold, neighbour_weight=neighbour_weight
        )
        return cls(tuple(names), counts, totals, graph)

    @property
    def isolated(self) -> IsolatedLabels:
        """Reports the labels that the threshold left alone."""
        return isolated_labels(self.adjacency, self.names)

    def write(self, path: str | Path) -> str:
        """Writes the graph as `.npz`, whole or not at all, and gives its hash."""
        arrays = {
            "counts": np.asarray(self.counts),
            "totals": np.asarray(self.totals),
            "adjacency": np.asarray(self.adjacency),
        }
        return write_arrays(path, self.names, arrays)

    @classmethod
    def read(
        cls, path: str | Path, *, names: Sequence[str] | None = None
    ) -> "LabelGraph":
        """Reads what `write` wrote.

        Args:
            path: the `.npz` file. Pickles are refused.
            names: the labels that it must be of; any when None.

        Raises:
            ValueError: naming the file, if it is a pickle, is damaged, or is of other
                labels; then the first difference is named.
        """
        own, arrays = read_arrays(path, ["counts", "totals", "adjacency"], names=names)
        try:
            return cls(own, **arrays)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _checked(counts: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = _checked_square(counts, "counts")
    totals = np.asarray(totals, dtype=np.float64)
    size = len(counts)
    if totals.shape not in {(size,), (size, size)}:
        raise ValueError(
            f"`totals` must be ({size},) or ({size}, {size}), as `counts` is "
            f"{counts.shape}; got shape {totals.shape}."
        )
    if not (totals >= 0).all():
        raise ValueError("`totals` must be numbers of images; got a negative or NaN.")
    return counts, totals


def _checked_square(array: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"`{name}` must be (L, L); got shape {array.shape}.")
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(
            f"`{name}` must be finite and not negative; got {array.min()} as smallest "
            f"and {array.max()} as largest value."
        )
    return array
