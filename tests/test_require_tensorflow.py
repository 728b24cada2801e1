import keras
import numpy as np
import pytest

from kmlic.explain import activation_maps
from kmlic.export.freeze import clone_for_export
from kmlic.require_tensorflow import require_tensorflow
from kmlic.training import fit


def test_passes_under_tensorflow():
    require_tensorflow("this")


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: require_tensorflow("this"), "this"),
        (lambda: clone_for_export(None), "exports"),
        (lambda: activation_maps(None, np.zeros((1, 8, 8, 3))), "activation_maps"),
        (
            lambda: fit(None, None, None, epochs=1, folder="f", title="t"),
            "kmlic.training.fit",
        ),
    ],
)
def test_another_backend_is_one_sentence(monkeypatch, call, what):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=f"must be tensorflow for {what}; got jax"):
        call()
