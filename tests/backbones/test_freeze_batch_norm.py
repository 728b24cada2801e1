import numpy as np

from kmlic.backbones import build_backbone, freeze_batch_norm

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def test_training_then_gives_what_inference_gives():
    backbone = build_backbone("small_resnet", image_size=64)
    before = backbone.get_weights()

    assert freeze_batch_norm(backbone) == 12

    training = backbone(IMAGES, training=True)[-1]
    np.testing.assert_allclose(training, backbone(IMAGES)[-1], rtol=1e-5)
    assert all(map(np.array_equal, before, backbone.get_weights()))
