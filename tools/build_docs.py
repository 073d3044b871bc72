"""Build the site: stage nbs/ with nbdev's own processors, then render it with Quarto if it is there, else with smalldocs.

    python tools/build_docs.py            # -> _docs/
    python tools/build_docs.py --stage    # only _proc/, for `quarto preview _proc`

nbdev's own `nbdev-docs` needs Quarto. smalldocs reads the same _quarto.yml and the same notebooks, runs nothing, and
is an ordinary package, so that everybody can build the site.
"""

import argparse
import ast
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
# The course's own `output-dir` is relative to nbs/; smalldocs knows nothing of executing, which staging has done.
HARMLESS = ("output-file is not read",)


def sources(nbs: Path) -> Iterator[Path]:
    """Yield the files of nbs/ that belong to the site; hidden ones and those that start with _ do not."""
    for path in sorted(nbs.rglob("*")):
        if path.is_file() and not any(part[0] in "._" for part in path.relative_to(nbs).parts):
            yield path


def names_for_annotations(module: str) -> str:
    """Return code that makes every name that an annotation in `course_nlp.<module>` may use known.

    Documentation is made cell by cell. A function may be annotated with a class that its notebook defines further
    down, or with one that is imported for type checkers only.
    """
    tree = ast.parse((ROOT / "course_nlp" / f"{module}.py").read_text(encoding="utf-8"))
    lines = [f"import course_nlp.{module} as _module", "globals().update(vars(_module))"]
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            lines += [ast.unparse(statement) for statement in node.body if not ast.unparse(statement).startswith("from .")]
    return "\n".join(lines)


def make_filter() -> Callable[[object], None]:
    """Return nbdev's processors, which here know the names of the finished module before they run its cells."""
    from nbdev.processors import FilterDefaults, exec_show_docs

    class WithModule(exec_show_docs):
        def begin(self) -> None:
            super().begin()
            code = [cell for cell in self.nb.cells if cell.cell_type == "code"]
            for module in (cell.directives_["default_exp"] for cell in code if "default_exp" in cell.directives_):
                self.k.run_cell(names_for_annotations(module))

        def __call__(self, cell: object) -> None:
            """Run exported and show_doc cells; of examples and lessons run only the imports: outputs are stored ones."""
            exported = cell.cell_type == "code" and any(name.startswith("export") for name in cell.directives_)
            if cell.cell_type != "code" or exported or "show_doc(" in cell.source:
                super().__call__(cell)
            elif self.nb.has_docs_:
                imports = [node for node in cell.parsed_() or () if isinstance(node, (ast.Import, ast.ImportFrom))]
                self.k.run_cell("\n".join(map(ast.unparse, imports)))

    class Filter(FilterDefaults):
        def base_procs(self) -> list:
            return [WithModule if proc is exec_show_docs else proc for proc in super().base_procs()]

    return Filter()


def process(source: Path, target: Path) -> None:
    """Write a notebook as nbdev prepares it for a reader: front matter, hidden cells, documentation of functions."""
    from fastcore.nbio import read_nb, write_nb

    notebook = read_nb(source)
    with contextlib.chdir(source.parent):
        make_filter()(notebook)  # runs the cells that import or export, nothing else
    target.parent.mkdir(parents=True, exist_ok=True)
    write_nb(notebook, target)


def stage(root: Path, target: Path) -> int:
    """Fill `target` with a project that Quarto or smalldocs can render; return the number of notebooks."""
    shutil.rmtree(target, ignore_errors=True)
    count = 0
    for path in sources(root / "nbs"):
        out = target / path.relative_to(root / "nbs")
        if path.suffix == ".ipynb":
            process(path, out)
            count += 1
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, out)
    config = yaml.safe_load((root / "_quarto.yml").read_text(encoding="utf-8"))
    config["project"]["output-dir"] = "_site"
    (target / "_quarto.yml").write_text(yaml.safe_dump(config, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return count


def render(folder: Path) -> list[str]:
    """Render a staged project into its folder _site; return what the renderer warned about."""
    if shutil.which("quarto"):
        subprocess.run(["quarto", "render", str(folder), "--no-execute"], check=True)
        return []
    from smalldocs import site

    read = site.Site.read

    def read_as_quarto_does(self: site.Site, source: object) -> site.Page:
        """Honor the `output-file` that nbdev writes (02_models.ipynb -> models.html): links to functions rely on it."""
        page = read(self, source)
        if name := page.front.get("output-file"):
            page.out = page.out.with_name(name)
        return page

    site.Site.read = read_as_quarto_does
    try:
        built = site.build(folder, quiet=True)
    finally:
        site.Site.read = read
    return [str(warning) for warning in built.warnings if not any(known in str(warning) for known in HARMLESS)]


def main() -> int:
    """Build the site and say what was wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stage", action="store_true", help="only stage into _proc/")
    stage_only = parser.parse_args().stage
    os.environ.setdefault("MPLBACKEND", "agg")
    proc, docs = ROOT / "_proc", ROOT / "_docs"
    count = stage(ROOT, proc)
    print(f"staged {count} notebooks in {proc.name}/")
    if stage_only:
        return 0
    warnings = render(proc)
    shutil.rmtree(docs, ignore_errors=True)
    shutil.copytree(proc / "_site", docs)
    print(f"{len(list(docs.rglob('*.html')))} pages in {docs.name}/; open {docs.name}/index.html")
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 1 if warnings else 0


if __name__ == "__main__":
    sys.exit(main())
