import pytest

from kmlic.export import check_embedding_parity, export_embedding_model
from tests.export.test_embedding_saved_model import INDEX
from tests.export.toys import random_images, tiny_model


def test_says_how_far_the_export_differs(tmp_path):
    model, images = tiny_model(4), random_images(5, 20)
    artefact = export_embedding_model(model, tmp_path, index=INDEX, top_k=3)
    difference = check_embedding_parity(model, artefact, images, index=INDEX)
    assert difference < 1e-5
    other = tiny_model(4)
    dense = other.get_layer("logits")
    dense.bias.assign(dense.bias + 0.5)
    with pytest.raises(ValueError, match="tolerance=1e-05; from tensors, the score"):
        check_embedding_parity(other, artefact, images, index=INDEX, tolerance=1e-5)
