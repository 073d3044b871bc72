"""The whole site, built once, in a real browser that may talk to nobody but the test's own server."""

import ast
import functools
import http.server
import json
import os
import re
import shutil
import threading

import build_docs
import pytest
import site_pages
import site_stage

from course_nlp.catalog import entries
from course_nlp.manifest import find_lesson, lessons

ROOT = build_docs.ROOT
READY = [lesson for lesson in lessons().values() if lesson.ready]
DARK = "document.documentElement.classList.contains('quarto-dark')"
SAMPLE = ("stand_ins.html", "lib/manifest.html")  # short pages of every kind; `make campaign` takes all
# What axe reports and we do not mend: (rule, how the element begins, why).
ACCEPTED = [
    ("empty-table-header", "<th></th>", "pandas leaves the corner above a table's index empty"),
]


class Built:
    """A built site with the address at which it is served."""

    def __init__(self, folder, problems, url):
        self.folder, self.problems, self.url = folder, problems, url
        self.pages = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))

    def read(self, name):
        return (self.folder / name).read_text(encoding="utf-8")


def page_of(lesson):
    """Return the page of a lesson: 02_using/02_behind -> 02_using/behind.html."""
    folder, _, name = lesson.file.rpartition("/")
    return f"{folder}/{re.sub(r'^[0-9]+[a-z]?_', '', name)}.html"


def bare(text):
    """Return a text of a quiz without markup and spaces; on the page a letter stands before it."""
    return re.sub(r"[`*$\\\s]", "", text)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site as `make docs` does, and serve it."""
    folder = tmp_path_factory.mktemp("site")
    problems = build_docs.build(ROOT, folder / "_proc", folder / "_docs")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder / "_docs"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Built(folder / "_docs", problems, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    """Start Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        message = "Chromium is not installed; on Debian: apt-get install chromium"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser, site):
    """Return a function that opens a tab; whatever any of them asked for or complained about fails the test."""
    contexts, requests, complaints = [], [], []

    def open_tab(**options):
        contexts.append(browser.new_context(base_url=site.url, **({"viewport": {"width": 1280, "height": 900}} | options)))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("response", lambda got: got.status >= 400 and complaints.append(f"{got.status} {got.url}"))
        page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(f"{page.url}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        return page

    yield open_tab
    for context in contexts:
        context.close()
    elsewhere = [url for url in requests if not url.startswith((f"{site.url}/", "data:", "blob:"))]
    assert requests and elsewhere == []
    assert complaints == []


def test_the_build_has_no_warning(site):
    assert site.problems == []


def test_every_page_is_there(site):
    notebooks = [path.relative_to(ROOT / "nbs").as_posix() for path in site_stage.sources(ROOT / "nbs") if path.suffix == ".ipynb"]
    assert len(site.pages) == len(notebooks) + len(site_pages.PAGES)
    assert set(site.pages) >= {"index.html", *(page_of(lesson) for lesson in READY), *(name.replace(".qmd", ".html") for name in site_pages.PAGES)}


def test_every_page_loads_by_itself_and_fits_a_phone(site, tab):
    page = tab(viewport={"width": 390, "height": 844})
    wide = {}
    for name in site.pages:
        answer = page.goto(f"/{name}")
        assert answer.ok and page.locator("h1").count() == 1, name
        wide[name] = page.evaluate("document.scrollingElement.scrollWidth")
    assert {name: width for name, width in wide.items() if width > 390} == {}


def brightness(page, css):
    """Return how bright the background of an element is, 0 to 255."""
    color = page.evaluate("css => getComputedStyle(document.querySelector(css)).backgroundColor", css)
    return sum(map(float, re.findall(r"[\d.]+", color)[:3])) / 3


def test_the_reader_switches_between_light_and_dark(tab):
    page = tab(color_scheme="light")
    page.goto("/results.html")
    assert not page.evaluate(DARK) and brightness(page, "body") > 230 and brightness(page, "#quarto-sidebar") > 230
    page.locator(".quarto-color-scheme-toggle").first.click()
    page.wait_for_function(DARK)
    assert brightness(page, "body") < 60 and brightness(page, "#quarto-sidebar") < 60
    page.goto("/lessons.html")  # the choice stays
    assert page.evaluate(DARK)
    page.locator(".quarto-color-scheme-toggle").first.click()
    page.wait_for_function(f"!{DARK}")
    assert brightness(page, "body") > 230


def test_a_dark_system_gives_a_dark_page(tab):
    page = tab(color_scheme="dark")
    page.goto("/index.html")
    assert page.evaluate(DARK) and all(brightness(page, css) < 60 for css in ("body", "#quarto-sidebar", "div.sourceCode"))


def test_search_finds_a_word_and_leads_there(tab):
    page = tab()
    page.goto("/results.html")
    page.keyboard.press("/")
    page.keyboard.type("gazetteer")
    hit = page.locator(".search-result").first
    hit.wait_for()
    hit.click()
    page.wait_for_url("**/token_classification.html*")
    assert "gazetteer" in page.locator("main").inner_text()


def test_the_sidebar_folds_with_the_keyboard(tab):
    page = tab()
    page.goto("/index.html")
    fold = page.get_by_role("button", name="Toggle section The local Hub")
    target = page.locator('.sidebar-link[href$="lib/hub.html"]')
    assert not target.is_visible()
    fold.focus()
    page.keyboard.press("Enter")
    target.wait_for(state="visible")


MATH = r"""# Math

> Formulas without a script.

Inline $\sqrt{d_k}$, and shown:

$$\mathrm{softmax}(z)_i = \frac{e^{z_i}}{\sum_{j=1}^{n} e^{z_j}}$$
"""


def test_math_is_drawn(browser, tmp_path, monkeypatch):
    import nbformat
    import site_render
    from nbformat.v4 import new_markdown_cell, new_notebook

    (tmp_path / "nbs").mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    nbformat.write(new_notebook(cells=[new_markdown_cell(part, id=f"m{n}") for n, part in enumerate(MATH.split("\n\n", 2))]), tmp_path / "nbs" / "index.ipynb")
    (tmp_path / "_quarto.yml").write_text("project: {type: website, output-dir: _docs}\nformat: {html: {lang: en, html-math-method: mathml}}\nwebsite: {title: T}\n")
    site_stage.stage(tmp_path, tmp_path / "_proc")
    monkeypatch.setenv("PATH", "")  # no Quarto: it has its own way to the same markup
    assert site_render.render(tmp_path / "_proc") == []
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "_proc" / "_site" / "index.html").as_uri())
    inline, shown = (page.locator("math").nth(n).bounding_box() for n in (0, 1))
    fraction = page.evaluate("(() => { const [a, b] = document.querySelector('mfrac').children; return b.getBoundingClientRect().top - a.getBoundingClientRect().bottom })()")
    text = page.locator("main").inner_text()
    page.close()
    assert inline["height"] < 60 < shown["width"] and shown["height"] > inline["height"] and fraction >= 0  # one above the other
    assert not re.search(r"\\(frac|sqrt)|\$", text) and all(url.startswith(("file:", "data:")) for url in asked)


