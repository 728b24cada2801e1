import base64
import hashlib
import html.parser
import io
import re
import shutil

import markupsafe
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from kmlic.html_report import (
    Chart,
    Detail,
    Gallery,
    Picture,
    Section,
    Summary,
    replace_sections,
    write_report,
)


class Page(html.parser.HTMLParser):
    """Collects the elements of a page and refuses one whose tags do not match."""

    EMPTY = ("meta", "img")

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts, self.contents = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.contents.append((self.open[-1] if self.open else None, data))
        self.texts.append((self.open[-1] if self.open else None, data.strip()))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def digest(read, tag):
    content = "".join(text for name, text in read.contents if name == tag)
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def page(folder, *sections):
    write_report(folder / "report.html", "A <run>", sections)
    text = (folder / "report.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_the_page_holds_every_section_and_links_to_it(tmp_path):
    _, read = page(
        tmp_path, Section("One", "First.\n\nSecond."), Section("Two", rows=[["a", "b"]])
    )
    ids = [heading["id"] for heading in read.of("h2")]
    assert [link["href"] for link in read.of("a")] == [f"#{x}" for x in ids]
    assert [text for tag, text in read.texts if tag == "p" and text] == [
        "First.",
        "Second.",
    ]
    assert read.of("html") == [{"lang": "en"}]


def test_sections_without_content_are_left_out(tmp_path):
    _, read = page(tmp_path, Section("Empty", header=["a"]), Section("Full", "x"))
    assert [text for tag, text in read.texts if tag == "h2" and text] == ["Full"]


def test_sections_of_a_page_are_replaced_or_follow_the_first(tmp_path):
    wide = ["a", *(f"a long name {number}" for number in range(9))]
    sections = [
        Section(f"S <{n}>", "Old.", wide, [["x"] * 10] * 3) for n in range(1, 12)
    ]
    sections.insert(5, Section("Left out"))
    text, read = page(tmp_path, *sections)
    new = [
        Section("S <1>", "New `code`.", ["a", "b"], [["y", "2"]]),
        Section("Added", "Here.", wide, [["z"] * 10]),
    ]
    once = replace_sections(text, new)
    assert replace_sections(once, new) == once
    found = Page(once)
    titles = [text for tag, text in found.texts if tag == "h2" and text]
    assert titles == ["S <1>", "Added", *(f"S <{n}>" for n in range(2, 12))]
    ids = [heading["id"] for heading in found.of("h2")]
    assert [link["href"] for link in found.of("a")] == [f"#{x}" for x in ids]
    assert len(set(ids)) == 12 and ids[0] == "section-1"
    assert once.count("Old.") == 10 and "New <code>" in once and "Here." in once
    (policy,) = [m["content"] for m in found.of("meta") if "content" in m][1:]
    assert digest(found, "style") in policy and digest(read, "style") not in policy
    # The width from which a table is shown as cards is that of the new one.
    assert once.count("@media (max-width:") == text.count("@media (max-width:") + 1
    for name in ids:
        assert once.count(f"/* {name} */") == 1


def test_replaces_text_and_tables_of_reports_only(tmp_path):
    text, _ = page(tmp_path, Section("One", "First."))
    pictures = [Picture(np.zeros((8, 8, 3)), "")]
    with pytest.raises(ValueError, match="no pictures; got some in the section 'One'"):
        replace_sections(text, [Section("One", pictures=pictures)])
    for changed in (
        "<style>a</style><h2>One</h2>",
        text.replace("</head>", "<style>body { color: red }</style></head>"),
        text.replace("</section>", ""),
        text.replace("<nav", "<div"),
        "",
    ):
        with pytest.raises(ValueError, match="`page` must be a report that kmlic"):
            replace_sections(changed, [Section("One", "x"), Section("Two", "y")])


def test_a_page_without_sections_gets_its_first(tmp_path):
    text, _ = page(tmp_path)
    new = [Section("One", "First."), Section("Two", "Second.")]
    found = replace_sections(text, new)
    assert found == page(tmp_path, *new)[0]


def test_the_page_asks_for_nothing_outside_itself(tmp_path):
    figure = Figure()
    figure.add_subplot(title="curve").plot([1, 2])
    picture = Picture(np.zeros((4, 4, 3)), "black")
    _, read = page(tmp_path, Section("x", figures=[figure], pictures=[picture]))
    assert len(read.of("style")) == len(read.of("script")) == 1
    policy = next(m["content"] for m in read.of("meta") if "http-equiv" in m)
    assert re.split(r";\s+", policy) == [
        "default-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "img-src data:",
        f"style-src {digest(read, 'style')}",
        f"script-src {digest(read, 'script')}",
    ]
    assert not read.of("link")
    sources = [image["src"] for image in read.of("img")]
    assert sources[0].startswith("data:image/svg+xml;base64,")
    (image,) = read.of("image")
    assert image["href"].startswith("data:image/jpeg;base64,")
    assert read.of("img")[0]["alt"] == "curve"


def test_columns_of_numbers_are_set_to_the_right(tmp_path):
    header = ["model", "mAP", "note", "weights"]
    rows = [
        ["msrn", markupsafe.Markup("<strong>72.6 ± 0.3</strong>"), "3 runs", "1,234"],
        ["baseline", "66.5 ± 0.5", "-", "-"],
    ]
    _, read = page(tmp_path, Section("Results", header=header, rows=rows))
    columns = [cell.get("class") for cell in read.of("th") if cell["scope"] == "col"]
    assert columns == [None, "number", None, "number"]
    assert [cell.get("class") for cell in read.of("td")] == [
        "number",
        None,
        "number",
    ] * 2
    assert [cell["scope"] for cell in read.of("th")] == ["col"] * 4 + ["row"] * 2


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1.2e-06", True),
        ("-0.5", True),
        ("12.3 %", True),
        ("1,234", True),
        ("4.5 MB", True),
        ("", True),
        ("2 of 3", False),
        ("resnet50", False),
        ("2026-11-22", False),
    ],
)
def test_tells_numbers_from_texts(tmp_path, cell, number):
    _, read = page(tmp_path, Section("x", rows=[["name", cell]]))
    assert read.of("td") == [{"class": "number"} if number else {}]


