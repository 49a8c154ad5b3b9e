"""The specifications against the code and the vectors: none of the three drifts from the others.

``spec/tsr-v1.md`` and ``spec/tsr4.md`` are read as data: their clauses, tables and hexdumps.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import struct
import subprocess
import sys
import tokenize
import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tsr
from tests.vectors import by_clause, of_each
from tsr import container, dtypes, layout, schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "spec"
GENERATOR = [SPEC / "make_vectors.py", *sorted((SPEC / "generator").glob("*.py"))]
ORIGINAL = SPEC / "vectors" / "original"
SHARED = ROOT.parent / "shared" / "data"
VECTORS_README = (SPEC / "vectors" / "README.md").read_text(encoding="utf-8")

CLAUSE_ID = re.compile(r"\b(?:FILE|(?:V1|T4)-[A-Z]+)-[0-9]+\b")
ITEMSIZES = {"float32": 4, "float16": 2, "int8": 1, "int32": 4}
ROW_ALIGNMENTS = {"float32": 256, "float16": 128, "int8": 128, "int32": 256}


def section(text: str, title: str) -> str:
    """Take a section of second rank out of a document, by the end of its title."""
    found = re.search(rf"^## [^\n]*{re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found is not None, title
    return found[1]


def tables(text: str) -> list[list[list[str]]]:
    """Find the tables of a text: rows of cells, without the head, code marks taken off."""
    found = re.findall(r"^\|.*\n\|[-:| ]+\n((?:\|.*\n)+)", text, re.M)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in body.splitlines()]
        for body in found
    ]


def open_all(data: bytes, strict: bool) -> list[NDArray[Any]]:
    """Decode a TSR4 file."""
    with tsr.open(data, strict=strict) as file:
        return list(file)


@dataclass(frozen=True)
class Format:
    """A format: its specification and its vectors, and what the code has of it."""

    name: str
    specification: str
    vectors_name: str
    types: tuple[dtypes.ElementType, ...]
    code: str
    decode: Callable[[bytes, bool], list[NDArray[Any]]]

    def __repr__(self) -> str:
        return self.name

    @cached_property
    def text(self) -> str:
        """The specification."""
        return (SPEC / self.specification).read_text(encoding="utf-8")

    @cached_property
    def clauses(self) -> dict[str, str]:
        """The clauses and what they say, in order."""
        found = re.findall(
            r"^### (\S+)\n(.*?)(?=^##|\Z)", section(self.text, "Clauses"), re.M | re.S
        )
        return dict(found)

    @cached_property
    def locations(self) -> dict[str, tuple[str, str]]:
        """Field and offset of each clause, in the words of the table."""
        rows = tables(section(self.text, "Order of reporting"))[0]
        return {row[0]: (row[1], row[2]) for row in rows}

    @cached_property
    def dumps(self) -> list[tuple[str, str, str]]:
        """The hexdumps: their id, themselves, and the paragraph below."""
        return re.findall(r"^```hexdump (\S+)\n((?:.+\n)+?)```\n\n((?:.+\n)+)", self.text, re.M)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The vectors with their head."""
        loaded: dict[str, Any] = json.loads((SPEC / "vectors" / self.vectors_name).read_bytes())
        return loaded

    @cached_property
    def vectors(self) -> dict[str, dict[str, Any]]:
        """The vectors by their id."""
        return {vector["id"]: vector for vector in self.document["vectors"]}

    @property
    def valid(self) -> list[dict[str, Any]]:
        """The valid vectors."""
        return [vector for vector in self.document["vectors"] if vector["valid"]]

    @property
    def invalid(self) -> list[dict[str, Any]]:
        """The invalid vectors."""
        return [vector for vector in self.document["vectors"] if not vector["valid"]]


V1 = Format(
    "v1",
    "tsr-v1.md",
    "v1.json",
    dtypes.V1_TYPES,
    "code",
    lambda data, strict: [tsr.loads(data, strict=strict)],
)
TSR4 = Format("tsr4", "tsr4.md", "tsr4.json", dtypes.TSR4_TYPES, "tsr4_code", open_all)
FORMATS = (V1, TSR4)
CLAUSES = V1.clauses | TSR4.clauses

