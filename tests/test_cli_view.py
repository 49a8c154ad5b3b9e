"""`tsr view`: pictures as text, tables, JSON, the page, and what is refused."""

from __future__ import annotations

import io
import json
import math
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tsr.cli import main, view
from tsr.cli.viewing.palette import RAMP

MARKED = np.array([[0, 1, np.nan, 3], [np.inf, -np.inf, 8, 9], [2, 2, 2, 2]], np.float32)


@pytest.fixture(autouse=True)
def _window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """View, and give the lines."""
    assert main(["view", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def objects(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """View as JSON, of which all numbers are such that JSON has."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads("\n".join(shown(capsys, "--json", *arguments)), parse_constant=refuse)
    assert isinstance(found, list)
    return found


def several(name: str = "m.tsr") -> list[NDArray[Any]]:
    """Save several tensors to a TSR4 file, and give them as it does."""
    tensors: list[NDArray[Any]] = [
        MARKED, np.arange(100, dtype=np.int32), np.ones((2, 3, 4, 5), np.float16)
    ]  # fmt: skip
    tsr.save(name, tensors, format="tsr4")
    with tsr.open(name) as file:
        return list(file)


def test_all_of_a_small_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    """A small matrix is enlarged; beside it are its indices, below it what characters mean."""
    tsr.save("x.tsr", MARKED)
    assert shown(capsys, "x.tsr") == [
        "x.tsr  float32 (3, 4)",
        "0         ........????????--------",
        *["          ........????????--------"] * 3,
        *["  !!!!!!!!!!!!!!!!%%%%%%%%@@@@@@@@"] * 4,
        *["  ::::::::::::::::::::::::::::::::"] * 3,
        "2 ::::::::::::::::::::::::::::::::",
        "  0                              3",
        f"0 [{RAMP}] 9",
        "? 1 NaN in 1 cell   ! 1 +inf in 1 cell   ! 1 -inf in 1 cell",
        "",
        "elements  12              0 ████████████▎ 1",
        "minimum   0            0.75 ████████████▎ 1",
        "maximum   9             1.5 █████████████████████████████████████████████████ 4",
        "mean      3.222        2.25",
        "std       2.936           3 ████████████▎ 1",
        "zeros     1 (8.33%)    3.75",
        "NaN       1 (8.33%)     4.5",
        "+inf      1 (8.33%)    5.25",
        "-inf      1 (8.33%)       6",
        "                       6.75",
        "                        7.5 ████████████▎ 1",
        "                       8.25 ████████████▎ 1",
        "                          9",
    ]


def test_large_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    """A large one fills the window, and each character is the mean of its elements."""
    matrix = np.random.default_rng(1).random((500, 1000), np.float32)
    matrix[3, 5] = np.nan
    tsr.save("x.tsr", matrix)
    lines = shown(capsys, "x.tsr")
    assert len(lines) < 40
    assert max(map(len, lines)) == 79 + 1
    cells = [line[4:] for line in lines[1:20]]
    assert [line[:4] for line in lines[1:20]] == ["  0 ", *["    "] * 17, "499 "]
    means = np.array(
        [
            [
                np.nanmean(matrix[500 * i // 19 : 500 * (i + 1) // 19,
                                  1000 * j // 76 : 1000 * (j + 1) // 76], dtype=np.float64)
                for j in range(76)
            ]
            for i in range(19)
        ]
    )  # fmt: skip
    low, high = means.min(), means.max()
    expected = [
        "".join(RAMP[round((mean - low) / (high - low) * 9)] for mean in row) for row in means
    ]
    expected[0] = "?" + expected[0][1:]
    assert [line.ljust(76) for line in cells] == expected
    assert lines[20] == "    0" + "999".rjust(75)
    assert lines[21] == f"{low:.4g} [{RAMP}] {high:.4g}"
    assert lines[23] == "a cell is the mean of up to 27 x 14 elements"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.float32(3.25), ["x.tsr  float32 ()", "value  3.25", "elements    1       3.25 "]),
        (np.int8(-7), ["x.tsr  int8 ()", "value  -7", "elements    1     -7 "]),
        (np.zeros((0, 3), np.int8), ["x.tsr  int8 (0, 3)", "no elements"]),
        (np.zeros((2, 0, 4, 5), np.int8), ["x.tsr  int8 (2, 0, 4, 5)", "no elements"]),
        (np.arange(3, dtype=np.int32), ["x.tsr  int32 (3,)", "0         ====", "          ===="]),
        (np.full((2, 2), np.nan, np.float32), ["x.tsr  float32 (2, 2)", "0 ????????????????"]),
    ],
)
def test_other_shapes(
    array: NDArray[Any], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A scalar is a value, an array of one dimension a row, and nothing is nothing."""
    tsr.save("x.tsr", array)
    for line, start in zip(shown(capsys, "x.tsr"), expected, strict=False):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("options", "heading", "selected"),
    [
        ([], "slice [0, 0, :, :], the first of 6", np.s_[:]),
        (["--slice", "1,2"], "slice [1, 2, :, :]", np.s_[1, 2]),
        (["--slice", "1"], "slice [1, 0, :, :], the first of 3", np.s_[1]),
        (["--slice=-1,:,3"], "slice [1, :, 3, :]", np.s_[-1, :, 3]),
        (["--slice", "...,2"], "slice [0, :, :, 2], the first of 2", np.s_[..., 2]),
        (["--slice", ":,0,1:3,::-2"], "slice [0, 0, 1:3, 4::-2], the first of 2",
         np.s_[:, 0, 1:3, ::-2]),
    ],
)  # fmt: skip
def test_slices(
    options: list[str], heading: str, selected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of more than two axes the first matrix is drawn; statistics are about all of the slice."""
    array = np.random.default_rng(2).random((2, 3, 4, 5), np.float32)
    tsr.save("x.tsr", array)
    assert shown(capsys, *options, "x.tsr")[1] == heading
    [found] = objects(capsys, *options, "x.tsr")
    part = array[selected]
    assert found["statistics"]["count"] == part.size
    assert found["statistics"]["mean"] == pytest.approx(part.mean(dtype=np.float64))
    drawn = part[(0,) * (part.ndim - 2)]
    np.testing.assert_array_equal(found["picture"]["means"], drawn)
    assert found["picture"]["slice"] == heading.removeprefix("slice ").partition(", the")[0]


def test_indices_of_a_slice(capsys: pytest.CaptureFixture[str]) -> None:
    """The indices beside the picture are those of the tensor."""
    tsr.save("x.tsr", np.arange(400, dtype=np.int32).reshape(20, 20))
    lines = shown(capsys, "--slice", "17:7:-2,5:8", "x.tsr")
    assert lines[1] == "slice [17:7:-2, 5:8]"
    end = next(index for index, line in enumerate(lines) if line.split() == ["5", "7"])
    assert [line[:2].strip() for line in lines[2:end]] == ["17", *[""] * (end - 4), "9"]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has all that is known, and a picture whose cells do not depend on the window."""
    tsr.save("x.tsr", MARKED)
    assert objects(capsys, "x.tsr") == [
        {
            "path": "x.tsr", "format": "TSR v1", "index": 0, "name": "", "dtype": "float32",
            "shape": [3, 4], "slice": "[:, :]",
            "statistics": {
                "count": 12, "looked_at": 12, "minimum": 0, "maximum": 9,
                "mean": pytest.approx(29 / 9), "std": pytest.approx(2.93552, rel=1e-5), "zeros": 1,
                "nans": 1, "positive_infinities": 1, "negative_infinities": 1,
            },
            "histogram": {
                "edges": pytest.approx(np.linspace(0, 9, 65).tolist()),
                "counts": np.histogram(MARKED[np.isfinite(MARKED)], 64, (0, 9))[0].tolist(),
            },
            "picture": {
                "slice": "[:, :]", "looked_at": 12, "row_edges": [0, 1, 2, 3],
                "column_edges": [0, 1, 2, 3, 4],
                "means": [[0, 1, None, 3], [None, None, 8, 9], [2, 2, 2, 2]],
                "nans": [[0, 0, 1, 0], [0] * 4, [0] * 4],
                "positive_infinities": [[0] * 4, [1, 0, 0, 0], [0] * 4],
                "negative_infinities": [[0] * 4, [0, 1, 0, 0], [0] * 4],
            },
        }
    ]  # fmt: skip
    tsr.save("y.tsr", np.zeros((100, 100), np.int8))
    [found] = objects(capsys, "y.tsr")
    assert np.shape(found["picture"]["means"]) == (view.JSON_ROWS, view.JSON_COLUMNS)
    tsr.save("z.tsr", np.zeros((0, 3), np.int8))
    [found] = objects(capsys, "z.tsr")
    assert "picture" not in found
    assert found["statistics"]["minimum"] is None


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Several tensors are a line each, without columns that tell nothing."""
    several()
    lines = shown(capsys, "m.tsr")
    assert lines == [
        "INDEX  DTYPE    SHAPE           MIN  MAX  MEAN   STD  NAN  INF  HISTOGRAM",
        "    0  float32  (1, 1, 3, 4)      0    9  3.22  2.94    1    2  ▂▂█ ▂    " + " ▂▂",
        "    1  int32    (1, 1, 1, 100)    0   99  49.5  28.9            ███████████▁",
        "    2  float16  (2, 3, 4, 5)      1    1     1     0            █",
    ]
    assert [found["index"] for found in objects(capsys, "m.tsr")] == [0, 1, 2]
    tsr.save("n.tsr", MARKED[2:])
    lines = shown(capsys, "m.tsr", "n.tsr")
    assert [line.split()[0] for line in lines] == ["PATH", *["m.tsr"] * 3, "n.tsr"]
    assert shown(capsys, "n.tsr", "n.tsr")[0] == "n.tsr  float32 (1, 4)"
    found = objects(capsys, "m.tsr", "n.tsr")
    assert [(one["path"], "picture" in one) for one in found] == [
        *[("m.tsr", False)] * 3, ("n.tsr", False)
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["view", "info"])
def test_wide_names(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Characters that take two columns of a terminal, or none, leave a table aligned."""
    for name in ("重み.tsr", "e\u0301.tsr", "plain.tsr"):
        tsr.save(name, MARKED)
    assert main([command, "重み.tsr", "e\u0301.tsr", "plain.tsr"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    names = ["重み.tsr   ", "e\u0301.tsr      ", "plain.tsr  "]
    for line, name in zip(lines, names, strict=False):
        assert line.startswith(name)
        assert line[len(name)] != " "


def test_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    """`--tensor` shows one of several, by its index or its name, whatever the format."""
    tensors = several()
    for index in (0, 2, -1):
        [found] = objects(capsys, "--tensor", str(index), "m.tsr")
        assert found["index"] == index % 3
        np.testing.assert_array_equal(
            np.array(found["picture"]["means"], float), np.where(np.isfinite(t := tensors[index]
            [0, 0].astype(float)), t, np.nan))  # fmt: skip
    named: dict[str, Any] = {"w": MARKED, "b": np.arange(3.0), "1": np.arange(4)}
    np.savez("x.npz", **named)
    assert shown(capsys, "--tensor", "b", "x.npz")[0] == "x.npz  b  float64 (3,)"
    assert shown(capsys, "--tensor", "1", "x.npz")[0] == "x.npz  1  int64 (4,)"
    assert shown(capsys, "--tensor", "0", "x.npz")[0] == "x.npz  w  float32 (3, 4)"
    rows = [line.split()[:3] for line in shown(capsys, "x.npz")[1:]]
    assert rows == [["0", "w", "float32"], ["1", "b", "float64"], ["2", "1", "int64"]]


def test_bfloat16(capsys: pytest.CaptureFixture[str]) -> None:
    """Elements of a dtype that numpy lacks are the numbers that they stand for."""
    pytest.importorskip("safetensors", reason="reads a format that has bfloat16")
    header = b'{"w":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}'
    bits = struct.pack("<4H", 0x3FC0, 0xC000, 0, 0x7F80)
    Path("x.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bits)
    [found] = objects(capsys, "x.safetensors")
    assert found["dtype"] == "bfloat16"
    assert found["picture"]["means"] == [[1.5, -2.0], [0.0, None]]
    assert found["statistics"]["minimum"] == -2.0
    assert "value  1.5" in shown(capsys, "--slice", "0,0", "x.safetensors")


def test_stdin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A dash stands for stdin."""

    class Stdin:
        buffer = io.BytesIO(tsr.dumps(MARKED))

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert shown(capsys, "-")[0] == "<stdin>  float32 (3, 4)"


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """`--lenient` reads what the original readers read."""
    Path("x.tsr").write_bytes(tsr.dumps(MARKED) + b"trailing")
    assert main(["view", "x.tsr"]) == 1
    assert capsys.readouterr().err.endswith("[V1-PAYLOAD-2]\n")
    assert shown(capsys, "--lenient", "x.tsr")[0] == "x.tsr  float32 (3, 4)"


def test_scale(capsys: pytest.CaptureFixture[str]) -> None:
    """Colours go from the least mean to the largest, around 0 between both signs, or as told."""
    ramp = np.linspace(-1, 3, 101, dtype=np.float32)[None].repeat(2, axis=0)
    ramp[0, 0] = -1000
    tsr.save("x.tsr", ramp[1:])
    assert f"-3 [{RAMP}] 3  (0 is in the middle)" in shown(capsys, "--slice", ":,::2", "x.tsr")
    assert f"0.5 [{RAMP}] 2.5" in shown(capsys, "--range", "0.5", "2.5", "x.tsr")
    assert f"-1e+10 [{RAMP}] -0.5" in shown(capsys, "--range", "-1e10", "-.5", "x.tsr")
    tsr.save("y.tsr", ramp[:1, ::2])
    assert f"-1000 [{RAMP}] 1000  (0 is in the middle)" in shown(capsys, "y.tsr")
    assert f"-2.92 [{RAMP}] 2.92  (0 is in the middle)" in shown(capsys, "--robust", "y.tsr")
    tsr.save("z.tsr", ramp[1:, 50:])
    assert f"1 [{RAMP}] 3" in shown(capsys, "z.tsr")


def test_checksum(capsys: pytest.CaptureFixture[str]) -> None:
    """A tensor with a broken checksum is told, and the others are shown."""
    several()
    data = bytearray(Path("m.tsr").read_bytes())
    data[-1] ^= 1
    Path("m.tsr").write_bytes(data)
    assert main(["view", "m.tsr"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert err.endswith("[T4-CRC-2]\n")


def test_large_tensor_is_not_verified(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a large tensor a sample is looked at, so its checksum says nothing, unless `--exact`."""
    from tsr.cli.viewing import look

    several()
    data = bytearray(Path("m.tsr").read_bytes())
    data[-1] ^= 1
    Path("m.tsr").write_bytes(data)
    monkeypatch.setattr(look, "_VERIFIED_BYTES", 10)
    assert len(shown(capsys, "m.tsr")) == 4
    assert main(["view", "--exact", "m.tsr"]) == 1
    assert capsys.readouterr().err.endswith("[T4-CRC-2]\n")


def test_sampled(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What was looked at is told, and `--exact` looks at all."""
    monkeypatch.setattr(view, "LIMIT", 10_000)
    tsr.save("x.tsr", np.random.default_rng(3).random((400, 500), np.float32))
    lines = shown(capsys, "x.tsr")
    [cell] = [line for line in lines if line.startswith("a cell")]
    assert cell.startswith("a cell is the mean of up to 22 x 7 elements, of which ")
    [told] = [line for line in lines if line.startswith("looked at")]
    assert "9,999 (5%)" in told
    assert "%" in lines[-2]
    [found] = objects(capsys, "x.tsr")
    assert found["statistics"]["looked_at"] == 9999
    assert not any("looked at" in line for line in shown(capsys, "--exact", "x.tsr"))


@pytest.mark.parametrize(("width", "lines"), [(1, 1), (10, 5), (24, 24), (72, 10), (300, 100)])
def test_windows(
    width: int, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture is as wide and as tall as the window allows, but never too small to see."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", str(lines))
    tsr.save("x.tsr", np.random.default_rng(4).random((1000, 1000), np.float32))
    shown_lines = shown(capsys, "x.tsr")
    end = next(index for index, line in enumerate(shown_lines) if line.endswith("999"))
    cells = shown_lines[1 : end + 1]
    assert max(map(len, cells[:-1])) <= max(width, 4 + 8)
    assert len(cells[-1]) == max(width, 4 + 8)
    assert len(shown_lines) + 1 <= max(lines, 30)


def test_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stdout has ASCII only, bars are ASCII too."""
    several()
    tsr.save("x.tsr", MARKED)
    for path, bar in (("m.tsr", b"  @@@@@@@@@@@."), ("x.tsr", b"  1.5 ##########")):
        out: Any = io.TextIOWrapper(io.BytesIO(), "ascii")
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", out)
            assert main(["view", path]) == 0
        out.flush()
        assert bar in out.buffer.getvalue()


def test_name_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """What a name would do to a terminal is escaped, in headings and in tables."""
    name = "[red]\x1b[31m.tsr"
    tsr.save(name, MARKED)
    assert shown(capsys, name)[0].startswith(r"[red]\x1b[31m.tsr  float32")
    named: dict[str, Any] = {"a\x1b": MARKED, "b": MARKED}
    np.savez("x.npz", **named)
    assert any(r" a\x1b " in line for line in shown(capsys, "x.npz"))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nope.tsr"], 2, "tsr: nope.tsr: No such file or directory\n"),
        (["--slice", "3", "x.tsr"], 1,
         "tsr: x.tsr: --slice: got 3, expected -3 to 2 for axis 0 of shape (3, 4)\n"),
        (["--slice", "0", "m.tsr"], 1,
         "tsr: m.tsr: --slice: got 3 tensors, expected one; pick it with --tensor INDEX\n"),
        (["--tensor", "3", "m.tsr"], 1, "tsr: m.tsr: --tensor: got 3, expected -3 to 2\n"),
        (["--tensor", "wieght", "x.npz"], 1, "tsr: x.npz: --tensor: got wieght, expected -2 to 1 "
         "or a name, like weight\n"),
        (["c.npy"], 1, "tsr: c.npy: dtype: got complex128, expected bool, integer or real floating "
         "point\n"),
        (["empty.npz"], 1, "tsr: empty.npz: holds no tensors\n"),
        (["--html", "x.html", "m.tsr"], 2, "tsr: x.html: File exists; --force replaces it\n"),
        (["--html", "o.html", "x.npz"], 1, "tsr: x.npz: a page shows .tsr files, not .npz: "
         "'tsr convert' makes one\n"),
        (["--html", "o.html", "nope.tsr", "x.tsr"], 2,
         "tsr: nope.tsr: No such file or directory\n"),
        (["--html", "nope/o.html", "x.tsr"], 2, "tsr: nope/o.html: No such file or directory\n"),
    ],
)  # fmt: skip
def test_refused(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be shown is told, with what could be."""
    several()
    tsr.save("x.tsr", MARKED)
    np.savez("x.npz", weight=MARKED, bias=MARKED)
    np.save("c.npy", np.zeros(3, complex))
    np.savez("empty.npz")
    Path("x.html").touch()
    assert main(["view", *arguments]) == code
    assert capsys.readouterr() == ("", message)
    assert not Path("o.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--range", "2", "1", "x"], "--range: got 2.0 1.0, expected LOW less than HIGH"),
        (["--range", "nan", "1", "x"], "--range: got nan 1.0, expected LOW less than HIGH"),
        (["--slice", "a", "x"], "--slice: got 'a', expected indices like"),
        (["--html", "o", "--json", "x"], "--html has all in the page to choose from: no --json"),
        (["--html", "o", "--slice", "0", "x"], "choose from: no --slice"),
        (["--force", "--html", "a.tsr", "b.tsr"], "--html: got a.tsr, expected a name like page"),
        (["--html", "o.npy", "b.tsr"], "--html: got o.npy, expected a name like page.html"),
        (["--html", "o", "--lenient", "x"], "--html tells what is wrong in the page: no --lenient"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that make no sense are told before any file is opened."""
    assert main(["view", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_html(capsys: pytest.CaptureFixture[str]) -> None:
    """`--html` writes a page with the files, and replaces one where it may."""
    several()
    tsr.save("x.tsr", MARKED)
    assert shown(capsys, "--html", "o.html", "m.tsr", "x.tsr") == ["m.tsr, x.tsr -> o.html"]
    page = Path("o.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert '"name": "m.tsr"' in page
    assert '"name": "x.tsr"' in page
    assert shown(capsys, "--force", "--html", "o.html", "x.tsr") == ["x.tsr -> o.html"]
    assert '"name": "m.tsr"' not in Path("o.html").read_text("utf-8")
    assert shown(capsys, "--html", "-", "x.tsr") == Path("o.html").read_text("utf-8").splitlines()
    assert sorted(path.name for path in Path().iterdir()) == ["m.tsr", "o.html", "x.tsr"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shape", [(16384, 16384), (2**28,), (2, 2, 2**26), (2**26, 4)])
def test_memory(shape: tuple[int, ...]) -> None:
    """A file of 1 GiB takes less than 200 MiB: it is a hole, whose pages count when used."""
    with open("x.tsr", "wb") as file:
        file.write(tsr.build_header("float32", shape))
        file.truncate(64 + 4 * math.prod(shape))
    script = (
        "import sys; from tsr.cli import main; code = main(['view', '--color=always', 'x.tsr']); "
        "sys.stderr.write(open('/proc/self/status').read()); sys.exit(code)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, env=environment
    )
    assert b"1.07" not in done.stdout  # that it was looked at
    assert b"268,435,456" in done.stdout
    [peak] = [line for line in done.stderr.decode().splitlines() if line.startswith("VmHWM")]
    assert int(peak.split()[1]) < 200 * 1024
