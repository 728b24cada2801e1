"""Results that are added to a run after its training."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from kmlic.atomic_write import atomic_write
from kmlic.experiments.evaluation_section import evaluation_section
from kmlic.experiments.export_section import export_section
from kmlic.html_report import Section, replace_sections
from kmlic.run_folder import RECORD, REPORT, Run, claim_run, require_run

_log = logging.getLogger(__name__)


def update_run(folder: str | Path, change: Callable[[Run], Run]) -> None:
    """Changes the record of a run, and the sections of its report that depend on it.

    Both files are replaced atomically, while no other process writes to the run. A
    report that is missing, or that kmlic did not write, is left as it is; a warning
    says so of the latter.

    Args:
        folder: the run folder.
        change: from the content of run.json to the new content: its evaluations, or its
            exports and what was measured of them.

    Raises:
        ValueError: if another process is writing to the run, or run.json is not
            one that kmlic wrote.

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
        sections = [evaluation_section(run), export_section(run, folder)]
        page = _change_report(folder / REPORT, [each for each in sections if each.rows])
        run.write(folder / RECORD)
        if page is not None:
            with atomic_write(folder / REPORT) as temporary:
                temporary.write_text(page, encoding="utf-8")


def _change_report(path: Path, sections: Sequence[Section]) -> str | None:
    if not sections or not path.exists():
        return None
    try:
        return replace_sections(path.read_text(encoding="utf-8"), sections)
    except (ValueError, OSError) as error:
        _log.warning("%s is left as it is: %s", path, error)
        return None
