"""Results that are added to a run after its training."""

from collections.abc import Callable
from pathlib import Path

from kmlic.experiments.evaluation_section import evaluation_section
from kmlic.experiments.export_section import export_section
from kmlic.html_report import replace_sections
from kmlic.run_folder import RECORD, Run, claim_run, require_run

REPORT = "report.html"


def update_run(folder: str | Path, change: Callable[[Run], Run]) -> None:
    """Changes the record of a run, and the sections of its report that depend on it.

    Both files are replaced atomically, while no other process writes to the run. The
    report is left as it is if it is missing.

    Args:
        folder: the run folder.
        change: from the content of run.json to the new content: its evaluations, or its
            exports and what was measured of them.

    Raises:
        ValueError: if another process is writing to the run, or a file is not one that
            kmlic wrote.

    Example:
        >>> update_run("absent/run", lambda run: run)
        Traceback (most recent call last):
            ...
        ValueError: absent/run must be a run folder; there is no such folder.
    """
    folder = Path(folder)
    require_run(folder, RECORD)
    with claim_run(folder):
        run = change(Run.read(folder / RECORD))
        run.write(folder / RECORD)
        sections = [evaluation_section(run), export_section(run, folder)]
        shown = [section for section in sections if section.rows]
        if shown and (folder / REPORT).exists():
            replace_sections(folder / REPORT, shown)
