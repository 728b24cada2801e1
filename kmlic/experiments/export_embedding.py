"""Export of an embedding model with an index of labels."""

from pathlib import Path

import keras

from kmlic.data import MultiLabelData
from kmlic.embedding_index import EmbeddingIndex
from kmlic.export import ExportOptions, check_embedding_parity, export_checked
from kmlic.models import embedding_part


def export_embedding(
    index: EmbeddingIndex, model: keras.Model, folder: Path, data: MultiLabelData
) -> dict[str, float]:
    """Exports a model up to its embedding, and an index of labels, as SavedModel.

    Args:
        index: the labels among which the export finds the nearest.
        model: made by `kmlic.models.score_labels`.
        folder: the run folder.
        data: the export is compared with the model on its test images.

    Returns:
        Path of the export in the folder to its largest difference from the model.
    """
    embedder = embedding_part(model)
    images = next(iter(data.test.unbatch().batch(16)))[0].numpy()
    options = ExportOptions(labels=None, images=images, index=index)
    (export,) = export_checked(embedder, folder, "saved_model", options)
    difference = check_embedding_parity(embedder, export.path, images, index=index)
    return {export.name_in(folder): difference}
