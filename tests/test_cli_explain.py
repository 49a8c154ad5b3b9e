"""`tsr explain`: the hexdump with its marks, what is said of findings, and JSON."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from spec.conformance.vectors import cases
from tests.containers import entry_at, patched
from tsr.cli import main
from tsr.cli.hexdump import WRONG, hexdump
from tsr.cli.output import stream_json

X = np.arange(6, dtype=np.float32).reshape(2, 3)
V1 = tsr.dumps(X)
RAW = tsr.dumps([X, X.astype(np.int8), X.astype(np.float16)], format="tsr4")

VALID = """\
x.tsr: TSR v1, 88 bytes, valid

header
00000000  54 53 52 21              magic           TSR!  a TSR v1 file
00000004  01 00 00 00              version         1  version of the format
00000008  40 00 00 00              header_size     64  bytes of the header
0000000c  00 00 00 00              reserved_1      0  reserved
00000010  01 00 00 00              dtype           1  FP32, float32, 4 bytes each
00000014  02 00 00 00              ndim            2  2 dimensions
00000018  01 00 00 00 01 00 00 00  dims            1 1 2 3  shape (2, 3), the first 2 unused
00000020  02 00 00 00 03 00 00 00
00000028  06 00 00 00 00 00 00 00  total_elements  6  6 elements, 24 bytes
00000030  00 00 00 00 00 00 00 00  reserved_2      0  reserved
00000038  00 00 00 00 00 00 00 00  reserved_3      0  reserved

payload: FP32, shape (2, 3): 24 bytes
00000040  00 00 00 00 00 00 80 3f  0, 1
00000048  00 00 00 40 00 00 40 40  2, 3
00000050  00 00 80 40 00 00 a0 40  4, 5
"""

INVALID = """\
00000028  07 00 00 00 00 00 00 00  total_elements  7  7 elements, 28 bytes
          ^^ ^^ ^^ ^^ ^^ ^^ ^^ ^^  V1-TOTAL-1
00000030  00 00 00 00 00 00 00 00  reserved_2      0  reserved
00000038  00 00 00 00 00 00 00 00  reserved_3      0  reserved

payload: FP32, shape (2, 3): 24 bytes
00000040  00 00 00 00 00 00 80 3f  0, 1
00000048  00 00 00 40 00 00 40 40  2, 3
00000050  00 00 80 40 00 00 a0 40  4, 5

V1-TOTAL-1: total_elements at offset 40
  found     07 00 00 00 00 00 00 00   7
  expected  06 00 00 00 00 00 00 00   6 (the product of dims 1, 1, 2, 3)
  rule      total_elements MUST be the exact product of the four entries of dims.
  mend      Set total_elements to the product of dims if the payload has that many elements; else it
            is dims that is wrong.

This mends all of it: tsr repair x.tsr -o OUT
"""

CUT = """\
payload: FP32, shape (2, 3): 24 bytes, of which 18 are missing
00000040  00 00 00 00 00 00        0

00000046  -- -- -- -- -- -- -- --  18 bytes missing
          ^^ ^^ ^^ ^^ ^^ ^^ ^^ ^^  V1-PAYLOAD-1
"""

ESCAPE = re.compile(r"\x1b\[[0-9]+m")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


def explained(data: bytes, capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> str:
    """Give what is printed of a file."""
    Path("x.tsr").write_bytes(data)
    assert main(["explain", *options, "x.tsr"]) == code
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def test_valid(capsys: pytest.CaptureFixture[str]) -> None:
    """Each field of a valid file has a line, with value and meaning; a long one several."""
    assert explained(V1, capsys) == VALID


def test_invalid(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong bytes are marked, and told beside the right ones, the clause, and what mends them."""
    assert explained(patched(V1, 40, b"\7"), capsys, code=1).endswith(INVALID)


