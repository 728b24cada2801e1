"""Reports as one self-contained HTML file."""

import base64
import dataclasses
import functools
import io
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
import markupsafe
import numpy as np
from matplotlib import font_manager, rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from kmlic.atomic_write import atomic_write
from kmlic.escape_text import escape_lines

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_PICTURE_SIDE = 256
_DPI = 144
# A number may have a sign, a unit and a deviation.
_NUMBER = re.compile(r"[-+±]?[\d.,]+(e[-+]?\d+)?( ?(%|s|MB|GB|ms))?( ± [\d.,]+)?")
_EMPTY = ("", "-")


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """Holds an image, shown as a thumbnail, and the text below it.

    Args:
        image: (H, W, 3) pixels 0-255, uint8 or float, or a JPEG, which is not changed.
        caption: lines of text; may be empty.
        name: what is read out instead of the image, and shown where a mouse points.
    """

    image: np.ndarray | bytes
    caption: str
    name: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Gallery:
    """Holds thumbnails that belong together, shown side by side.

    Args:
        title: the heading.
        pictures: the thumbnails, of at most 96 x 96 pixels.
    """

    title: str
    pictures: Sequence[Picture]


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """Holds one part of a report: text, galleries, table, figures and pictures.

    All texts and cells are escaped, except for `markupsafe.Markup`; control characters
    are shown as escapes. Texts of figures are never read as mathematics.

    Args:
        title: the heading.
        text: paragraphs separated by empty lines.
        header: one cell per column; empty for a table without header.
        rows: cells of text. Columns of numbers are aligned to the right.
        figures: made with `matplotlib.figure.Figure`, not with pyplot; drawn on white.
        pictures: images shown side by side.
        galleries: sets of thumbnails, each with a heading.

    Raises:
        ValueError: if the rows differ in their number of cells.

    Example:
        >>> Section("Sizes", header=("split", "images"), rows=[("train", "3000")]).title
        'Sizes'
    """

    title: str
    text: str = ""
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figures: Sequence[Figure] = ()
    pictures: Sequence[Picture] = ()
    galleries: Sequence[Gallery] = ()

    def __post_init__(self) -> None:
        width = len(self.header or (self.rows[0] if self.rows else ()))
        for row in self.rows:
            if len(row) != width:
                raise ValueError(
                    f"`rows` must have {width} cells each; got {len(row)} in "
                    f"{tuple(row)} of the section {self.title!r}."
                )


def write_report(path: str | Path, title: str, sections: Sequence[Section]) -> None:
    """Writes a page of sections atomically.

    Style, figures and pictures are inside the file, and its content security policy
    forbids browsers to load anything else.

    Args:
        path: the HTML file.
        title: title of the page.
        sections: the sections in order; empty ones are left out.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = Path(folder) / "report.html"
        ...     write_report(page, "A run", [Section("Labels", "dog, sofa")])
        ...     "dog, sofa" in page.read_text(encoding="utf-8")
        True
    """
    shown = [
        {
            "id": f"section-{number}",
            "title": section.title,
            "paragraphs": [part for part in section.text.split("\n\n") if part.strip()],
            "header": section.header,
            "rows": section.rows,
            "numeric": _numeric_columns(section.rows),
            "figures": [_figure(figure, section.title) for figure in section.figures],
            "pictures": _pictures(section.pictures),
            "galleries": [
                {"title": gallery.title, "pictures": _pictures(gallery.pictures)}
                for gallery in section.galleries
            ],
        }
        for number, section in enumerate(sections, start=1)
        if section.text
        or section.rows
        or section.figures
        or section.pictures
        or section.galleries
    ]
    page = _TEMPLATE.render(title=title, sections=shown)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _numeric_columns(rows: Sequence[Sequence[str]]) -> list[bool]:
    columns = zip(*rows, strict=True)
    return [all(map(_is_number, column)) for column in columns]


def _is_number(cell: str) -> bool:
    text = str(markupsafe.Markup(cell).striptags()).strip()
    return text in _EMPTY or _NUMBER.fullmatch(text) is not None


def _figure(figure: Figure, title: str) -> dict[str, object]:
    names = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
    photographs = any(axes.images for axes in figure.axes)
    file = io.BytesIO()
    with warnings.catch_warnings(), rc_context({"text.parse_math": False}):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        undrawable = _prepare_texts(figure, _name_glyphs if photographs else str)
        with rc_context({"svg.fonttype": "none" if undrawable else "path"}):
            figure.savefig(
                file,
                format="png" if photographs else "svg",
                bbox_inches="tight",
                facecolor="white",
                dpi=_DPI if photographs else "figure",
            )
    width = None  # an SVG has its own
    if photographs:
        # CSS has 96 pixels per inch.
        width = round(Image.open(file).width * 96 / _DPI)
    return {
        "source": _data_url(
            file.getvalue(), "image/png" if photographs else "image/svg+xml"
        ),
        "text": "; ".join(name for name in names if name) or title,
        "width": width,
    }


def _prepare_texts(figure: Figure, replace: Callable[[str], str]) -> bool:
    """Escapes the texts of a figure and returns whether its font lacks characters.

    A browser draws the text of an SVG with fonts that have them. In a PNG `replace`
    names them.
    """
    undrawable = False

    def clean(text: str) -> str:
        nonlocal undrawable
        text = escape_lines(text)
        if all(map(_is_drawable, text)):
            return text
        undrawable = True
        return replace(text)

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            texts = [label.get_text() for label in axis.get_ticklabels()]
            if (cleaned := [clean(text) for text in texts]) != texts:
                axis.set_ticks(axis.get_ticklocs(), labels=cleaned)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        if (cleaned_text := clean(text.get_text())) != text.get_text():
            text.set_text(cleaned_text)
    return undrawable


