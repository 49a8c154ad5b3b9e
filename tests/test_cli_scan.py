"""`tsr scan`: lines, CSV and JSON, filters, exit codes, and what bad files come to."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from tsr.cli import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}

LINES = """\
STATUS   FORMAT  DTYPE    SHAPE                   BYTES  PATH
ok       TSR v1  float32  (2, 3)                     24  runs/a.tsr
invalid  TSR v1                                          runs/cut.tsr: header at offset 0: got 4 \
bytes, expected at least 64 bytes [V1-SIZE-1]
ok       TSR4    float16  (1, 1, 2, 3)               12  runs/many.tsr[0]
ok       TSR4    int32    (1, 1, 1, 5)               20  runs/many.tsr[1]
ok       TSR v1  int8     ()                          1  runs/in/b.tsr
5 files: 3 ok, 1 invalid, 1 error; 4 tensors of 57 bytes
"""

CSV = """\
path,index,format,dtype,shape,bytes,status,error
runs/a.tsr,0,TSR v1,float32,"(2, 3)",24,ok,
runs/cut.tsr,0,TSR v1,,,,invalid,"header at offset 0: got 4 bytes, expected at least 64 bytes \
[V1-SIZE-1]"
runs/gone.tsr,0,,,,,error,No such file or directory
runs/many.tsr,0,TSR4,float16,"(1, 1, 2, 3)",12,ok,
runs/many.tsr,1,TSR4,int32,"(1, 1, 1, 5)",20,ok,
runs/in/b.tsr,0,TSR v1,int8,(),1,ok,
"""

GONE = "tsr: runs/gone.tsr: No such file or directory\n"


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/in").mkdir(parents=True)
    tsr.save("runs/a.tsr", np.zeros((2, 3), np.float32))
    tsr.save("runs/in/b.tsr", np.int8(1))
    two: list[NDArray[Any]] = [np.zeros((2, 3), np.float16), np.zeros(5, np.int32)]
    tsr.save("runs/many.tsr", two, format="tsr4")
    Path("runs/cut.tsr").write_bytes(b"TSR!")
    os.symlink("nowhere", "runs/gone.tsr")


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A line a tensor or invalid file, a sum, and on stderr what could not be read."""
    assert main(["scan", "runs"]) == 2
    assert capsys.readouterr() == (LINES, GONE)
    assert main(["scan", "-q", "runs"]) == 2
    assert capsys.readouterr() == (LINES.splitlines()[-1] + "\n", GONE)
    assert main(["scan", "runs/a.tsr"]) == 0
    assert capsys.readouterr() == ("\n".join(LINES.splitlines()[:2]) + "\n", "")


