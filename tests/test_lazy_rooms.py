import subprocess
import sys

import pytest

import kmlic.words

LAZY = (
    *("classifier", "data", "datasets", "evaluation", "experiments"),
    *("explain", "export", "predict", "words"),
)


def run(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_a_lazy_room_loads_neither_tensorflow_nor_keras():
    code = "import sys, kmlic.{}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    assert run(code.format(", kmlic.".join(LAZY))).strip() == "set()"


def test_returns_the_name_and_not_the_file_of_the_same_name():
    code = """
import kmlic.words.embed_labels as file
from kmlic.words import embed_labels
from kmlic import words
print(file, embed_labels is words.embed_labels, callable(embed_labels))
"""
    assert run(code).rstrip().endswith("True True")


def test_lists_its_names():
    assert set(kmlic.words.__all__) <= set(dir(kmlic.words))


def test_says_which_name_a_room_lacks():
    with pytest.raises(AttributeError, match=r"No kmlic\.words attribute red"):
        _ = kmlic.words.red
    with pytest.raises(ImportError, match="cannot import name 'red'"):
        from kmlic.words import red  # noqa: F401