each_format = pytest.mark.parametrize("form", FORMATS, ids=repr)
each_clause = pytest.mark.parametrize(
    ("form", "clause"),
    [pytest.param(form, clause, id=clause) for form in FORMATS for clause in form.clauses],
)


def each_vector(
    choose: Callable[[dict[str, Any]], bool],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test on each of the vectors of both formats that are chosen."""
    parametrize = pytest.mark.parametrize(
        ("form", "vector"),
        [
            pytest.param(form, group, id=f"{form}-{clause}")
            for form in FORMATS
            for clause, group in by_clause(filter(choose, form.document["vectors"])).items()
        ],
    )
    return lambda test: parametrize(of_each(test))


# ------------------------------------------------------------------ clauses


@cache
def comments() -> dict[str, set[str]]:
    """Find the clause ids in the comments of the package, with the modules they stand in."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tsr").rglob("*.py")):
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.COMMENT:
                    for clause in CLAUSE_ID.findall(token.string):
                        found.setdefault(clause, set()).add(path.name)
    return found


@each_format
def test_clause_ids_are_well_formed(form: Format) -> None:
    """Every heading of a clause is an id, and none is used twice."""
    headings = re.findall(r"^### (.*)$", form.text, re.M)
    assert headings == list(form.clauses)
    assert all(CLAUSE_ID.fullmatch(heading) for heading in headings)


def test_no_clause_stands_in_two_documents() -> None:
    """What holds for both formats is specified once."""
    assert len(CLAUSES) == len(V1.clauses) + len(TSR4.clauses)


@each_clause
def test_clause_has_one_must(form: Format, clause: str) -> None:
    """A clause says MUST once, in its first paragraph."""
    assert form.clauses[clause].count("MUST") == 1
    assert "MUST" in form.clauses[clause].strip().split("\n\n")[0]


@each_format
def test_must_stands_in_clauses_only(form: Format) -> None:
    """Outside the clauses, MUST is only the word that section 1 defines."""
    outside = form.text.replace(section(form.text, "Clauses"), "")
    assert outside.count("MUST") == section(form.text, "Scope and terms").count("MUST") == 1
    assert not re.search(r"\b(SHOULD|SHALL|MAY|REQUIRED|RECOMMENDED|OPTIONAL)\b", form.text)


@pytest.mark.parametrize("clause", CLAUSES)
def test_clause_is_named_above_the_code(clause: str) -> None:
    """A comment in the package names each clause where it is enforced."""
    assert clause in comments()


@each_clause
def test_clause_is_broken_by_a_vector(form: Format, clause: str) -> None:
    """A vector breaks each clause, unless no bytes can."""
    broken = {vector["clause"] for vector in form.invalid}
    assert (clause in broken) != (clause in form.document["not_bytes"])


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=str(path.relative_to(ROOT)))
        for pattern in ("tsr/**/*.py", "spec/**/*")
        for path in sorted(ROOT.glob(pattern))
        if path.suffix in {".py", ".md", ".json"}
    ],
)
def test_no_unknown_clause(path: Path) -> None:
    """Code, vectors and documents name only clauses of the specifications."""
    assert set(CLAUSE_ID.findall(path.read_text(encoding="utf-8"))) <= CLAUSES.keys()


# ------------------------------------------------------------------ layout

# Each table of section 3, and what the code calls its schema, its struct and its offsets.
each_table = pytest.mark.parametrize(
    ("rows", "names"),
    [
        pytest.param(
            tables(section(form.text, "Layout"))[number],
            {
                "schema": f"{prefix}_SCHEMA",
                "struct": prefix,
                "offsets": offsets,
            },
            id=prefix,
        )
        for form, number, prefix, offsets in [
            (V1, 0, "V1_HEADER", "V1_OFFSETS"),
            (TSR4, 0, "TSR4_HEADER", "TSR4_OFFSETS"),
            (TSR4, 1, "TSR4_ENTRY", "TSR4_ENTRY_OFFSETS"),
        ]
    ],
)


