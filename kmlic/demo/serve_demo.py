"""The page to drop images on, and its server."""

import base64
import html
import io
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kmlic.check_limits import MAX_BYTES
from kmlic.count_noun import count_noun
from kmlic.demo.demo_run import DemoRun
from kmlic.escape_text import escape_lines
from kmlic.labels import Labels
from kmlic.require_extra import require_extra

_log = logging.getLogger(__name__)

_MOST_IMAGES = 16
_MOST_EXAMPLES = 12
_MOST_LABELS = 12  # shown of an image, the predicted ones among them first
_MOST_MAPS = 6
_SIDE = 320  # pixels of a picture
_STYLE = """
.kmlic-image { display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1.5rem; }
.kmlic-image > div { flex: 1 1 15rem; min-width: 0; }
.kmlic-image img { max-width: 14rem; border-radius: .4rem; }
.kmlic-image table { width: 100%; border-collapse: collapse; }
.kmlic-image table, .kmlic-image tr, .kmlic-image tr > * { border: 0 !important; }
.kmlic-image tr > * {
  border-bottom: 1px solid var(--border-color-primary) !important; }
.kmlic-image td, .kmlic-image th { text-align: left; padding: .15rem .4rem; }
.kmlic-image .present th { font-weight: 700; }
.kmlic-image .absent { opacity: .75; }
.kmlic-image meter { width: 6rem; }
.kmlic-maps { display: grid; gap: .5rem; margin-top: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
.kmlic-maps figure { margin: 0; }
.kmlic-maps img { width: 100%; }
.kmlic-several td:nth-child(3) { display: none; }
.kmlic-several td, .kmlic-several th { padding: .1rem .2rem; font-size: .8rem; }
@media (max-width: 40rem) {
  .kmlic-image td:nth-child(3) { display: none; }
  .kmlic-image td, .kmlic-image th { padding: .1rem .2rem; font-size: .8rem; }
}
"""
# Of the run and image, labels to their probabilities, or why the image is broken.
_Scores = dict[str, list[dict[str, Any]]]


def build_demo(
    runs: Mapping[str, DemoRun], *, examples: Sequence[str | Path] = ()
) -> Any:
    """Builds the page: images, labels with probabilities and thresholds, and maps.

    Needs the extra demo.

    Args:
        runs: name to run; several are shown side by side.
        examples: image files to try it on; the first twelve are shown that the first
            run can read, and a warning counts the broken ones before them.

    Returns:
        The `gradio.Blocks` of the page.

    Raises:
        ImportError: naming the extra, if it is not installed.
    """
    gradio = _import_gradio()
    names = list(dict.fromkeys(n for run in runs.values() for n in run.labels.names))
    adjustable = [
        name
        for name in names
        if any(
            name in run.labels.names and not run.labels.exclusive
            for run in runs.values()
        )
    ]

    def score(paths: list[str] | None) -> _Scores:
        paths = (paths or [])[:_MOST_IMAGES]
        scores: _Scores = {name: [] for name in runs} if paths else {}
        for name, run in runs.items() if paths else ():
            for prediction in run.predict(paths):
                values = prediction.probabilities
                scores[name].append(
                    {
                        "path": str(prediction.path),
                        "error": prediction.error,
                        "values": None if values is None else values.tolist(),
                    }
                )
        return scores

    def show(scores: _Scores, thresholds: dict[str, float]) -> str:
        if not scores:
            return "<p>Drop images on the page, or choose files.</p>"
        count = len(next(iter(scores.values())))
        return "".join(
            _image(runs, {n: each[i] for n, each in scores.items()}, thresholds)
            for i in range(count)
        )

    def move(
        label: str, value: float, thresholds: dict[str, float]
    ) -> dict[str, float]:
        return {**thresholds, label: value}

    def choose(label: str, thresholds: dict[str, float]) -> float:
        own = (
            run.labels.thresholds[run.labels.names.index(label)]
            for run in runs.values()
            if label in run.labels.names
        )
        return thresholds.get(label, round(next(own), 2))

    with gradio.Blocks(title="kmlic demo", analytics_enabled=False) as page:
        gradio.Markdown(f"# {', '.join(map(escape_lines, runs))}")
        scores = gradio.State({})
        thresholds = gradio.State({})
        files = gradio.File(
            label=f"Images (up to {_MOST_IMAGES})", file_count="multiple"
        )
        offered = _readable(examples, next(iter(runs.values()))) if examples else []
        if offered:
            gradio.Examples([[[path]] for path in offered], [files])
        if adjustable:
            with gradio.Row():
                label = gradio.Dropdown(
                    adjustable,
                    value=adjustable[0],
                    label="Label whose threshold is moved",
                )
                threshold = gradio.Slider(
                    0,
                    1,
                    choose(adjustable[0], {}),
                    step=0.01,
                    label="Threshold",
                    elem_id="threshold",
                )
                reset = gradio.Button("Reset thresholds")
        shown = gradio.HTML(show({}, {}), elem_id="predictions")
        files.change(score, files, scores).then(show, [scores, thresholds], shown)
        if adjustable:
            label.change(choose, [label, thresholds], threshold)
            threshold.input(move, [label, threshold, thresholds], thresholds).then(
                show, [scores, thresholds], shown
            )
            reset.click(dict, None, thresholds).then(
                choose, [label, thresholds], threshold
            ).then(show, [scores, thresholds], shown)
    return page


