"""The parts of the site's builder, each on the smallest project that shows it; no browser."""

import ast

import nbformat
import pytest
import site_check
import site_pages
import site_render
import site_stage
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

FUNCTION = '''\
def add_up(
    numbers: list[int],  # what to add, at least one
    start: int = 0,  # added to all
) -> int:  # the sum
    """Return the sum; `Counter` keeps it.

    Longer story with `add_up()` and `git`.
    """
    return start + sum(numbers)
'''
CLASS = '''\
class Counter:
    """Counts, see `add_up`."""

    step: int = 1  # by how much

    @property
    def total(self) -> int:
        """Return the count."""
        return self.step

    def _hidden(self): ...
'''
MATH = r"Inline $\sqrt{d_k}$ and shown" "\n\n" r"$$p_i = \frac{e^{z_i}}{\sum_{j} e^{z_j}}$$" "\n\n## What is $x^2$?\n\nThat costs \\$5."


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that builds the site of a project with these notebooks; it gives the folder and the problems."""
    root = tmp_path / "project"
    monkeypatch.setenv("PATH", "")  # no Quarto, whatever this machine has

    def build(notebooks, module="", urls="", settings=None):
        (root / "nbs").mkdir(parents=True)
        (root / "course_nlp").mkdir()
        (root / "course_nlp" / "sums.py").write_text(module)
        (root / "pyproject.toml").write_text(f'[project]\nname = "x"\nversion = "1"\n{urls}\n[tool.nbdev]\nlib_path = "course_nlp"\n')
        if settings is not None:
            (root / "settings.ini").write_text(f"[DEFAULT]\n{settings}\n")
        for name, cells in notebooks.items():
            (root / "nbs" / name).parent.mkdir(exist_ok=True)
            nbformat.write(new_notebook(cells=[new_markdown_cell(f"# {name}\n\n> Promise", id="t"), *cells]), root / "nbs" / name)
        site = {"project": {"type": "website", "output-dir": "_docs"}, "format": {"html": {"lang": "en", "toc": True}}}
        (root / "_quarto.yml").write_text(yaml.safe_dump(site | {"website": {"title": "T", "sidebar": {"contents": ["index.ipynb"]}}}))
        site_stage.stage(root, root / "_proc")
        warnings = site_render.render(root / "_proc")
        return root / "_proc" / "_site", warnings + site_check.check_site(root / "_proc" / "_site")

    return build


def read(path):
    """Return a page as a tree."""
    return site_check.html.parse(path, site_check.html.HTMLParser(encoding="utf-8")).getroot()


def sums(kind="export"):
    """Return cells that export a function and a class."""
    codes = [new_code_cell(f"#| {kind}\n{code}", id=f"c{n}") for n, code in enumerate((FUNCTION, CLASS))]
    return [new_code_cell("#| default_exp sums", id="d"), *codes]


def test_project_is_staged_and_rendered(project):
    kept = new_code_cell("import no_such_module; 1 / 0", id="x", outputs=[new_output("execute_result", data={"text/plain": "'kept'"})])
    site, problems = project({"index.ipynb": [kept], "01_first.ipynb": [kept], "_drafts/no.ipynb": [kept]})
    assert problems == []
    assert {path.name for path in site.rglob("*.html")} == {"index.html", "first.html"}
    assert "kept" in (site / "first.html").read_text()  # and nothing ran, or the import would have failed


def test_library_page_shows_signature_comments_docstring_and_source(project):
    site, problems = project({"index.ipynb": [], "lib/00_sums.ipynb": sums()})
    page = read(site / "lib" / "sums.html")
    (section,) = page.xpath('//*[@id="sums.add_up"]')
    shown, source = ("\n".join(line.rstrip() for line in pre.text_content().strip().splitlines()) for pre in section.iter("pre"))
    assert problems == []
    assert shown == FUNCTION.partition('\n    """')[0] and source == FUNCTION.strip()
    assert "Longer story" in section.text_content() and section.find(".//details") is not None
    anchors = [e.get("id") for e in page.iterfind(".//*[@id]") if e.get("id").startswith("sums.")]
    assert anchors == ["sums.add_up", "sums.Counter", "sums.Counter.total"]


def test_lesson_page_shows_the_source_of_what_it_exports(project):
    site, problems = project({"index.ipynb": [], "01_sums.ipynb": sums("exports")})
    page = read(site / "sums.html")
    (named,) = page.xpath('//*[@id="sums.add_up"]')
    assert problems == [] and named.text_content() == "course_nlp.sums.add_up"
    assert [pre for pre in page.xpath("//pre[not(ancestor::details)]") if "return start + sum(numbers)" in pre.text_content()]


