"""Report section of the exports of a run."""

from pathlib import Path

from kmlic.export import FORMATS
from kmlic.export.measure_exports import size_of
from kmlic.html_report import Section
from kmlic.run_folder import MODEL, Run


def export_section(run: Run, folder: Path) -> Section:
    """Lists the exports of a run: format, largest difference, size, and speed.

    Speed and mean average precision are those that `kmlic export --compare` measured.

    Args:
        run: the record of the run.
        folder: of the exports.
    """
    measured = run.measured
    names = [*([MODEL] if MODEL in measured else []), *run.exports]
    header = ["file", "format", "largest difference", "MB"]
    text = (
        "The largest difference of a probability from model.keras, on real images."
        if names
        else ""
    )
    splits = dict.fromkeys(
        str(each["split"]) for each in measured.values() if each["split"]
    )
    if measured:
        header += ["ms per image", "images per second", *(f"mAP, {s}" for s in splits)]
        text += (
            " Speed is of one image at a time on the machine of `kmlic export "
            "--compare`; mAP is in percent."
        )
    rows = []
    for name in names:
        path = folder / name.partition(" (")[0]  # without the precision
        row = [
            name,
            _format_of(path),
            f"{run.exports[name]:.1e}" if name in run.exports else "-",
            f"{size_of(path) / 1e6:.1f}" if path.exists() else "-",
        ]
        if measured:
            own = measured.get(name)
            row += [f"{own['milliseconds']:.1f}" if own else "-"]
            row += [f"{1000 / own['milliseconds']:.0f}" if own else "-"]
            row += [
                f"{100 * own['mAP']:.2f}"
                if own and own["split"] == split and own["mAP"] is not None
                else "-"
                for split in splits
            ]
        rows.append(row)
    return Section("Exports", text, header, rows)


def _format_of(path: Path) -> str:
    if path.suffix == ".keras":
        return "keras"
    return next((f.name for f in FORMATS.values() if f.recognizes(path)), "-")
