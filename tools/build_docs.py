"""Build the site: stage nbs/ with nbdev's processors, render it with Quarto if it is there, else with smalldocs, and check it.

    python tools/build_docs.py            # -> _docs/
    python tools/build_docs.py --stage    # only _proc/, for `quarto preview _proc`

nbdev's own `nbdev-docs` needs Quarto. smalldocs reads the same _quarto.yml and the same notebooks, and is an ordinary
package, so that everybody can build the site. A warning of the renderer, or a fault that site_check.py finds, fails the build.
"""

import argparse
import shutil
import sys
from pathlib import Path

from site_check import check_site
from site_render import render
from site_stage import stage

ROOT = Path(__file__).resolve().parents[1]


def build(root: Path, proc: Path, docs: Path) -> list[str]:
    """Build the site of `root` into `docs`; return everything that is wrong with it."""
    stage(root, proc)
    warnings = render(proc)
    shutil.rmtree(docs, ignore_errors=True)
    shutil.copytree(proc / "_site", docs)
    return warnings + check_site(docs)


def main() -> int:
    """Build the site and say what was wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stage", action="store_true", help="only stage into _proc/")
    proc, docs = ROOT / "_proc", ROOT / "_docs"
    if parser.parse_args().stage:
        print(f"staged {stage(ROOT, proc)} pages in {proc.name}/")
        return 0
    problems = build(ROOT, proc, docs)
    print(f"{len(list(docs.rglob('*.html')))} pages in {docs.name}/; to read them: python -m http.server -d {docs.name}")
    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
