import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.data import fuzz


@pytest.mark.parametrize("seed", [0, 1])
def test_damaged_files_are_refused_by_name_or_read(tmp_path, seed):
    random = np.random.default_rng(seed)
    assert 5 < fuzz.read_damaged_images(tmp_path / "images", 16, random) < 16
    assert 2 < fuzz.read_damaged_tables(tmp_path / "tables", 14, random) <= 14


@pytest.mark.slow
def test_five_hundred_damages_never_crash_hang_or_fill_the_memory(tmp_path):
    command = [sys.executable, "-m", "tests.data.fuzz", str(tmp_path / "files")]
    (tmp_path / "files").mkdir()
    result = subprocess.run(
        [*command, "500", "2"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    images, tables, megabytes = json.loads(result.stdout.splitlines()[-1])
    assert images > 100 and tables > 50
    assert megabytes < 1000