@each_table
def test_offset_table_is_the_schema(rows: list[list[str]], names: dict[str, str]) -> None:
    """Names, offsets and sizes of the fields are those of the schema, in its order."""
    offset, expected = 0, []
    for part in getattr(schema, names["schema"]).subcons:
        if part.sizeof():  # checks take no bytes
            expected.append([str(offset), str(part.sizeof()), part.name])
            offset += part.sizeof()
    # What follows a header has no size of its own.
    follows = [row[:2] for row in rows if row[1] == "…"]
    assert [row[:3] for row in rows if row[1] != "…"] == expected
    assert follows in ([], [[str(offset), "…"]])


@each_table
def test_offset_table_is_the_layout(rows: list[list[str]], names: dict[str, str]) -> None:
    """Offsets and types are those of the compiled layout."""
    assert {row[2]: int(row[0]) for row in rows} == getattr(layout, names["offsets"])
    codes = {
        "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
        "int32": "i", "int32[4]": "iiii", "int64": "q",
    }  # fmt: skip
    formats = "".join(codes.get(row[3], f"{row[1]}s") for row in rows if row[1] != "…")
    assert getattr(layout, names["struct"]).format == "<" + formats


@each_table
def test_offset_table_constants_are_the_schema(
    rows: list[list[str]], names: dict[str, str]
) -> None:
    """The values of constant fields are those of the schema."""
    values = {row[2]: row[4] for row in rows}
    constants = {
        part.name: part.subcon.value
        for part in getattr(schema, names["schema"]).subcons
        if hasattr(part.subcon, "value")
    }
    magic = constants.pop("magic", None)
    if "magic" in values:
        assert magic is not None
        assert values["magic"] == f"`{magic.hex(' ')}`, in ASCII `{magic.decode('ascii')}`"
    assert {
        name: int.from_bytes(value, "little") if isinstance(value, bytes) else value
        for name, value in constants.items()
    } == {name: int(value) for name, value in values.items() if value.isdigit()}


@each_format
def test_element_types_are_those_of_the_code(form: Format) -> None:
    """The tables of element types are the ones the code has."""
    supported, *announced = tables(section(form.text, "Element types"))
    assert [row[:4] for row in supported] == [
        [str(getattr(element, form.code)), element.label, element.name, str(element.itemsize)]
        for element in form.types
    ]
    if form is V1:
        assert {int(code): label for code, label in announced[0]} == dtypes.ANNOUNCED
    else:
        assert not announced


@pytest.mark.parametrize(
    "row", tables(section(V1.text, "Shape"))[0], ids=lambda row: row[0].strip("`")
)
def test_shape_table_is_what_is_written(row: list[str]) -> None:
    """Each shape of the table gets the header that its row says."""
    shape, ndim, dims, total = (ast.literal_eval(cell.strip("`")) for cell in row)
    fields = layout.V1_HEADER.unpack(tsr.build_header("float32", shape))
    assert (fields[5], fields[6:10], fields[10]) == (ndim, dims, total)


@pytest.mark.parametrize(
    "row", tables(section(TSR4.text, "Shape"))[0], ids=lambda row: row[0].strip("`")
)
def test_tsr4_shape_table_is_what_is_written(row: list[str]) -> None:
    """Each array of the table is stored with the shape that its row says."""
    shape, stored, numel = (ast.literal_eval(cell.strip("`")) for cell in row)
    assert container.check_shape(dtypes.TSR4_TYPES[0], shape) == stored
    assert prod(stored) == numel


