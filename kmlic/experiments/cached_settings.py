"""Settings of models that can be trained on features of a frozen backbone."""

import dataclasses
from pathlib import Path

from kmlic.experiments.training_settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class CachedSettings(TrainingSettings):
    """Holds the settings of models that can be trained on a backbone's features."""

    cache_features: bool = False
    """Freezes the backbone and computes its features once for all rows."""
    cache_dir: Path = Path(".kmlic/features")
    """Folder of those features."""
