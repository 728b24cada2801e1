from kmlic.data.image_header import ImageHeader


def test_only_an_upright_image_of_a_plain_kind_is_plain():
    assert ImageHeader("JPEG", 90, 60, turn=1).plain
    assert not ImageHeader("JPEG", 90, 60, turn=6).plain
    assert not ImageHeader("GIF", 90, 60, turn=0).plain
