"""Look at a built site as a careful reader would: links, anchors, other hosts, texts for pictures, order of headings."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html

# Attributes that make a browser load something as the page opens. A link that a reader may click is no such thing.
LOADS = {"script": ("src",), "img": ("src", "srcset"), "iframe": ("src",), "source": ("src", "srcset"), "video": ("src", "poster"),
         "audio": ("src",), "embed": ("src",), "object": ("data",), "link": ("href",)}  # fmt: skip
IN_STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s*['"])((?:https?:)?//[^'")\s]+)""")
MODULE = re.compile(r"""(?:\bimport\b|\bfrom\b|fetch\()\s*\(?['"]((?:https?:)?//[^'"]+)['"]""")


def is_foreign(address: str) -> bool:
    """Say whether an address leads to a host, with or without a scheme."""
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ws", "wss", "ftp")


def foreign(page: html.HtmlElement) -> Iterator[str]:
    """Yield every address on another host that the page would load by itself."""
    for element in page.iter(*LOADS):
        if element.tag == "link" and element.get("rel") in ("canonical", "alternate", "author", "license"):
            continue
        for attribute in LOADS[element.tag]:
            for part in (element.get(attribute) or "").split(","):
                if is_foreign(part.strip()):
                    yield part.strip()
    for element in page.iter("style", "script"):
        yield from (IN_STYLE if element.tag == "style" else MODULE).findall(element.text or "")
    for element in page.iterfind(".//*[@style]"):
        yield from IN_STYLE.findall(element.get("style"))


def heading_problems(page: html.HtmlElement) -> Iterator[str]:
    """Yield what is wrong with the order of the headings in the page's main part."""
    main = page.find(".//main")
    levels = [(int(h.tag[1]), h.text_content().strip()) for h in (page if main is None else main).iter("h1", "h2", "h3", "h4", "h5", "h6")]
    if [level for level, _ in levels].count(1) != 1:
        yield f"{[level for level, _ in levels].count(1)} headings of level 1, not one"
    for (before, _), (level, text) in zip(levels, levels[1:], strict=False):
        if level > before + 1:
            yield f"heading {text!r} of level {level} follows level {before}"


def page_problems(page: html.HtmlElement) -> Iterator[str]:
    """Yield what can be said of one page alone."""
    if not page.get("lang"):
        yield "html has no lang"
    for address in foreign(page):
        yield f"loads {address} from another host"
    for picture in page.iter("img"):
        if not (picture.get("alt") or "").strip() and picture.get("role") != "presentation":
            yield f"a picture has no alt text: {(picture.get('src') or '')[:60]}"
    for id, times in Counter(element.get("id") for element in page.iterfind(".//*[@id]")).items():
        if times > 1:
            yield f"{times} elements have the id {id!r}"
    for text in page.xpath("//main//text()[not(ancestor::pre or ancestor::code or ancestor::script or ancestor::style)]"):
        if found := re.search(r":::|\{[#.][\w.-]+[^}]*\}|\\\(.*\\\)|\$\$", text):
            yield f"markup shows as text: {found[0]!r} in {' '.join(text.split())[:80]!r}"
    yield from heading_problems(page)


def link_problems(folder: Path, path: Path, pages: dict[Path, tuple[html.HtmlElement, set[str]]]) -> Iterator[str]:
    """Yield links of a page to files or anchors of the site that do not exist."""
    for element in pages[path][0].iter("a", "link", "script", "img"):
        address = element.get("href") if element.tag in ("a", "link") else element.get("src")
        if not address or urlsplit(address).scheme or address.startswith("//"):
            continue
        parts = urlsplit(address)
        target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
        target = target / "index.html" if target.is_dir() else target
        if folder not in target.parents or not target.is_file():
            yield f"link to {address}, which does not exist"
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target][1]:
            yield f"link to {address}: the page has no such anchor"


def check_site(folder: Path) -> list[str]:
    """Return everything that is wrong with the site in `folder`, each with its page; an empty list if nothing is."""
    folder = folder.resolve()
    pages = {}
    for path in sorted(folder.rglob("*.html")):
        page = html.parse(path, html.HTMLParser(encoding="utf-8", huge_tree=True)).getroot()
        pages[path] = page, {element.get("id") for element in page.iterfind(".//*[@id]")} | {element.get("name") for element in page.iter("a")}
    found = []
    for path, (page, _) in pages.items():
        where = path.relative_to(folder).as_posix()
        found += [f"{where}: {problem}" for problem in (*page_problems(page), *link_problems(folder, path, pages))]
    for path in sorted(folder.rglob("*.css")):
        found += [f"{path.relative_to(folder)}: loads {address} from another host" for address in IN_STYLE.findall(path.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(found))
