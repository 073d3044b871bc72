"""Stage the site: nbs/ becomes _proc/, an ordinary project that Quarto and smalldocs can both render.

nbdev's processors do what they always do (front matter, hidden cells and lines, directives), with one difference: the
documentation of functions is read from the text of the export cells. nbdev runs those cells and every import to ask
Python for it. Nothing runs here: staging takes seconds, whatever a lesson imports, and signatures look as written.
"""

import ast
import contextlib
import html
import os
import re
import shutil
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import site_pages
import yaml
from fastcore.nbio import mk_cell, read_nb, write_nb
from math_core import LatexError, LatexToMathML
from nbdev import processors
from nbdev.process import Processor

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
HEADING = re.compile(r"^(#{1,6})\s", re.MULTILINE)
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
BACKTICKED = re.compile(r"(?<![\[`])`([A-Za-z_][\w.]*)(\(\))?`(?![\]`])")
PANDOC_MATH = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)


def sources(nbs: Path) -> Iterator[Path]:
    """Yield the files of nbs/ that belong to the site; hidden ones and those that start with _ do not."""
    for path in sorted(nbs.rglob("*")):
        if path.is_file() and not any(part[0] in "._" for part in path.relative_to(nbs).parts):
            yield path


def repository(root: Path) -> str | None:
    """Return where the branch lies on the web: [project.urls] of pyproject.toml, else settings.ini, else git's origin."""
    from course_nlp.authoring import find_origin

    told = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    if url := told.get("project", {}).get("urls", {}).get("Repository"):
        return f"{url.rstrip('/').removesuffix('.git')}/blob/{told.get('tool', {}).get('nbdev', {}).get('branch', 'main')}"
    origin = find_origin(root) if (root / "settings.ini").is_file() else None
    return f"https://github.com/{origin.user}/{origin.repo}/blob/{origin.branch}" if origin else None


# What a notebook exports, read from its text


@dataclass(frozen=True)
class Exports:
    """What the notebooks define, and where the site documents it."""

    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # "hub.serve" -> (notebook, anchor); "hub" -> (notebook, "")
    lines: Mapping[str, int] = field(default_factory=dict)  # "hub.serve" -> its line in course_nlp/hub.py
    repository: str | None = None  # "https://github.com/user/repo/blob/main"

    def find(self, name: str, module: str) -> tuple[str, str] | None:
        """Return the notebook and the anchor that a name in backticks means, seen from `module`; None if it is not clear."""
        name = name.removeprefix("course_nlp.")
        if found := self.places.get(name) or self.places.get(f"{module}.{name}"):
            return found
        fits = [place for known, place in self.places.items() if known.partition(".")[2] == name]
        return fits[0] if len(fits) == 1 else None

    def source_url(self, module: str, name: str) -> str | None:
        """Return the address of a definition's source; None while the repository has no address."""
        if not self.repository or f"{module}.{name}" not in self.lines:
            return None
        return f"{self.repository}/course_nlp/{module.replace('.', '/')}.py#L{self.lines[f'{module}.{name}']}"


def directives(cell: Any) -> Mapping[str, str]:
    """Return the directives of a code cell, also when nbdev has already taken them out of its text."""
    return (getattr(cell, "directives_", None) or cell.directives) if cell.cell_type == "code" else {}


def module_of(notebook: Any) -> str:
    """Return the module that a notebook exports, without the package's name; an empty string if it exports none."""
    return next(filter(None, (directives(cell).get("default_exp", "") for cell in notebook.cells)), "")


def kind_of(cell: Any) -> str:
    """Return `export` or `exports` for a cell whose definitions are documented, else an empty string."""
    found = directives(cell)
    return next((kind for kind in ("exports", "export") if kind in found and "hide" not in found), "")