def test_only_unmistakable_names_become_links(project):
    text = "`add_up`, `git`, `total()`, `counter`, `course_nlp.sums`, [`add_up`](index.ipynb), `Counter`, `add_up(1)`\n\n```python\n`add_up`\n```"
    site, problems = project({"index.ipynb": [new_markdown_cell(text, id="m")], "lib/00_sums.ipynb": sums()})
    links = [(a.text_content(), a.get("href")) for a in read(site / "index.html").xpath("//main//p//a")]
    page = "lib/sums.html"
    assert problems == []
    assert links == [("add_up", f"{page}#sums.add_up"), ("course_nlp.sums", page), ("add_up", "index.html"), ("Counter", f"{page}#sums.Counter")]


def source_links(page):
    return [a.get("href") for a in page.iter("a") if a.text_content() == "source"]


def test_without_an_address_nothing_links_to_the_source(project):
    site, problems = project({"index.ipynb": [], "lib/00_sums.ipynb": sums()}, module=FUNCTION)
    assert problems == [] and source_links(read(site / "lib" / "sums.html")) == [] and "github.com" not in (site / "index.html").read_text()


@pytest.mark.parametrize("named", [{"urls": '[project.urls]\nRepository = "https://github.com/ann/nlp/"'}, {"settings": "user = ann\nrepo = nlp"}])
@pytest.mark.parametrize("name", ["lib/00_sums.ipynb", "01_sums.ipynb"])
def test_source_links_lead_to_the_line(project, named, name):
    site, problems = project({"index.ipynb": [], name: sums("export" if "lib" in name else "exports")}, module=f"# a line\n{FUNCTION}", **named)
    page = read(site / ("lib/sums.html" if "lib" in name else "sums.html"))
    assert problems == [] and source_links(page)[0] == "https://github.com/ann/nlp/blob/main/course_nlp/sums.py#L2"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("def f(a): return a", "def f(a): return a"),
        ('@cache\ndef f(\n    a,  # one\n):\n    """Doc."""\n    return a', "@cache\ndef f(\n    a,  # one\n):"),
        ('class A(B):\n    """Doc."""\n', "class A(B):"),
        ('class A:\n    """Doc."""\n\n    x: int  # first\n    y: int = 1\n\n    @property\n    def z(self): ...', "class A:\n\n    x: int  # first\n    y: int = 1"),
        ("async def f() -> None:\n    pass", "async def f() -> None:"),
    ],
)
def test_signature_is_the_head_as_written(source, shown):
    assert site_stage.signature(ast.parse(source).body[0], source) == shown


def test_names_are_looked_up_from_where_they_stand():
    places = {name: (f"{name.partition('.')[0]}.ipynb", name) for name in ("a.run", "b.run", "b.only", "b.C", "b.C.part")}
    exports = site_stage.Exports(places)
    assert exports.find("run", "c") is None  # two modules have one
    assert exports.find("run", "a") == exports.find("course_nlp.a.run", "c") == ("a.ipynb", "a.run")
    assert exports.find("only", "c") == ("b.ipynb", "b.only") and exports.find("C.part", "") == ("b.ipynb", "b.C.part")


def test_math_becomes_mathml(project):
    quiz = '<div>Is <span class="math inline">\\(a &lt; b\\)</span>?</div>'
    cell = new_code_cell("quiz('x')", id="q", outputs=[new_output("display_data", data={"text/html": quiz, "text/plain": "quiz"})])
    site, problems = project({"index.ipynb": [new_markdown_cell(MATH, id="m"), cell]})
    page = read(site / "index.html")
    assert problems == []
    assert [math.get("display") for math in page.xpath("//main//math")] == [None, "block", None, None]
    assert page.xpath("//main//math//msqrt") and page.xpath("//main//math//mfrac") and page.xpath("//main//h2//msup")
    assert "a<b" in page.xpath("//main//math")[-1].text_content().replace(" ", "")
    assert "katex" not in (site / "index.html").read_text().lower() and "That costs $5." in page.text_content()


def test_a_formula_that_cannot_be_shown_fails_the_build(project):
    _, problems = project({"index.ipynb": [new_markdown_cell(r"Here: $\nosuchcommand{x}$", id="m")]})
    assert any("index.ipynb" in problem and "nosuchcommand" in problem for problem in problems)


def test_solutions_are_folded_with_their_outputs(project):
    said = [new_output("execute_result", data={"text/plain": "the answer is 42"})]
    cells = [new_code_cell("#| code-fold: true\nexercise('x', 42)", id="s", outputs=said), new_code_cell("exercise('x', ...)", id="a", outputs=said)]
    site, problems = project({"index.ipynb": cells})
    page = read(site / "index.html")
    assert problems == [] and [s.text_content().strip() for s in page.iter("summary")] == ["Solution"]
    assert page.text_content().count("the answer is 42") == 1


