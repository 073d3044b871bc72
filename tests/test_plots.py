"""Figures: what is drawn equals what was given, nothing overlaps, every figure has its text, and wrong input is refused."""

import base64
import os
import re
import struct
import subprocess
import sys
import warnings
from io import BytesIO

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp import plots

NAMES = "O B-PER I-PER B-ORG I-ORG B-LOC I-LOC B-MISC I-MISC".split()
WORDS = "EU rejects German call to boycott British lamb .".split()
WORD_LABELS = [3, 0, 7, 0, 0, 0, 7, 0, 0]
TOKENS = "[CLS] EU rejects German call to boycott British la ##mb . [SEP]".split()
WORD_IDS = [None, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, None]
TOKEN_LABELS = [-100, 3, 0, 7, 0, 0, 0, 7, 0, 0, 0, -100]

# One small figure of each kind: what must hold for all of them is tested over this table.
FIGURES = {
    "mask_grid": lambda **more: plots.mask_grid([["a", "[PAD]"]], [[1, 0]], **more),
    "token_strip": lambda **more: plots.token_strip(TOKENS, WORD_IDS, **more),
    "logits_to_probabilities": lambda **more: plots.logits_to_probabilities([[1.0, -2.0]], ["neg", "pos"], **more),
    "label_alignment": lambda **more: plots.label_alignment(
        WORDS, WORD_LABELS, TOKENS, WORD_IDS, TOKEN_LABELS, names=NAMES, **more
    ),
    "tag_spans": lambda **more: plots.tag_spans(["Werner", "Zwingmann", "said"], ["B-PER", "I-PER", "O"], **more),
    "score_bars": lambda **more: plots.score_bars({"baseline": 0.5, "model": 0.8}, **more),
    "confusion": lambda **more: plots.confusion([[8, 2], [1, 9]], ["neg", "pos"], **more),
    "loss_curves": lambda **more: plots.loss_curves({"training": [(0, 2.0), (10, 1.0)]}, **more),
    "vector_heat": lambda **more: plots.vector_heat([[1.0, -2.0], [0.0, 3.0]], ["a", "b"], **more),
}
STRIPS = ("token_strip", "label_alignment", "tag_spans")  # set like type, without a scale


@pytest.fixture(autouse=True)
def close_all():
    yield
    plt.close("all")


def axes_of(drawn):
    return drawn.axes[0] if hasattr(drawn, "axes") and isinstance(drawn.axes, list) else drawn


def boxes(ax, prefix):
    """Return the patches whose gid starts with `prefix`, in the order of the numbers in it."""
    found = [patch for patch in ax.patches if (patch.get_gid() or "").startswith(prefix)]
    return sorted(found, key=lambda patch: int(patch.get_gid().split("-")[1]))


def written(ax):
    return [text.get_text() for text in ax.texts]


def extent(artist):
    return artist.get_window_extent(artist.get_figure().canvas.get_renderer())


def texts_in(ax, drawn):
    """Return the text in each box: the one whose middle lies in it, checked to lie in it as a whole."""
    places = [(extent(text), text.get_text()) for text in ax.texts if text.get_text()]
    out = []
    for box in drawn:
        room = extent(box)
        inside = [(place, text) for place, text in places if room.contains(*((place.p0 + place.p1) / 2))]
        assert len(inside) == 1, f"{box.get_gid()}: {[text for _, text in inside]}"
        ((place, text),) = inside
        assert room.x0 <= place.x0 and place.x1 <= room.x1, f"{text!r} sticks out of its box"
        out.append(text)
    return out


def apart(artists):
    """Raise if two artists overlap by more than a pixel, or one leaves the figure."""
    places = [extent(artist) for artist in artists]
    page = artists[0].get_figure().bbox
    for i, a in enumerate(places):
        assert a.x0 >= page.x0 and a.x1 <= page.x1 and a.y0 >= page.y0 and a.y1 <= page.y1, (
            f"{artists[i]} leaves the page"
        )
        for j, b in enumerate(places[:i]):
            over = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(over) <= 1, f"{artists[i]} lies over {artists[j]}"


# --- What holds for every figure ---