def constant_names(node: ast.stmt) -> list[str]:
    """Return the public constants that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if name.isupper() and len(name) > 1 and not name.startswith("_")]


def public(source: str) -> list[ast.stmt]:
    """Return the public functions, classes and constants that a cell defines, in order."""
    tree = ast.parse(source).body
    return [n for n in tree if constant_names(n) or (isinstance(n, Definition) and not n.name.startswith("_"))]


def methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the public methods of a class; of a property only the part that reads."""
    found = [part for part in node.body if isinstance(part, FUNCTIONS) and not part.name.startswith("_")]
    return [part for part in found if not any(isinstance(d, ast.Attribute) for d in part.decorator_list)]


def names_of(node: ast.stmt) -> list[str]:
    """Return every name that documenting `node` gives an anchor."""
    if isinstance(node, ast.ClassDef):
        return [node.name, *(f"{node.name}.{method.name}" for method in methods(node))]
    return [node.name] if isinstance(node, FUNCTIONS) else constant_names(node)


def lines_of(module: Path) -> dict[str, int]:
    """Return the line of every definition of a module: {"serve": 12, "HubServer.url": 30}."""
    lines: dict[str, int] = {}
    for node in ast.parse(module.read_text(encoding="utf-8")).body if module.is_file() else []:
        lines |= {name: node.lineno for name in constant_names(node)}
        if isinstance(node, Definition):
            lines[node.name] = node.lineno
            lines |= {f"{node.name}.{m.name}": m.lineno for m in methods(node)} if isinstance(node, ast.ClassDef) else {}
    return lines


def read_exports(root: Path) -> Exports:
    """Read what all notebooks export, so that any page can link to any function."""
    places: dict[str, tuple[str, str]] = {}
    lines: dict[str, int] = {}
    for path in (p for p in sources(root / "nbs") if p.suffix == ".ipynb"):
        notebook = read_nb(path)
        if not (module := module_of(notebook)):
            continue
        where = path.relative_to(root / "nbs").as_posix()
        places[module] = (where, "")
        for cell in notebook.cells:
            kind = kind_of(cell)
            for node in public(cell.source) if kind else ():
                shown = names_of(node) if kind == "export" else names_of(node)[:1]  # `named` gives no anchors to methods
                places |= {f"{module}.{name}": (where, f"{module}.{name}") for name in shown}
        found = lines_of(root / "course_nlp" / f"{module.replace('.', '/')}.py")
        lines |= {f"{module}.{name}": line for name, line in found.items()}
    return Exports(places, lines, repository(root))


# Documentation of what a notebook exports


def first_line(node: ast.stmt) -> int:
    """Return the line on which a definition starts, decorators included."""
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


def signature(node: Definition, source: str) -> str:
    """Return the head of a definition as it is written, comments on parameters included; of a class also its fields."""
    lines, body = source.splitlines(), list(node.body)
    documented = ast.get_docstring(node) is not None
    cut = next((p for p in body if isinstance(p, Definition)), None) if isinstance(node, ast.ClassDef) else body[0]
    last = first_line(cut) - 1 if cut else node.end_lineno or node.lineno
    if last < node.lineno:  # all on one line
        return lines[node.lineno - 1].strip()
    skipped = range(body[0].lineno, (body[0].end_lineno or 0) + 1) if documented else range(0)
    head = [lines[n - 1] for n in range(first_line(node), last + 1) if n not in skipped]
    return re.sub(r"\n{3,}", "\n\n", textwrap.dedent("\n".join(head)).strip())


