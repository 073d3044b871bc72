"""The data of lessons 07.08 and 07.08b: answers in ELI5-Category's columns, and a dump of Wikipedia in WikiText's rows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_nlp import catalog
from course_nlp.catalog import _pip_command, entries
from course_nlp.hub_store import Store
from course_nlp.stand_ins import DATA, Wheel, read_jsonl
from course_nlp.text_stand_ins import wiki_lines, wiki_pages, wiki_rows

CONFIG = "wikitext-2-raw-v1"


def page(title, text, inside="<ns>0</ns>"):
    """Return a page of a dump."""
    return f"<page><title>{title}</title>{inside}<revision><text>{text}</text></revision></page>"


def dump(*pages):
    """Return a dump of pages."""
    return f"<mediawiki>{''.join(pages)}</mediawiki>".encode()


def texts(store, split):
    """Return the rows of a split."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = store.read("datasets", "course/wiki-pages", f"{CONFIG}/{split}-00000-of-00001.parquet")
    return pq.read_table(pa.BufferReader(content))["text"].to_pylist()


@pytest.fixture(scope="module")
def store(stand_in_cache):
    """Return the local Hub's store with both data sets in it."""
    catalog.prepare((), repos=["course/eli5", "course/wiki-pages"])
    return Store(catalog.hub_root())


# --- a wheel for one platform


def wheel(file):
    """Return the record of a wheel."""
    return Wheel("gensim", "4.4.0", file, "0" * 64, 1)


def test_pip_is_told_the_tags_of_a_wheel_for_one_platform(tmp_path):
    command = _pip_command(wheel("gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"), tmp_path)
    flags = " ".join(command)
    assert "--platform manylinux_2_24_x86_64 --platform manylinux_2_28_x86_64 --implementation cp --python-version 3.11 --abi cp311" in flags
    assert command[-1] == "gensim==4.4.0" and "--only-binary :all:" in flags


def test_a_wheel_for_all_platforms_is_asked_for_as_such(tmp_path):
    """Or pip would take the package's wheel for this machine, where it has one."""
    command = _pip_command(wheel("gensim-4.4.0-py3-none-any.whl"), tmp_path)
    assert command[command.index("--platform") + 1] == "any"


# --- the dump


def test_redirects_talk_lists_and_pages_that_tell_names_apart_are_left_out():
    pages = [
        page("Ada", "a &amp;&#32;b"), page("ADA", "#REDIRECT", '<ns>0</ns><redirect title="Ada" />'), page("Talk:Ada", "x", "<ns>1</ns>"),
        page("List of towns", "x"), page("Ada (disambiguation)", "x"),
    ]  # fmt: skip
    assert wiki_pages(dump(*pages)) == [("Ada", "a & b")]


def test_text_that_comes_in_pieces_is_put_together():
    long = "x" * 100_000 + "&lt;" + "y" * 100_000
    assert wiki_pages(dump(page("Ada", long))) == [("Ada", long.replace("&lt;", "<"))]


def test_entities_that_grow_are_refused():
    bomb = b'<!DOCTYPE m [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><m><page><title>&b;</title></page></m>'
    with pytest.raises(ValueError, match="document type declaration"):
        wiki_pages(bomb)
    with pytest.raises(ValueError, match="document type declaration"):
        wiki_pages(b'<!DOCTYPE m SYSTEM "file:///etc/passwd"><m/>')


def test_a_broken_file_is_named():
    with pytest.raises(ValueError, match="no well-formed XML: "):
        wiki_pages(b"<mediawiki><page>")


# --- markup


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("'''Ada''' is a [[town|small town]] in the ''far'' north of [[Norway]].", "Ada is a small town in the far north of Norway."),
        ("It lies {{convert|3|km|mi}} from the sea, as everybody knows well.", "It lies 3 km from the sea, as everybody knows well."),
        ("Ada ({{IPA|x}}, {{lang|no|Adda}}) is a town in the north of it.", "Ada (Adda) is a town in the north of it."),
        ("Ada ({{IPA|x}}; {{IPA|y}}) is a town in the far north of it.", "Ada is a town in the far north of it."),
        ("A town<ref>Book {{cite|x}}</ref> of the north<!-- check --> that has no harbor.", "A town of the north that has no harbor."),
        ("Five &ndash; or six &nbsp; towns stood here [http://a.example once], long ago.", "Five – or six towns stood here once, long ago."),
        ("[[File:a.jpg|thumb|A [[bridge]] of the town.]]The bridge is older than the town around it.", "The bridge is older than the town around it."),
    ],
)
def test_markup_becomes_the_text_that_readers_see(markup, text):
    assert wiki_lines("Ada", markup) == [(1, "Ada"), (0, text)]