@pytest.mark.parametrize("name", FIGURES)
def test_title_and_axis_labels(name):
    ax = axes_of(FIGURES[name](title="A title of its own"))
    assert ax.get_title("left") == "A title of its own"
    if name not in STRIPS:
        assert ax.get_xlabel()
        assert ax.get_ylabel() or [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.parametrize("name", FIGURES)
def test_one_new_figure_no_wider_than_a_page(name):
    figure = axes_of(FIGURES[name]()).figure
    assert plt.get_fignums() == [figure.number]
    assert figure.get_figwidth() <= plots.WIDTH


@pytest.mark.parametrize("name", FIGURES)
def test_same_data_same_bytes_whatever_the_user_s_settings(name):
    drawn = FIGURES[name]()
    first = plots.png(drawn, "alt")
    own = {"font.size": 20, "font.family": "monospace", "axes.facecolor": "black", "savefig.dpi": 50, "axes.grid": True}
    with matplotlib.rc_context(own):
        before = dict(matplotlib.rcParams)
        assert plots.png(FIGURES[name](), "alt") == first
        assert dict(matplotlib.rcParams) == before
    assert struct.unpack(">II", first[16:24])[0] == round(axes_of(drawn).figure.get_figwidth() * plots.DPI)
    assert len(first) < 25_000


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "logits_to_probabilities"])
def test_draws_into_given_axes(name):
    _, (left, right) = plt.subplots(1, 2, figsize=(14, 5))
    assert FIGURES[name](ax=right, title="Right") is right
    assert right.get_title("left") == "Right" and not left.get_title("left")
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("name", FIGURES)
def test_refuses_what_is_no_title(name):
    for title in ("", "  ", None, 3):
        with pytest.raises(ValueError, match=r"title = .*give a string"):
            FIGURES[name](title=title)


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "logits_to_probabilities"])
def test_refuses_what_are_no_axes(name):
    with pytest.raises(ValueError, match=r"ax = 'here'.*give matplotlib Axes"):
        FIGURES[name](ax="here")


def test_a_long_title_is_broken_not_cut():
    title = "What the model reads and what it skips, in a title that is far too long for one line of the page that it stands on"
    ax = plots.mask_grid(None, [[1, 0]], title=title)
    assert ax.get_title("left").replace("\n", " ") == title
    ax.figure.draw_without_rendering()
    heading = next(t for t in ax.get_children() if getattr(t, "get_text", str)() == ax.get_title("left"))
    assert extent(heading).x1 <= ax.figure.bbox.x1 and extent(heading).y1 <= ax.figure.bbox.y1


def test_same_bytes_in_another_process():
    lines = [
        "import hashlib, sys",
        "from course_nlp import plots",
        "tags = plots.tag_spans(['x', 'y', 'z'], ['B-ZZ', 'B-AA', 'B-MM'])",
        "scores = plots.score_bars({'m': {'f1': 0.5, 'p': 0.1}, 'n': {'f1': 0.7}})",
        "digest = hashlib.sha256(plots.png(tags) + plots.png(scores)).hexdigest()",
    ]
    here: dict = {}
    exec("\n".join(lines), here)  # noqa: S102
    env = os.environ | {"PYTHONHASHSEED": "4242", "MPLBACKEND": "Agg"}
    code = "\n".join([*lines, "print(digest)"])
    there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert there.strip() == here["digest"]


# --- Importing, style, colors ---


def test_import_is_cheap(tmp_path):
    code = (
        "import sys, time; import course_nlp; start = time.process_time(); import course_nlp.plots; "
        "print(time.process_time() - start, *sorted({'numpy', 'matplotlib', 'IPython', 'PIL', 'torch'} & set(sys.modules)))"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(
        tmp_path
    )  # the first run compiles, as on any machine; the others are what users see
    runs = [
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(4)
    ]
    assert all(len(run) == 1 for run in runs), f"imported at once: {runs[0][1:]}"
    assert min(float(run[0]) for run in runs[1:]) < 0.05


def test_style_comes_off_after_an_error():
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), plots.style():
        assert matplotlib.rcParams["axes.titleweight"] == "bold" and not matplotlib.rcParams["text.parse_math"]
        raise ZeroDivisionError
    assert dict(matplotlib.rcParams) == before