def test_config_names_the_repository_once_there_is_one(project):
    site, problems = project({"index.ipynb": []}, settings="user = ann\nrepo = nlp")
    assert problems == [] and "https://github.com/ann/nlp" in [a.get("href") for a in read(site / "index.html").xpath("//nav//a")]


PAGE = '<!DOCTYPE html><html lang="en"><head><title>t</title>{head}</head><body><main><h1>Title</h1>{body}</main></body></html>'


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"head": '<script src="https://cdn.example.org/x.js"></script>'}, "loads https://cdn.example.org/x.js"),
        ({"head": '<link rel="stylesheet" href="//fonts.example.org/a.css">'}, "loads //fonts.example.org/a.css"),
        ({"head": "<style>@import 'https://example.org/a.css';</style>"}, "loads https://example.org/a.css"),
        ({"head": "<script type='module'>import m from 'https://example.org/m.mjs';</script>"}, "loads https://example.org/m.mjs"),
        ({"body": '<div style="background: url(https://example.org/b.png)">x</div>'}, "loads https://example.org/b.png"),
        ({"body": '<img src="x.png">'}, "no alt text"),
        ({"body": '<a href="nowhere.html">x</a>'}, "link to nowhere.html"),
        ({"body": '<a href="#nothing">x</a>'}, "no such anchor"),
        ({"body": '<a href="../outside.html">x</a>'}, "link to ../outside.html"),
        ({"body": "<h3>Deep</h3>"}, "heading 'Deep' of level 3 follows level 1"),
        ({"body": "<h1>Second</h1>"}, "2 headings of level 1"),
        ({"body": "<p id='a'>x</p><p id='a'>y</p>"}, "2 elements have the id 'a'"),
        ({"body": "<p>::: {.note}</p>"}, "markup shows as text"),
        ({"body": r"<p>\(x\)</p>"}, "markup shows as text"),
    ],
)
def test_a_fault_of_the_built_site_is_found(tmp_path, parts, problem):
    (tmp_path / "x.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(PAGE.format(**{"head": "", "body": ""} | parts))
    found = site_check.check_site(tmp_path)
    assert any(problem in one for one in found), found


def test_a_sound_page_has_no_fault(tmp_path):
    body = '<h2 id="b">B</h2><a href="#b">b</a> <a href="https://example.org">away</a> <a href="index.html#b">again</a><pre>::: {.kept}</pre>'
    (tmp_path / "index.html").write_text(PAGE.format(head="", body=body))
    assert site_check.check_site(tmp_path) == []


@pytest.mark.parametrize("address", ['"https://example.org/a?b=3;4"', "'//example.org/a'", "url(https://example.org/a;b)", 'url( "http://example.org/a;b" ) screen'])
def test_fonts_of_other_hosts_are_taken_out_and_nothing_else(tmp_path, address):
    (tmp_path / "a.css").write_text(f'@charset "UTF-8";@import {address};:root{{--a:1}}@import "own.css";')
    assert len(site_check.check_site(tmp_path)) == 1
    site_render.drop_web_fonts(tmp_path)
    assert site_check.check_site(tmp_path) == [] and (tmp_path / "a.css").read_text() == '@charset "UTF-8";:root{--a:1}@import "own.css";'


QUARTO = '#!/bin/sh\nmkdir -p "$2/_site"\n{extra}\n'


@pytest.mark.parametrize(("extra", "warnings"), [("echo fine", []), ("echo 'WARNING: Unable to resolve link' >&2", ["WARNING: Unable to resolve link"])])
def test_quarto_is_used_where_it_is_installed(tmp_path, monkeypatch, extra, warnings):
    (tmp_path / "quarto").write_text(QUARTO.format(extra=extra))
    (tmp_path / "quarto").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert site_render.render(tmp_path / "project") == warnings and (tmp_path / "project" / "_site").is_dir()


def test_quarto_that_fails_stops_the_build(tmp_path, monkeypatch):
    (tmp_path / "quarto").write_text(QUARTO.format(extra="echo no such filter >&2; exit 3"))
    (tmp_path / "quarto").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeError, match="no such filter"):
        site_render.render(tmp_path)


def test_words_for_numbers():
    assert [site_pages.time_words(s) for s in (0.4, 42.3, 59.7, 118.4)] == ["0 s", "42 s", "1 min 0 s", "1 min 58 s"]
    assert [site_pages.size_words(s) for s in (999, 250_000, 91_600_000, 1_476e6, 999_600)] == ["999 B", "250 kB", "91.6 MB", "1.5 GB", "1 MB"]
    assert site_pages.table(("a", "b"), [("x|y", "two\nlines")], right=("b",)) == "| a | b |\n| :-- | --: |\n| x\\|y | two lines |"