def computed_row_stride(dtype: str, shape: list[int]) -> int:
    """Work out what row_stride is, by section 5 of the specification of TSR4."""
    row = shape[2] * shape[3] * ITEMSIZES[dtype]
    return -(-row // ROW_ALIGNMENTS[dtype]) * ROW_ALIGNMENTS[dtype]


@pytest.mark.parametrize("row", tables(section(TSR4.text, "Shape"))[1], ids=lambda row: row[1])
def test_row_stride_table(row: list[str]) -> None:
    """Each row_stride of the table is the computed one."""
    name = next(element.name for element in TSR4.types if element.label == row[0])
    shape = list(ast.literal_eval(row[1].strip("`")))
    assert computed_row_stride(name, shape) == int(row[2])


@pytest.mark.parametrize(
    ("row", "sizes", "alignment"),
    [
        pytest.param(row, sizes, alignment, id=row[0])
        for row, sizes, alignment in zip(
            tables(section(TSR4.text, "Payloads"))[0],
            [(24, 5, 24), (35, 16, 35)],
            [256, 1],
            strict=True,
        )
    ],
)
def test_payload_table(row: list[str], sizes: tuple[int, ...], alignment: int) -> None:
    """Payloads and padding begin where the table says."""
    expected, end = [0, 128], 128 + 64 * len(sizes)
    for size in sizes:
        start = -(-end // alignment) * alignment
        expected += [end, start] if alignment > 1 else [start]
        end = start + size
    assert [int(cell) for cell in row[1:] if cell] == expected


def test_crc_is_the_one_that_the_text_names() -> None:
    """The check value of the terms is that of the CRC-32 which the vectors have."""
    assert f"{zlib.crc32(b'123456789'):08X}" in section(TSR4.text, "Scope and terms")


# ------------------------------------------------------------------ order of reporting


@each_format
def test_table_of_reports_has_the_order_of_the_clauses(form: Format) -> None:
    """The table of reports lists the clauses in the order of their section."""
    assert list(form.locations) == list(form.clauses)
    assert list(form.document["clauses"]) == [
        clause for clause in form.clauses if clause not in form.document["not_bytes"]
    ]


def v1_names(data: bytes, indices: dict[str, int]) -> dict[str, Callable[[], int]]:
    """Tell what the offsets of the table of TSR v1 are made of."""
    return {
        "i": lambda: indices["i"],
        "total_elements": lambda: int(struct.unpack_from("<q", data, 40)[0]),
        "itemsize": lambda: {1: 4, 2: 1, 3: 4}[data[16]],
    }


def tsr4_names(data: bytes, indices: dict[str, int]) -> dict[str, Callable[[], int]]:
    """Tell what the offsets of the table of TSR4 are made of."""

    def last_end() -> int:
        offset, size = entries_of(data)[-1][1:3]
        return offset + size

    def padding() -> int:
        entries = entries_of(data)
        ends = [128 + 64 * len(entries), *(offset + size for _, offset, size in entries)]
        starts = [offset for _, offset, _ in entries]
        return next(
            at
            for end, start in zip(ends, starts, strict=False)
            for at in range(end, start)
            if data[at]
        )

    return {
        "E": lambda: 128 + 64 * indices["i"],
        "j": lambda: indices["j"],
        "data_offset of the entry": lambda: entries_of(data)[indices["i"]][1],
        "the end of the last payload": last_end,
        "its first byte that is not 0": padding,
    }


def entries_of(data: bytes) -> list[tuple[int, int, int]]:
    """Take nbytes, data_offset and payload_size out of the entries of a TSR4 file."""
    (count,) = struct.unpack_from("<I", data, 16)
    return [struct.unpack_from("<QQQ", data, 128 + 64 * index + 36) for index in range(count)]


TIMES = " \N{MULTIPLICATION SIGN} "


def evaluate(expression: str, names: dict[str, Callable[[], int]]) -> int:
    """Work out an offset: a sum of products of numbers and names."""
    return sum(
        prod(int(factor) if factor.isdigit() else names[factor]() for factor in term.split(TIMES))
        for term in expression.split(" + ")
    )


@each_vector(lambda vector: not vector["valid"])
def test_report_is_where_the_table_says(form: Format, vector: dict[str, Any]) -> None:
    """Field and offset of a vector are those of its clause's row."""
    data = bytes.fromhex(vector["hex"])
    for report in (vector, vector.get("lenient_error", vector)):
        field, offset = form.locations[report["clause"]]
        pattern = re.sub(r"\\\[([ij])\\\]", r"\\[(?P<\1>[0-9]+)\\]", re.escape(field))
        found = re.fullmatch(pattern, report["field"])
        assert found is not None, report["field"]
        indices = {name: int(index) for name, index in found.groupdict().items()}
        # A shape has four dimensions; a directory can have any number of entries.
        assert indices.get("i" if form is V1 else "j", 0) < 4
        names = (v1_names if form is V1 else tsr4_names)(data, indices)
        assert report["offset"] == evaluate(offset, names)


@each_format
def test_lenient_reading_waives_what_the_text_lists(form: Format) -> None:
    """The clauses that lenient reading accepts a breach of are those that the text lists."""
    waived = set(re.findall(r"^- (\S+)$", section(form.text, "Lenient reading"), re.M))
    assert waived == {vector["clause"] for vector in form.invalid if vector["lenient"]}
    # What lenient reading refuses for another reason breaks one of them first.
    assert waived >= {vector["clause"] for vector in form.invalid if "lenient_error" in vector}


# ------------------------------------------------------------------ hexdumps


def parse_dump(dump: str) -> bytes:
    """Read a hexdump, and check its offsets and its ASCII; ``*`` repeats the row above it."""
    data = row = b""
    repeated = False
    for line in dump.splitlines():
        if line == "*":
            repeated = True
            continue
        offset, octets, text = line[:8], line[10:58], line[60:].strip("|")
        if repeated:
            assert (int(offset, 16) - len(data)) % 16 == 0 < int(offset, 16) - len(data)
            data += row * ((int(offset, 16) - len(data)) // 16)
            repeated = False
        row = bytes.fromhex(octets)
        assert int(offset, 16) == len(data)
        assert text == "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        data += row
    assert not repeated
    return data


def assert_says(form: Format, said: str, vector: dict[str, Any], strict: bool) -> None:
    """Decode a file and compare it with what the text says of it."""
    if form is TSR4:
        mode, _, said = said.partition("; ")
        assert mode == vector["mode"].upper()
    tensors = said.removesuffix(".").split("; ")
    arrays = form.decode(bytes.fromhex(vector["hex"]), strict)
    for array, tensor in zip(arrays, tensors, strict=True):
        found = re.fullmatch(r"(\w+), shape `(.*)`, values `(.*)`", tensor)
        assert found is not None, tensor
        label = next(e.label for e in form.types if e.name == array.dtype.name)
        assert label == found[1]
        assert array.shape == ast.literal_eval(found[2])
        assert array.tolist() == ast.literal_eval(found[3])


@each_format
def test_every_dump_is_found(form: Format) -> None:
    """No code block in the examples escapes the tests."""
    assert len(form.dumps) == form.text.count("```") // 2 >= 3
    assert any(text.startswith("Invalid") for _, _, text in form.dumps)


@pytest.mark.parametrize(
    ("form", "name", "dump", "text"),
    [pytest.param(form, *dump, id=dump[0]) for form in FORMATS for dump in form.dumps],
)
def test_dump_is_what_the_text_says(form: Format, name: str, dump: str, text: str) -> None:
    """A hexdump is its vector, and decodes or is refused as the text below it says."""
    vector = form.vectors[name]
    data = parse_dump(dump)
    assert data.hex() == vector["hex"]
    text = " ".join(text.split())
    if text.startswith("Valid: "):
        assert_says(form, text.removeprefix("Valid: "), vector, strict=True)
        return
    refused, _, lenient = text.partition(" Lenient: ")
    found = re.fullmatch(r"Invalid: (\S+), field `(\S+)`, offset (\d+)\.", refused)
    assert found is not None, text
    with pytest.raises(tsr.FormatError) as caught:
        form.decode(data, True)
    error = caught.value
    assert (error.clause, error.field, str(error.offset)) == found.groups()
    if lenient:
        assert_says(form, lenient, vector, strict=False)


# ------------------------------------------------------------------ links


def anchors(text: str) -> set[str]:
    """Work out the anchors of a document's headings."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", ["tsr-v1.md", "tsr4.md", "vectors/README.md"])
def test_links_lead_somewhere(document: str) -> None:
    """Every link leads to a file or a heading that is there."""
    path = SPEC / document
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        goal = path.parent / name if name else path
        assert goal.is_file(), target
        assert not anchor or anchor in anchors(goal.read_text(encoding="utf-8")), target


@each_format
def test_contents_list_every_section(form: Format) -> None:
    """The contents name the sections, all of them and in order."""
    contents = form.text[form.text.index("Contents: ") : form.text.index("## ")]
    titles = re.findall(r"^## (.*)$", form.text, re.M)
    assert re.findall(r"\[(.*)\]\(#", contents) == titles
    assert [int(title.split()[0]) for title in titles] == list(range(1, len(titles) + 1))


@each_format
def test_sections_that_are_referred_to_exist(form: Format) -> None:
    """A number of a section in the text is one that there is."""
    last = len(re.findall(r"^## ", form.text, re.M))
    numbers = re.findall(r"\bsections? ([0-9]+)(?:, ([0-9]+))*(?: and ([0-9]+))?", form.text)
    assert numbers
    assert all(int(number) <= last for group in numbers for number in group if number)


# ------------------------------------------------------------------ the vectors as data

COMMON = {"id": str, "comment": str, "flags": list, "valid": bool, "hex": str}
TENSOR = {"dtype": str, "shape": list, "payload_sha256": str}
TENSORS = {"mode": str, "tensors": list}
REPORT = {"clause": str, "field": str, "offset": int}


def members(form: Format, vector: dict[str, Any]) -> dict[str, type]:
    """Tell the members that a vector has, with their types."""
    decoded = TENSOR if form is V1 else TENSORS
    if vector["valid"]:
        canonical = {} if form is V1 else {"canonical": bool}
        pinned = {"sha256": str} if "pinned" in vector["flags"] else {}
        return COMMON | decoded | canonical | pinned
    expected = COMMON | REPORT | {"lenient": bool}
    if vector["lenient"]:
        return expected | decoded
    return expected | ({"lenient_error": dict} if "lenient_error" in vector else {})


def types_of(value: dict[str, Any]) -> dict[str, type]:
    """Tell the members of an object, with their types."""
    return {name: type(member) for name, member in value.items()}


def tensors_of(form: Format, vector: dict[str, Any]) -> list[dict[str, Any]]:
    """Take out of a vector the tensors that its file decodes to."""
    tensors: list[dict[str, Any]] = [vector] if form is V1 else vector["tensors"]
    return tensors


@each_format
def test_counts_are_right(form: Format) -> None:
    """The counts in the head are those of the vectors, and no clause has none."""
    assert form.document["counts"] == {
        "vectors": len(form.document["vectors"]),
        "valid": len(form.valid),
        "invalid": len(form.invalid),
        "lenient": sum(vector["lenient"] for vector in form.invalid),
    }
    clauses = [vector["clause"] for vector in form.invalid]
    counted = form.document["clauses"]
    assert counted == {clause: clauses.count(clause) for clause in counted}
    assert all(counted.values())
    assert sum(counted.values()) == len(form.invalid)


@each_format
def test_valid_vectors_come_first(form: Format) -> None:
    """No valid vector stands behind an invalid one."""
    assert form.document["vectors"] == form.valid + form.invalid


@each_format
def test_flags_are_declared_and_used(form: Format) -> None:
    """Every flag has a note and a vector, and every flag of a vector a note."""
    flags = form.document["flags"]
    used = {flag for vector in form.document["vectors"] for flag in vector["flags"]}
    assert used == set(flags)
    assert list(flags) == sorted(flags)
    assert all(note.endswith(".") for note in flags.values())


@each_format
def test_ids_and_files_are_unique(form: Format) -> None:
    """No two vectors have the same id, nor the same bytes."""
    vectors = form.document["vectors"]
    assert len(form.vectors) == len(vectors)
    assert len({vector["hex"] for vector in vectors}) == len(vectors)


@each_vector(lambda _: True)
def test_vector_has_its_schema(form: Format, vector: dict[str, Any]) -> None:
    """A vector has its members, no others, each of its type."""
    assert types_of(vector) == members(form, vector)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", vector["id"])
    assert vector["comment"].strip() == vector["comment"] != ""
    assert len(set(vector["flags"])) == len(vector["flags"])
    assert bytes.fromhex(vector["hex"]).hex() == vector["hex"]
    if "lenient_error" in vector:
        report = vector["lenient_error"]
        assert types_of(report) == REPORT
        assert report["clause"] != vector["clause"]
    if "tensors" in vector:
        assert vector["mode"] in {"raw", "zlib"}
        for tensor in vector["tensors"]:
            stride = {"row_stride": int} if "row_stride" in tensor else {}
            assert types_of(tensor) == TENSOR | stride


def elements_of(form: Format, data: bytes, tensors: list[dict[str, Any]]) -> list[bytes]:
    """Take the elements of a file's tensors out of it."""
    if form is V1:
        (tensor,) = tensors
        return [data[64 : 64 + prod(tensor["shape"]) * ITEMSIZES[tensor["dtype"]]]]
    payloads = [data[offset : offset + size] for _, offset, size in entries_of(data)]
    return [zlib.decompress(payload) for payload in payloads] if data[12] else payloads


def assert_tensors(form: Format, data: bytes, tensors: list[dict[str, Any]]) -> None:
    """Compare shapes and hashes of a file's tensors with its bytes."""
    found = elements_of(form, data, tensors)
    for tensor, elements in zip(tensors, found, strict=True):
        least = 0 if form is V1 else 1
        assert all(type(dim) is int and dim >= least for dim in tensor["shape"])
        assert len(elements) == prod(tensor["shape"]) * ITEMSIZES[tensor["dtype"]]
        assert sha256(elements).hexdigest() == tensor["payload_sha256"]


@each_vector(lambda vector: vector["valid"] or vector["lenient"])
def test_payload_hash_is_that_of_the_bytes(form: Format, vector: dict[str, Any]) -> None:
    """The hash of each payload is that of the bytes in the file, as many as the shape takes."""
    assert_tensors(form, bytes.fromhex(vector["hex"]), tensors_of(form, vector))


@pytest.mark.parametrize("vector", [pytest.param(each, id=each["id"]) for each in TSR4.valid])
def test_row_stride_is_told_where_it_is_not_computed(vector: dict[str, Any]) -> None:
    """A TSR4 vector has row_stride where the file has another one, and is not canonical then."""
    data = bytes.fromhex(vector["hex"])
    for index, tensor in enumerate(vector["tensors"]):
        (stored,) = struct.unpack_from("<Q", data, 128 + 64 * index + 28)
        computed = computed_row_stride(tensor["dtype"], tensor["shape"])
        assert stored == tensor.get("row_stride", computed)
        assert ("row_stride" in tensor) == (stored != computed)
    assert data[12] == ["raw", "zlib"].index(vector["mode"])
    assert vector["canonical"] == (
        vector["mode"] == "raw" and not any("row_stride" in each for each in vector["tensors"])
    )


def test_readme_describes_every_member() -> None:
    """The page on the data describes each member of the documents and of a vector, no others."""
    (document,) = tables(section(VECTORS_README, "The document"))
    described = [row[0].strip("`") for row in document]
    assert all(described == list(form.document) for form in FORMATS)
    common, tensor, tensors, valid, refused = tables(section(VECTORS_README, "A vector"))
    assert {row[0].strip("`") for row in common} == set(COMMON)
    assert {row[0].strip("`") for row in tensor} == set(TENSOR)
    assert {row[0].strip("`") for row in tensors} == set(TENSORS)
    assert {row[0].strip("`") for row in valid} == {"canonical", "sha256"}
    assert {row[0].strip("`") for row in refused} == {*REPORT, "lenient", "lenient_error"}


# ------------------------------------------------------------------ original files

INDEX: list[dict[str, Any]] = json.loads((ORIGINAL / "index.json").read_bytes())


def test_index_names_the_original_files() -> None:
    """The index has an object for each file, in order, and no others."""
    files = sorted(path.name for path in ORIGINAL.iterdir() if path.name != "index.json")
    assert [entry["file"] for entry in INDEX] == files


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["file"]) for entry in INDEX])
def test_index_describes_the_original_files(entry: dict[str, Any]) -> None:
    """Hash, mode, shapes and elements of an original file are those of the index."""
    assert types_of(entry) == {"file": str, "sha256": str} | TENSORS
    data = (ORIGINAL / entry["file"]).read_bytes()
    assert sha256(data).hexdigest() == entry["sha256"]
    assert data[12] == ["raw", "zlib"].index(entry["mode"])
    assert_tensors(TSR4, data, entry["tensors"])
    for index, tensor in enumerate(entry["tensors"]):
        assert types_of(tensor) == TENSOR
        code, shape, stride = struct.unpack_from("<B3x16s8xQ", data, 128 + 64 * index)
        assert TSR4.types[code].name == tensor["dtype"]
        assert list(struct.unpack("<4i", shape)) == tensor["shape"]
        assert stride == computed_row_stride(tensor["dtype"], tensor["shape"])