def serve_demo(
    runs: Mapping[str, DemoRun],
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    examples: Sequence[str | Path] = (),
    max_bytes: int = MAX_BYTES,
    on_ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves the page of `build_demo` until it is interrupted.

    Nothing is sent elsewhere: no share link, no usage statistics, no fonts of others.

    Args:
        runs: name to run.
        host: address to listen on; 127.0.0.1 is seen from this machine alone.
        port: 1-65535.
        examples: see `build_demo`.
        max_bytes: largest file that is taken.
        on_ready: called with the address as soon as it answers.

    Raises:
        ImportError: naming the extra, if it is not installed.
        OSError: if the port is taken.
    """
    gradio = _import_gradio()
    page = build_demo(runs, examples=examples)
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        max_file_size=max_bytes,
        footer_links=[],
        ssr_mode=False,
        css=_STYLE,
        theme=gradio.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["monospace"]
        ),
    )
    on_ready(f"http://{host}:{port}")
    page.block_thread()


def _import_gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    require_extra("demo", "gradio", "The demo")
    import gradio

    return gradio


def _readable(examples: Iterable[str | Path], run: DemoRun) -> list[str]:
    """Returns the first examples that a run can read, and warns of broken ones."""
    found: list[str] = []
    broken = []
    for path in map(str, examples):
        if len(found) == _MOST_EXAMPLES:
            break
        try:
            run.read(path)
        except ValueError as error:
            broken.append(escape_lines(str(error)))
        else:
            found.append(path)
    if broken:
        text = count_noun(len(broken), "example")
        _log.warning("%s not shown: %s", text, broken[0])
    return found


def _image(
    runs: Mapping[str, DemoRun],
    scored: Mapping[str, Mapping[str, Any]],
    thresholds: Mapping[str, float],
) -> str:
    first = next(iter(scored.values()))
    name = _text(Path(first["path"]).name)
    if first["error"]:
        reason = first["error"].replace(first["path"], "it")
        return f"<p><strong>{name}</strong>: {_text(reason)}</p>"
    shown = _picture(next(iter(runs.values())).read(first["path"]), name)
    parts = [f"<div><p><strong>{name}</strong></p>{shown}</div>"]
    for run_name, each in scored.items():
        run = runs[run_name]
        labels = _with_thresholds(run.labels, thresholds)
        probabilities = np.array(each["values"], np.float32)
        present = labels.predicted(probabilities[None])[0]
        title = f"<p><strong>{_text(run_name)}</strong></p>" * (len(scored) > 1)
        table = _table(labels, probabilities, present)
        chosen = [int(i) for i in np.argsort(-probabilities) if present[i]]
        maps = run.draw(first["path"], chosen[:_MOST_MAPS])
        figures = "".join(
            f"<figure>{_picture(drawn, 'map of ' + _text(labels.names[i]))}"
            f"<figcaption>{_text(labels.names[i])}</figcaption></figure>"
            for i, drawn in maps.items()
        )
        parts.append(f"<div>{title}{table}<div class=kmlic-maps>{figures}</div></div>")
    several = " kmlic-several" * (len(scored) > 1)
    return f'<div class="kmlic-image{several}">{"".join(parts)}</div>'


def _with_thresholds(labels: Labels, changed: Mapping[str, float]) -> Labels:
    thresholds = (
        changed.get(name, threshold)
        for name, threshold in zip(labels.names, labels.thresholds, strict=True)
    )
    return Labels(
        labels.names,
        labels.groups,
        tuple(thresholds),
        labels.image_size,
        labels.exclusive,
    )


def _table(labels: Labels, probabilities: np.ndarray, present: np.ndarray) -> str:
    order = np.lexsort((-probabilities, ~present))
    count = max(_MOST_LABELS, int(present.sum()))
    rows = "".join(
        f"<tr class={'present' if present[i] else 'absent'}>"
        f"<th scope=row>{_text(labels.names[i])}</th>"
        f"<td>{'yes' if present[i] else 'no'}</td>"
        f"<td><meter value={probabilities[i]:.4f} aria-label=probability></meter></td>"
        f"<td>{probabilities[i]:.2f}</td>"
        + ("" if labels.exclusive else f"<td>{labels.thresholds[i]:.2f}</td>")
        + "</tr>"
        for i in order[:count]
    )
    threshold = "" if labels.exclusive else "<th scope=col>threshold</th>"
    return (
        "<table><thead><tr><th scope=col>label</th><th scope=col>predicted</th>"
        f"<td></td><th scope=col>probability</th>{threshold}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _picture(pixels: np.ndarray, name: str) -> str:
    image = Image.fromarray(pixels)
    image.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    content = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="{name}" src="data:image/jpeg;base64,{content}">'


def _text(text: str) -> str:
    return html.escape(escape_lines(text))