def test_csv(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Every row is one of the CSV, with nothing where something is not known."""
    assert main(["scan", "--csv", "runs"]) == 2
    assert capfdbinary.readouterr() == (CSV.encode(), b"")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the same rows, a shape as a list, and null for what is not known."""
    assert main(["scan", "--json", "runs"]) == 2
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == ""
    assert found[2] == {
        "path": "runs/gone.tsr", "index": 0, "format": None, "dtype": None, "shape": None,
        "bytes": None, "status": "error", "error": "No such file or directory",
    }  # fmt: skip
    lines = list(csv.DictReader(CSV.splitlines()))
    for row, line in zip(found, lines, strict=True):
        shape = row.pop("shape")
        assert line.pop("shape") == ("" if shape is None else str(tuple(shape)))
        texts = {name: "" if value is None else str(value) for name, value in row.items()}
        assert texts == line


def test_names_that_steer(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A name's odd characters are escaped for people; CSV has its very bytes."""
    name = os.fsdecode(b"odd\n\x1b[1m\xff.tsr")
    os.rename("runs/a.tsr", name)
    assert main(["scan", name]) == 0
    assert capfdbinary.readouterr().out.endswith(rb"odd\n\x1b[1m\xff.tsr" + b"\n")
    assert main(["scan", "--csv", name]) == 0
    assert b'\n"odd\n\x1b[1m\xff.tsr",0,' in capfdbinary.readouterr().out
    assert main(["scan", "--json", name]) == 0
    assert json.loads(capfdbinary.readouterr().out)[0]["path"] == name


def test_names_across_lines(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers of CSV get a name with ends of lines as it is; people see them escaped, in a line."""
    name = "a\rb\nc\u2028.tsr"
    os.rename("runs/a.tsr", name)
    assert main(["scan", "--csv", name]) == 0
    text = capfdbinary.readouterr().out.decode()
    assert text.endswith(",ok,\n")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["path"] == name
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["scan", "--csv", name]) == 0
    out = capfdbinary.readouterr().out.decode()
    assert [line.partition(",")[0] for line in out.splitlines()] == ["path", r'"a\rb\nc\u2028.tsr"']


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ("--format v1", "a cut in/b"),
        ("--format tsr4", "many many"),
        ("--dtype float32", "a"),
        ("--shape (*,3)", "a"),
        ("--shape (1,...,N)", "many many"),
        ("--rank 0", "in/b"),
        ("--min-bytes 20", "a many"),
        ("--max-bytes 12", "many in/b"),
        ("--min-bytes 13 --max-bytes 23", "many"),
        ("--status ok", "a many many in/b"),
        ("--status invalid", "cut"),
        ("--status error", "gone"),
        ("--dtype int8 --status invalid", ""),
    ],
)
def test_filters(options: str, paths: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They choose the rows; the exit code is that of all, and so is the sum but for its end."""
    wanted = [f"runs/{path}.tsr" for path in paths.split()]
    assert main(["scan", "--json", *options.split(), "runs"]) == 2
    assert [row["path"] for row in json.loads(capsys.readouterr().out)] == wanted
    assert main(["scan", *options.split(), "runs"]) == 2
    out, err = capsys.readouterr()
    rows = "1 row" if len(wanted) == 1 else f"{len(wanted)} rows"
    assert out.endswith(f"{LINES.splitlines()[-1]}; {rows} shown\n")
    assert err == (GONE if "gone" in paths else "")


def test_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """0 where all is well, 1 where a file is invalid, 2 where one could not be read."""
    assert main(["scan", "runs/a.tsr", "runs/in"]) == 0
    assert main(["scan", "runs/a.tsr", "runs/cut.tsr"]) == 1
    assert main(["scan", "--dtype", "int8", "runs/a.tsr", "runs/cut.tsr"]) == 1
    capsys.readouterr()
    assert main(["scan", "absent", "none*"]) == 2
    assert capsys.readouterr() == (
        "", "tsr: absent: No such file or directory\ntsr: none*: Nothing matches this pattern\n",
    )  # fmt: skip


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """What the original readers accept is invalid only without --lenient."""
    with open("runs/a.tsr", "ab") as file:
        file.write(b"more")
    assert main(["scan", "-q", "runs/a.tsr"]) == 1
    assert main(["scan", "-q", "--lenient", "runs/a.tsr"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "options",
    ["--shape (2,-1)", "--rank -1", "--min-bytes 1k", "--dtype float64", "--json --csv", ""],
)
def test_wrong_arguments(options: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are told, and nothing is read."""
    assert main(["scan", *options.split(), *(["runs"] if options else [])]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: tsr scan ")


@pytest.mark.parametrize(("name", "code"), [("a", 0), ("many", 0), ("cut", 1)])
def test_stdin(name: str, code: int) -> None:
    """A file on stdin is one among others."""
    done = subprocess.run(
        [sys.executable, "-m", "tsr", "scan", "--json", "runs/a.tsr", "-", "runs/in"],
        env=ENVIRONMENT, input=Path(f"runs/{name}.tsr").read_bytes(), capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, b"")
    first, *piped, last = json.loads(done.stdout)
    assert (first["path"], last["path"]) == ("runs/a.tsr", "runs/in/b.tsr")
    wanted = tsr.scan(f"runs/{name}.tsr")
    assert [row["path"] for row in piped] == ["-"] * wanted.rows
    assert [row["error"] for row in piped] == wanted["error"].tolist()


def test_interrupted() -> None:
    """Ctrl-C ends a long scan with the code of an interrupt, without a word."""
    data = Path("runs/a.tsr").read_bytes()
    for number in range(1_500):
        Path(f"runs/{number}.tsr").write_bytes(data)
    with subprocess.Popen(
        [sys.executable, "-m", "tsr", "scan", "runs"], env=ENVIRONMENT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.stderr.read() in (b"", GONE.encode())
    assert process.returncode == 130


def test_no_numpy() -> None:
    """To scan loads nothing heavy, nor anything for URLs where there is none."""
    script = (
        "import sys; from tsr.cli import main; main(['scan', 'runs'])\n"
        "heavy = {'numpy', 'construct', 'fsspec', 'pandas', 'pyarrow', 'tsr.remote.object'}\n"
        "print(heavy & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, check=True
    )
    assert done.stderr.endswith(b"set()\n")
