import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROWS, LABELS = 1_000_000, 500
READ = """
import json, sys, time
import numpy as np
from kmlic.evaluation import check_data
from kmlic.run_folder import peak_memory_gb
start = time.monotonic()
check = check_data(sys.argv[1], images="none")
check.write_splits(sys.argv[2])
memory = peak_memory_gb()
sizes = {split: len(paths) for split, paths in check.paths.items()}
counts = np.array([[int(n.replace(",", "")) for n in row[1:4]] for row in check.labels])
shares = (counts / counts.sum(axis=1, keepdims=True)).round(4)
print(json.dumps([sizes, shares.min(axis=0).tolist(), shares.max(axis=0).tolist(),
                  memory, time.monotonic() - start]))
"""


@pytest.mark.slow
def test_a_million_rows_with_500_labels_are_checked_and_split_within_2_gb(tmp_path):
    random = np.random.default_rng(0)
    chances = np.geomspace(1e-4, 0.05, LABELS)
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("path,labels\n")
        for row, count in enumerate(random.poisson(chances.sum(), ROWS)):
            chosen = random.choice(LABELS, count) if count else ()
            # Low numbers are rare: the square prefers the high ones.
            names = {f"label {int(n * n / LABELS):03}" for n in chosen}
            file.write(f"{row // 1000:03}/{row}.jpg,{'|'.join(names)}\n")
    result = subprocess.run(
        [sys.executable, "-c", READ, tmp_path / "labels.csv", tmp_path / "splits.csv"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    sizes, lowest, highest, gigabytes, seconds = json.loads(result.stdout)
    assert sizes == {"train": 700_000, "validation": 100_000, "test": 200_000}
    for low, high, share in zip(lowest, highest, (0.7, 0.1, 0.2), strict=True):
        assert share - 0.02 < low <= high < share + 0.02
    assert gigabytes < 2
    sys.stdout.write(f"{seconds:.0f} s, {gigabytes:.2f} GB\n")