@functools.cache
def _is_drawable(character: str) -> bool:
    path = font_manager.findfont(font_manager.FontProperties())
    font = font_manager.get_font(path)
    return character.isspace() or bool(font.get_char_index(ord(character)))


def _name_glyphs(text: str) -> str:
    return "".join(c if _is_drawable(c) else f"U+{ord(c):04X}" for c in text)


def _finalize(value: object) -> object:
    if isinstance(value, markupsafe.Markup):
        return markupsafe.Markup(escape_lines(str(value)))
    return escape_lines(value) if isinstance(value, str) else value


def _pictures(pictures: Sequence[Picture]) -> list[dict[str, str]]:
    return [
        {"source": _picture(each.image), "caption": each.caption, "name": each.name}
        for each in pictures
    ]


def _picture(pixels: np.ndarray | bytes) -> str:
    if isinstance(pixels, bytes):
        return _data_url(pixels, "image/jpeg")
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return _data_url(file.getvalue(), "image/jpeg")


def _data_url(content: bytes, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


_TEMPLATE = jinja2.Environment(
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finalize,
).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
:root { --line: #8885; --soft: #8881; --link: #2563c9; }
@media (prefers-color-scheme: dark) { :root { --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; line-height: 1.5;
  font-family: system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .5rem;
  border-top: 1px solid var(--line); }
a { color: var(--link); }
p { max-width: 46rem; margin: .5rem 0 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none;
  margin: 0; padding: 0; }
.table { overflow: auto; max-height: 80vh; border: 1px solid var(--line);
  border-radius: .4rem; width: fit-content; max-width: 100%; margin-bottom: 1rem; }
table { border-collapse: separate; border-spacing: 0; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--soft); }
tbody tr:last-child > * { border-bottom: 0; }
tbody tr:nth-child(even) { background: var(--soft); }
thead th { position: sticky; top: 0; background: Canvas; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; min-width: 6rem; background: Canvas; }
thead th:first-child, tbody th { position: sticky; left: 0; z-index: 1; }
tbody tr:nth-child(even) th {
  background: linear-gradient(var(--soft), var(--soft)) Canvas; }
td { min-width: 3rem; }
.facts td { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; margin-bottom: 1rem; }
.figures img { background: #fff; border: 1px solid var(--line); padding: .5rem;
  border-radius: .4rem; max-width: 100%; height: auto; }
.pictures { display: grid; gap: 1rem; margin-bottom: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); }
figure { margin: 0; }
figure img { width: 100%; border-radius: .4rem; display: block; }
.galleries { display: grid; gap: .25rem 1.5rem; margin-bottom: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
h3 { font-size: .95rem; font-weight: 500; margin: .75rem 0 .4rem;
  overflow-wrap: anywhere; }
.thumbnails { display: flex; flex-wrap: wrap; gap: .5rem; }
.thumbnails figure { width: 6rem; }
.thumbnails img { width: auto; max-width: 100%; border-radius: .25rem; }
.thumbnails figcaption { font-size: .75rem; line-height: 1.3;
  overflow-wrap: anywhere; }
figcaption { font-size: .85rem; white-space: pre-line; padding-top: .3rem; }
@media print { .table { max-height: none; overflow: visible; } }
</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<nav aria-label="Sections">
<ul>
{% for section in sections %}
<li><a href="#{{ section.id }}">{{ section.title }}</a></li>
{% endfor %}
</ul>
</nav>
</header>
<main>
{% for section in sections %}
<section aria-labelledby="{{ section.id }}">
<h2 id="{{ section.id }}">{{ section.title }}</h2>
{% for paragraph in section.paragraphs %}
<p>{{ paragraph }}</p>
{% endfor %}
{% if section.galleries %}
<div class="galleries">
{% for gallery in section.galleries %}
<div>
<h3>{{ gallery.title }}</h3>
<div class="thumbnails">
{% for picture in gallery.pictures %}
<figure>
<img src="{{ picture.source }}" alt="{{ picture.name }}" title="{{ picture.name }}"\
 loading="lazy">
{% if picture.caption %}
<figcaption>{{ picture.caption }}</figcaption>
{% endif %}
</figure>
{% endfor %}
</div>
</div>
{% endfor %}
</div>
{% endif %}
{% if section.rows %}
<div class="table" role="region" aria-labelledby="{{ section.id }}" tabindex="0">
<table{% if not section.header %} class="facts"{% endif %}>
{% if section.header %}
<thead><tr>
{% for cell in section.header %}
<th scope="col"{% if section.numeric[loop.index0] %} class="number"{% endif %}>\
{{ cell }}</th>
{% endfor %}
</tr></thead>
{% endif %}
<tbody>
{% for row in section.rows %}
<tr>
{% for cell in row %}
{% if loop.first %}
<th scope="row"{% if section.numeric[0] %} class="number"{% endif %}>{{ cell }}</th>
{% else %}
<td{% if section.numeric[loop.index0] %} class="number"{% endif %}>{{ cell }}</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% if section.figures %}
<div class="figures">
{% for figure in section.figures %}
<img src="{{ figure.source }}" alt="{{ figure.text }}"\
{% if figure.width %} width="{{ figure.width }}"{% endif %}>
{% endfor %}
</div>
{% endif %}
{% if section.pictures %}
<div class="pictures">
{% for picture in section.pictures %}
<figure>
<img src="{{ picture.source }}" alt="">
<figcaption>{{ picture.caption }}</figcaption>
</figure>
{% endfor %}
</div>
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
""")
