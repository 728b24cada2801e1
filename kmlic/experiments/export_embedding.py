"""The export of an embedding model with the labels that it is compared with."""

from pathlib import Path

import keras

from kmlic.data import MultiLabelData
from kmlic.embedding_index import EmbeddingIndex
from kmlic.export import ExportOptions, check_embedding_parity, export_checked
from kmlic.models import embedding_part


def export_embedding(
    index: EmbeddingIndex, model: keras.Model, folder: Path, data: MultiLabelData
) -> dict[str, float]:
    """Exports a model up to its embedding, with an index of labels, as SavedModel.

    Args:
        index: the labels that the export finds the nearest of.
        model: of `kmlic.models.score_labels`.
        folder: the run folder.
        data: whose test images the export is compared on.

    Returns:
        The export's path in the folder to its largest difference from the model.
    """
    embedder = embedding_part(model)
    images = next(iter(data.test.unbatch().batch(16)))[0].numpy()
    options = ExportOptions(labels=None, images=images, index=index)
    (export,) = export_checked(embedder, folder, "saved_model", options)
    difference = check_embedding_parity(embedder, export.path, images, index=index)
    return {export.name_in(folder): difference}
