"""The specification against the code and the vectors: none of the three drifts from the others.

``spec/tsr-v1.md`` is read as data: its clauses, its tables and its hexdumps.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tokenize
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import pytest

import tsr
from tsr import dtypes, layout, schema

ROOT = Path(__file__).parents[1]
SPEC = (ROOT / "spec" / "tsr-v1.md").read_text(encoding="utf-8")
GENERATOR = ROOT / "spec" / "make_vectors.py"
VECTORS_README = (ROOT / "spec" / "vectors" / "README.md").read_text(encoding="utf-8")

DOCUMENT: dict[str, Any] = json.loads((ROOT / "spec" / "vectors" / "v1.json").read_bytes())
VECTORS: list[dict[str, Any]] = DOCUMENT["vectors"]
VALID = [vector for vector in VECTORS if vector["valid"]]
INVALID = [vector for vector in VECTORS if not vector["valid"]]
BY_ID = {vector["id"]: vector for vector in VECTORS}

CLAUSE_ID = re.compile(r"\b(?:FILE|V1-[A-Z]+)-[0-9]+\b")
ITEMSIZES = {"float32": 4, "int8": 1, "int32": 4}


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


CLAUSES: dict[str, str] = dict(
    re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", section(SPEC, "Clauses"), re.M | re.S)
)
LOCATIONS = {row[0]: (row[1], row[2]) for row in tables(section(SPEC, "Order of reporting"))[0]}


# ------------------------------------------------------------------ clauses


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


def test_clause_ids_are_well_formed() -> None:
    """Every heading of a clause is an id, and none is used twice."""
    headings = re.findall(r"^### (.*)$", SPEC, re.M)
    assert headings == list(CLAUSES)
    assert all(CLAUSE_ID.fullmatch(heading) for heading in headings)


@pytest.mark.parametrize("clause", CLAUSES)
def test_clause_has_one_must(clause: str) -> None:
    """A clause says MUST once, in its first paragraph."""
    assert CLAUSES[clause].count("MUST") == 1
    assert "MUST" in CLAUSES[clause].strip().split("\n\n")[0]


def test_must_stands_in_clauses_only() -> None:
    """Outside the clauses, MUST is only the word that section 1 defines."""
    outside = SPEC.replace(section(SPEC, "Clauses"), "")
    assert outside.count("MUST") == section(SPEC, "Scope and terms").count("MUST") == 1
    assert not re.search(r"\b(SHOULD|SHALL|MAY|REQUIRED|RECOMMENDED|OPTIONAL)\b", SPEC)


@pytest.mark.parametrize("clause", CLAUSES)
def test_clause_is_named_above_the_code(clause: str) -> None:
    """A comment in the package names each clause where it is enforced."""
    assert clause in comments()


@pytest.mark.parametrize("clause", CLAUSES)
def test_clause_is_broken_by_a_vector(clause: str) -> None:
    """A vector breaks each clause, unless no bytes can."""
    broken = {vector["clause"] for vector in INVALID}
    assert (clause in broken) != (clause in DOCUMENT["not_bytes"])


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
    """Code, vectors and documents name only clauses of the specification."""
    assert set(CLAUSE_ID.findall(path.read_text(encoding="utf-8"))) <= CLAUSES.keys()


# ------------------------------------------------------------------ layout


def offset_table() -> list[list[str]]:
    """Read the table of section 3."""
    return tables(section(SPEC, "Layout"))[0]


def test_offset_table_is_the_schema() -> None:
    """Names, offsets and sizes of the header are those of the schema, in its order."""
    offset, expected = 0, []
    for part in schema.V1_HEADER_SCHEMA.subcons:
        if part.sizeof():  # checks take no bytes
            expected.append([str(offset), str(part.sizeof()), part.name])
            offset += part.sizeof()
    rows = [row[:3] for row in offset_table()]
    assert rows == [*expected, [str(offset), "…", "payload"]]


def test_offset_table_is_the_layout() -> None:
    """Offsets and types are those of the compiled layout."""
    rows = offset_table()
    assert {row[2]: int(row[0]) for row in rows} == layout.V1_OFFSETS
    codes = {"bytes": "4s", "int32": "i", "int32[4]": "iiii", "int64": "q"}
    formats = "".join(codes[row[3]] for row in rows if row[2] != "payload")
    assert layout.V1_HEADER.format == "<" + formats


def test_offset_table_constants_are_the_schema() -> None:
    """The values of constant fields are those of the schema."""
    values = {row[2]: row[4] for row in offset_table()}
    constants = {
        part.name: part.subcon.value
        for part in schema.V1_HEADER_SCHEMA.subcons
        if hasattr(part.subcon, "value")
    }
    magic = constants.pop("magic")
    assert values["magic"] == f"`{magic.hex(' ')}`, in ASCII `{magic.decode('ascii')}`"
    assert constants == {
        name: int(values[name])
        for name in ("version", "header_size", "reserved_1", "reserved_2", "reserved_3")
    }


def test_element_types_are_those_of_the_code() -> None:
    """Both tables of element types are the ones the code has."""
    supported, announced = tables(section(SPEC, "Element types"))
    assert [row[:4] for row in supported] == [
        [str(element.code), element.label, element.name, str(element.itemsize)]
        for element in dtypes.ELEMENT_TYPES
    ]
    assert {int(code): label for code, label in announced} == dtypes.ANNOUNCED


@pytest.mark.parametrize("row", tables(section(SPEC, "Shape"))[0], ids=lambda row: row[0])
def test_shape_table_is_what_is_written(row: list[str]) -> None:
    """Each shape of the table gets the header that its row says."""
    shape, ndim, dims, total = (ast.literal_eval(cell.strip("`")) for cell in row)
    fields = layout.V1_HEADER.unpack(tsr.build_header("float32", shape))
    assert (fields[5], fields[6:10], fields[10]) == (ndim, dims, total)


# ------------------------------------------------------------------ order of reporting


def test_table_of_reports_has_the_order_of_the_clauses() -> None:
    """The table of section 7 lists the clauses in the order of section 6."""
    assert list(LOCATIONS) == list(CLAUSES)
    assert list(DOCUMENT["clauses"]) == [
        clause for clause in CLAUSES if clause not in DOCUMENT["not_bytes"]
    ]


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in INVALID])
def test_report_is_where_the_table_says(vector: dict[str, Any]) -> None:
    """Field and offset of a vector are those of its clause's row."""
    for report in (vector, vector.get("lenient_error", vector)):
        field, offset = LOCATIONS[report["clause"]]
        digit = re.search(r"\[([0-3])\]", report["field"])
        index = int(digit[1]) if digit else 0
        assert report["field"] == field.replace("[i]", f"[{index}]")
        if offset.endswith("itemsize"):
            size = prod(vector["shape"]) * ITEMSIZES[vector["dtype"]]
            assert report["offset"] == 64 + size
        else:
            assert report["offset"] == int(offset.split()[0]) + 4 * index


