"""Settings of models that are judged on labels seen and unseen."""

import dataclasses
from pathlib import Path
from typing import Literal

from kmlic.check_limits import Count
from kmlic.experiments.cached_settings import CachedSettings


@dataclasses.dataclass(frozen=True)
class ZeroShotSettings(CachedSettings):
    """Holds the settings of models that are judged on labels seen and unseen."""

    held_out: tuple[str, ...] | None = None
    """Labels that are not trained, for zero-shot; the recipe chooses when left out."""
    zero_shot: str | None = None
    """Name of a dataset with other labels; the dataset itself when left out."""
    zero_shot_dir: Path | None = None
    """Its folder; the folder of its name beside `data_dir` when left out."""
    word_vectors: str = "captions"
    """captions: Word2Vec of the dataset's captions; else a word2vec or GloVe file, or a
    name of gensim.downloader."""
    dimensions: Count | None = None
    """Dimensions of a vector after PCA; all when left out."""
    centre: bool = True
    """Subtracts the mean vector of the trained labels from all vectors; similarities
    are computed with the original vectors."""
    synonyms: Literal["first", "mean"] = "first"
    """Vector of a label with synonyms: that of the first known one, or their mean."""
    label_words: Path | None = None
    """JSON file with the word for each label, by its name or identifier."""
    label_words_table: str = ""
    """Key of the table in that file, for instance 300d."""
    embedding_epochs: Count = 5
    """Epochs of embedding models; `epochs` are those of the softmax model."""
    conse_labels: Count = 10
    """Labels whose vectors ConSE averages."""
