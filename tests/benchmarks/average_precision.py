"""Average precision of COCO's size beside scikit-learn's.

Run with `python -m tests.benchmarks.average_precision`.
"""

import time

import numpy as np
from sklearn.metrics import average_precision_score

from kmlic.metrics import average_precision

IMAGES, LABELS, REPEATS = 40_504, 80, 5


def main() -> None:
    """Prints the best times of both, their ratio and the largest difference."""
    random = np.random.default_rng(0)
    shares = random.uniform(0.005, 0.3, size=LABELS)
    targets = (random.random((IMAGES, LABELS)) < shares).astype(np.int8)
    scores = (random.random((IMAGES, LABELS)) + 0.3 * targets).astype(np.float32)
    for name, given in (("tied", scores.round(3)), ("distinct", scores)):
        ours, theirs = [], []
        for _ in range(REPEATS):
            start = time.perf_counter()
            found = average_precision(targets, given)
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            expected = average_precision_score(targets, given, average=None)
            theirs.append(time.perf_counter() - start)
        print(
            f"{IMAGES} x {LABELS} {name} scores: kmlic {min(ours) * 1e3:.0f} ms, "
            f"scikit-learn {min(theirs) * 1e3:.0f} ms, ratio "
            f"{min(theirs) / min(ours):.1f}, largest difference "
            f"{np.abs(found - expected).max():.1e}"
        )


if __name__ == "__main__":
    main()
