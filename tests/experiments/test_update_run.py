import dataclasses
import subprocess
import sys

import pytest

from kmlic.experiments.update_run import update_run
from kmlic.html_report import Section, write_report
from kmlic.run_folder import Run
from tests.experiments.test_evaluation_section import RUN, evaluation


def change(run):
    return dataclasses.replace(run, evaluations=[evaluation()], exports={"a.onnx": 0.1})


def test_changes_the_record_and_the_report(tmp_path):
    RUN.write(tmp_path / "run.json")
    sections = [
        Section("Metrics", "m"),
        Section("Exports", "Out of date"),
        Section("Last", "x"),
    ]
    write_report(tmp_path / "report.html", "A run", sections)
    update_run(tmp_path, change)
    update_run(tmp_path, change)
    assert Run.read(tmp_path / "run.json") == change(RUN)
    page = (tmp_path / "report.html").read_text()
    titles = ("Metrics", "Evaluations", "Exports", "Last")
    places = [page.index(f">{title}</h2>") for title in titles]
    assert places == sorted(places)
    assert page.count("a.onnx") == 1 and "Out of date" not in page
    assert page.count("50.0 [40.0, 60.0]") == 1
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {"run.json", "report.html"}


def test_a_run_without_report_is_recorded(tmp_path):
    RUN.write(tmp_path / "run.json")
    update_run(tmp_path, change)
    assert Run.read(tmp_path / "run.json") == change(RUN)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("page", [b"<h1>Mine</h1>", b"\xff"])
def test_a_report_of_others_stays_and_the_run_is_recorded(tmp_path, caplog, page):
    RUN.write(tmp_path / "run.json")
    (tmp_path / "report.html").write_bytes(page)
    update_run(tmp_path, change)
    assert Run.read(tmp_path / "run.json") == change(RUN)
    assert (tmp_path / "report.html").read_bytes() == page
    assert f"{tmp_path / 'report.html'} is left as it is: " in caplog.text


def test_a_run_that_another_process_writes_is_left_as_it_is(tmp_path):
    run = tmp_path / "run"
    RUN.write(run / "run.json")
    code = (
        "import sys; from kmlic.run_folder import RunFolder; "
        "folder = RunFolder(sys.argv[1]); folder.begin({}); print(flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        with pytest.raises(ValueError, match=rf"is being written .* \({other.pid} on"):
            update_run(run, change)
        other.communicate()
    assert Run.read(run / "run.json") == RUN
