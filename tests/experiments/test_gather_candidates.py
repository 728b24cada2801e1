import pytest

from kmlic.experiments.gather_candidates import gather_candidates
from kmlic.words import load_word_vectors
from tests.experiments.zero_shot_toys import dataset, find


def test_candidates_are_the_distinct_words_of_both_datasets(tmp_path):
    settings, words = find(tmp_path)
    # Puma is new; dog was trained, and hound with it; the two trees are one word.
    unseen = dataset(("puma", "dog", "oak_tree", "pine_tree", "griffin"))
    found = gather_candidates(settings, words, unseen)
    assert found.names == ("puma", "dog")
    assert found.index.names == ("dog", "cat", "car", "bus", "puma")
    assert found.seen.tolist() == [True, True, True, True, False]
    assert found.columns.tolist() == [4, 0]
    assert found.seen_columns.tolist() == [0, 0, 1, 2, 3]
    plain = load_word_vectors(tmp_path / "words.txt")
    for row, name in enumerate(found.names):
        for column, other in enumerate(found.index.names):
            expected = plain.similarity(name, other)
            assert found.similarities[row, column] == pytest.approx(expected, abs=1e-5)
