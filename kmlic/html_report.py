"""Reports as one self-contained HTML file."""

import base64
import dataclasses
import functools
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

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
_JPEG_QUALITY = 82
# What a page shows of images, all together, so that it stays below 5 MB.
_PICTURE_BYTES = 2_000_000
_DPI = 144
# An image may have thousands of labels, and is named by them.
_NAME_CHARACTERS = 200
_CELL_CHARACTERS = 1000
# Rows from which a table can be filtered.
_MANY_ROWS = 20
# Details from which they are folded together.
_MANY_DETAILS = 12
# To estimate below which width of the page a table does not fit.
_CHARACTER_REM, _PADDING_REM, _LONGEST_COLUMN = 0.5, 1.4, 28
_CHART = (320, 150)  # pixels
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
class Chart:
    """Holds curves over a number 0-1, which are drawn without matplotlib.

    Args:
        title: what is read out instead of the chart.
        across: what the number is.
        curves: name to points (x, y), both 0-1; at most seven.
        mark: the number where a line is drawn; None for no line.
    """

    title: str
    across: str
    curves: Mapping[str, Sequence[tuple[float, float]]]
    mark: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Detail:
    """Holds what is shown on demand, below the table of a section.

    Args:
        title: the heading; a row of the table that begins with it links to it.
        text: a sentence.
        charts: drawn above the galleries.
        galleries: sets of thumbnails; empty ones are left out.
    """

    title: str
    text: str = ""
    charts: Sequence[Chart] = ()
    galleries: Sequence[Gallery] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Summary:
    """Holds what a report says first: a verdict, its figures, and what to do.

    Args:
        text: the verdict, in one or two sentences.
        facts: name, value, and a note on it: the few figures that matter.
        lists: title to its points, such as what limits a model; empty ones are left
            out. Text between backquotes is shown as code.
    """

    text: str
    facts: Sequence[tuple[str, str, str]] = ()
    lists: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """Holds one part of a report: text, galleries, table, figures and pictures.

    All texts and cells are escaped, except for `markupsafe.Markup`; control characters
    are shown as escapes. Texts of figures are never read as mathematics. Tables are
    sorted by a click on a header, and long ones can be filtered.

    Args:
        title: the heading.
        text: paragraphs separated by empty lines.
        header: one cell per column; empty for a table without header.
        rows: cells of text. Columns of numbers are aligned to the right.
        figures: made with `matplotlib.figure.Figure`, not with pyplot; drawn on white.
        pictures: images shown side by side.
        galleries: sets of thumbnails, each with a heading.
        details: shown on demand.

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
    details: Sequence[Detail] = ()

    def __post_init__(self) -> None:
        width = len(self.header or (self.rows[0] if self.rows else ()))
        for row in self.rows:
            if len(row) != width:
                raise ValueError(
                    f"`rows` must have {width} cells each; got {len(row)} in "
                    f"{tuple(row)} of the section {self.title!r}."
                )


def write_report(
    path: str | Path,
    title: str,
    sections: Sequence[Section],
    summary: Summary | None = None,
) -> None:
    """Writes a page of sections atomically.

    Style, script, figures and pictures are inside the file, and its content security
    policy forbids browsers to load or run anything else. All that the script does is
    sort and filter tables. Each image is kept once, however often it is shown; images
    beyond 2 MB are left out and counted.

    Args:
        path: the HTML file.
        title: title of the page.
        sections: the sections in order; empty ones are left out.
        summary: what is shown first.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = Path(folder) / "report.html"
        ...     write_report(page, "A run", [Section("Labels", "dog, sofa")])
        ...     "dog, sofa" in page.read_text(encoding="utf-8")
        True
    """
    album = _Album()
    shown = [
        _section(section, f"section-{number}", album)
        for number, section in enumerate(sections, start=1)
        if section.text
        or section.rows
        or section.figures
        or section.pictures
        or section.galleries
        or section.details
    ]
    style = markupsafe.Markup(_STYLE + "".join(part["style"] for part in shown))
    page = _TEMPLATE.render(
        title=title,
        summary=summary,
        sections=shown,
        images=album.images,
        left_out=album.left_out,
        style=style,
        style_hash=_hash(style),
        script=markupsafe.Markup(_SCRIPT),
        script_hash=_hash(_SCRIPT),
        chart=_CHART,
        colours=COLOURS,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def replace_sections(page: str, sections: Sequence[Section]) -> str:
    """Replaces sections of a page that `write_report` wrote, and returns the page.

    A section takes the position of the one with the same title. Where there is none,
    it follows the first section of the page.

    Args:
        page: the text of the HTML file.
        sections: of text and tables only.

    Raises:
        ValueError: if a section has pictures, or `write_report` did not write the page.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "report.html"
        ...     write_report(path, "A run", [Section("Labels", "dog, sofa")])
        ...     page = path.read_text(encoding="utf-8")
        >>> page = replace_sections(page, [Section("Labels", "dog, cat")])
        >>> "dog, cat" in page, "dog, sofa" in page
        (True, False)
    """
    styles = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    if len(styles) != 1 or _hash(styles[0]) not in page:
        raise ValueError("`page` must be a report that kmlic wrote, unchanged.")
    (before,) = styles
    style = before
    for section in sections:
        if section.pictures or section.galleries or section.details:
            raise ValueError(
                "`sections` must have no pictures; got some in the section "
                f"{section.title!r}."
            )
        title = markupsafe.escape(escape_lines(section.title))
        headings = dict(re.findall(r'<h2 id="(section-\d+)">(.*?)</h2>', page))
        name = next((key for key, known in headings.items() if known == title), "")
        known = bool(name)
        # Empty sections were left out, so that numbers may be missing.
        numbers = [int(each.removeprefix("section-")) for each in headings]
        name = name or f"section-{max(numbers, default=0) + 1}"
        part = _section(section, name, _Album())
        text = _SECTION.render(section=part, chart=_CHART)
        if known:
            start = _find(page, _START.format(name))
            end = _after(page, _END, start)
            style = re.sub(
                rf"/\* {name} \*/\n.*?(?=/\* section-|\Z)", "", style, flags=re.DOTALL
            )
        else:
            first = next(iter(headings), None)
            link = _after(page, "<ul>\n", _find(page, "<nav"))
            if first is not None:
                link = _after(page, "</li>\n", link)
            own = f'<li><a href="#{name}">{title}</a></li>\n'
            page = page[:link] + own + page[link:]
            start = _after(page, "<main>\n")
            if first is not None:
                start = _after(page, _END, _find(page, _START.format(first)))
            end = start
        style += part["style"]
        page = page[:start] + text + page[end:]
    return page.replace(before, style).replace(_hash(before), _hash(style))


def _find(page: str, mark: str, start: int = 0) -> int:
    position = page.find(mark, start)
    if position < 0:
        raise ValueError(
            f"`page` must be a report that kmlic wrote; it lacks {mark!r}."
        )
    return position


def _after(page: str, mark: str, start: int = 0) -> int:
    return _find(page, mark, start) + len(mark)


def name_data(source: str) -> str:
    """Returns what a title calls a dataset: its name, or the folder of its file.

    Example:
        >>> name_data("a/photos/labels.csv"), name_data("voc2007"), name_data("x.csv")
        ('photos', 'voc2007', 'x.csv')
    """
    parts = [part for part in source.split("/") if part] or ["images"]
    return parts[-2] if len(parts) > 1 and "." in parts[-1] else parts[-1]


def _hash(text: str) -> markupsafe.Markup:
    digest = hashlib.sha256(text.encode()).digest()
    return markupsafe.Markup(f"'sha256-{base64.b64encode(digest).decode()}'")


class _Album:
    """Keeps each image of a page once, as many as the page may hold."""

    def __init__(self) -> None:
        self.images: list[dict[str, object]] = []
        self.left_out = 0
        self._number: dict[bytes, int] = {}
        self._bytes = 0

    def add(self, pictures: Sequence[Picture]) -> list[dict[str, object]]:
        return [entry for each in pictures if (entry := self._add(each))]

    def _add(self, picture: Picture) -> dict[str, object] | None:
        content = _jpeg(picture.image)
        if content not in self._number:
            if self._bytes + len(content) > _PICTURE_BYTES:
                self.left_out += 1
                return None
            self._bytes += len(content)
            self._number[content] = len(self.images)
            width, height = Image.open(io.BytesIO(content)).size
            source = _data_url(content, "image/jpeg")
            self.images.append({"source": source, "width": width, "height": height})
        number = self._number[content]
        return {
            **self.images[number],
            "number": number,
            "caption": _shorten(picture.caption, _NAME_CHARACTERS),
            "name": _shorten(picture.name or picture.caption, _NAME_CHARACTERS),
        }


def _section(section: Section, name: str, album: _Album) -> dict[str, Any]:
    rows = [
        [
            cell
            if isinstance(cell, markupsafe.Markup)
            else _shorten(cell, _CELL_CHARACTERS)
            for cell in row
        ]
        for row in section.rows
    ]
    return {
        "id": name,
        "title": section.title,
        "paragraphs": [part for part in section.text.split("\n\n") if part.strip()],
        "header": section.header,
        "rows": rows,
        "style": f"/* {name} */\n{_as_cards(name, section.header, rows)}",
        "filtered": len(rows) >= _MANY_ROWS and bool(section.header),
        "numeric": _numeric_columns(rows),
        "figures": [_figure(figure, section.title) for figure in section.figures],
        "pictures": album.add(section.pictures),
        "galleries": _galleries(section.galleries, album),
        "details": [
            {
                "id": f"{name}-{number}",
                "title": detail.title,
                "text": detail.text,
                "charts": [_chart(each) for each in detail.charts],
                "galleries": _galleries(detail.galleries, album),
            }
            for number, detail in enumerate(section.details)
        ],
        "folded": len(section.details) >= _MANY_DETAILS,
        "details_of": {
            detail.title: f"{name}-{number}"
            for number, detail in enumerate(section.details)
        },
    }


def _galleries(galleries: Sequence[Gallery], album: _Album) -> list[dict[str, object]]:
    shown: list[dict[str, object]] = [
        {"title": each.title, "pictures": album.add(each.pictures)}
        for each in galleries
    ]
    return [each for each in shown if each["pictures"]]


def _chart(chart: Chart) -> dict[str, object]:
    width, height = _CHART
    return {
        "title": chart.title,
        "across": chart.across,
        "mark": None if chart.mark is None else round(chart.mark * width, 1),
        "curves": {
            name: " ".join(f"{x * width:.1f},{(1 - y) * height:.1f}" for x, y in points)
            for name, points in chart.curves.items()
        },
    }


def _shorten(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _as_cards(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns the style that shows a table's rows as cards where it does not fit."""
    if not header:
        return ""
    columns = zip(header, *rows, strict=True)
    widths = [min(max(map(_widest, column)), _LONGEST_COLUMN) for column in columns]
    least = sum(_CHARACTER_REM * width + _PADDING_REM for width in widths) + 3
    names = "".join(
        f"#{name}-table td:nth-child({number})::before"
        f"{{content:'{_css_text(cell)} '}}\n"
        for number, cell in enumerate(header, start=1)
        if number > 1 and cell
    )
    cards = _CARDS.replace("TABLE", f"#{name}-table")
    return f"@media (max-width:{least:.0f}rem){{\n{cards}{names}}}\n"


