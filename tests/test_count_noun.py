from kmlic.count_noun import count_noun


def test_one_is_singular_and_all_else_plural():
    assert [count_noun(count, "image") for count in (0, 1, 2, 1234)] == [
        "0 images",
        "1 image",
        "2 images",
        "1,234 images",
    ]
