"""SavedModels with signatures, warm-up requests and a README."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.data.decoding import resize_images
from kmlic.export.decode_bytes import decode_bytes
from kmlic.export.format import LABELS_FILE, next_version
from kmlic.export.servable import Answer, Servable, ServingOptions
from kmlic.export.serving_readme import write_readme
from kmlic.export.warm_up import write_warm_up


def write_servable(
    servable: Servable, folder: str | Path, options: ServingOptions
) -> Path:
    """Writes a servable model as the next version below a folder.

    Returns:
        `folder`/`version`.

    Raises:
        ValueError: if the version exists, or a warm-up image is broken.
        ImportError: if there are warm-up images, but not the extra serving.
    """
    path = Path(folder) / str(next_version(Path(folder), options.version))
    with (
        tempfile.TemporaryDirectory() as assets,
        atomic_write(path, folder_with="saved_model.pb") as temporary,
    ):
        tf.saved_model.save(
            _module(servable, Path(assets)),
            str(temporary),
            signatures={
                name: _function(dtype, answer, servable.image_size, options)
                for name, (dtype, answer) in servable.signatures.items()
            },
            # Exports are not trained, and their gradients would need kmlic.
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
        if options.warm_up:
            write_warm_up(
                temporary,
                options.warm_up,
                image_size=servable.image_size,
                dtypes={
                    name: dtype for name, (dtype, _) in servable.signatures.items()
                },
            )
        write_readme(temporary, servable, int(path.name), options)
    return path


def _module(servable: Servable, assets: Path) -> tf.Module:
    module = tf.Module()
    module.weights = [variable.value for variable in servable.model.variables]
    if servable.labels is not None:
        servable.labels.write(assets / LABELS_FILE)
        module.labels_file = tf.saved_model.Asset(str(assets / LABELS_FILE))
        module.labels_json = tf.function(
            lambda: tf.io.read_file(module.labels_file), input_signature=[]
        )
    return module


def _function(
    dtype: tf.DType, answer: Answer, image_size: int, options: ServingOptions
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    if dtype == tf.string:

        def answer_files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            images, ok = decode_bytes(
                image_bytes,
                image_size=image_size,
                max_bytes=options.max_bytes,
                max_pixels=options.max_pixels,
            )
            return _answer_any(answer, images, ok)

        return tf.function(answer_files, [tf.TensorSpec((None,), tf.string)])

    def answer_pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        finite = tf.math.is_finite(tf.cast(images, tf.float32))
        ok = tf.reduce_all(finite, axis=(1, 2, 3))
        return _answer_any(answer, resize_images(images, image_size), ok)

    spec = tf.TensorSpec((None, None, None, 3), dtype)
    return tf.function(answer_pixels, [spec])


def _answer_any(
    answer: Answer, images: tf.Tensor, ok: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Answers a batch of any size: an empty one as one broken image, cut off again.

    TensorFlow's convolutions fail on an empty batch where oneDNN computes them.
    """
    count = tf.shape(ok)[0]
    spare = tf.cast(count == 0, tf.int32)
    images = tf.pad(images, [[0, spare], [0, 0], [0, 0], [0, 0]])
    outputs = answer(images, tf.pad(ok, [[0, spare]]))
    return {name: output[:count] for name, output in outputs.items()}
