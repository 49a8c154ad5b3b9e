"""`tsr diff`: what it prints, its JSON, and its exit codes, which are those of diff."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tsr.cli import main

A = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tsr.save("a.tsr", A)
    np.save("same.npy", A.astype(">f4"))
    b = A.copy()
    b[1, 0] = np.nextafter(b[1, 0], np.float32(9))
    np.save("b.npy", b)


@pytest.fixture
def _models() -> None:
    arrays = {"first": A, "second": A[0], "third": np.arange(3, dtype=np.int32)}
    np.savez("m.npz", **arrays)
    changed = {**arrays, "second": A[0] + 1, "third": np.arange(4, dtype=np.int32), "last": A}
    np.savez("n.npz", **changed)


def diff(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command: its exit code, stdout and stderr."""
    code = main(["diff", *arguments])
    return code, *capsys.readouterr()


def diff_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run the command with `--json`."""
    code, out, err = diff(capsys, "--json", *arguments)
    assert err == ""
    found = json.loads(out)
    assert code == (0 if found["equal"] else 1)
    return found


def test_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The same values in another format and byte order are the same, and the exit code is 0."""
    assert diff(capsys, "a.tsr", "same.npy") == (
        0,
        "A  a.tsr  (TSR v1, 1 tensor)\n"
        "B  same.npy  (npy, 1 tensor)\n"
        "the same: 1 tensor, 6 elements\n",
        "",
    )


def test_different(capsys: pytest.CaptureFixture[str]) -> None:
    """One float to the next: where it is, what it is, and how far off."""
    assert diff(capsys, "a.tsr", "b.npy") == (
        1,
        "A  a.tsr  (TSR v1, 1 tensor)\n"
        "B  b.npy  (npy, 1 tensor)\n"
        "\n"
        "the tensor: 1 of 6 elements differ (16.7%)\n"
        "  first     at (1, 0): 4.0 in A, 4.0000005 in B\n"
        "  byte      76 of a.tsr (A), 140 of b.npy (B)\n"
        "  absolute  at most 4.77e-07, at (1, 0)\n"
        "  relative  at most 1.19e-07, at (1, 0)\n"
        "  ULP       at most 1, at (1, 0)\n"
        "  by ULP    1: 1\n"
        "\n"
        "different: 1 of 1 tensor, 1 of 6 elements\n",
        "",
    )


@pytest.mark.usefixtures("_models")
def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Of several tensors a table has those that differ; details follow where they add something."""
    code, out, _ = diff(capsys, "m.npz", "n.npz")
    assert code == 1
    blocks = out.split("\n\n")
    assert blocks[1].splitlines() == [
        "TENSOR  FOUND      DTYPE    SHAPE        DIFFER  SHARE  MAX ABS  MAX REL  MAX ULP",
        "second  values     float32  (3,)              3  100%   1        0.5      8388608",
        "third   shape      int32    (3,) / (4,)",
        "last    only in b  float32  (2, 3)",
    ]
    assert blocks[2].startswith("second: 3 of 3 elements differ (100%)\n")
    assert blocks[3:] == ["different: 3 of 4 tensors, 3 of 9 elements\n"]


@pytest.mark.usefixtures("_models")
def test_all(capsys: pytest.CaptureFixture[str]) -> None:
    """`--all` has a row for each that is the same, too."""
    _, out, _ = diff(capsys, "--all", "m.npz", "m.npz")
    assert [line.split()[:2] for line in out.splitlines()[4:7]] == [
        ["first", "same"], ["second", "same"], ["third", "same"],
    ]  # fmt: skip
    assert out.endswith("\n\nthe same: 3 tensors, 12 elements\n")
    assert len(diff_json(capsys, "--all", "m.npz", "m.npz")["tensors"]) == 3


def test_many_details(capsys: pytest.CaptureFixture[str]) -> None:
    """Of many tensors that differ the first ten have details, with `--all` each has."""
    twelve: dict[str, Any] = {f"t{i:02}": A for i in range(12)}
    others: dict[str, Any] = dict.fromkeys(twelve, -A)
    np.savez("p.npz", **twelve)
    np.savez("q.npz", **others)
    _, out, _ = diff(capsys, "p.npz", "q.npz")
    assert out.count("  first  ") == 10
    assert "\ndetails of 2 more with --all, of one with --tensor NAME\n" in out
    assert diff(capsys, "--all", "p.npz", "q.npz")[1].count("  first  ") == 12


def test_special_values(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN, infinities and values that are equal in other bits have lines of their own."""
    tsr.save("x.tsr", np.array([np.nan, 1, np.nan, np.inf, 0], np.float32))
    y = np.array([1, np.nan, np.nan, 1, -0.0], np.float32)
    y.view(np.uint32)[2] += 1
    tsr.save("y.tsr", y)
    _, out, _ = diff(capsys, "x.tsr", "y.tsr")
    assert "  first     at (0,): nan in A, 1.0 in B\n" in out
    assert "  NaN       1 only in A, 1 only in B, 1 in both with other bits\n" in out
    assert "  infinite  1 in one, or of the other sign\n" in out
    assert "  equal     2 of equal values and other bits\n" in out
    assert "  by ULP    0: 1\n" in out
    _, out, _ = diff(capsys, "x.tsr", "y.tsr", "--ulp", "0")
    assert "the tensor: 3 of 5 elements differ (60%)\n" in out


