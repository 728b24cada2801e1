"""What a dataset was loaded from, and how."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DatasetSpec:
    """Records everything that decides which image is in which split.

    `load_dataset(spec.name, data_dir=spec.path, seed=spec.seed, **spec.options)` loads
    the same splits again. `dataclasses.asdict` makes values that JSON can hold, and
    `DatasetSpec(**values)` reads them.

    Args:
        name: of the dataset, as `load_dataset` takes it.
        path: of its file or folder; None where tensorflow-datasets keeps it.
        seed: of the splits; 0 where they do not depend on one.
        options: of the loader. Paths become texts and tuples lists, as in JSON.

    Raises:
        TypeError: if an option cannot be written as JSON.

    Example:
        >>> spec = DatasetSpec("csv", "labels.csv", 0, {"fractions": (0.5, 0.2, 0.3)})
        >>> spec.options
        {'fractions': [0.5, 0.2, 0.3]}
    """

    name: str
    path: str | Path | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        options = json.loads(json.dumps(dict(self.options), default=os.fspath))
        object.__setattr__(self, "options", options)
        if self.path is not None:
            object.__setattr__(self, "path", os.fspath(self.path))
