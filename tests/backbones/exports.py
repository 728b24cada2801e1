"""What both exports of a backbone must keep."""

import numpy as np
import tensorflow as tf


def check_exports(model, images, folder):
    """Exports a classifier both ways, LiteRT with builtin operators only.

    Gives the largest difference of each from the model, relative to the largest logit,
    after checking that none reaches 1e-4.
    """
    expected = np.asarray(model(images))

    model.export(folder / "saved_model", verbose=False)
    served = tf.saved_model.load(str(folder / "saved_model"))
    saved_model = served.serve(tf.constant(images))

    model.export(
        folder / "model.tflite",
        format="litert",
        verbose=False,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )
    run = tf.lite.Interpreter(str(folder / "model.tflite")).get_signature_runner()
    (name,) = run.get_input_details()
    (litert,) = run(**{name: images}).values()

    scale = np.abs(expected).max()
    errors = [float(np.abs(x - expected).max() / scale) for x in (saved_model, litert)]
    assert max(errors) < 1e-4, errors
    return errors