def _widest(cell: str) -> int:
    text = str(markupsafe.Markup(cell).striptags())
    numeric = _NUMBER.fullmatch(text)
    return len(text) if numeric else max(map(len, [*text.split(), text[:16]]))


def _css_text(text: str) -> str:
    return "".join(
        character if character.isalnum() else f"\\{ord(character):x} "
        for character in text
    )


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


def _jpeg(pixels: np.ndarray | bytes) -> bytes:
    if isinstance(pixels, bytes):
        return pixels
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    image.thumbnail((_PICTURE_SIDE, _PICTURE_SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()


def _data_url(content: bytes, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(content).decode()}"


def _code(text: str) -> markupsafe.Markup:
    """Shows what stands between backquotes as code."""
    parts = text.split("`")
    return markupsafe.Markup("").join(
        markupsafe.Markup("<code>{}</code>").format(_words(part))
        if number % 2
        else part
        for number, part in enumerate(map(escape_lines, parts))
    )


def _words(command: str) -> markupsafe.Markup:
    """Keeps each word of a command together, so that no option is cut at its dash."""
    word = markupsafe.Markup("<span>{}</span>")
    return markupsafe.Markup(" ").join(map(word.format, command.split(" ")))


_PAGE = Path(__file__).with_name("report_page")
_STYLE, _CARDS, _SCRIPT = (
    (_PAGE / name).read_text() for name in ("page.css", "cards.css", "page.js")
)
_START, _END = '<section aria-labelledby="{}">', "</section>\n"
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_PAGE),
    keep_trailing_newline=True,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=_finalize,
)
_ENVIRONMENT.filters["code"] = _code
_TEMPLATE = _ENVIRONMENT.get_template("page.html")
_SECTION = _ENVIRONMENT.get_template("section.html")