def contrast(a, b):
    """Return the contrast of two colors as WCAG 2 defines it, from 1 to 21."""

    def light(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((light(a), light(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_text_is_readable_on_what_it_stands_on():
    fills = [plots.tint(color) for color in plots.COLORS] + list(
        plots._type_fills(f"B-T{i}" for i in range(14)).values()
    )
    assert min(contrast(plots.INK, fill) for fill in fills) > 4.5
    assert contrast("#FFFFFF", plots.PALETTE["blue"]) > 4.5 and contrast("#FFFFFF", plots.MUTED) > 4.5


def test_tint_checks_its_share():
    assert plots.tint("#0072B2", 0.5) == "#80B8D8"
    with pytest.raises(ValueError, match=r"share = 1\.5"):
        plots.tint("#0072B2", 1.5)


# --- Text ---


@pytest.fixture
def no_fallback(monkeypatch):
    """A machine with DejaVu Sans only."""
    monkeypatch.setattr(plots, "_installed", lambda: ())
    monkeypatch.setattr(plots, "_ADDED", [])
    plots._warn_missing.cache_clear()


@pytest.fixture
def font_with_wo(tmp_path):
    """A font file that has one Chinese character, 我 (U+6211), one em wide."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for point in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(point)
    pen.closePath()
    box = pen.glyph()
    build = FontBuilder(1000, isTTF=True)
    build.setupGlyphOrder([".notdef", "wo"])
    build.setupCharacterMap({0x6211: "wo"})
    build.setupGlyf({".notdef": box, "wo": box})
    build.setupHorizontalMetrics({".notdef": (1000, 100), "wo": (1000, 100)})
    build.setupHorizontalHeader(ascent=800, descent=-200)
    build.setupNameTable({"familyName": "Course Test Wo", "styleName": "Regular"})
    build.setupOS2(sTypoAscender=800, sTypoDescender=-200)
    build.setupPost()
    build.save(tmp_path / "wo.ttf")
    return tmp_path / "wo.ttf"


def test_letters_without_a_font_become_code_points_with_one_warning(no_fallback):
    with pytest.warns(UserWarning, match=r"no installed font has '我'.*use_font") as caught:
        assert plots.printable("我 ok 我") == "[6211] ok [6211]"
    assert len(caught) == 1 and os.sep not in caught[0].filename
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plots.token_strip(["我", "ok"])
    assert texts_in(ax, boxes(ax, "token")) == ["[6211]", "ok"]


def test_use_font_draws_what_dejavu_lacks(no_fallback, font_with_wo):
    assert plots.use_font(font_with_wo) == "Course Test Wo"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plots.printable("我") == "我"
        ax = plots.token_strip(["我", "ok"])
        plots.png(ax)
    assert texts_in(ax, boxes(ax, "token")) == ["我", "ok"]
    assert plots.text_width("我" * 10, 10) == pytest.approx(
        100, rel=0.1
    )  # one em each: not the width of a Latin letter


def test_use_font_refuses_other_files(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        plots.use_font(tmp_path / "none.ttf")
    (tmp_path / "text.ttf").write_text("not a font")
    with pytest.raises(ValueError, match=r"text\.ttf.*not a font"):
        plots.use_font(tmp_path / "text.ttf")


@pytest.mark.parametrize(
    ("token", "drawn"),
    [("a\nb", r"a\nb"), ("\t", r"\t"), (" x", "␣x"), ("x  ", "x␣␣"), ("   ", "␣␣␣"), ("", '""'), ("a b", "a b"),
     ("\u200b", "[200B]"), ("Ġ", "Ġ"), ("▁the", "▁the"), ("$x$", "$x$"), (17, "17")],
)  # fmt: skip
def test_printable_shows_what_cannot_be_seen(token, drawn):
    assert plots.printable(token, spaces=True) == drawn
    ax = plots.token_strip([token])
    assert texts_in(ax, boxes(ax, "token")) == [drawn]


@given(st.text("abcW 字,", max_size=60), st.integers(20, 300))
@settings(max_examples=40, deadline=None)
def test_wrapping_and_fitting_keep_to_the_width(text, width):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = plots.printable(text)
    lines = plots._wrap(text, width, 10)
    assert all(plots.text_width(line, 10) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    short = plots._fit(text, width, 10)
    assert plots.text_width(short, 10) <= width and (short == text) == (plots.text_width(text, 10) <= width)


# --- Showing ---


def displayed(drawn, alt):
    """Show a figure in an IPython shell and return the (data, metadata) of what it displayed."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            plots.show(drawn, alt)
    finally:
        InteractiveShell.clear_instance()
    assert len(captured.outputs) == 1
    return captured.outputs[0].data, captured.outputs[0].metadata


@pytest.mark.parametrize("name", ["token_strip", "logits_to_probabilities"])  # one returns axes, one a figure
def test_show_stores_picture_and_text_and_closes(name):
    data, metadata = displayed(FIGURES[name](), 'Nine words, "EU" <first>.\n  A second line.')
    alt = 'Nine words, "EU" <first>. A second line.'
    assert data["text/plain"] == alt and metadata == {"image/png": {"alt": alt}}
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert f"base64,{data['image/png']}" in data["text/html"]
    assert 'alt="Nine words, &quot;EU&quot; &lt;first&gt;. A second line."' in data["text/html"]
    assert plt.get_fignums() == []


def test_alt_text_reaches_a_static_page():
    import nbformat
    from nbconvert import HTMLExporter

    data, metadata = displayed(FIGURES["confusion"](), "Most fields lie on the diagonal.")
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=[output])])
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert re.findall(r'<img[^>]*alt="Most fields lie on the diagonal\."', page)


def test_show_in_a_script_prints_the_text(capsys):
    plots.show(FIGURES["score_bars"](), "The model is ahead.")
    assert capsys.readouterr().out == "The model is ahead.\n" and plt.get_fignums() == []


@pytest.mark.parametrize("alt", ["", "  ", None, 7])
def test_show_wants_a_text(alt):
    with pytest.raises(ValueError, match=r"alt = .*give a string"):
        plots.show(FIGURES["score_bars"](), alt)


def test_show_refuses_the_title_as_text_and_what_is_no_figure():
    with pytest.raises(ValueError, match="only repeats the title"):
        plots.show(FIGURES["score_bars"](title="Accuracy"), "Accuracy")
    with pytest.raises(ValueError, match=r"figure_or_axes = \[1, 2\]"):
        plots.show([1, 2], "Some text.")


def test_png_holds_the_text_and_nothing_about_the_program():
    from PIL import Image

    for alt in ("Plain text", "Text with 我 and é"):
        data = plots.png(FIGURES["tag_spans"](), alt)
        assert Image.open(BytesIO(data)).info["Description"] == alt
        assert b"Software" not in data and b"atplotlib" not in data and b"tIME" not in data


# --- Masks ---


def mask_drawn(ax):
    return ax.collections[0].get_array()


def test_mask_grid_draws_the_mask_and_the_tokens():
    tokens = [["[CLS]", "hello", "[SEP]"], ["[CLS]", "[SEP]", "[PAD]"]]
    mask = [[1, 1, 1], [1, 1, 0]]
    ax = plots.mask_grid(tokens, mask)
    assert mask_drawn(ax).reshape(2, 3).tolist() == mask
    for (token, value), box in zip([(t, v) for ts, vs in zip(tokens, mask, strict=True) for t, v in zip(ts, vs, strict=True)],
                                   ax.collections[0].get_paths(), strict=True):  # fmt: skip
        text = next(t for t in ax.texts if box.get_extents().contains(*t.get_position()))
        assert text.get_text() == token and text.get_color() == ("white" if value else plots.MUTED)
    assert {"1: read by the model", "0: skipped"} <= set(written(ax))


def test_mask_grid_takes_arrays_tensors_and_bools():
    torch = pytest.importorskip("torch")  # not in the base install, where plots can be used as well
    mask = [[True, False], [True, True]]
    for given_mask in (
        mask,
        np.array(mask),
        torch.tensor(mask),
        torch.tensor(mask, dtype=torch.bfloat16),
        np.array(mask, dtype=int),
    ):
        assert mask_drawn(plots.mask_grid(None, given_mask)).tolist() == [1, 0, 1, 1]


def test_mask_grid_names_rows_and_columns():
    ax = plots.mask_grid(
        None, np.tril(np.ones((3, 3))), row_labels=list("abc"), column_labels=list("xyz"), xlabel="key", ylabel="query"
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == list("abc")
    assert [label.get_text() for label in ax.get_xticklabels()] == list("xyz")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key", "query")


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (12, 10), (3, 22), (1, 512), (64, 64)])
def test_mask_grid_fits_the_page(rows, columns):
    tokens = None if columns > 22 else [[f"token{c}" for c in range(columns)]] * rows
    ax = plots.mask_grid(tokens, np.ones((rows, columns)))
    ax.figure.draw_without_rendering()
    assert ax.figure.get_figheight() < 9
    apart([t for t in ax.texts if t.get_text()])
    apart([label for label in ax.get_xticklabels() if label.get_text()])
    apart([label for label in ax.get_yticklabels() if label.get_text()])