def test_lenient_reading_waives_what_the_text_lists() -> None:
    """The clauses that lenient reading accepts a breach of are those that section 10 lists."""
    waived = set(re.findall(r"^- (\S+)$", section(SPEC, "Lenient reading"), re.M))
    assert waived == {vector["clause"] for vector in INVALID if vector["lenient"]}


# ------------------------------------------------------------------ hexdumps

# The id, the dump, and the paragraph below it.
DUMPS = re.findall(r"^```hexdump (\S+)\n((?:.+\n)+?)```\n\n((?:.+\n)+)", SPEC, re.M)


def parse_dump(dump: str) -> bytes:
    """Read a hexdump, and check its offsets and its ASCII."""
    data = b""
    for line in dump.splitlines():
        offset, octets, text = line[:8], line[10:58], line[60:].strip("|")
        row = bytes.fromhex(octets)
        assert int(offset, 16) == len(data)
        assert text == "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        data += row
    return data


def assert_says(said: str, data: bytes, strict: bool) -> None:
    """Decode a file and compare it with what the text says of it."""
    found = re.fullmatch(r"(\w+), shape `(.*)`, values `(.*)`\.", said)
    assert found is not None, said
    array = tsr.loads(data, strict=strict)
    label = next(e.label for e in dtypes.ELEMENT_TYPES if e.name == array.dtype.name)
    assert label == found[1]
    assert array.shape == ast.literal_eval(found[2])
    assert array.tolist() == ast.literal_eval(found[3])


def test_every_dump_is_found() -> None:
    """No code block in the examples escapes the tests."""
    assert len(DUMPS) == SPEC.count("```") // 2 >= 3
    assert any(text.startswith("Invalid") for _, _, text in DUMPS)


@pytest.mark.parametrize(
    ("name", "dump", "text"), [pytest.param(*dump, id=dump[0]) for dump in DUMPS]
)
def test_dump_is_what_the_text_says(name: str, dump: str, text: str) -> None:
    """A hexdump is its vector, and decodes or is refused as the text below it says."""
    data = parse_dump(dump)
    assert data.hex() == BY_ID[name]["hex"]
    text = " ".join(text.split())
    if text.startswith("Valid: "):
        assert_says(text.removeprefix("Valid: "), data, strict=True)
        return
    refused, _, lenient = text.partition(" Lenient: ")
    found = re.fullmatch(r"Invalid: (\S+), field `(\S+)`, offset (\d+)\.", refused)
    assert found is not None, text
    with pytest.raises(tsr.FormatError) as caught:
        tsr.loads(data)
    error = caught.value
    assert (error.clause, error.field, str(error.offset)) == found.groups()
    if lenient:
        assert_says(lenient, data, strict=False)


# ------------------------------------------------------------------ links