@pytest.mark.skipif(not SHARED.is_dir(), reason="the files they come from are not with the sources")
def test_original_files_are_all_there() -> None:
    """The original files are copies of those that came first, byte for byte."""
    sources = [*SHARED.glob("upstream-tsr4/*.tsr"), *SHARED.glob("vectors/tsr4_*.tsr")]
    assert {path.name: path.read_bytes() for path in sources} == {
        path.name: path.read_bytes() for path in ORIGINAL.glob("*.tsr")
    }


@each_vector(lambda vector: "pinned" in vector["flags"] or "original" in vector["flags"])
def test_pinned_vector_is_what_it_was(form: Format, vector: dict[str, Any]) -> None:
    """A pinned vector has its hash, and one with the flag for it is an original file."""
    data = bytes.fromhex(vector["hex"])
    assert sha256(data).hexdigest() == vector["sha256"]
    if form is TSR4:
        assert ("original" in vector["flags"]) == (
            vector["sha256"] in {entry["sha256"] for entry in INDEX}
        )


# ------------------------------------------------------------------ the generator


def test_generator_imports_the_standard_library_only() -> None:
    """The generator never imports the codec under test, nor anything that could."""
    imported: set[str] = set()
    for path in GENERATOR:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                imported.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                name = str(node.module)
                own = name == "spec.generator" or name.startswith("spec.generator.")
                imported.update(() if own else [name.partition(".")[0]])
    assert "struct" in imported
    assert imported <= {*sys.stdlib_module_names, "__future__"} - {"importlib", "runpy"}


def test_generator_compresses_nothing() -> None:
    """Of zlib the generator uses the checksums only: what a compressor makes would not last."""
    used = {
        node.attr
        for path in GENERATOR
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "zlib"
    }
    assert used == {"adler32", "crc32"}


# Runs a module with its arguments, from a directory that comes first.
RUN = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("spec.make_vectors", run_name="__main__", alter_sys=True)
"""


def test_generator_reproduces_the_committed_vectors(tmp_path: Path) -> None:
    """The generator gives the committed files, in an interpreter that cannot see the codec."""
    # Alone in a directory: beside the package, it could import that.
    for path in GENERATOR:
        copy = tmp_path / "sources" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    output = tmp_path / "output"
    output.mkdir()
    command = [sys.executable, "-I", "-S", "-c", RUN, str(tmp_path / "sources"), str(output)]
    subprocess.run(command, check=True, timeout=60)
    generated = {path.name: path.read_bytes() for path in output.iterdir()}
    committed = (SPEC / "vectors").glob("*.json")
    assert generated == {path.name: path.read_bytes() for path in committed}
