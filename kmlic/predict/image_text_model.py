"""Scores of any labels by a model of images and texts."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kmlic.labels import Labels, to_probabilities
from kmlic.predict.scorer import Scorer

# Texts that a label is put into; the mean of their embeddings stands for the label.
TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a photo of many {}.",
    "a close-up photo of a {}.",
    "a photo with a {} in it.",
    "this is a photo of {}.",
)
# Texts without a label, which CLIP compares those of each label with.
NEUTRAL = ("a photo.", "a close-up photo.", "this is a photo.")
FAMILIES = ("SigLIP", "CLIP")


class ImageTextModel:
    """Scores any labels by comparing images with texts that name the labels.

    The text embedding of a label is the mean of those of all templates, each of unit
    length, again of unit length. With its cosine c to the image embedding and the
    model's own scale s, bias b and cosine n to texts without a label:

    - SigLIP and SigLIP 2: sigmoid(s c + b), the probability that the text belongs to
      the image, as trained.
    - CLIP: sigmoid(s (c - n)), how much better the label's texts fit than texts without
      a label. CLIP was trained to choose among texts and has no probability of a single
      one: these scores order labels, but 0.5 is no calibrated threshold.

    Paper: Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023,
    https://arxiv.org/abs/2303.15343; Tschannen et al., "SigLIP 2", 2025,
    https://arxiv.org/abs/2502.14786; Radford et al., "Learning Transferable Visual
    Models From Natural Language Supervision", ICML 2021,
    https://arxiv.org/abs/2103.00020, section 3.1.4 for the mean over templates. Differs
    from CLIP's classification in the sigmoid and the texts without a label.

    Args:
        model: a SigLIPBackbone or CLIPBackbone of keras-hub.
        preprocessor: of the same preset; resizes and normalises images and divides
            texts into tokens.
        names: the labels to score.
        templates: texts with `{}` where a label is put.

    Raises:
        ValueError: if the model is of another family, the preprocessor does not
            convert images, names repeat, or there is no template or one without `{}`.
    """

    def __init__(
        self,
        model: keras.Model,
        preprocessor: Any,
        names: Sequence[str],
        *,
        templates: Sequence[str] = TEMPLATES,
    ):
        self._family = require_image_text(model)
        if preprocessor.image_converter is None:
            raise ValueError(
                "`preprocessor` must convert images; its image_converter is None."
            )
        if not templates or any("{}" not in template for template in templates):
            raise ValueError(
                "`templates` must be texts with {} where the label is put, at least "
                f"one; got {tuple(templates)}."
            )
        height, width = model.vision_encoder.image_shape[:2]
        self.labels = Labels(tuple(names), image_size=height)
        self._model = model
        # Copied for the model's image size, which the caller's own may differ from.
        converter = preprocessor.image_converter
        self._converter = type(converter).from_config(converter.get_config())
        self._converter.image_size = (height, width)
        parts = {
            "tokenizer": preprocessor.tokenizer,
            "image_converter": self._converter,
        }
        options = {**preprocessor.get_config(), **parts}
        self._preprocessor = type(preprocessor)(**options)
        self.texts = np.stack(
            [
                self._embed([template.format(name) for template in templates])
                for name in self.labels.names
            ]
        )  # (L, D)
        images = keras.Input((height, width, 3), name="images")
        self._vision = keras.Model(images, model.get_vision_embeddings(images))
        if self._family == "CLIP":
            head = model.clip_head
            self._compared, self._bias = self.texts - self._embed(NEUTRAL), 0.0
        else:
            head = model.siglip_head
            self._compared = self.texts
            self._bias = float(keras.ops.convert_to_numpy(head.logit_bias))
        self._scale = float(np.exp(keras.ops.convert_to_numpy(head.logit_scale)))

    def scorer(self) -> Scorer:
        """Makes the scorer that `predict_paths` takes.

        It resizes and normalises images as the preset says, not as kmlic does.
        """
        return Scorer(
            self.labels, self._converter.image_size[0], self.score, self.convert
        )

    def convert(self, image: np.ndarray, size: int) -> np.ndarray:
        """Resizes and normalises an image as the preset does.

        Shapes: (H, W, 3) to (S, S, 3).

        Args:
            image: pixels 0-255.
            size: S, which the model fixes.
        """
        converted = self._converter(np.asarray(image, "float32")[None])
        return np.asarray(keras.ops.convert_to_numpy(converted))[0]

    def score(self, images: np.ndarray) -> np.ndarray:
        """Computes the scores of images, 0-1.

        Shapes: (B, S, S, 3) to (B, L) float32.

        Args:
            images: from `convert`.
        """
        embeddings = _normalise(self._vision.predict_on_batch(images))
        logits = self._scale * embeddings @ self._compared.T + self._bias
        return to_probabilities(logits)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the mean embedding of texts, (D,), of unit length."""
        # SigLIP's preprocessor converts images even where there are none.
        blank = np.zeros((len(texts), 1, 1, 3), "float32")
        tokens = self._preprocessor({"prompts": list(texts), "images": blank})
        embeddings = self._model.get_text_embeddings(tokens["token_ids"])
        units = _normalise(keras.ops.convert_to_numpy(embeddings))
        return _normalise(units.mean(axis=0))


def require_image_text(model: keras.Model) -> str:
    """Returns the family of a model, which must be of images and texts.

    Raises:
        ValueError: naming the class of another model.
    """
    family = type(model).__name__.removesuffix("Backbone")
    if family not in FAMILIES:
        raise ValueError(
            "`model` must be of images and texts, one of keras-hub's "
            f"{' and '.join(FAMILIES)}; got a {type(model).__name__}."
        )
    return family


def _normalise(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