@pytest.mark.parametrize("lesson", READY, ids=lambda lesson: lesson.id)
def test_a_lesson_shows_its_facts(site, tab, lesson):
    page = tab()
    page.goto(f"/{page_of(lesson)}")
    box = page.locator(".lesson-facts").first.inner_text()
    stored = json.loads((ROOT / "nbs" / "results.json").read_text())[lesson.id]["small"]
    assert site_pages.time_words(stored["seconds"]) in box and site_pages.size_words(stored["peak_mb"] * 1e6) in box
    for entry in (entries()[id] for id in lesson.stand_ins):
        assert entry.id in box and entry.licence in box and (entry.id in entry.stands_for or entry.stands_for[0] in box)
    page.locator(".lesson-facts a", has_text="all figures").click()
    page.wait_for_url("**/results.html#lesson-*")


@pytest.mark.parametrize("lesson", READY, ids=lambda lesson: lesson.id)
def test_a_lesson_shows_the_source_of_its_functions(site, tab, lesson):
    notebook = json.loads((ROOT / "nbs" / f"{lesson.file}.ipynb").read_text(encoding="utf-8"))
    cells = [source for source in map("".join, (cell["source"] for cell in notebook["cells"])) if source.startswith("#| exports\n")]
    page = tab()
    page.goto(f"/{page_of(lesson)}")
    shown = "\n".join(page.locator("main pre code").all_text_contents())
    for source in cells:
        assert re.sub(r"^#\|.*\n", "", source, flags=re.MULTILINE).strip() in shown


