import pytest

from kmlic.data.read_class_names import read_class_names

YAML = "path: ../d\ntrain: images/train  # of 8\nnc: 2\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: ['dog', 'it''s a, cat']\n", ["dog", "it's a, cat"]),
        ('names: [dog, "big cat"]  # two\n', ["dog", "big cat"]),
        ("names: [dog,\n  big cat,\n]\nroboflow:\n  url: x\n", ["dog", "big cat"]),
        ("names:\n  0: dog\n  1: big cat # large\n\ndownload: |\n  x\n", None),
        ("names:  # all\n  1: 'big cat'\n  0: dog\n", None),
        ("names:\n- dog\n# none\n- big cat\nroboflow: x\n", None),
        ("names:\n  - dog\n  - 'big cat'\n", None),
        ("names: {1: big cat, 0: dog}\n", None),
        ('names: [" dog ", "big cat"]\n', None),
        ("names: [no, 1, 2020-01-01]\n", ["no", "1", "2020-01-01"]),
    ],
)
@pytest.mark.parametrize("file", ["data.yaml", "mine.yml"])
def test_reads_the_names_of_yaml(tmp_path, file, text, names):
    (tmp_path / file).write_text(YAML + text)
    assert read_class_names(tmp_path, [file]) == (names or ["dog", "big cat"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "names:\n",
        "names: dog\n",
        "names: [dog\n",
        "names: [[dog]]\n",
        "names:\n  1: dog\n  2: cat\n",
        "names:\n  - dog\n  1: cat\n",
        "names:\n  - dog: 1\n    x: 2\n  - [a]\n",
        "names: [dog]\nnames: [cat]\n",
        'names: ["\\UFFFFFFFF"]\n',
        'names: ["\\U00110000"]\n',
        'names: [dog, ""]\n',
        'names: ["a\\nb"]\n',
    ],
)
def test_refuses_other_yaml_by_name(tmp_path, text):
    (tmp_path / "data.yaml").write_text(YAML + text)
    with pytest.raises(ValueError, match=r"data\.yaml must hold `names` as a list"):
        read_class_names(tmp_path, ["data.yaml"])


def test_the_file_of_names_may_be_below_if_it_is_the_only_one(tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/classes.txt").write_text("dog\ncat\n")
    assert read_class_names(tmp_path, ["labels/classes.txt"]) == ["dog", "cat"]
    with pytest.raises(ValueError, match=r"one classes\.txt; it holds a/classes\.txt"):
        read_class_names(tmp_path, ["a/classes.txt", "b/classes.txt"])
