import time

import pytest

from kmlic.data.label_keys import (
    find_meant,
    find_misspelt,
    find_negated,
    group_by_key,
    is_misspelt,
)


def test_groups_what_differs_in_case_spaces_and_hyphens_only():
    names = ["dog", "DOG", "tie dye", "tie-dye", "tie_dye", "cat", "ﬁsh", "fish"]
    assert group_by_key(names) == [
        ["DOG", "dog"],
        ["fish", "ﬁsh"],
        ["tie dye", "tie-dye", "tie_dye"],
    ]
    assert group_by_key([":)", ": )", "-", "_", "dog", "dogs"]) == []


def test_a_name_and_its_negation_are_not_alike():
    names = ["-sofa", "sofa", "!Sofa", "~tie dye", "tie-dye", "- sofa", "~", "-", "!x"]
    assert group_by_key(names) == [["- sofa", "-sofa"]]
    assert find_negated(names) == [
        ("!Sofa", "sofa"),
        ("- sofa", "sofa"),
        ("-sofa", "sofa"),
        ("~tie dye", "tie-dye"),
    ]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("soffa", "sofa", True),
        ("jacket", "jakcet", True),
        ("jacket", "jacked", True),
        ("sofa", "sofas", False),
        ("size 1", "size 2", False),
        ("dog", "dog", False),
        ("Dog", "dog", False),
        ("horse", "hoarses", False),
        ("dress", "dres", False),  # the plural of dres, perhaps
        ("a-b", "ab", False),
    ],
)
def test_one_letter_or_two_swapped_ones_make_a_typo(one, other, expected):
    assert is_misspelt(one, other) is expected
    assert is_misspelt(other, one) is expected


def test_a_typo_is_rare_and_long():
    counts = {"jacket": 40, "jaket": 4, "jackst": 5, "bat": 1, "cat": 90, "shirts": 1}
    assert find_misspelt(counts) == [("jaket", "jacket")]


def test_finds_the_name_that_is_meant():
    names = ["sofa", "cat", "bird"]
    assert find_meant(["soffa", "Cat", "cart", "???"], names) == {
        "soffa": "sofa",
        "Cat": "cat",
        "cart": "cat",
    }


def test_many_and_long_names_take_linear_time():
    counts = {f"label number {i:x}": i for i in range(20_000)}
    counts |= {"x" * 5000: 3, "y" * 5001: 3}
    began = time.process_time()
    find_misspelt(counts)
    group_by_key(counts)
    assert time.process_time() - began < 20
