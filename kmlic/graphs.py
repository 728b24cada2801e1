"""Label graphs computed from the co-occurrence of labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "IsolatedLabels",
    "adjacency",
    "cooccurrence",
    "isolated_labels",
    "normalised_adjacency",
]

# float32 counts whole numbers exactly up to 2**24, far above the rows of one chunk.
_ROWS_PER_CHUNK = 65_536


def cooccurrence(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts in targets how many images have both of two labels, and how many each.

    Pass the training split only: a graph computed with test targets leaks them.

    Shapes: (N, L) to (L, L) and (L,), or (L, L) and (L, L) with unknown targets.

    Args:
        targets: 1 present, 0 absent, -1 unknown.

    Returns:
        counts: symmetric, zero on the diagonal; images with i and j.
        totals: images with i; if any target is unknown, at [i, j] the images with i
            for which j is known, so that counts / totals is a share of known targets.

    Raises:
        ValueError: if targets are not (N, L) or contain another value.

    Example:
        >>> counts, totals = cooccurrence(np.array([[1, 1], [1, 0], [0, 0]]))
        >>> counts.tolist(), totals.tolist()
        ([[0, 1], [1, 0]], [2, 1])
        >>> counts, totals = cooccurrence(np.array([[1, 1], [1, -1]]))
        >>> totals.tolist()  # the second label of the second image is unknown
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
    """Computes a directed label graph from co-occurrence counts.

    P[i, j] = counts[i, j] / totals[i] is the share of the images with i that also show
    j; B = P >= threshold has an edge where i implies j. The result is
    A = p B / colsum(B) + (1 - p) I with p = `neighbour_weight`. Labels without images
    have no edges, and a column without edges keeps its (1 - p) only.

    Paper: Chen et al., "Multi-Label Image Recognition with Graph Convolutional
    Networks", CVPR 2019, equations 6 to 8, https://arxiv.org/abs/1904.03582, as used by
    MSRN. Differs from their code, A = 0.25 B / (colsum(B) + 1e-6) + I, by a factor of
    1.25 and the 1e-6; `normalised_adjacency` is the same for both. Differs from the
    paper, which divides by the sum over neighbours without naming an axis: as in the
    code, columns are summed.

    Shapes: (L, L) and (L,) or (L, L) to (L, L) float64.

    Args:
        counts: images with both labels. The diagonal is used as given: `cooccurrence`
            returns zeros, the published counts of NUS-WIDE have other values.
        totals: images with each label, as `cooccurrence` returns them.
        threshold: least share of an edge, above 0 and at most 1.
        neighbour_weight: total weight of a label's neighbours, 0 to 1.

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
    """Normalises a graph by the degrees of both labels and transposes it.

    Computes D A^T D with D = diag(rowsum(A) ** -1/2), for the convolutions of ML-GCN
    and the attention mask of MSRN: row i holds the labels that imply i, from which i
    receives. For a row of zeros D is 0 instead of infinite.

    Paper: as `adjacency`, equation 3. Differs from the paper: transposed, as in the
    authors' code.

    Shapes: (L, L) to (L, L) float64.

    Args:
        adjacency: as `adjacency` returns it, without negative weights.

    Raises:
        ValueError: if it is not square or has a negative weight.

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
    """Holds which labels of a graph have no edges.

    Args:
        alone: labels that neither imply another label nor are implied by one.
        without_sources: labels that no other implies, including those alone; attention
            over the graph does not change them.
        num_edges: edges between different labels.
        num_labels: labels in the graph.
    """

    alone: tuple[str, ...]
    without_sources: tuple[str, ...]
    num_edges: int
    num_labels: int

    def __str__(self) -> str:
        text = (
            f"{_count(self.num_edges, 'edge')} between "
            f"{_count(self.num_labels, 'label')}; "
            f"{_count(len(self.without_sources), 'label')} not implied by any other"
        )
        if self.alone:
            text += f"; alone: {', '.join(self.alone)}"
        return text + "."


def isolated_labels(adjacency: np.ndarray, names: Sequence[str]) -> IsolatedLabels:
    """Finds the labels of a graph that have no edges.

    Args:
        adjacency: (L, L) as `adjacency` returns it: an edge [i, j] means i implies j.
        names: the labels, in order.

    Raises:
        ValueError: if there is not one name per row.

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
        raise ValueError(
            "`totals` must be numbers of images; got a negative value or NaN."
        )
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
