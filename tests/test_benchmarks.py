import importlib.util
import json

from tests.benchmarks import all as benchmarks


def test_every_benchmark_of_the_set_exists():
    for name in benchmarks.BENCHMARKS:
        assert importlib.util.find_spec(f"tests.benchmarks.{name}") is not None


def test_takes_the_minimum_and_the_median_of_every_number():
    texts = ["resnet50  kmlic 3.0 / 1,200\n\n", "resnet50 kmlic 1.0 / 1,000", "x 1"]
    assert benchmarks.summarise([*texts, "resnet50 kmlic 2.5 / 900"]) == [
        {
            "line": "resnet50 kmlic # / #",
            "runs": 3,
            "minimum": [1.0, 900.0],
            "median": [2.5, 1000.0],
        },
        {"line": "x #", "runs": 1, "minimum": [1.0], "median": [1.0]},
    ]


def test_writes_what_was_measured_on_which_machine(tmp_path):
    benchmarks.write(tmp_path / "new", 0.5, {"start_up": ["a 1 s", "a 3 s"]})
    run = json.loads((tmp_path / "new/run.json").read_text())
    assert run["command"].endswith("--minutes 0.5")
    assert run["benchmarks"]["start_up"][0]["median"] == [2.0]
    assert run["environment"]["versions"]["python"]
