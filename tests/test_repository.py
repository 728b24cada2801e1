"""Rules about the repository itself; they fail when its map stops being true."""

import configparser
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
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
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\n")
    if not tracked[0]:
        pytest.skip("not a git checkout")
    visible = {path.split("/")[0] for path in tracked if path} - {""}
    assert {name for name in visible if not name.startswith(".")} <= TOP_LEVEL


def test_importing_kmlic_loads_neither_tensorflow_nor_keras():
    code = "import sys, kmlic; print({'tensorflow', 'keras'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.stdout.strip() == "set()"


def test_readme_examples_run(tmp_path, monkeypatch):
    examples = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert examples
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for example in examples:
        exec(example, names)


def _quoted_results():
    """Gives file, model, metric and quoted text of every result in README's tables."""
    header: list[str] = []
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        path = re.search(r"\((saved_models/\S+/run\.json)\)", cells[0])
        if not line.startswith("|"):
            header = []
        elif path:
            for metric, text in zip(header[2:], cells[2:], strict=True):
                yield path[1], cells[1], metric, text
        elif not header:
            header = cells


def test_the_readme_quotes_what_a_committed_run_holds():
    quoted = list(_quoted_results())
    assert quoted
    for path, model, metric, text in quoted:
        run = json.loads((ROOT / path).read_text())
        # Of another split than test where the column says so: "zero_shot: unseen@5".
        split, _, metric = metric.rpartition(": ")
        split = split or "test"
        results = run["results"][split][model]
        expected = f"{100 * results[metric]:.2f}" if metric in results else "-"
        if run["deviations"] and metric in results:
            spread = run["deviations"][split][model][metric]
            expected += f" ± {100 * spread:.2f}"
        assert text.strip("*") == expected, f"{path}: {metric} of {model} is {expected}"


def test_no_initializer_is_made_at_import():
    """It draws its seed where it is made: before any seed is set."""
    for path in ROOT.glob("kmlic/**/*.py"):
        made = re.findall(
            r"^\w+ = keras\.initializers\.[A-Z].*", path.read_text(), re.M
        )
        assert not made, f"{path}: {made}"


def test_every_extra_is_in_the_readme():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for extra in config["options.extras_require"]:
        assert f"`{extra}`" in README, f"README does not mention the extra {extra}"


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
