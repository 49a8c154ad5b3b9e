"""The page's explanations in a real browser: every vector, wrong bytes, what is no TSR at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import tsr
from spec.conformance.vectors import Case, cases
from tsr.contents import read_layout
from tsr.diagnosis.clauses import clause
from tsr.layout import TSR4_ENTRY_OFFSETS, TSR4_ENTRY_SIZE, TSR4_OFFSETS, V1_OFFSETS

pytest.importorskip("playwright", reason="playwright, which the extra test has, is not installed")
from tests.browsing import Tab, viewer

# The vectors, as a reader of both formats takes them, and the original files.
CASES = list(cases())


def test_every_vector(tab: Tab, tmp_path: Path) -> None:
    """Every file of the vectors is valid, or breaks the clause that its vector says."""
    with viewer(tab, tmp_path) as shown:
        shown.drop([(case.name, case.data) for case in CASES])
        found = shown.page.eval_on_selector_all(
            "#list [role=group]",
            "(all) => all.map((one) => [one.querySelector('.file').textContent,"
            " one.querySelector('[role=option]').dataset.clause])",
        )
    assert found == [[case.name, case.expected.clause or None] for case in CASES]


def one_of_each_clause() -> list[Case]:
    """Choose an invalid file for each clause: of several the last, for the first are often cut."""
    return list({case.expected.clause: case for case in CASES if case.expected.clause}.values())


def wrong_bytes(case: Case) -> tuple[int, int] | None:
    """Tell which bytes of a file are wrong, from the layout; None where some are missing."""
    clause, field, offset = case.expected.clause, case.expected.field, case.expected.offset
    assert field is not None
    assert offset is not None
    if "-SIZE-" in clause or clause in ("V1-PAYLOAD-1", "T4-PAYLOAD-1", "T4-DIRECTORY-2"):
        return None
    if field == "end of file":
        return offset, len(case.data)
    if field == "padding":
        return offset, offset + 1
    if field.startswith("payload"):
        info = read_layout(case.data, strict=True).infos[int(field[8:-1])]
        return offset, offset + info.stored_nbytes
    name = re.sub(r"^entries\[\d+\]\.", "", field)
    if name.endswith("]"):
        return offset, offset + 4
    offsets = TSR4_OFFSETS if clause.startswith("T4") else V1_OFFSETS
    if name != field:
        offsets = {**TSR4_ENTRY_OFFSETS, "end": TSR4_ENTRY_SIZE}
    after = min(at for at in offsets.values() if at > offsets[name])
    return offset, offset + after - offsets[name]


# Goes through all entries of the list, and reads what the page says of each.
_READ_ALL = """() => [...document.querySelectorAll('#list [role=group]')].map((group) => {
  group.querySelector('[role=option]').click();
  const parts = ['title', 'clause', 'sentence', 'mend', 'where', 'found', 'expected'];
  return {
    said: parts.map((part) => document.getElementById(`fault-${part}`).textContent),
    wrong: [...document.querySelectorAll('#hexdump [data-wrong]')].map((run) => run.dataset.wrong),
    missing: document.querySelectorAll('#hexdump .kind-missing').length,
  };
})"""


def joined(runs: list[str]) -> list[tuple[int, int]]:
    """Read which bytes are marked, joined where they follow each other."""
    found: list[tuple[int, int]] = []
    for start, end in (map(int, run.split("-")) for run in runs):
        if found and found[-1][1] == start:
            start, _ = found.pop()
        found.append((start, end))
    return found


def test_explanations(tab: Tab, tmp_path: Path) -> None:
    """For each clause, the page cites it, marks the wrong bytes and says what would mend them."""
    chosen = one_of_each_clause()
    assert len(chosen) == 15 + 28
    with viewer(tab, tmp_path) as shown:
        shown.drop([(case.name, case.data) for case in chosen])
        found = shown.page.evaluate(_READ_ALL)
    for case, page in zip(chosen, found, strict=True):
        rule = clause(case.expected.clause)
        title, name, sentence, mend, where, *values = page["said"]
        assert title == f"{case.name} is not valid"
        assert (name, sentence, mend) == rule
        assert where.startswith(f"{case.expected.field} at offset {case.expected.offset:,}")
        assert all(values)
        assert ("crc32" in str(case.expected.field)) == values[0].startswith("0x"), case.name
        wrong = wrong_bytes(case)
        assert joined(page["wrong"]) == ([wrong] if wrong else []), case.name
        assert (page["missing"] > 0) == (wrong is None), case.name


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"\x93NUMPY\x01\x00v\x00{", "an array file of numpy (.npy)", id="npy"),
        pytest.param(
            b"PK\3\4" + bytes(22) + b"\x10\0\0\0archive/data.pkl", "a torch file", id="pt"
        ),
        pytest.param(b"@" + bytes(7) + b'{"w":{"dtype":"F32"', "safetensors", id="safetensors"),
        pytest.param(b"", "an empty file", id="empty"),
        pytest.param(bytes(100), "nothing but zeros", id="zeros"),
        pytest.param(b'{"a": 1}', "JSON", id="json"),
        pytest.param("Grüße\n".encode(), "text", id="text"),
    ],
)
def test_no_tsr_at_all(data: bytes, said: str, tab: Tab, tmp_path: Path) -> None:
    """Of a file that is no TSR the page says what it looks like."""
    with viewer(tab, tmp_path) as shown:
        shown.drop([("x", data)])
        assert said in shown.text("fault-looks")
        assert shown.text("fault-clause") in ("V1-SIZE-1", "V1-MAGIC-1")


@pytest.mark.parametrize("options", [{}, {"limit": 0}])
@pytest.mark.parametrize("kind", ["v1", "tsr4"])
def test_bytes_after_the_end(
    kind: Literal["v1", "tsr4"], options: dict[str, int], tab: Tab, tmp_path: Path
) -> None:
    """Where nothing is wrong but bytes after the end, they are explained, and tensors are shown."""
    array = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    data = tsr.dumps(array if kind == "v1" else [array, array], format=kind)
    with viewer(tab, tmp_path, [("x.tsr", data + b"abc")], **options) as shown:
        assert shown.text("fault-clause") in ("V1-PAYLOAD-2", "T4-END-1")
        shown.page.wait_for_selector("#statistics tr")
        assert shown.statistics()["maximum"] == 5.0
        count = shown.page.locator("#list [role=option]").count()
        assert count == (1 if kind == "v1" else 2)
        if not options:
            shown.page.focus("#hexdump")
            assert shown.text("field").startswith("end of file")


def test_fields_of_the_header(tab: Tab, tmp_path: Path) -> None:
    """Pointing at bytes and going through them by keys tell field, value, meaning and clause."""
    data = tsr.dumps([np.ones((2, 3), np.float32), np.ones((4, 5), np.int8)], format="tsr4")
    with viewer(tab, tmp_path, [("x.tsr", data)]) as shown:
        shown.choose("option-0-1")
        shown.page.hover("#hexdump [role=option] >> nth=4")
        assert shown.text("field").split("\n\n")[:4] == [
            "file_mode", "offset 12 (0xc), 4 bytes", "0", "RAW: payloads are stored as they are.",
        ]  # fmt: skip
        assert clause("T4-MODE-1").sentence in shown.text("field")
        shown.page.focus("#hexdump")
        fields = []
        last = ""
        while (said := shown.text("field")) != last:
            last = said
            shown.page.keyboard.press("ArrowRight")
            fields.append(shown.text("field").split("\n")[0])
    header = [name for name in TSR4_OFFSETS if name != "directory"]
    entry = [
        f"entries[1].{name}{suffix}"
        for name in TSR4_ENTRY_OFFSETS
        for suffix in ([f"[{i}]" for i in range(4)] if name == "shape" else [""])
    ]
    assert fields[:-1] == [*header, *entry, "payload[1]"]


def test_names_are_text(tab: Tab, tmp_path: Path) -> None:
    """A file's name is shown as it is, whatever it looks like."""
    name = "</script><img src=x onerror=\"document.title='broken out'\">&amp;.tsr"
    with viewer(tab, tmp_path, [(name, tsr.dumps(np.ones((2, 2), np.float32)))]) as shown:
        assert shown.text("tensor-title") == name
        shown.drop([(name, b"TSR!")])
        assert shown.text("fault-title") == f"{name} is not valid"
        assert shown.page.locator("img").count() == 0
        assert shown.page.title() != "broken out"