# --- Strips ---

TOKEN = st.text("abcdWi#'Ġ▁$_^ ", max_size=12) | st.sampled_from(
    ["[CLS]", "Donaudampfschifffahrtsgesellschaft" * 4, "\n"]
)


def test_token_strip_keeps_order_and_groups():
    ax = plots.token_strip(TOKENS, WORD_IDS)
    drawn = boxes(ax, "token")
    assert texts_in(ax, drawn) == TOKENS
    fills = [box.get_facecolor() for box in drawn]
    assert fills[8] == fills[9] and all(
        a != b for i, (a, b) in enumerate(zip(fills, fills[1:], strict=False)) if i != 8
    )
    assert fills[0] == fills[11] == matplotlib.colors.to_rgba(plots.FAINT)
    assert [text for text in written(ax) if text.isdigit()] == [str(i) for i in range(9)]  # one number for la and ##mb


def test_token_strip_writes_labels_under_their_tokens():
    ids = [101, 7327, 102]
    ax = plots.token_strip(["[CLS]", "EU", "[SEP]"], labels=ids, note="token ids")
    for box, number in zip(boxes(ax, "token"), ids, strict=True):
        label = next(t for t in ax.texts if t.get_text() == str(number))
        assert extent(label).y1 <= extent(box).y0 + 2
        assert (extent(label).x0 + extent(label).x1) / 2 == pytest.approx((extent(box).x0 + extent(box).x1) / 2, abs=2)
    assert "token ids" in written(ax)


