"""The ten nearest of a vocabulary, for 1,000 queries, beside scikit-learn's search.

Run with `python -m tests.benchmarks.embedding_index`. Each search has a process of its
own, whose peak memory counts vectors, queries and libraries too.
"""

import multiprocessing
import time
from collections.abc import Callable

import numpy as np

from kmlic.embedding_index import EmbeddingIndex
from kmlic.run_folder import peak_memory_gb

WORDS, SIZE, QUERIES, K, REPEATS = 400_000, 300, 1_000, 10, 5


def main() -> None:
    """Prints seconds and peak memory of both and how many names differ."""
    found = {}
    for search in (search_kmlic, search_scikit_learn):
        # Not a copy of this process, which would have its memory.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            indices, scores, seconds, memory = pool.apply(measure, (search,))
        found[search.__name__] = indices, scores
        print(
            f"{search.__name__}: {WORDS:,} x {SIZE}, {QUERIES:,} queries, best of "
            f"{REPEATS}: {seconds:.2f} s, peak {memory:.2f} GB",
            flush=True,
        )
    (ours, scores), (theirs, expected) = found.values()
    print(
        f"{(ours != theirs).sum()} of {ours.size} names differ, largest difference of "
        f"a cosine {np.abs(scores - expected).max():.1e}"
    )


def measure(
    make: Callable[[np.ndarray], Callable],
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Searches a few times and gives what was found, the best time and the peak."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((WORDS, SIZE), np.float32)
    queries = random.standard_normal((QUERIES, SIZE), np.float32)
    search = make(vectors)
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        indices, scores = search(queries)
        seconds.append(time.perf_counter() - start)
    return indices, scores, min(seconds), peak_memory_gb()


def search_kmlic(vectors: np.ndarray) -> Callable:
    """Makes kmlic's exact search."""
    index = EmbeddingIndex([str(number) for number in range(WORDS)], vectors)
    return lambda queries: index.search(queries, K)[1:]


def search_scikit_learn(vectors: np.ndarray) -> Callable:
    """Makes scikit-learn's brute force."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=K, metric="cosine", algorithm="brute")
    found.fit(vectors)

    def search(queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distances, indices = found.kneighbors(queries)
        return indices, 1 - distances

    return search


if __name__ == "__main__":
    main()