def test_lists_tables_and_last_sections_are_left_out():
    markup = """{| class="x"
| A cell of a table with as many words as a paragraph.
|}
* An entry of a list with as many words as a paragraph.
: Indented words, as many of them as in a paragraph.
The one paragraph that is left of all this is here.
== See also ==
=== More ===
A paragraph under a heading under a section that is left out.
== History ==
What comes after such a section is kept, if it is text."""
    assert [text for _, text in wiki_lines("Ada", markup)] == [
        "Ada", "The one paragraph that is left of all this is here.", "History", "What comes after such a section is kept, if it is text.",
    ]  # fmt: skip


def test_an_empty_title_is_refused():
    with pytest.raises(ValueError, match="title = ' ' is empty"):
        wiki_lines(" ", "text")


@given(st.lists(st.tuples(st.integers(0, 4), st.text(alphabet="ab", min_size=1)), max_size=12))
def test_rows_hold_every_line_once_and_never_two_empty_rows(lines):
    rows = wiki_rows(lines)
    assert [row.strip(" =\n") for row in rows if row] == [text for _, text in lines]
    assert all(a or b for a, b in zip(rows, rows[1:], strict=False))
    assert all(re.fullmatch(r" \S.* \n", row) for row in rows if row)


# --- the data sets


def test_rows_look_like_wikitexts(store):
    for split in ("train", "validation", "test"):
        rows = texts(store, split)
        headings = [row for row in rows if row.startswith(" = ")]
        assert rows[0] == "" and rows[1] in headings
        assert all(re.fullmatch(r" ((?:= )+)[^=].* \1\n", row) for row in headings)
        paragraphs = [row for row in rows if row and row not in headings]
        assert len(paragraphs) > 300 and all(len(row.split()) >= 8 for row in paragraphs)
        assert not any(re.search(r"\[\[|\]\]|\{\{|\}\}|<ref|''", row) for row in rows)
    assert len(texts(store, "train")) > 6000


def test_a_page_is_in_one_split_and_no_paragraph_in_two(store):
    splits = {split: texts(store, split) for split in ("train", "validation", "test")}
    titles = {split: {row for row in rows if re.match(r" = [^=]", row)} for split, rows in splits.items()}
    assert len(titles["train"]) > 60 and all(len(titles[split]) >= 8 for split in ("validation", "test"))
    assert sum(map(len, titles.values())) == len(set().union(*titles.values()))
    runs = {}
    for split, rows in splits.items():
        for row in rows:
            words = re.findall(r"\w+", row.lower())
            mine = {" ".join(words[i : i + 8]) for i in range(len(words) - 7)}
            known = sum(runs.get(run, split) != split for run in mine)
            assert known <= 0.2 * len(mine), row
            for run in mine:
                runs.setdefault(run, split)


def test_the_configuration_has_the_name_it_has_on_the_hub(store):
    head = store.read("datasets", "course/wiki-pages", "README.md").decode().split("---")[1]
    assert f"config_name: {CONFIG}" in head and f"path: {CONFIG}/validation-*" in head


def test_the_answers_nest_as_the_original_does(store):
    import pyarrow as pa
    import pyarrow.parquet as pq

    written, count = read_jsonl(DATA / "eli5.jsonl"), 0
    for split in ("train", "validation1", "validation2", "test"):
        table = pq.read_table(pa.BufferReader(store.read("datasets", "course/eli5", f"data/{split}-00000-of-00001.parquet")))
        rows = table.to_pylist()
        assert rows == [{name: row[name] for name in rows[0]} for row in written if row["split"] == split]
        assert table.column_names == ["q_id", "title", "selftext", "category", "subreddit", "answers", "title_urls", "selftext_urls"]
        assert [field.name for field in table.schema.field("answers").type] == ["a_id", "text", "score", "text_urls"]
        count += len(rows)
    assert count == len(written) == 96


def test_building_again_gives_the_same_commit(store):
    before = store.resolve("datasets", "course/eli5")
    catalog.prepare((), repos=["course/eli5"], force=True)
    assert store.resolve("datasets", "course/eli5") == before


def test_the_card_says_whose_text_it_is():
    entry = entries()["course/wiki-pages"]
    assert entry.licence == "cc-by-sa-3.0" and "Wikipedia" in entry.citation and "Salesforce/wikitext" in entry.stands_for
