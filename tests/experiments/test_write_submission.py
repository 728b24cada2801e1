import json
import zipfile

import pytest

from kmlic.experiments import write_submission
from kmlic.labels import Labels
from kmlic.run_folder import Run


def test_a_run_on_another_dataset_is_refused(tmp_path):
    spec = {"name": "csv", "path": "x", "seed": 0, "options": {}}
    data = {
        "exported": {"model": "attributes", "seed": 0},
        "seeds": {"0": {"spec": spec, "splits": {}}},
    }
    Run("toy", "python", {}, data, *({} for _ in range(7))).write(tmp_path / "run.json")
    assert json.loads((tmp_path / "run.json").read_text())["data"] == data
    with pytest.raises(ValueError, match="deepfashion_attributes; got a run on 'csv'"):
        write_submission(tmp_path, tmp_path / "answers.txt")


def test_a_corrupt_model_is_refused_by_name(tmp_path):
    spec = {"name": "deepfashion_attributes", "path": "x", "seed": 0, "options": {}}
    data = {
        "exported": {"model": "attributes", "seed": 0},
        "seeds": {"0": {"spec": spec, "splits": {}}},
    }
    Run("toy", "python", {}, data, *({} for _ in range(7))).write(tmp_path / "run.json")
    Labels(("red",)).write(tmp_path / "labels.json")
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(1 << 28))
    with pytest.raises(ValueError, match=r"config\.json unpacks to 268,"):
        write_submission(tmp_path, tmp_path / "answers.txt")