@pytest.mark.parametrize("lesson", [lesson for lesson in READY if (ROOT / "course_nlp" / "data" / "quizzes" / f"{lesson.id}.yml").is_file()], ids=lambda lesson: lesson.id)
def test_the_quiz_of_a_lesson_can_be_answered(tab, lesson):
    from course_nlp.quiz import load

    page = tab()
    page.goto(f"/{page_of(lesson)}")
    fields, questions = page.locator(".course-quiz fieldset"), load(lesson.id).questions
    assert fields.count() == len(questions)
    options = fields.first.locator("li:has(input)")
    shown = [bare(text) for text in options.locator("label").all_inner_texts()]
    asked = next(question for question in questions if all(text.endswith(tuple(bare(c.text) for c in question.choices)) for text in shown))
    right = tuple(bare(choice.text) for choice in asked.choices if choice.right)
    wrong = next(n for n, text in enumerate(shown) if not text.endswith(right))
    options.nth(wrong).locator("input").check()
    fields.first.get_by_role("button", name="Check").click()
    assert "Not yet" in fields.first.inner_text()
    fields.first.get_by_role("button", name="Try again").click()
    for n, text in enumerate(shown):
        options.nth(n).locator("input").set_checked(text.endswith(right))
    fields.first.get_by_role("button", name="Check").click()
    assert "Not yet" not in fields.first.inner_text() and "Right." in fields.first.inner_text()


def test_all_lessons_are_listed(site, tab):
    page = tab()
    page.goto("/lessons.html")
    rows = dict(row.split("\t")[:2] for row in page.locator("main tbody tr").all_inner_texts())
    assert {id: title for id, title in rows.items()} == {lesson.id: lesson.title for lesson in lessons().values()}
    for lesson in READY:
        assert page.locator("main").get_by_role("link", name=lesson.title, exact=True).get_attribute("href").endswith(page_of(lesson))


def test_all_results_are_shown(site):
    text = re.sub(r"<[^>]+>", " ", site.read("results.html"))
    for id, scales in site_pages.stored_results(ROOT).items():
        for found in scales.values():
            assert find_lesson(id).title in text and site_pages.time_words(found["seconds"]) in text
            for name, figure in found["figures"].items():
                assert name.replace("'", "’") in text and site_pages.number(figure["value"]) in text, name


def test_all_stand_ins_are_described(site, tab):
    page = tab()
    page.goto("/stand_ins.html")
    text = page.locator("main").inner_text()
    for entry in entries().values():
        assert page.locator(f"#{site_pages.anchor(entry.id)}").count() == 1
        for said in (entry.id, entry.licence, " ".join(entry.citation.split()), site_pages.size_words(entry.bytes), entry.wheel and entry.wheel.version):
            assert not said or said.replace("'", "’") in text.replace("'", "’"), (entry.id, said)


def test_all_recipes_are_told(site):
    text = re.sub(r"<[^>]+>", "", site.read("recipes.html"))
    records = site_pages.recipe_records(ROOT)
    assert {"ner", "sentiment"} <= set(records)
    for name, (_, told) in records.items():
        assert told["command"].split(" --")[0] in text and name in text
        for value in [*told["figures"].values(), *told.get("baselines", {}).values(), *told.get("before", {}).values()]:
            assert site_pages.number(value) in text, (name, value)


def test_every_public_name_is_in_the_index(site, tab):
    page = tab()
    page.goto("/api.html")
    for path in [*(ROOT / "course_nlp").glob("*.py"), *(ROOT / "course_nlp" / "checks").glob("*.py")]:
        module = path.relative_to(ROOT / "course_nlp").with_suffix("").as_posix().replace("/", ".")
        body = ast.parse(path.read_text(encoding="utf-8")).body
        exported = next((node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"), None)
        if exported is not None and ast.literal_eval(exported):
            listed = page.locator(f"#{site_pages.anchor(module)} tbody td:first-child").all_inner_texts()
            assert sorted(listed) == sorted(ast.literal_eval(exported)), module


def axe_problems(page, context=None):
    """Return what axe finds wrong with the page that is open, contrast included."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context).response["violations"]
    nodes = [(rule["id"], " ".join(node["target"]) if isinstance(node["target"][0], str) else str(node["target"]), node["html"]) for rule in found for node in rule["nodes"]]
    return [(rule, where) for rule, where, html in nodes if not any(rule == known and html.startswith(begin) for known, begin, _ in ACCEPTED)]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_sample_is_accessible(tab, scheme):
    page = tab(color_scheme=scheme)
    found = {}
    for name in SAMPLE:
        page.goto(f"/{name}")
        found[name] = axe_problems(page)
    for lesson in READY:
        page.goto(f"/{page_of(lesson)}")
        parts = [[css] for css in (".quarto-title-block", ".lesson-facts", "#exercises", "#check-yourself") if page.locator(css).count()]
        found[lesson.id] = axe_problems(page, {"include": parts})
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.campaign
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_accessible(site, tab, scheme, width):
    page = tab(color_scheme=scheme, viewport={"width": width, "height": 900})
    found = {}
    for name in site.pages:
        page.goto(f"/{name}")
        found[name] = axe_problems(page)
    assert {name: problems for name, problems in found.items() if problems} == {}
