"""A run's way to the Hugging Face Hub, with its model card."""

from pathlib import Path

from kmlic.atomic_write import atomic_write
from kmlic.labels import Labels
from kmlic.predict.download_run import HUB_FILES, import_hub, parse_address
from kmlic.run_folder import MODEL, RECORD, Run, require_run
from kmlic.start_tensorflow import start_tensorflow

CARD = "README.md"


def push_run(run: str | Path, address: str, *, public: bool = False) -> str:
    """Uploads a run's model, labels, exports and model card to the Hub.

    Nothing of the training images goes there: neither the report with its thumbnails,
    nor the paths and scores of images, nor run.json, which names the machine. The card
    is README.md of the run folder, and is written there if it is missing: fill in its
    licence before the repository is made public. Needs the extra hub, and a token:
    `hf auth login`.

    Args:
        run: run folder with model.keras, labels.json and run.json.
        address: hf://user/name; the repository is made if there is none.
        public: whether a new repository is public.

    Returns:
        The address of the commit.

    Raises:
        ValueError: if the run lacks a file, or the address is no such text.
        ImportError: naming the extra, if it is not installed.
        ConnectionError: if the Hub does not take it.
    """
    run = Path(run)
    require_run(run, MODEL, "labels.json", RECORD)
    repository, revision = parse_address(address)
    if revision is not None:
        raise ValueError(f"`address` must have no revision to push to; got {address}.")
    hub = import_hub()
    if not (run / CARD).exists():
        start_tensorflow()  # only here, so that a wrong address is refused at once
        from kmlic.experiments.model_card import model_card

        card = model_card(
            Run.read(run / "run.json"), Labels.read(run / "labels.json"), repository
        )
        with atomic_write(run / CARD) as temporary:
            temporary.write_text(card, encoding="utf-8")
    api = hub.HfApi()
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=run,
            allow_patterns=list(HUB_FILES),
            commit_message="Upload a run of kmlic",
        )
    except Exception as error:  # its type depends on the version of huggingface-hub
        raise ConnectionError(
            f"{address} did not take {run}: {error} A token is needed: hf auth login."
        ) from error
    return str(commit.commit_url)
