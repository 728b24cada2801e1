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
from kmlic.data_check import check_data
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


def check(folder):
    """Checks the table of a folder in a process of its own, and says what it took."""
    result = subprocess.run(
        [sys.executable, "-c", READ, folder / "labels.csv", folder / "splits.csv"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    *found, gigabytes, seconds = json.loads(result.stdout.splitlines()[-1])
    sys.stdout.write(f"{seconds:.0f} s, {gigabytes:.2f} GB\n")
    return *found, gigabytes


@pytest.mark.slow
@pytest.mark.parametrize("form", ["list", "long"])
def test_a_million_rows_with_500_labels_are_checked_and_split_within_2_gb(
    tmp_path, form
):
    random = np.random.default_rng(0)
    chances = np.geomspace(1e-4, 0.05, LABELS)
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("path,labels\n")
        for row, count in enumerate(random.poisson(chances.sum(), ROWS)):
            chosen = random.choice(LABELS, count) if count else ()
            # Low numbers are rare: the square prefers the high ones.
            names = {f"label {int(n * n / LABELS):03}" for n in chosen}
            for cell in names or {""} if form == "long" else {"|".join(names)}:
                file.write(f"{row // 1000:03}/{row}.jpg,{cell}\n")
    sizes, lowest, highest, gigabytes = check(tmp_path)
    assert sizes == {"train": 700_000, "validation": 100_000, "test": 200_000}
    for low, high, share in zip(lowest, highest, (0.7, 0.1, 0.2), strict=True):
        assert share - 0.02 < low <= high < share + 0.02
    assert gigabytes < 2


@pytest.mark.slow
def test_open_images_with_20_000_labels_is_checked_within_2_gb(tmp_path):
    random = np.random.default_rng(0)
    images, labels = 100_000, 20_000
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("ImageID,Source,LabelName,Confidence\n")
        for row in range(images):
            chosen = (labels * random.random(10) ** 2).astype(int)
            for number, label in enumerate(chosen):
                mark = int(number < 6)
                file.write(f"{row:016x},verification,/m/{label:05x},{mark}\n")
    sizes, _, _, gigabytes = check(tmp_path)
    assert sum(sizes.values()) == images
    assert gigabytes < 2