def code(text: str) -> str:
    """Return a fenced block of Python."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    return f"{fence}python\n{text}\n{fence}"


def folded(text: str, title: str = "Source") -> str:
    """Return Python that opens on a click."""
    return f'<details class="api-code"><summary>{html.escape(title)}</summary>\n\n{code(text)}\n\n</details>'


def described(node: Definition, source: str) -> str:
    """Return signature and docstring."""
    return "\n\n".join(filter(None, [code(signature(node, source)), ast.get_docstring(node) or ""]))


def segment(node: ast.stmt, source: str) -> str:
    """Return the text of a statement, decorators included."""
    return "\n".join(source.splitlines()[first_line(node) - 1 : node.end_lineno])


class Documentation(Processor):
    """Put before an `exports` cell a line that names the import, and in place of an `export` cell its documentation."""

    exports = Exports()

    def begin(self) -> None:
        self.module, level, cells = module_of(self.nb), 1, []
        for cell in self.nb.cells:
            if cell.cell_type == "markdown":
                for mark in HEADING.findall(FENCED.sub("", cell.source)):
                    level = len(mark)
            kind = kind_of(cell)
            nodes = public(cell.source) if kind else []
            if kind == "exports":
                cells += [mk_cell(self.named(nodes), "markdown")] if nodes else []
            else:
                cells += [mk_cell(self.documented(node, cell.source, level), "markdown") for node in nodes]
            cells.append(cell)
        self.nb.cells = cells

    def link(self, name: str) -> str:
        """Return a link to the source in the repository, if that has an address."""
        url = self.exports.source_url(self.module, name)
        return f"[source]({url}){{.api-source}}" if url else ""

    def named(self, nodes: list[ast.stmt]) -> str:
        """Return the line that says under which name the package has what the next cell defines."""
        names = [names_of(node)[0] for node in nodes]
        parts = [f'<span id="{self.module}.{name}">`course_nlp.{self.module}.{name}`</span> {self.link(name)}'.strip() for name in names]
        return f"::: {{.exported}}\nIn the package: {', '.join(parts)}\n:::"

    def documented(self, node: ast.stmt, source: str, level: int) -> str:
        """Return heading, signature, docstring and source of a definition."""
        if not isinstance(node, Definition):
            anchors = "".join(f'<span id="{self.module}.{name}"></span>' for name in constant_names(node))
            text = segment(node, source)
            return f"::: {{.api}}\n{anchors}\n\n{code(text) if text.count(chr(10)) < 12 else folded(text, constant_names(node)[0])}\n:::"
        parts = [f"{'#' * min(level + 1, 4)} {node.name.replace('_', chr(92) + '_')} {{#{self.module}.{node.name} .api-name}}", "::: {.api}"]
        parts += [self.link(node.name), described(node, source)]
        for method in methods(node) if isinstance(node, ast.ClassDef) else ():
            parts.append(f"::: {{#{self.module}.{node.name}.{method.name} .api-method}}\n{described(method, source)}\n:::")
        return "\n\n".join(filter(None, [*parts, folded(segment(node, source)), ":::"]))


class Links(Processor):
    """Turn names of the package in backticks into links.

    A plain word such as `run` or `git` mostly means something else: it becomes a link only when written `run()`.
    """

    exports, here = Exports(), ""

    def begin(self) -> None:
        self.module = module_of(self.nb)

    def cell(self, cell: Any) -> None:
        if cell.cell_type == "markdown":
            cell.source = linked(cell.source, self.link)

    def link(self, match: re.Match) -> str:
        name, called = match[1], bool(match[2])
        special = called or "_" in name or "." in name or not name.islower()
        found = self.exports.find(name, self.module) if special else None
        if not found or (found[0] == self.here and not found[1]):
            return match[0]
        target = os.path.relpath(found[0], Path(self.here).parent).replace(os.sep, "/") if found[0] != self.here else ""
        return f"[`{name}{'()' if called else ''}`]({target}{f'#{found[1]}' if found[1] else ''})"


def linked(markdown: str, link: Callable[[re.Match], str]) -> str:
    """Return markdown with `link` applied to every name in backticks outside code, headings and links."""
    out, at = [], 0
    for fence in [*FENCED.finditer(markdown), None]:
        lines = markdown[at : fence.start() if fence else None].split("\n")
        plain = [line if line.startswith(("#", "    ", ":::", "In the package: ")) else BACKTICKED.sub(link, line) for line in lines]
        out += ["\n".join(plain), fence[0] if fence else ""]
        at = fence.end() if fence else at
    return "".join(out)


# Math


@cache
def converter() -> LatexToMathML:
    """Return the converter from TeX to MathML, which browsers draw themselves: no script, no fonts, no other host."""
    return LatexToMathML(fancy_error=False)


def mathml(tex: str, display: bool = False) -> str:
    """Return TeX as MathML, or raise a ValueError that shows what cannot be converted."""
    try:
        return converter().convert_with_local_state(tex, displaystyle=display)
    except LatexError as error:
        raise ValueError(f"the formula {tex!r} cannot be shown: {error}") from None


def with_mathml(page: str) -> str:
    r"""Return HTML in which the spans that Pandoc writes for math, \(...\) and \[...\], hold MathML."""
    return PANDOC_MATH.sub(lambda m: f'<span class="math {m[1]}">{mathml(html.unescape(m[2]), m[1] == "display")}</span>', page)


class Outputs(Processor):
    """Prepare stored outputs: a quiz may hold math, which no renderer looks for inside HTML."""

    def cell(self, cell: Any) -> None:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = with_mathml("".join(data["text/html"]))


# The whole


def make_filter(exports: Exports, here: str) -> processors.FilterDefaults:
    """Return nbdev's processors with ours in place of those that run code and guess at links."""
    known = {"exports": exports, "here": here}  # nbdev makes the processors itself, so that these are theirs by class
    ours = {"add_show_docs": type("Documentation", (Documentation,), known), "add_links": type("Links", (Links,), known)}
    dropped = {"exec_show_docs", "clean_show_doc", "add_fold", "mv_exports"}  # for documentation that was run

    class Filter(processors.FilterDefaults):
        def base_procs(self) -> list:
            kept = [proc for proc in super().base_procs() if proc.__name__ not in dropped]
            return [ours.get(proc.__name__, proc) for proc in kept] + [Outputs]

    return Filter()