def test_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Missing bytes are marked where they should be."""
    assert CUT in explained(V1[:70], capsys, code=1)
    assert "0000001e  -- --" in explained(V1[:30], capsys, code=1)


def test_tsr4(capsys: pytest.CaptureFixture[str]) -> None:
    """Entries, padding and payloads have sections; what is long is abbreviated."""
    shown = explained(patched(RAW, 330, b"ab\0c"), capsys, code=1)
    headings = [line for line in shown.splitlines() if re.match(r"[a-z]", line)]
    assert headings[1:] == [
        "header",
        "entry 0 of the directory",
        "entry 1 of the directory",
        "entry 2 of the directory",
        "padding: 192 bytes up to the next payload",
        "payload 0: FP32, shape (1, 1, 2, 3): 24 bytes",
        "padding: 232 bytes up to the next payload",
        "payload 1: INT8, shape (1, 1, 2, 3): 6 bytes",
        "padding: 250 bytes up to the next payload",
        "payload 2: FP16, shape (1, 1, 2, 3): 12 bytes",
    ]
    assert (
        "00000140  00 00 00 00 00 00 00 00  |........|\n"
        "00000148  00 00 61 62 00 63 00 00  |..ab.c..|\n"
        "                ^^ ^^    ^^        T4-PADDING-1\n"
        "          ... 176 zero bytes left out\n"
    ) in shown
    assert "00000300  00 01 02 03 04 05        0, 1, 2, 3, 4, 5\n" in shown


def test_compressed_payload(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a compressed payload the first values are shown beside its first bytes."""
    data = tsr.dumps(X, format="tsr4", compress=True)
    row = next(line for line in explained(data, capsys).splitlines() if line.startswith("000000c0"))
    assert row == f"000000c0  {data[192:200].hex(' ')}  inflates to 0, 1, 2, 3, ..."
    few = tsr.dumps(X[0], format="tsr4", compress=True)
    assert "  inflates to 0, 1, 2\n" in explained(few, capsys)
    for broken in (patched(data, 192, b"\0"), data[:193]):
        assert "inflates to" not in explained(broken, capsys, code=1)


