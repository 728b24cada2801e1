from kmlic.experiments.setting_rows import setting_rows


def test_shows_neither_dictionaries_nor_what_run_json_calls_settings():
    settings = {
        "asked_metric": None,
        "metric": "mAP",
        "groups": {"size": ["s", "l"], "colour": ["red"]},
        "reading": {"layout": None, "merge": False, "ignore_labels": []},
    }
    assert setting_rows(settings) == [
        ["metric", "mAP"],
        ["groups", "size: s, l; colour: red"],
        ["reading", "-"],
    ]
