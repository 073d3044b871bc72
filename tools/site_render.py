"""Render a staged project: with Quarto if it is installed, else with smalldocs, which reads the same configuration."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from site_stage import with_mathml
from smalldocs import config, site

# What smalldocs says it does not read, and CourseSite does: `output-file`, which nbdev writes (02_models.ipynb ->
# models.html), and `html-math-method: mathml`.
HARMLESS = ("output-file is not read", "html-math-method is ignored")
FOREIGN_IMPORT = re.compile(r"""@import\s*(?:url\(\s*)?(?:"(?:https?:)?//[^"]*"|'(?:https?:)?//[^']*'|(?:https?:)?//[^)]*)\s*\)?[^;]*;""")


class CourseSite(site.Site):
    """smalldocs' site, which names pages as Quarto does and turns math into MathML when it builds."""

    def read(self, src: object) -> site.Page:
        page = super().read(src)
        if name := page.front.get("output-file"):
            page.out = page.out.with_name(name)
        return page

    def render_page(self, page: site.Page) -> None:
        super().render_page(page)
        try:
            page.html = with_mathml(page.html)
        except ValueError as error:
            self.warn(f"{page.src}: {error}")
        page.env["math"] = False  # or the page would load KaTeX from another host


def drop_web_fonts(site_folder: Path) -> None:
    """Take the imports of fonts from other hosts out of the themes; the fonts of the reader's system stand in."""
    for path in site_folder.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        if (ours := FOREIGN_IMPORT.sub("", text)) != text:
            path.write_text(ours, encoding="utf-8")


def render(folder: Path) -> list[str]:
    """Render a staged project into its folder _site; return what the renderer warned about."""
    warnings = render_with_quarto(folder) if shutil.which("quarto") else render_with_smalldocs(folder)
    drop_web_fonts(folder / "_site")
    return warnings


def render_with_smalldocs(folder: Path) -> list[str]:
    """Render with smalldocs; return its warnings."""
    built = CourseSite(config.load(folder), quiet=True)
    built.build()
    return [str(warning) for warning in built.warnings if not any(known in str(warning) for known in HARMLESS)]


def render_with_quarto(folder: Path) -> list[str]:
    """Render with Quarto, which runs no cell; return its lines that start with WARNING."""
    command = ["quarto", "render", str(folder), "--no-execute"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return [line for line in (done.stdout + done.stderr).splitlines() if line.lstrip().startswith(("WARNING", "[WARNING]"))]
