import dataclasses

from kmlic.data import DatasetSpec
from kmlic.experiments.describe_data import describe_data
from tests.toys import toy_data


def test_describes_each_split_and_how_to_load_them_again():
    data = toy_data()
    assert describe_data(data)["spec"] is None
    spec = DatasetSpec("csv", "labels.csv", 3, {"fractions": (0.5, 0.2, 0.3)})
    described = describe_data(dataclasses.replace(data, spec=spec))
    assert DatasetSpec(**described["spec"]) == spec
    assert set(described["splits"]) == {"train", "validation", "test"}
    assert described["splits"]["test"]["images"] == 40
    assert described["splits"]["test"]["fingerprint"] == data.fingerprints["test"]
