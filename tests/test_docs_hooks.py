"""What pages take in as they are built: directives, links to clauses, hexdumps."""

from __future__ import annotations

import pytest

from docs.hooks import clauses, hexdump, included, vectors
from docs.hooks.commands import helped
from docs.hooks.dumps import directive, fill, placeholders
from tsr.diagnosis.anatomy import Part
from tsr.diagnosis.clauses import clauses as known_clauses


def test_a_section_is_taken_to_the_next_heading() -> None:
    """A section ends at the next heading of any level; what looks like one in code is none."""
    text = "# A\n\nfirst\n\n## B b\n\n```sh\n# no heading\n```\n\n### C\n\nlast\n"
    assert included.section(text, "a") == "first\n"
    assert included.section(text, "b-b") == "```sh\n# no heading\n```\n"
    assert included.section(text, "c") == "last\n"


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        pytest.param("<!-- include README.md#no-such-heading -->", ValueError, id="heading"),
        pytest.param("<!-- include no-such-file.md -->", FileNotFoundError, id="file"),
    ],
)
def test_what_is_not_there_is_an_error(directive: str, error: type[Exception]) -> None:
    """A directive that names nothing ends the build."""
    with pytest.raises(error):
        included.expand(f"before\n\n{directive}\n", "index.md")


def test_files_become_code() -> None:
    """A source file is a block of its language that bears its name."""
    text = included.expand("<!-- include tests/cpp/examples/embed.cpp -->", "how-to/embed-cpp.md")
    assert text.startswith('```cpp title="tests/cpp/examples/embed.cpp"\n// Two paths')
    assert text.endswith("}\n```")


def test_links_lead_to_pages() -> None:
    """Links of a document, and names of documents in it, become links between pages."""
    text = included.expand("<!-- include spec/tsr4.md -->", "spec/tsr4.md")
    assert "[`vectors/tsr4.json`](vectors/index.md)" in text
    assert "[TSR version 1](tsr-v1.md#6-clauses)" in text
    text = included.expand("<!-- include SECURITY.md -->", "project/security.md")
    assert "[`spec/tsr4.md`](../spec/tsr4.md)" in text


def test_only_tables() -> None:
    """Of a section only the tables are taken, if that is asked for."""
    text = included.expand("<!-- include README.md#in-python table -->", "reference/index.md")
    assert all(line.startswith("|") for line in text.splitlines() if line)
    assert "| `load(path)` |" in text


def test_ids_of_clauses_are_links() -> None:
    """An id in prose is a link, by itself in code too; not in other code, links and headings."""
    text = (
        "# V1-NDIM-1\n\n"
        "V1-NDIM-1, `T4-CRC-2`, `got 5 [V1-NDIM-1]`, [V1-NDIM-1](x.md), V1-NDIM-7\n\n"
        "```text\nV1-NDIM-1\n```\n"
    )
    linked = clauses.link(text, "how-to/check.md")
    ndim, crc = "../spec/tsr-v1.md#v1-ndim-1", "../spec/tsr4.md#t4-crc-2"
    assert linked == text.replace(
        "\n\nV1-NDIM-1, `T4-CRC-2`", f"\n\n[V1-NDIM-1]({ndim}), [`T4-CRC-2`]({crc})"
    )
    assert clauses.link("by V1-NDIM-1", "spec/tsr-v1.md") == "by [V1-NDIM-1](#v1-ndim-1)"


def test_clauses_are_those_of_the_package() -> None:
    """The ids that become links are all that there are, in their order."""
    assert clauses.ids() == tuple(known_clauses())


def test_a_clause_leads_to_its_vectors() -> None:
    """Below the heading of a clause stands how many vectors break it; not where no bytes can."""
    text = clauses.link("### FILE-1\n\n### V1-NDIM-1\n", "spec/tsr-v1.md")
    assert text == (
        "### FILE-1\n\n### V1-NDIM-1\n\n[6 vectors](vectors/v1-ndim-1.md){ .to-vectors }\n"
    )


def test_hexdumps_take_their_places() -> None:
    """A hexdump in a specification is a place, which is filled once the page is HTML."""
    text = "before\n\n```hexdump fp32-rank2\n00000000  54 53\n```\n\nafter\n"
    place = directive("v1", "fp32-rank2")
    assert placeholders(text, "spec/tsr-v1.md") == f"before\n\n{place}\n\nafter\n"
    filled = fill(f"<p>before</p>{place}")
    assert filled.startswith('<p>before</p><figure class="dump"><pre role="group"')
    assert '<button type="button" class="colour-0" data-part="0">54 53 52 21</button>' in filled
    with pytest.raises(ValueError, match="no vector 'nothing' of v1"):
        fill(directive("v1", "nothing"))


def test_nothing_in_a_file_is_markup() -> None:
    """Bytes and texts that look like HTML are shown, not taken for it."""
    data = b"<b>&\"'ok</b>"
    part = Part("<i>", 0, len(data), data, "<script>")
    html = hexdump.render(data, [part], label='"><u>', fault="<s>")
    assert not [tag for tag in ("<b>", "<i>", "<script>", "<u>", "<s>") if tag in html]
    assert "&lt;b&gt;&amp;&quot;&#x27;ok&lt;/b&gt;" in html


def test_lines_of_a_hexdump() -> None:
    """Parts and wrong bytes are told apart within a line, and lines that repeat are left out."""
    data = bytes(70)
    parts = [Part("a", 0, 6, 0, "six"), Part("b", 6, 64, None, "the rest")]
    html = hexdump.render(data, parts, [range(2, 4)], label="x")
    first, second, star, last = html[html.index("<span") : html.index("</pre>")].split("\n")
    assert first.count("<button") == 2
    assert '<span class="wrong" data-part="0">00 00</span>' in first
    assert second.startswith('<span class="at">00000010</span>')
    assert star == "*"
    assert last.startswith('<span class="at">00000040</span>')
    assert html.count('<tr class="wrong">') == 1


def test_counts_of_vectors() -> None:
    """Every clause on bytes has vectors."""
    counts = vectors.counts()
    assert set(counts) == {name for name in known_clauses() if not name.startswith("FILE")}
    assert min(counts.values()) > 0


def test_commands_of_the_session_are_helped() -> None:
    """The help of commands below commands is shown as well."""
    assert ("session", "run") in helped()
    assert ("view",) in helped()
