import numpy as np
import pandas
import pytest

from kmlic.data import ReadingOptions, from_dataframe
from tests.data.files import encode, picture

SIZES = {"image_size": 8, "batch_size": 2}


@pytest.fixture
def folder(tmp_path):
    for row in range(20):
        (tmp_path / f"{row}.png").write_bytes(encode(picture(seed=row), "PNG"))
    return tmp_path


def labels_of(data):
    return {
        path: {n for n, t in zip(data.labels.names, targets, strict=True) if t == 1}
        for split, paths in data.paths.items()
        for path, targets in zip(paths, data.targets[split], strict=True)
    }


@pytest.mark.parametrize(
    "kind", ["lists", "arrays", "sets", "texts", "marks", "missing"]
)
def test_reads_lists_texts_and_marks(folder, kind):
    names = [("dog", "a sofa"), ("cat",), ()]
    expected = [set(names[row % 3]) for row in range(20)]
    paths = [f"{row}.png" for row in range(20)]
    columns = {
        "lists": {"labels": [sorted(own) for own in expected]},
        "arrays": {"labels": [np.array(sorted(own), object) for own in expected]},
        "sets": {"labels": expected},
        "texts": {"labels": ["|".join(sorted(own)) for own in expected]},
        "marks": {n: [n in own for own in expected] for n in ("a sofa", "cat", "dog")},
        "missing": {"labels": ["|".join(sorted(own)) or None for own in expected]},
    }[kind]
    frame = pandas.DataFrame({"image": paths, **columns}, index=range(100, 120))
    data = from_dataframe(frame, ReadingOptions(root=str(folder)), **SIZES)
    assert labels_of(data) == dict(zip(paths, expected, strict=True))
    assert data.labels.names == ("a sofa", "cat", "dog")


def test_names_the_row_that_is_wrong(folder, monkeypatch):
    monkeypatch.chdir(folder)
    frame = pandas.DataFrame({"path": ["0.png", "gone.png"], "labels": [["a"], ["b"]]})
    with pytest.raises(ValueError, match=r"DataFrame row 2: .*gone\.png must exist"):
        from_dataframe(frame, **SIZES)
    frame = frame.rename(columns={"labels": "tag"})
    reading = ReadingOptions(labels_column="tags")
    with pytest.raises(ValueError, match="did you mean 'tag'"):
        from_dataframe(frame, reading, **SIZES)