def fold_solutions(notebook: Any) -> None:
    """Let the folded cells that solve an exercise say so, and hide what they print: it gives the answer away."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "exercise(" in cell.source and re.search(r"^#\|\s*code-fold:\s*true", cell.source, re.MULTILINE):
            cell.set_source(f"#| code-summary: Solution\n#| output: false\n{cell.source}")


def process(path: Path, target: Path, exports: Exports, nbs: Path) -> None:
    """Write a notebook as nbdev prepares it for a reader."""
    notebook, here = read_nb(path), path.relative_to(nbs).as_posix()
    site_pages.add_facts(notebook, here, exports.repository)
    fold_solutions(notebook)
    with contextlib.chdir(path.parent), patch.object(processors, "get_config", cache(processors.get_config)):  # it parses a file per cell
        try:
            make_filter(exports, here)(notebook)
        except (ValueError, SyntaxError) as error:
            raise ValueError(f"nbs/{here}: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    write_nb(notebook, target)


def write_config(root: Path, target: Path, exports: Exports) -> None:
    """Write the site's configuration, with a link to the repository once it has an address."""
    config = yaml.safe_load((root / "_quarto.yml").read_text(encoding="utf-8"))
    config["project"]["output-dir"] = "_site"
    if exports.repository:
        entry = {"text": "GitHub", "icon": "github", "href": exports.repository.partition("/blob/")[0]}
        config["website"].setdefault("navbar", {}).setdefault("right", []).append(entry)
    (target / "_quarto.yml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")


def stage(root: Path, target: Path) -> int:
    """Fill `target` with a project that Quarto or smalldocs can render; return the number of pages."""
    shutil.rmtree(target, ignore_errors=True)
    exports, count = read_exports(root), 0
    for path in sources(root / "nbs"):
        out = target / path.relative_to(root / "nbs")
        out.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".ipynb":
            process(path, out, exports, root / "nbs")
            count += 1
        else:
            shutil.copy2(path, out)
    for name, text in site_pages.generated(root, exports).items():
        (target / name).write_text(text, encoding="utf-8")
        count += 1
    write_config(root, target, exports)
    return count
