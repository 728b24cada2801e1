import os
import subprocess
import sys

import numpy as np
import pytest

from kmlic.words import train_word_vectors


def captions():
    random = np.random.default_rng(0)
    companies = [
        ("shirt", ["collar", "sleeve", "button"]),
        ("blouse", ["collar", "sleeve", "button"]),
        ("jeans", ["denim", "pocket", "zip"]),
    ]
    texts = []
    for _ in range(300):
        word, company = companies[random.integers(3)]
        texts.append(f"A {word}, {' '.join(random.permutation(company))}.")
    return texts


def test_words_in_similar_contexts_get_similar_vectors():
    vectors = train_word_vectors(captions(), size=16, epochs=20)
    assert vectors.similarity("shirt", "blouse") > vectors.similarity("shirt", "jeans")
    assert sorted(vectors.key_to_index)[:3] == ["a", "blouse", "button"]


def test_training_gives_the_same_in_every_process():
    texts = captions()[:40]
    expected = train_word_vectors(texts, size=4, epochs=2, seed=3)
    script = (
        "import sys; from kmlic.words import train_word_vectors as train;"
        f"sys.stdout.write(train({texts!r}, size=4, epochs=2, seed=3)"
        ".vectors.tobytes().hex())"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == expected.vectors.tobytes().hex()
    assert (
        train_word_vectors(texts, size=4, epochs=2).vectors != expected.vectors
    ).any()


def test_says_which_argument_does_not_fit():
    with pytest.raises(ValueError, match="2 captions without any"):
        train_word_vectors(["", "..."])
    with pytest.raises(ValueError, match="size=0"):
        train_word_vectors(["a"], size=0)
