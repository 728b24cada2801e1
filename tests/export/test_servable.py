import pytest
import tensorflow as tf

from kmlic.export.servable import answer_spec


def test_an_answer_takes_resized_images_and_whether_they_are_ok():
    answer = tf.function(lambda images, ok: {"ok": ok}, answer_spec(4))
    ok = answer(tf.zeros((2, 4, 4, 3)), tf.constant([True, False]))["ok"]
    assert ok.numpy().tolist() == [True, False]
    with pytest.raises(TypeError):
        answer(tf.zeros((2, 5, 5, 3)), tf.constant([True, False]))
