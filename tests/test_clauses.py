"""`tsr.diagnosis.clauses`: the sentences of the specifications, and what mends what breaks them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import tsr
from tsr.diagnosis.clauses import Clause, clause, clauses

SPEC = Path(__file__).parents[1] / "spec"
DOCUMENTS = ("tsr-v1.md", "tsr4.md")


def sections_of(document: str) -> list[tuple[str, str]]:
    """Take the clauses out of a specification: ids, and all that stands below them."""
    text = (SPEC / document).read_text(encoding="utf-8")
    return re.findall(r"^### ([A-Z0-9]+-[A-Z0-9-]+)\n(.*?)(?=^##|\Z)", text, re.M | re.S)


def plain(markdown: str) -> str:
    """Take what is in front of the reasons, on one line and without marks."""
    return " ".join(markdown.partition("*Why:*")[0].replace("`", "").split())


def test_sentences_are_those_of_the_specifications() -> None:
    """Every clause of the two documents is there, in their order and their words, and no other."""
    stated = [(name, plain(text)) for document in DOCUMENTS for name, text in sections_of(document)]
    assert [(rule.id, rule.sentence) for rule in clauses().values()] == stated
    assert len(stated) == 46
    assert all(rule.sentence.count("MUST") == 1 for rule in clauses().values())


@pytest.mark.parametrize("rule", clauses().values(), ids=clauses())
def test_mends_are_sentences(rule: Clause) -> None:
    """What mends a file is said in sentences of one line."""
    assert re.fullmatch(r"[A-Z][^\n]+\.", rule.mend)
    assert "  " not in rule.mend


@pytest.mark.parametrize("document", DOCUMENTS)
def test_locations_lead_to_the_headings(document: str) -> None:
    """The anchor of a clause is the one of its heading, in the document that has it."""
    for name, _ in sections_of(document):
        assert clause(name).location == f"spec/{document}#{name.lower()}"


def test_one_clause() -> None:
    """A clause is found by its id."""
    found = clause("V1-DTYPE-1")
    assert (found.id, found.sentence) == ("V1-DTYPE-1", "dtype MUST be 1, 2 or 3.")
    assert found.mend.startswith("Set dtype to the number of the type that the elements have")


def test_no_such_clause() -> None:
    """An id that no clause has is named."""
    with pytest.raises(tsr.UnsupportedError, match="clause: got 'V1-NONE-1', expected an id like"):
        clause("V1-NONE-1")


def test_file_is_plain_json() -> None:
    """Readers in other languages find an object with a sentence and a mend for each id."""
    path = Path(tsr.__file__).with_name("diagnosis") / "clauses.json"
    loaded = json.loads(path.read_bytes())
    assert list(loaded) == list(clauses())
    assert all(set(texts) == {"sentence", "mend"} for texts in loaded.values())
