import fnmatch
import types

import huggingface_hub
import pytest

from kmlic import cli
from kmlic.experiments.push_run import push_run
from tests.experiments.test_model_card import RUN
from tests.predict.toys import write_run


@pytest.fixture
def pushed(monkeypatch):
    """A Hub without a network, and what was done to it."""
    done = []

    def create_repo(self, repository, *, private, exist_ok):
        done.append((repository, private, exist_ok))

    def upload_folder(self, *, repo_id, folder_path, allow_patterns, commit_message):
        files = [
            str(path.relative_to(folder_path))
            for path in sorted(folder_path.rglob("*"))
            if path.is_file()
        ]
        done.append(
            [f for f in files if any(fnmatch.fnmatch(f, p) for p in allow_patterns)]
        )
        return types.SimpleNamespace(commit_url="https://hub/commit/1")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    return done


@pytest.fixture
def run(tmp_path):
    run = write_run(tmp_path / "run")
    RUN.write(run / "run.json")
    for name in ("report.html", "images.npz", "unseen_scores.npz", "train_images.npy"):
        (run / name).write_bytes(b"private")
    (run / "export/1").mkdir(parents=True)
    (run / "export/1/saved_model.pb").write_bytes(b"x")
    return run


def test_uploads_model_exports_and_card_but_nothing_of_the_images(run, pushed, capsys):
    assert cli.main(["push", str(run), "hf://me/birds"]) == 0
    assert pushed == [
        ("me/birds", True, True),
        ["README.md", "export/1/saved_model.pb", "labels.json", "model.keras"],
    ]
    assert "https://hub/commit/1" in capsys.readouterr().out
    assert "hf://me/birds" in (run / "README.md").read_text()


def test_keeps_a_card_that_was_filled_in(run, pushed):
    (run / "README.md").write_text("license: mit")
    push_run(run, "hf://me/birds", public=True)
    assert (run / "README.md").read_text() == "license: mit"
    assert pushed[0] == ("me/birds", False, True)


def test_refuses_a_revision_and_says_what_the_hub_said(run, monkeypatch):
    with pytest.raises(ValueError, match="no revision"):
        push_run(run, "hf://me/birds@v1")

    def refuse(self, *_, **__):
        raise OSError("401 Unauthorized.")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(ConnectionError, match=r"401 .* hf auth login"):
        push_run(run, "hf://me/birds")