@given(st.lists(TOKEN, min_size=1, max_size=40), st.booleans())
@settings(max_examples=8, deadline=None)
def test_tokens_never_overlap(tokens, grouped):
    ax = plots.token_strip(tokens, [i // 3 for i in range(len(tokens))] if grouped else None)
    drawn = boxes(ax, "token")
    assert len(drawn) == len(tokens)
    apart(drawn)
    assert [text[:2] for text in texts_in(ax, drawn)] == [plots.printable(token, spaces=True)[:2] for token in tokens]
    plt.close(ax.figure)


def test_a_word_is_not_torn_apart_at_the_end_of_a_line():
    ax = plots.token_strip(["un", "##bel", "##iev", "##able"] * 9, [i // 4 for i in range(36)])
    tops = [round(extent(box).y1) for box in boxes(ax, "token")]
    assert len(set(tops)) > 1 and all(len(set(tops[i : i + 4])) == 1 for i in range(0, 36, 4))


def test_strips_say_when_given_axes_are_too_low():
    _, ax = plt.subplots(figsize=(7, 0.5))
    with pytest.raises(ValueError, match=r"ax is 0\.\d+ inches high and this figure needs 1\.\d+: make it higher"):
        plots.token_strip(TOKENS, WORD_IDS, ax=ax)


def test_strip_in_given_axes_keeps_text_in_its_boxes():
    for layout in ("constrained", "none"):
        _, (_, ax) = plt.subplots(2, 1, figsize=(7, 4), layout=layout)
        plots.token_strip(TOKENS, WORD_IDS, ax=ax)
        ax.figure.draw_without_rendering()
        assert texts_in(ax, boxes(ax, "token")) == TOKENS


def test_label_alignment_joins_words_to_their_tokens():
    ax = plots.label_alignment(WORDS, WORD_LABELS, TOKENS, WORD_IDS, TOKEN_LABELS, names=NAMES)
    word_boxes, token_boxes = boxes(ax, "word"), boxes(ax, "token")
    assert texts_in(ax, word_boxes) == WORDS
    assert texts_in(ax, token_boxes) == TOKENS
    lines = {tuple(map(int, line.get_gid().split("-")[1:])): line.get_xydata() for line in ax.lines}
    assert set(lines) == {(word, token) for token, word in enumerate(WORD_IDS) if word is not None}
    for (word, token), ((x0, _), (x1, _)) in lines.items():
        for x, box in ((x0, word_boxes[word]), (x1, token_boxes[token])):
            assert x == pytest.approx(box.get_x() + box.get_width() / 2)


def test_label_alignment_colors_by_type_and_hatches_what_is_ignored():
    ax = plots.label_alignment(WORDS, WORD_LABELS, TOKENS, WORD_IDS, TOKEN_LABELS, names=NAMES)
    tokens = boxes(ax, "token")
    assert [bool(box.get_hatch()) for box in tokens] == [label == -100 for label in TOKEN_LABELS]
    assert tokens[3].get_facecolor() == tokens[7].get_facecolor() != tokens[1].get_facecolor()  # MISC, MISC, ORG
    assert tokens[2].get_facecolor() == matplotlib.colors.to_rgba(plots.FAINT)  # O
    for box, label in zip(tokens, TOKEN_LABELS, strict=True):
        middle = box.get_x() + box.get_width() / 2
        below = [
            t
            for t in ax.texts
            if t.get_position()[0] == pytest.approx(middle) and t.get_position()[1] > box.get_y() + 19
        ]
        assert [t.get_text() for t in below] == ["−100" if label == -100 else NAMES[label]]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=18), st.booleans())
@settings(max_examples=8, deadline=None)
def test_alignments_of_any_shape_do_not_overlap(pieces, cut):
    words = [f"word{i}" * (1 + i % 3) for i in range(len(pieces))]
    word_ids = [None, *(word for word, count in enumerate(pieces) for _ in range(count)), None]
    if cut:  # truncation: the last words have no tokens
        word_ids = [*word_ids[: len(word_ids) // 2], None]
    tokens = ["[CLS]", *(f"##p{i}" for i in range(len(word_ids) - 2)), "[SEP]"][: len(word_ids)]
    ax = plots.label_alignment(
        words, ["B-LOC"] * len(words), tokens, word_ids, [-100 if w is None else "B-LOC" for w in word_ids]
    )
    assert len(boxes(ax, "word")) == len(words) and len(boxes(ax, "token")) == len(tokens)
    apart(boxes(ax, "word") + boxes(ax, "token"))
    plt.close(ax.figure)


def test_tag_spans_joins_words_and_writes_types():
    words = "Werner Zwingmann of the European Union".split()
    ax = plots.tag_spans(words, ["B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG"])
    spans = boxes(ax, "span")
    assert len(spans) == 2
    for box, inside in zip(spans, (["Werner", "Zwingmann", "PER"], ["European", "Union", "ORG"]), strict=True):
        place = extent(box)
        found = [t for t in ax.texts if place.x0 <= extent(t).x0 and extent(t).x1 <= place.x1]
        assert sorted(t.get_text() for t in found) == sorted(inside)


@given(st.lists(st.tuples(st.text("abcWi", min_size=1, max_size=14), st.sampled_from(NAMES)), min_size=1, max_size=50))
@settings(max_examples=8, deadline=None)
def test_tagged_words_never_overlap(pairs):
    words, tags = zip(*pairs, strict=True)
    ax = plots.tag_spans(words, tags)
    kinds = [kind for _, _, kind in plots._spans(tags)]
    assert sorted(written(ax)) == sorted([*words, *kinds])
    apart(list(ax.texts))
    if kinds:
        apart(boxes(ax, "span"))
    plt.close(ax.figure)


def test_known_types_look_the_same_in_every_figure():
    one = plots._type_fills(["B-PER"])
    other = plots._type_fills(["B-ORG", "I-ORG", "B-PER", "B-EVENT", "O"])
    assert one["PER"] == other["PER"] and len({other["ORG"], other["PER"], other["EVENT"], other[""]}) == 4


# What seqeval's default scheme finds in these tags, as (type, first word, last word).
SPANS = [
    ("B-PER I-PER O B-ORG B-ORG", [("PER", 0, 1), ("ORG", 3, 3), ("ORG", 4, 4)]),
    ("O I-LOC I-PER I-PER", [("LOC", 1, 1), ("PER", 2, 3)]),
    ("B-PER I-ORG I-ORG B-ORG", [("PER", 0, 0), ("ORG", 1, 2), ("ORG", 3, 3)]),
    ("I-MISC O I-MISC", [("MISC", 0, 0), ("MISC", 2, 2)]),
    ("B-PER E-PER S-LOC S-LOC", [("PER", 0, 1), ("LOC", 2, 2), ("LOC", 3, 3)]),
    ("B-PER I-PER E-PER I-PER", [("PER", 0, 2), ("PER", 3, 3)]),
    ("O O", []),
]


@pytest.mark.parametrize(("tags", "spans"), SPANS)
def test_spans_are_those_that_are_scored(tags, spans):
    assert [(kind, first, stop - 1) for first, stop, kind in plots._spans(tags.split())] == spans


# --- Charts ---


def widths(ax):
    return [bar.get_width() for bar in ax.patches]


def test_logits_and_their_softmax():
    logits = [[-1.5607, 1.6123], [4.1692, -3.3464]]
    left, right = plots.logits_to_probabilities(logits, ["NEGATIVE", "POSITIVE"], ["one", "two"]).axes
    assert widths(left) == [value for row in logits for value in row]
    assert widths(right) == pytest.approx([0.0402, 0.9598, 0.9995, 0.0005], abs=1e-4)
    assert [label.get_text() for label in left.get_yticklabels()] == ["NEGATIVE", "POSITIVE"] * 2
    assert {"one", "two", "−1.561", "4.169"} <= set(written(left)) and {"0.040", "0.960"} <= set(written(right))
    assert left.get_xlim()[0] < -3.3464


def test_logits_of_one_text_and_of_any_size():
    torch = pytest.importorskip("torch")
    for logits in (
        [1000.0, 0.0],
        np.array([1000.0, 0.0]),
        torch.tensor([1000.0, 0.0], requires_grad=True),
        [torch.tensor(1000.0), torch.tensor(0.0)],
    ):
        left, right = plots.logits_to_probabilities(logits, ["a", "b"]).axes
        assert widths(left) == [1000.0, 0.0] and widths(right) == [1.0, 0.0]
        plt.close("all")


def test_logits_panels_keep_their_width_under_a_long_text():
    figure = plots.logits_to_probabilities([[1.0, -30.0]], ["a", "b"], ["a text that goes on " * 20])
    figure.draw_without_rendering()
    left, right = (ax.get_window_extent().width for ax in figure.axes)
    assert left == pytest.approx(right, rel=0.05) and left > 0.35 * figure.bbox.width
    assert all(extent(t).x1 <= figure.bbox.x1 for t in figure.axes[0].texts)


def test_score_bars_draw_every_metric_of_every_name():
    ax = plots.score_bars({"a": {"P": 0.5, "R": 0.25}, "b": {"P": 0.75}}, baseline="a", digits=2)
    assert widths(ax) == [0.5, 0.75, 0.25]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b", "a"]
    assert written(ax) == ["P", "0.50", "0.75", "R", "0.25"]
    assert ax.patches[0].get_facecolor() == ax.patches[2].get_facecolor() == matplotlib.colors.to_rgba(plots.LINE)


def test_score_bars_draw_intervals_and_start_at_zero():
    ax = plots.score_bars({"a": 0.5, "b": -0.2}, intervals={"a": (0.4, 0.55)})
    span = next(line for line in ax.lines if line.get_marker() == "|")
    assert list(span.get_xdata()) == [0.4, 0.55]
    assert all(bar.get_x() in (0.0, pytest.approx(bar.get_width())) or bar.get_x() == 0 for bar in ax.patches)
    low, high = ax.get_xlim()
    assert low < -0.2 and high > 0.55


def test_score_bars_of_twelve_models_do_not_overlap():
    ax = plots.score_bars({f"model number {i}": {"accuracy": i / 12, "F1": i / 13} for i in range(12)})
    ax.figure.draw_without_rendering()
    apart([label for label in ax.get_yticklabels()])
    apart([t for t in ax.texts])


def test_confusion_shares_and_counts():
    counts = [[88, 12, 0], [19, 81, 0], [0, 0, 0]]
    ax = plots.confusion(counts, ["neg", "pos", "none"])
    assert ax.images[0].get_array().round(2).tolist() == [[0.88, 0.12, 0], [0.19, 0.81, 0], [0, 0, 0]]
    assert written(ax) == ["88%\n88", "12%\n12", "0%\n0", "19%\n19", "81%\n81", "0%\n0", "–", "–", "–"]
    assert "true" in ax.get_ylabel() and "predicted" in ax.get_xlabel()
    ax.figure.draw_without_rendering()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["neg", "pos", "none"]
    assert extent(ax.get_yticklabels()[0]).y0 > extent(ax.get_yticklabels()[1]).y0  # first label on top
    plain = plots.confusion(counts, ["neg", "pos", "none"], normalize=False)
    assert (
        plain.images[0].get_array().tolist() == counts and written(plain)[0] == "88" and "counts" in plain.get_xlabel()
    )


@pytest.mark.parametrize("size", [1, 9, 12])
def test_confusion_labels_do_not_overlap(size):
    ax = plots.confusion(np.arange(size * size).reshape(size, size) * 9, [f"label {i}" for i in range(size)])
    ax.figure.draw_without_rendering()
    apart(list(ax.texts))
    apart(list(ax.get_yticklabels()))
    ticks = [extent(label) for label in ax.get_xticklabels()]
    assert all(box.y0 >= 0 and box.x0 >= 0 for box in ticks)


def test_loss_curves_draw_the_points_and_name_the_lines():
    points = {"training": [(0, 2.0), (50, 1.0), (100, 0.5)], "validation": [(50, 1.1), (100, 0.49)]}
    ax = plots.loss_curves(points, ylabel="cross-entropy", xlabel="batch")
    assert [line.get_xydata().tolist() for line in ax.lines] == [[list(p) for p in line] for line in points.values()]
    assert sorted(written(ax)) == ["training", "validation"] and ax.get_legend() is None
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("batch", "cross-entropy")
    ax.figure.draw_without_rendering()
    apart(list(ax.texts))


def test_loss_curves_with_many_lines_have_a_legend():
    ax = plots.loss_curves({f"run {i}": [(0, 1.0), (1, i)] for i in range(6)})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"run {i}" for i in range(6)] and not ax.texts


def test_loss_curves_leave_gaps_and_say_so():
    ax = plots.loss_curves({"diverged": [(0, 1.0), (1, float("inf")), (2, float("nan")), (3, 2.0)]})
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, True, True, False]
    assert written(ax) == ["diverged (2 not finite)"]


def test_loss_curves_on_a_logarithmic_axis_have_plain_numbers():
    ax = plots.loss_curves({"a": [(0, 100.0), (9, 0.5)]}, log=True)
    ax.figure.draw_without_rendering()
    assert ax.get_yscale() == "log"
    assert {"1", "10", "100"} <= {label.get_text() for label in ax.get_yticklabels()}


def test_vector_heat_draws_values_with_zero_in_white():
    values = np.array([[1.0, -2.0, 0.0]])
    ax = plots.vector_heat(values, ["token"], column_labels=["x", "y", "z"], digits=1)
    image = ax.images[0]
    assert image.get_array().tolist() == values.tolist() and image.get_clim() == (-2.0, 2.0)
    assert np.allclose(image.to_rgba(0.0)[:3], 1, atol=0.04)
    assert written(ax) == ["1.0", "−2.0", "0.0"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    assert plots.vector_heat([[0.25, 0.5]]).images[0].get_clim() == (0.0, 0.5)
    assert plots.vector_heat([[-0.25, -0.5]]).images[0].get_clim() == (-0.5, 0.0)


def test_vector_heat_of_hidden_states():
    states = np.random.default_rng(0).normal(size=(16, 768))
    ax = plots.vector_heat(states, [f"token{i}" for i in range(16)])
    assert (ax.images[0].get_array() == states).all() and not ax.texts
    assert len(plots.png(ax)) < 40_000
    apart(list(ax.get_yticklabels()))


# --- Wrong input ---

WRONG = [
    (plots.mask_grid, (None, [[1, 2]]), {}, "mask holds 2.0: give 1"),
    (plots.mask_grid, (None, [1, 0]), {}, r"mask has the shape \(2,\)"),
    (plots.mask_grid, (None, [[1], [1, 0]]), {}, "mask = .*all rows of one length"),
    (plots.mask_grid, (None, []), {}, "mask has the shape"),
    (plots.mask_grid, ([["a"]], [[1, 1]]), {}, r"tokens\[0\] has 1 items and mask\[0\] 2"),
    (plots.mask_grid, ([["a"]], [[1], [1]]), {}, "tokens has 1 items and mask 2"),
    (plots.mask_grid, ("ab", [[1, 1]]), {}, "tokens = 'ab': give a list"),
    (plots.mask_grid, ([["word"] * 60], [[1] * 60]), {}, "tokens: 60 columns .* give tokens=None"),
    (plots.mask_grid, (None, [[1, 1]]), {"row_labels": ["a", "b"]}, "row_labels has 2 items and mask 1"),
    (plots.mask_grid, (None, [[1, 1]]), {"column_labels": ["a"]}, "column_labels has 1 items"),
    (plots.token_strip, ("hello",), {}, "tokens = 'hello': give a list"),
    (plots.token_strip, ([],), {}, r"tokens = \[\]"),
    (plots.token_strip, (["a"], [0, 1]), {}, "groups has 2 items and tokens 1"),
    (plots.token_strip, (["a"],), {"labels": []}, r"labels = \[\]"),
    (plots.logits_to_probabilities, ([[1.0, 2.0]], ["a"]), {}, r"labels has 1 items and logits\[0\] 2"),
    (plots.logits_to_probabilities, ([[1.0, float("nan")]], ["a", "b"]), {}, r"logits holds nan at \(0, 1\)"),
    (plots.logits_to_probabilities, (0.5, ["a"]), {}, "logits has the shape"),
    (plots.logits_to_probabilities, ([[1.0]], ["a"], ["x", "y"]), {}, "texts has 2 items and logits 1"),
    (
        plots.label_alignment,
        (["a"], ["O"], ["a"], [1], ["O"]),
        {},
        r"word_ids\[0\] = 1: give None or a number from 0 to 0",
    ),
    (
        plots.label_alignment,
        (["a", "b"], ["O", "O"], ["b", "a"], [1, 0], ["O", "O"]),
        {},
        "comes after 1: draw one sequence",
    ),
    (plots.label_alignment, (["a"], [9], ["a"], [0], [0]), {"names": NAMES}, r"word_labels\[0\] = 9.*from 0 to 8"),
    (plots.label_alignment, (["a"], [0], ["a"], [0], [-1]), {"names": NAMES}, r"token_labels\[0\] = -1"),
    (plots.label_alignment, (["a"], ["O", "O"], ["a"], [0], ["O"]), {}, "word_labels has 2 items and words 1"),
    (plots.tag_spans, (["a", "b"], ["O"]), {}, "tags has 1 items and words 2"),
    (plots.tag_spans, (["a"], [3]), {}, "tags holds 3: give names"),
    (plots.score_bars, ({},), {}, r"scores = \{\}"),
    (plots.score_bars, ([0.5],), {}, r"scores = \[0.5\]: give a dict"),
    (plots.score_bars, ({"a": 0.5, "b": {"f1": 0.5}},), {}, "scores mixes numbers and dicts"),
    (plots.score_bars, ({"a": {}},), {}, "no metric in it"),
    (plots.score_bars, ({"a": float("nan")},), {}, r"scores\['a'\] holds nan"),
    (plots.score_bars, ({"a": "high"},), {}, r"scores\['a'\] = 'high'"),
    (plots.score_bars, ({"a": 0.5},), {"baseline": "b"}, "baseline: 'b' is none of the names"),
    (plots.score_bars, ({"a": 0.5},), {"intervals": {"b": (0, 1)}}, "intervals: 'b' is none of the names"),
    (plots.score_bars, ({"a": 0.5},), {"intervals": {"a": (0.6, 0.7)}}, r"does not hold the score 0\.5"),
    (plots.score_bars, ({"a": 0.5},), {"intervals": {"a": (0.6, 0.7, 0.8)}}, r"intervals\['a'\] = .*two numbers"),
    (plots.confusion, ([[1, 2]], ["a"]), {}, "matrix = .*one row and one column for each label"),
    (plots.confusion, ([[1, -2], [0, 1]], ["a", "b"]), {}, "counts from 0 up"),
    (plots.confusion, ([[1, 2], [3, 4]], ["a"]), {}, "labels has 1 items and matrix 2"),
    (plots.loss_curves, ({},), {}, r"series = \{\}"),
    (plots.loss_curves, ({"a": []},), {}, r"series\['a'\] has the shape"),
    (plots.loss_curves, ({"a": [(0, 1, 2)]},), {}, r"series\['a'\] = .*\(step, value\) pairs"),
    (plots.loss_curves, ({"a": [(1, 1), (0, 1)]},), {}, "steps rising"),
    (plots.loss_curves, ({"a": [(0, float("nan"))]},), {}, "no value is finite"),
    (plots.loss_curves, ({"a": [(0, 0.0)]},), {"log": True}, "give values over 0, or log=False"),
    (plots.vector_heat, ([1.0, 2.0],), {}, r"values has the shape \(2,\)"),
    (plots.vector_heat, ([[1.0, np.inf]],), {}, r"values holds inf at \(0, 1\)"),
    (plots.vector_heat, ([[1.0]], ["a", "b"]), {}, "row_labels has 2 items and values 1"),
]


@pytest.mark.parametrize(("function", "arguments", "options", "says"), WRONG)
def test_wrong_input_is_refused_and_leaves_no_figure(function, arguments, options, says):
    with pytest.raises(ValueError, match=says):
        function(*arguments, **options)
    assert plt.get_fignums() == []