def anchors(text: str) -> set[str]:
    """Work out the anchors of a document's headings."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", ["tsr-v1.md", "vectors/README.md"])
def test_links_lead_somewhere(document: str) -> None:
    """Every link leads to a file or a heading that is there."""
    path = ROOT / "spec" / document
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        goal = path.parent / name if name else path
        assert goal.is_file(), target
        assert not anchor or anchor in anchors(goal.read_text(encoding="utf-8")), target


def test_contents_list_every_section() -> None:
    """The contents name the sections, all of them and in order."""
    contents = SPEC[SPEC.index("Contents: ") : SPEC.index("## ")]
    assert re.findall(r"\[(.*)\]\(#", contents) == re.findall(r"^## (.*)$", SPEC, re.M)


# ------------------------------------------------------------------ the vectors as data

COMMON = {"id": str, "comment": str, "flags": list, "valid": bool, "hex": str}
TENSOR = {"dtype": str, "shape": list, "payload_sha256": str}
REPORT = {"clause": str, "field": str, "offset": int}


def members(vector: dict[str, Any]) -> dict[str, type]:
    """Tell the members that a vector has, with their types."""
    if vector["valid"]:
        return COMMON | TENSOR | ({"sha256": str} if "pinned" in vector["flags"] else {})
    expected = COMMON | REPORT | {"lenient": bool}
    if vector["lenient"]:
        return expected | TENSOR
    return expected | ({"lenient_error": dict} if "lenient_error" in vector else {})


def test_counts_are_right() -> None:
    """The counts in the head are those of the vectors, and no clause has none."""
    assert DOCUMENT["counts"] == {
        "vectors": len(VECTORS),
        "valid": len(VALID),
        "invalid": len(INVALID),
        "lenient": sum(vector["lenient"] for vector in INVALID),
    }
    clauses = [vector["clause"] for vector in INVALID]
    assert DOCUMENT["clauses"] == {clause: clauses.count(clause) for clause in DOCUMENT["clauses"]}
    assert all(DOCUMENT["clauses"].values())
    assert sum(DOCUMENT["clauses"].values()) == len(INVALID)


def test_flags_are_declared_and_used() -> None:
    """Every flag has a note and a vector, and every flag of a vector a note."""
    used = {flag for vector in VECTORS for flag in vector["flags"]}
    assert used == set(DOCUMENT["flags"])
    assert list(DOCUMENT["flags"]) == sorted(DOCUMENT["flags"])
    assert all(note.endswith(".") for note in DOCUMENT["flags"].values())


def test_ids_and_files_are_unique() -> None:
    """No two vectors have the same id, nor the same bytes."""
    assert len(BY_ID) == len(VECTORS)
    assert len({vector["hex"] for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector["id"]) for vector in VECTORS])
def test_vector_has_its_schema(vector: dict[str, Any]) -> None:
    """A vector has its members, no others, each of its type."""
    assert {name: type(value) for name, value in vector.items()} == members(vector)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", vector["id"])
    assert vector["comment"].strip() == vector["comment"] != ""
    assert len(set(vector["flags"])) == len(vector["flags"])
    assert bytes.fromhex(vector["hex"]).hex() == vector["hex"]
    if "lenient_error" in vector:
        report = vector["lenient_error"]
        assert {name: type(value) for name, value in report.items()} == REPORT
        assert report["clause"] != vector["clause"]


@pytest.mark.parametrize(
    "vector",
    [pytest.param(vector, id=vector["id"]) for vector in VECTORS if "payload_sha256" in vector],
)
def test_payload_hash_is_that_of_the_bytes(vector: dict[str, Any]) -> None:
    """The hash of a payload is that of the bytes after the header, as many as the shape takes."""
    assert all(type(dim) is int and dim >= 0 for dim in vector["shape"])
    size = prod(vector["shape"]) * ITEMSIZES[vector["dtype"]]
    payload = bytes.fromhex(vector["hex"])[64 : 64 + size]
    assert len(payload) == size
    assert sha256(payload).hexdigest() == vector["payload_sha256"]


def test_readme_describes_every_member() -> None:
    """The page on the data describes each member of the document and of a vector, no others."""
    (document,) = tables(section(VECTORS_README, "The document"))
    described = [row[0].strip("`") for row in document]
    assert described == list(DOCUMENT)
    common, decoded, refused = tables(section(VECTORS_README, "A vector"))
    assert {row[0].strip("`") for row in common} == set(COMMON)
    assert {row[0].strip("`") for row in decoded} == {*TENSOR, "sha256"}
    assert {row[0].strip("`") for row in refused} == {*REPORT, "lenient", "lenient_error"}


# ------------------------------------------------------------------ the generator


def test_generator_imports_the_standard_library_only() -> None:
    """The generator never imports the codec under test, nor anything that could."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(GENERATOR.read_bytes())):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert "struct" in imported
    assert imported <= {*sys.stdlib_module_names, "__future__"} - {"importlib", "runpy"}


def test_generator_reproduces_the_committed_vectors(tmp_path: Path) -> None:
    """The generator gives the committed file, in an interpreter that cannot see the codec."""
    command = [sys.executable, "-I", "-S", str(GENERATOR), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    committed = GENERATOR.parent / "vectors"
    generated = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert generated == {path.name: path.read_bytes() for path in committed.glob("*.json")}
