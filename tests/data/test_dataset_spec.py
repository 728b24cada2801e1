import dataclasses
import json
from pathlib import Path

import pytest

from kmlic.data import DatasetSpec


def test_survives_json():
    spec = DatasetSpec("csv", Path("a/b.csv"), 2, {"root": Path("a"), "sizes": (1, 2)})
    text = json.dumps(dataclasses.asdict(spec))
    assert DatasetSpec(**json.loads(text)) == spec
    assert spec.options == {"root": "a", "sizes": [1, 2]} and spec.path == "a/b.csv"


def test_refuses_what_json_cannot_hold():
    with pytest.raises(TypeError, match="object"):
        DatasetSpec("csv", options={"root": object()})