def test_long_payload(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a long payload the first and last values are shown."""
    shown = explained(tsr.dumps(np.arange(1000, dtype=np.int32)), capsys)
    assert shown.endswith(
        "00000040  00 00 00 00 01 00 00 00  0, 1\n"
        "00000048  02 00 00 00 03 00 00 00  2, 3\n"
        "          ... 3976 bytes left out\n"
        "00000fd8  e6 03 00 00 e7 03 00 00  998, 999\n"
    )


@pytest.mark.parametrize("columns", [20, 60, 79, 80, 100, 111, 200])
def test_widths(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dump fits any terminal that has room for it, with as many bytes in a row as that."""
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = explained(patched(RAW, 40, b"\1"), capsys, code=1)
    rows = [line for line in shown.splitlines() if re.match(r"[0-9a-f]{8}  ", line)]
    widest = max(map(len, rows))
    reserved = next(row for row in rows if row.startswith("00000030"))
    most = len(reserved[10:].partition("  ")[0].split())
    assert widest <= max(columns, 60)
    assert most == (16 if columns >= 111 else 8 if columns >= 79 else 4)


def test_no_tsr(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no TSR file is told what it looks like, and the command that helps."""
    np.save("x.npy", X)
    assert main(["explain", "x.npy"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith(
        "x.npy: no TSR file, 152 bytes, 1 finding\n"
        "  It looks like this: an array file of numpy (.npy).\n"
        "  Convert it: tsr convert x.npy x.tsr\n"
        "\n"
        "152 bytes of no TSR file\n"
        "00000000  93 4e 55 4d 50 59 01 00  |.NUMPY..|\n"
        "          ^^ ^^ ^^ ^^              V1-MAGIC-1\n"
    )
    assert "mend" not in shown
    assert "an empty file" in explained(b"", capsys, code=1)


def test_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes through a pipe is explained too."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(V1)))
    assert main(["explain", "-"]) == 0
    assert capsys.readouterr().out == VALID.replace("x.tsr", "<stdin>")


def test_several_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Several files are explained one after the other, and what is missing is told."""
    Path("a.tsr").write_bytes(V1)
    Path("b.tsr").write_bytes(V1)
    assert main(["explain", "a.tsr", "absent.tsr", "b.tsr"]) == 2
    shown = capsys.readouterr()
    assert shown.out == f"{VALID}\n{VALID}".replace("x.tsr", "a.tsr", 1).replace("x.tsr", "b.tsr")
    assert shown.err == "tsr: absent.tsr: No such file or directory\n"


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """Leniently, a set reserved field is no finding."""
    shown = explained(patched(V1, 12, b"\1"), capsys, "--lenient")
    assert shown == VALID.replace(
        "0c  00 00 00 00              reserved_1      0",
        "0c  01 00 00 00              reserved_1      1",
    )


def test_colors(capsys: pytest.CaptureFixture[str]) -> None:
    """Colours add nothing and take nothing away; wrong bytes are reversed."""
    data = patched(V1, 40, b"\7")
    plain = explained(data, capsys, "--color", "never", code=1)
    colored = explained(data, capsys, "--color", "always", code=1)
    assert ESCAPE.sub("", colored) == plain
    assert "\x1b[7m\x1b[31m07 00 00 00 00 00 00 00\x1b[0m\x1b[0m" in colored
    assert explained(data, capsys, code=1) == plain


def test_many_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many tensors the first, the last and the broken are shown, or all on request."""
    data = tsr.dumps([np.int8(1)] * 100, format="tsr4")
    data = patched(data, entry_at(50), b"\7")
    shown = explained(data, capsys, code=1)
    indexes = [int(index) for index in re.findall(r"^entry (\d+) of", shown, re.M)]
    assert indexes == [*range(8), 50, 99]
    assert "entries 8 to 49: 2688 bytes from offset 640 on, left out\n" in shown
    assert len(re.findall(r"^payload \d+:", shown, re.M)) == 10
    everything = explained(data, capsys, "--all", code=1)
    assert len(re.findall(r"^entry (\d+) of", everything, re.M)) == 100


def test_many_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many findings the first are shown, or all on request."""
    data = bytearray(tsr.dumps([np.int8(1)] * 100, format="tsr4"))
    for index in range(100):
        data[entry_at(index) + 1] = 1
    shown = explained(bytes(data), capsys, code=1)
    assert shown.count("  rule  ") == 20
    assert "\n... 80 more findings, which --all shows\n" in shown
    assert explained(bytes(data), capsys, "--all", code=1).count("  rule  ") == 100


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the same, in an object for each file."""
    Path("good.tsr").write_bytes(V1)
    Path("bad.tsr").write_bytes(patched(V1, 40, b"\7"))
    assert main(["explain", "--json", "good.tsr", "bad.tsr"]) == 1
    good, bad = json.loads(capsys.readouterr().out)
    assert list(good) == [
        "path", "format", "size", "valid", "parts", "findings", "repair", "resemblance",
    ]  # fmt: skip
    assert (good["valid"], good["findings"], good["repair"], good["resemblance"]) == (
        True, [], None, None,
    )  # fmt: skip
    assert good["parts"][0] == {
        "field": "magic", "offset": 0, "size": 4, "value": "b'TSR!'", "meaning": "a TSR v1 file",
    }  # fmt: skip
    assert good["parts"][6]["value"] == [1, 1, 2, 3]
    [finding] = bad["findings"]
    assert {name: finding[name] for name in ("clause", "found_bytes", "expected_bytes")} == {
        "clause": "V1-TOTAL-1",
        "found_bytes": "0700000000000000",
        "expected_bytes": "0600000000000000",
    }
    assert finding["marks"] == [{"offset": 40, "size": 8, "missing": 0}]
    assert finding["location"] == "spec/tsr-v1.md#v1-total-1"
    assert bad["repair"] == "tsr repair bad.tsr -o OUT"


@pytest.mark.parametrize(
    ("edits", "command"),
    [
        ([(44, b"\1")], "tsr repair x.tsr -o OUT"),
        ([(330, b"\1")], "tsr repair x.tsr -o OUT"),
        ([(40, b"\1")], "tsr repair --checksums x.tsr -o OUT"),
        ([(330, b"\1"), (512, b"\1")], "tsr repair --checksums x.tsr -o OUT"),
        ([(129, b"\1"), (512, b"\1")], None),  # the checksum of what is damaged comes to light
        ([(4, b"\7")], None),
        ([(128, b"\7")], None),
    ],
)
def test_command_that_mends(
    edits: list[tuple[int, bytes]], command: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command that is told mends the file; where none does, none is told."""
    data = RAW
    for offset, value in edits:
        data = patched(data, offset, value)
    [found] = json.loads(explained(data, capsys, "--json", code=1))
    assert found["repair"] == command
    if command is not None:
        assert main(command.removeprefix("tsr ").split()) == 0
        assert tsr.validate("OUT") == []


def test_terminal_without_unicode(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a terminal cannot show of a clause is escaped."""
    Path("x.tsr").write_bytes(V1[:70])
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["explain", "x.tsr"]) == 1
    stream.flush()
    assert rb"At least total_elements \xd7 itemsize bytes" in stream.buffer.getvalue()


def test_names_are_made_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """What a name holds does not move the cursor."""
    Path("\x1b[2J.tsr").write_bytes(b"hello")
    assert main(["explain", "\x1b[2J.tsr"]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_command_for_a_name_like_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that a pattern found is mended by the command, whatever its name begins with."""
    Path("-q.tsr").write_bytes(V1 + b"x")
    assert main(["explain", "--json", "*.tsr"]) == 1
    [found] = json.loads(capsys.readouterr().out)
    assert main(found["repair"].removeprefix("tsr ").split()) == 0
    assert Path("OUT").read_bytes() == V1


def test_no_command_for_more_findings_than_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where findings may have been left out, none of them is said to be mended."""
    data = bytearray(RAW)
    for info in tsr.open(RAW).infos[:-1]:
        data[info.offset + info.nbytes] = 1
    assert "This mends all of it" in explained(bytes(data), capsys, code=1)
    for module in ("tsr.validation", "tsr.cli.repair"):
        monkeypatch.setattr(f"{module}.FINDINGS_MAX", 2)
    assert "This mends all of it" not in explained(bytes(data), capsys, code=1)


class _Counted(int):
    """An offset that counts how often it is looked at."""

    looks = 0

    def __lt__(self, other: int) -> bool:
        type(self).looks += 1
        return int(self) < other


def test_marks_are_looked_at_where_they_are() -> None:
    """A hexdump of many parts with many marks does not hold each part against each mark."""
    data = bytearray(tsr.dumps([np.int8(1)] * 100, format="tsr4"))
    for index in range(100):
        data[entry_at(index) + 1] = 1
    explanation = tsr.explain(bytes(data))
    faults = [
        fault._replace(marks=tuple(m._replace(offset=_Counted(m.offset)) for m in fault.marks))
        for fault in explanation.faults()
    ]
    assert len(faults) == 100
    lines = list(hexdump(explanation, explanation.parts(), faults, 100))
    assert sum("^^" in text for line in lines for text, _ in line) == 100
    assert _Counted.looks < 4 * len(lines)


def test_no_numpy() -> None:
    """It loads neither numpy nor rich."""
    Path("x.tsr").write_bytes(RAW)
    script = (
        "import sys; from tsr.cli import main; main(['explain', 'x.tsr']); "
        "sys.exit(bool({'numpy', 'rich'} & set(sys.modules)))"
    )
    environment = {"PYTHONPATH": str(Path(tsr.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_marks_of_every_vector() -> None:
    """Carets stand below exactly those shown bytes that are wrong, and so does their style."""
    for case in cases():
        explanation = tsr.explain(case.data)
        faults = explanation.faults()
        wrong = {
            at
            for fault in faults
            for mark in fault.marks
            for at in range(mark.offset, mark.offset + mark.size)
        }
        shown: set[int] = set()
        styled: set[int] = set()
        below: set[int] = set()
        offset = 0
        for line in hexdump(explanation, explanation.parts(), faults, 120):
            text = "".join(piece for piece, _ in line)
            if "  -- " in text:
                offset = len(case.data)
            elif re.match(r"[0-9a-f]{8}  [0-9a-f]{2}", text):
                offset = int(text[:8], 16)
                count = len(text[10:57].split("  ")[0].split())
                shown.update(range(offset, offset + count))
                styled.update(_styled(line, offset))
            elif "^^" in text[:57] and offset < len(case.data):
                below.update(
                    offset + index for index in range(16) if text[10 + 3 * index :][:2] == "^^"
                )
        assert below == styled == wrong & shown, case.name
        assert bool(below) == bool(wrong), case.name


def _styled(line: list[tuple[str, str]], offset: int) -> set[int]:
    # The offsets of the bytes of a row that have the style of wrong ones.
    found: set[int] = set()
    at = offset
    for text, style in line[2:]:
        if not re.fullmatch(r"[0-9a-f]{2}( [0-9a-f]{2})*", text):
            if text.strip():
                break
            continue
        count = len(text.split())
        found.update(range(at, at + count) if style == WRONG else ())
        at += count
    return found


def test_json_comes_file_by_file(capsys: pytest.CaptureFixture[str]) -> None:
    """An object is printed before the next is made, and an error leaves a whole list of them."""

    def objects(count: int) -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"number": number}
            assert capsys.readouterr().out == f'{",["[number == 0]}\n{{"number": {number}}}'
        raise KeyboardInterrupt

    for count, end in ((0, "[]\n"), (2, "\n]\n")):
        with pytest.raises(KeyboardInterrupt):
            stream_json(objects(count))
        assert capsys.readouterr().out == end


def test_json_of_many_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object of one file is printed before the next file is read."""
    printed = []

    class Stdin(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            printed.append(capsys.readouterr().out)
            return super().read(size)

    (tmp_path / "x.tsr").write_bytes(tsr.dumps(np.int8(0)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Stdin(b"")))
    assert main(["explain", "--json", str(tmp_path / "x.tsr"), "-"]) == 1
    assert printed[0].startswith('[\n{"path": ')
    assert len(json.loads("".join(printed) + capsys.readouterr().out)) == 2
