import importlib
import json

import pytest
import tensorflow as tf

from kmlic.evaluation import export_run
from kmlic.run_folder import Run
from tests.predict.toys import write_image, write_run

# The room's name for the function hides the module of the same name.
module = importlib.import_module("kmlic.evaluation.export_run")


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def photographs(tmp_path):
    for index, colour in enumerate(("red", "lime", (20, 90, 250))):
        write_image(tmp_path / f"photographs/{index}.png", colour)
    return tmp_path / "photographs"


def record(run):
    Run(
        recipe="msrn",
        command="python -m recipes.msrn",
        settings={"dataset": "street_fashion", "data_dir": None, "seeds": [3]},
        data={},
        results={},
        deviations={},
        seeds={},
        per_label={},
        parameters={},
        exports={"model.tflite": 0.5},
        seconds={},
    ).write(run / "run.json")


def test_exports_what_is_asked_for_and_records_the_differences(run, photographs):
    record(run)
    forms = export_run(
        run, formats=("saved_model",), quantize=("float16",), images=[photographs]
    )
    names = [str(form.path.relative_to(run)) for form in forms]
    assert names == ["export/1", "model.float16.tflite"]
    exports = json.loads((run / "run.json").read_text())["exports"]
    assert set(exports) == {"model.tflite", *names}
    assert exports["export/1"] == forms[0].difference < 1e-6


def test_checks_with_the_runs_own_dataset(run, monkeypatch):
    record(run)
    asked = {}

    images = tf.random.stateless_uniform((4, 8, 8, 3), (1, 2), 0, 255)

    class Data:
        validation = tf.data.Dataset.from_tensors((images, tf.zeros((4, 3))))

    def load(name, **options):
        asked.update(options, name=name)
        return Data()

    monkeypatch.setattr(module, "load_dataset", load)
    (form,) = export_run(run, formats=("tflite",), compare=True)
    assert (asked["name"], asked["seed"], asked["image_size"]) == (
        "street_fashion",
        3,
        8,
    )
    assert form.difference < 1e-6 and form.megabytes > 0 and form.milliseconds > 0


def test_says_which_form_strays(run, photographs, monkeypatch):
    monkeypatch.setitem(module.TOLERANCES, None, -1.0)
    with pytest.raises(ValueError, match=r"model\.tflite must give the model's"):
        export_run(run, formats=("tflite",), images=[photographs])


def test_refuses_to_export_nothing(run):
    with pytest.raises(ValueError, match="at least one form"):
        export_run(run, formats=())


def test_says_which_model_has_no_maps_to_export(run, photographs):
    with pytest.raises(ValueError, match="`maps` must be False"):
        export_run(run, images=[photographs], maps=True)
