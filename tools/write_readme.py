"""Write README.md from nbs/index.ipynb: its markdown cells and the source of its code cells, with links seen from the top.

    python tools/write_readme.py            # writes README.md
    python tools/write_readme.py --check    # exit code 1 if README.md is out of date

(`nbdev-readme` does the same, but needs Quarto.)
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written from nbs/index.ipynb by tools/write_readme.py; edit there. -->"
LINK = re.compile(r"(\]\()(?!\w+:|#|/)([^)\s]+)(\))")


def from_the_top(markdown: str) -> str:
    """Return markdown whose relative links hold in the folder above nbs/."""
    return LINK.sub(lambda m: f"{m[1]}{m[2][3:] if m[2].startswith('../') else f'nbs/{m[2]}'}{m[3]}", markdown)


def readme(root: Path = ROOT) -> str:
    """Return the contents of README.md."""
    cells = json.loads((root / "nbs" / "index.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = [NOTE]
    for cell in cells:
        source = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(from_the_top(source))
        elif not re.search(r"^#\|\s*hide", source, re.M):
            parts.append(f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Write the file, or compare it."""
    path, text = ROOT / "README.md", readme()
    if "--check" in sys.argv[1:]:
        return 0 if path.read_text(encoding="utf-8") == text else 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