def test_dtypes(capsys: pytest.CaptureFixture[str]) -> None:
    """Other dtypes differ, unless a tolerance asks for values."""
    np.save("wide.npy", A.astype(np.float64))
    code, out, _ = diff(capsys, "a.tsr", "wide.npy")
    assert code == 1
    assert "  dtype     float32 in A, float64 in B\n" in out
    assert diff(capsys, "--rtol", "0", "a.tsr", "wide.npy")[0] == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--rtol", "1e-7"], 1), (["--rtol", "2e-7"], 0), (["--atol", "1e-6"], 0),
        (["--ulp", "1"], 0), (["--ulp", "0"], 1), (["--ulp", "1", "--nan-differs"], 0),
    ],
)  # fmt: skip
def test_tolerances(options: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """What is within a tolerance is the same, and is counted."""
    found, out, _ = diff(capsys, *options, "a.tsr", "b.npy")
    assert found == code
    same = "the same within the tolerance: 1 tensor, 6 elements, 1 of other values\n"
    assert out.endswith(same) == (code == 0)


def test_nan_differs(capsys: pytest.CaptureFixture[str]) -> None:
    """`--nan-differs` makes a file with a NaN differ from itself."""
    tsr.save("nan.tsr", np.array([np.nan], np.float32))
    assert diff(capsys, "nan.tsr", "nan.tsr")[0] == 0
    assert diff(capsys, "nan.tsr", "nan.tsr", "--nan-differs")[0] == 1


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """`--quiet` says nothing of what is the same, and little of what is not."""
    assert diff(capsys, "-q", "a.tsr", "same.npy") == (0, "", "")
    assert diff(capsys, "a.tsr", "b.npy", "--quiet") == (1, "a.tsr and b.npy differ\n", "")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has all that is known, and the file has the value where it says."""
    found = diff_json(capsys, "a.tsr", "b.npy", "--atol", "1e-9")
    (tensor,) = found.pop("tensors")
    assert found == {
        "equal": False, "bits": False, "rtol": None, "atol": 1e-9, "ulp": None,
        "equal_nan": None, "same_order": True,
        "a": {"path": "a.tsr", "format": "TSR v1", "mode": None, "tensors": 1},
        "b": {"path": "b.npy", "format": "npy", "mode": None, "tensors": 1},
    }  # fmt: skip
    assert tensor["status"] == "values"
    assert tensor["a"] == {
        "index": 0, "dtype": "float32", "shape": [2, 3], "path": "a.tsr", "byte_offset": 76,
    }  # fmt: skip
    offset = tensor["b"]["byte_offset"]
    assert Path("b.npy").read_bytes()[offset : offset + 4] == np.float32(4.0000005).tobytes()
    differences = tensor["differences"]
    assert (differences["first"], differences["first_values"]) == ([1, 0], [4, 4.0000005])
    assert (differences["max_ulp"], differences["ulp_histogram"]) == (1, [[1, 1, 1]])
    assert (differences["elements"], differences["differing"]) == (6, 1)


def test_json_of_awkward_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """What JSON lacks is text, a complex number two; a tensor that is missing is null."""
    np.savez("x.npz", c=np.array([1j]), n=np.array([np.inf]), z=A, i=np.array([2**63], "u8"))
    np.savez("y.npz", c=np.array([2 + np.nan * 1j]), n=np.array([np.nan]), i=np.array([0], "u8"))
    tensors = {each["name"]: each for each in diff_json(capsys, "x.npz", "y.npz")["tensors"]}
    assert tensors["c"]["differences"]["first_values"] == [[0, 1], ["nan", "nan"]]
    assert tensors["n"]["differences"]["first_values"] == ["inf", "nan"]
    assert tensors["i"]["differences"]["max_absolute"] == 2**63
    assert (tensors["z"]["status"], tensors["z"]["b"], tensors["z"]["differences"]) == (
        "only in a", None, None,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "clongdouble"])
def test_json_of_complex_numbers(dtype: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each part of a complex number has the digits of its dtype."""
    value = np.array([0.1 + 1j / 3], dtype)
    np.save("x.npy", value)
    np.save("y.npy", np.array([2 - 1e-300j], dtype))
    [tensor] = diff_json(capsys, "x.npy", "y.npy")["tensors"]
    first, second = tensor["differences"]["first_values"]
    assert np.array([complex(*first)], dtype) == value.astype("complex128").astype(dtype)
    assert second == [2, 0 if dtype == "complex64" else -1e-300]
    assert first[0] == 0.1


@pytest.mark.usefixtures("_models")
@pytest.mark.parametrize(("wanted", "code"), [("first", 0), ("0", 0), ("second", 1), ("-2", 1)])
def test_one_tensor(wanted: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """`--tensor` takes a name or an index."""
    assert diff(capsys, f"--tensor={wanted}", "m.npz", "n.npz")[0] == code


@pytest.mark.usefixtures("_models")
def test_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Another order is said, and is no difference."""
    np.savez("r.npz", **dict(reversed([*np.load("m.npz").items()])))
    code, out, _ = diff(capsys, "m.npz", "r.npz")
    assert code == 0
    assert "the tensors have another order\n" in out


def test_stdin(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is a .tsr file from stdin, on either side but not on both."""
    for arguments in (("-", "b.npy"), ("b.npy", "-")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(tsr.dumps(A))))
        code, out, _ = diff(capsys, *arguments)
        assert code == 1
        assert "<stdin>" in out
    code, _, err = diff(capsys, "-", "-")
    assert (code, "only one of them can be stdin" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.tsr", "none.tsr"], "tsr: none.tsr: No such file or directory\n"),
        (["a.tsr", "bad.tsr"], "tsr: bad.tsr: header at offset 0"),
        (["bad.npy", "a.tsr"], "tsr: bad.npy: not readable as an .npy array"),
        (["a.tsr", "x.txt"], "tsr: x.txt: nothing reads .txt files\n"),
        (["a.tsr", "a.tsr", "--tensor", "w"], "tsr: tensor: got w, expected -1 to 0"),
        (["a.tsr", "a.tsr", "--rtol", "-1"], "--rtol: got '-1', expected a number from 0 up"),
        (["a.tsr", "a.tsr", "--atol", "nan"], "--atol: got 'nan', expected a number from 0 up"),
        (["a.tsr", "a.tsr", "--ulp", "1.5"], "--ulp: got '1.5', expected a whole number"),
        (["a.tsr"], "the following arguments are required: B"),
    ],
)
def test_trouble(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever keeps it from finding out has the exit code 2: an invalid file, too."""
    Path("bad.tsr").write_bytes(b"TSR!")
    for name in ("bad.npy", "x.txt"):
        Path(name).write_bytes(b"text")
    code, out, err = diff(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """`--lenient` takes a file with bytes behind its payload."""
    Path("long.tsr").write_bytes(tsr.dumps(A) + b"more")
    assert diff(capsys, "a.tsr", "long.tsr")[0] == 2
    assert diff(capsys, "--lenient", "a.tsr", "long.tsr")[0] == 0


def test_names_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of tensors and files move no cursor."""
    arrays: list[dict[str, Any]] = [{"a\x1b[31m": A, "b": A}, {"a\x1b[31m": -A, "c\n": A}]
    np.savez("x\x1b.npz", **arrays[0])
    np.savez("y.npz", **arrays[1])
    for options in ((), ("--all",), ("-q",), ("--json",)):
        _, out, _ = diff(capsys, *options, "x\x1b.npz", "y.npz")
        assert "\x1b" not in out
        assert "c\n" not in out
    assert diff(capsys, "x\x1b.npz", "y.npz")[1].startswith(r"A  x\x1b.npz")


def test_color(capsys: pytest.CaptureFixture[str]) -> None:
    """`--color` paints the last line: red what differs, green what does not."""
    for name, start in (("b.npy", "\x1b[31mdifferent"), ("same.npy", "\x1b[32mthe same")):
        _, out, _ = diff(capsys, "--color", "always", "a.tsr", name)
        assert out.splitlines()[-1].startswith(start)
        assert "\x1b" not in diff(capsys, "--color", "never", "a.tsr", name)[1]


def test_as_a_process() -> None:
    """A shell sees the exit codes, and nothing on stderr."""
    for other, code in (("same.npy", 0), ("b.npy", 1)):
        done = subprocess.run(
            [sys.executable, "-m", "tsr", "diff", "--quiet", "a.tsr", other], capture_output=True
        )
        assert (done.returncode, done.stderr) == (code, b"")
