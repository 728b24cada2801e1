import pytest

from kmlic.require_preset import require_preset


def test_returns_the_name_that_keras_hub_knows(tmp_path):
    (tmp_path / "config.json").touch()
    for name, preset in (
        (f"keras_hub:{tmp_path}", str(tmp_path)),
        ("keras_hub:siglip_base_patch16_224", "siglip_base_patch16_224"),
        ("keras_hub:kaggle://keras/vit/keras/base", "kaggle://keras/vit/keras/base"),
        ("hf://user/name", "hf://user/name"),
    ):
        assert require_preset(name, argument="backbone") == preset


def test_says_which_name_or_folder_is_wrong(tmp_path):
    (tmp_path / "file").touch()
    for name, rule in (
        ("siglip2", "`text_model` must begin with keras_hub: or hf://; got siglip2"),
        (f"keras_hub:{tmp_path}", "holds no config.json"),
        (f"keras_hub:{tmp_path}/file", "holds no config.json"),
        (f"keras_hub:{tmp_path}/absent", "there is no .*absent"),
    ):
        with pytest.raises(ValueError, match=rule):
            require_preset(name, argument="text_model")