def test_what_looks_like_html_is_shown_as_it_is(tmp_path):
    nasty = "<script>alert(1)</script>"
    picture = Picture(np.zeros((4, 4, 3)), nasty)
    sections = Section(nasty, nasty, [nasty], [[nasty]], pictures=[picture])
    _, read = page(tmp_path, sections)
    assert read.of("script") == [{}]  # the page's own
    assert [text for tag, text in read.texts if tag == "h2" and text] == [nasty]


def test_figures_with_photographs_become_pixels(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().imshow(np.zeros((4, 4, 3)))
    _, read = page(tmp_path, Section("Maps", figures=[figure]))
    (image,) = read.of("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert 60 < int(image["width"]) <= 210
    assert image["alt"] == "Maps"


def test_says_which_row_has_too_many_cells():
    with pytest.raises(ValueError, match=r"2 cells each; got 3 in .* section 'Sizes'"):
        Section("Sizes", header=["split", "images"], rows=[["train", "3", "4"]])


MATHEMATICS = ("$10_$20", "$\\frac{$", "a$b$c", "x^2_3")


def _figure_of(names, photograph=False):
    figure = Figure(layout="constrained")
    axes = figure.add_subplot(title=names[0], xlabel=names[-1])
    if photograph:
        axes.imshow(np.zeros((2, 2)))
    for name in names:
        axes.plot([0, 1], label=name)
    axes.text(0, 0, names[0])
    axes.set_yticks(range(len(names)), names, rotation=30)
    axes.legend()
    return figure


def _texts_of(figure):
    (axes,) = figure.axes
    return [axes.get_title(), *(tick.get_text() for tick in axes.get_yticklabels())]


@pytest.mark.parametrize("photograph", [False, True])
def test_texts_of_figures_are_never_mathematics(tmp_path, photograph):
    figure = _figure_of(MATHEMATICS, photograph)
    page(tmp_path, Section("x", figures=[figure]))
    assert _texts_of(figure) == [MATHEMATICS[0], *MATHEMATICS]


def test_a_browser_draws_characters_that_matplotlib_cannot(tmp_path):
    figure = _figure_of(["犬", "cat"])
    _, read = page(tmp_path, Section("x", figures=[figure]))
    svg = base64.b64decode(read.of("img")[0]["src"].split(",")[1]).decode()
    assert svg.count("犬</text>") == 4
    assert figure.axes[0].get_yticklabels()[0].get_rotation() == 30


def test_a_photograph_names_characters_that_matplotlib_cannot_draw(tmp_path):
    figure = _figure_of(["犬", "cat"], photograph=True)
    _, read = page(tmp_path, Section("x", figures=[figure]))
    assert _texts_of(figure) == ["U+72AC", "U+72AC", "cat"]
    assert read.of("img")[0]["alt"] == "犬"


def test_control_characters_are_shown_escaped(tmp_path):
    name = "a\x07\u202e\udce9"
    figure = _figure_of([name, "cat"])
    cell = markupsafe.Markup("<code>{}</code>").format(name)
    text, read = page(tmp_path, Section(name, name, rows=[[cell]], figures=[figure]))
    shown = [text for _, text in read.texts if text.startswith("a")]
    assert set(shown) == {r"a\x07\u202e\xe9"} and len(shown) == 5
    assert _texts_of(figure)[:2] == [r"a\x07\u202e\xe9"] * 2
    assert not {"\x07", "\u202e"} & set(text)


def test_galleries_hold_thumbnails_as_they_are(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(file, "JPEG")
    hostile = '<b onload="x">&.jpg'
    gallery = Gallery(
        "<i>set</i>",
        [Picture(file.getvalue(), "", hostile), Picture(np.zeros((4, 4, 3)), hostile)],
    )
    write_report(tmp_path / "a.html", "A", [Section("Copies", galleries=[gallery])])
    text = (tmp_path / "a.html").read_text()
    assert base64.b64encode(file.getvalue()).decode() in text
    assert "&lt;i&gt;set&lt;/i&gt;" in text and "<b onload" not in text
    assert text.count("<figcaption>") == 1 and text.count("<figure>") == 2


def noise(seed, side=256):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3))


def test_keeps_an_image_once_however_often_it_is_shown(tmp_path):
    picture = Picture(noise(0), "", "x.jpg")
    galleries = [Gallery(str(number), [picture]) for number in range(400)]
    text, read = page(tmp_path, Section("Labels", galleries=galleries))
    assert len(read.of("image")) == 1 and len(read.of("use")) == 400
    assert {use["href"] for use in read.of("use")} == {"#image-0"}
    assert len(text) < 300_000


def test_leaves_out_images_beyond_the_size_of_a_page_and_counts_them(tmp_path):
    pictures = [Picture(noise(seed), "") for seed in range(60)]
    text, read = page(tmp_path, Section("Many", pictures=pictures))
    kept = len(read.of("image"))
    assert 10 < kept < 60 and 1_500_000 < len(text) < 3_500_000
    assert f"{60 - kept} more images are left out" in text


def test_shortens_the_name_of_an_image_with_thousands_of_labels(tmp_path):
    labels = ", ".join(f"label {number}" for number in range(4000))
    pictures = [Picture(noise(0), labels, f"x.jpg: {labels}")] * 400
    section = Section("x", rows=[["x.jpg", labels]] * 400, pictures=pictures)
    text, _ = page(tmp_path, section)
    assert len(text) < 1_500_000
    assert "x.jpg: label 0" in text and "label 3999" not in text


def test_the_summary_comes_first_with_commands_as_code(tmp_path):
    write_report(
        tmp_path / "report.html",
        "Title",
        [Section("One", "First.")],
        Summary(
            "The verdict.",
            [("mAP", "50.0", "95 % interval 40.0 to 60.0")],
            {"What to do next": ["run `kmlic demo <run>`"], "Nothing": []},
        ),
    )
    read = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    texts = [(tag, text) for tag, text in read.texts if text and tag != "style"]
    assert texts[1:11] == [
        ("h1", "Title"),
        ("p", "The verdict."),
        ("dt", "mAP"),
        ("dd", "50.0"),
        ("dd", "95 % interval 40.0 to 60.0"),
        ("h2", "What to do next"),
        ("li", "run"),
        ("span", "kmlic"),
        ("span", "demo"),
        ("span", "<run>"),
    ]
    assert ("h2", "Nothing") not in texts


def test_rows_link_to_what_is_shown_on_demand(tmp_path):
    chart = Chart("Precision of dog", "threshold", {"precision": [(0, 0.5), (1, 1)]})
    section = Section(
        "Labels",
        header=["label", "images"],
        rows=[["dog", "2"], ["cat", "1"]],
        details=[Detail("dog", charts=[chart])],
    )
    _, read = page(tmp_path, section)
    (detail,) = read.of("details")
    assert f"#{detail['id']}" in [link["href"] for link in read.of("a")]
    assert read.of("polyline") == [{"class": "c0", "points": "0.0,75.0 320.0,0.0"}]


def test_long_tables_can_be_filtered(tmp_path):
    rows = [["dog", "2"]] * 20
    _, read = page(
        tmp_path,
        Section("Long", header=["label", "images"], rows=rows),
        Section("Short", header=["label", "images"], rows=rows[:19]),
    )
    tables = [each for each in read.of("div") if each.get("class") == "table"]
    assert ["data-filter" in each for each in tables] == [True, False]


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_sorts_filters_opens_and_clips_nothing(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    rows = [
        [f"label {i}", f"{i * 37 % 30}.5", f"{i} long words that wrap", *["1,234"] * 9]
        for i in range(30)
    ]
    section = Section(
        "Labels",
        header=["label", "AP", "note", *[f"{i} of the columns" for i in range(9)]],
        rows=rows,
        details=[Detail(row[0], "Shown on demand.") for row in rows],
        pictures=[Picture(noise(0), "", "noise")],
    )
    page(tmp_path, section)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        refused = []
        for width in (390, 1200, 1920):
            tab = browser.new_page(viewport={"width": width, "height": 900})
            tab.on("console", lambda message: refused.append(message.text))
            tab.goto((tmp_path / "report.html").as_uri())
            wider = "element => element.scrollWidth - element.clientWidth"
            assert tab.locator("html").evaluate(wider) <= 0
            assert tab.locator(".table").evaluate(wider) <= 1
            assert refused == []  # by the content security policy
        first = tab.locator("tbody th").first
        tab.get_by_role("button", name="AP").click()
        assert first.inner_text() == "label 17"  # 29.5
        tab.get_by_role("button", name="AP").click()
        assert first.inner_text() == "label 0"
        tab.get_by_role("searchbox").fill("label 7")
        assert tab.locator("tbody tr:visible").count() == 1
        assert tab.get_by_role("status").inner_text() == "1 of 30"
        tab.get_by_role("link", name="label 7").click()
        shown = tab.locator("details[open] > summary")
        assert shown.last.inner_text() == "label 7"
        browser.close()
