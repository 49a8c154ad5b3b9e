"""`tsr convert`: where things go, which options arrive, what is said and what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsr
from tsr.cli import main
from tsr.converters import Conversion

X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make files of several formats in the working directory."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", X)
    np.save("double.npy", np.array([0.1, 2.0]))
    np.savez("many.npz", a=X, b=np.arange(3, dtype=np.int32))
    Path("junk.npy").write_bytes(b"junk")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """Replace `tsr.convert` and record how it is called."""
    made: list[tuple[str, str, dict[str, Any]]] = []

    def convert(source: str, destination: str, **options: Any) -> list[Conversion]:
        made.append((source, destination, options))
        return [Conversion(source, destination, 1)]

    monkeypatch.setitem(vars(tsr), "convert", convert)
    return made


def test_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    """One file is converted to the other name, and told."""
    assert main(["convert", "x.npy", "x.tsr"]) == 0
    assert capsys.readouterr() == ("x.npy -> x.tsr\n", "")
    np.testing.assert_array_equal(tsr.load("x.tsr"), X)


def test_many_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    """A file with several tensors becomes a folder, told with their number."""
    assert main(["convert", "many.npz", "many/"]) == 0
    assert capsys.readouterr().out == "many.npz -> many (2 tensors)\n"
    np.testing.assert_array_equal(tsr.load("many/a.tsr"), X)


def test_into_a_folder() -> None:
    """A folder that is there, or ends with a slash, gets the file under its own name."""
    assert main(["convert", "x.npy", "new/"]) == 0
    assert main(["convert", "--to", "npz", "--dataset", "x", "x.npy", "new"]) == 0
    assert sorted(path.name for path in Path("new").iterdir()) == ["x.npz", "x.tsr"]


def test_several_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """They go to one folder; what can hold several tensors has a folder of its own in it."""
    assert main(["convert", "x.npy", "absent.npy", "many.npz", "junk.npy", "out"]) == 2
    out, err = capsys.readouterr()
    assert out == "x.npy -> out/x.tsr\nmany.npz -> out/many (2 tensors)\n"
    assert err.startswith("tsr: absent.npy: No such file or directory\ntsr: junk.npy: ")
    assert main(["convert", "--to", ".NPY", "out/x.tsr", "out/many/a.tsr", "back"]) == 0
    np.testing.assert_array_equal(np.load("back/a.npy"), X)
    assert main(["convert", "x.npy", "out/many/a.tsr", "copies"]) == 0
    assert Path("copies/a.tsr").read_bytes() == Path("out/many/a.tsr").read_bytes()


def test_several_folders() -> None:
    """A folder of tensors becomes a file in DST, any other keeps its name there."""
    assert main(["convert", "many.npz", "many/"]) == 0
    Path("plain").mkdir()
    np.save("plain/y.npy", X)
    assert main(["convert", "many", "plain", "out", "--to=npz", "--dataset=y"]) == 1
    assert not Path("out/many.npz").exists()  # it has no entry y
    assert Path("out/plain/y.npz").exists()
    assert main(["convert", "many", "plain", "files", "--to=safetensors", "--dataset=a"]) == 0
    assert Path("files/many.safetensors").exists()
    assert Path("files/plain/y.safetensors").exists()


def test_pattern() -> None:
    """A quoted pattern is several sources, even if it matches one."""
    assert main(["convert", "x.*", "out"]) == 0
    assert Path("out/x.tsr").exists()
    assert main(["convert", "z.*", "out"]) == 2


def test_same_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Of two sources that would be written to the same place the second is refused."""
    Path("other").mkdir()
    np.save("other/x.npy", X + 1)
    assert main(["convert", "--force", "x.npy", "other/x.npy", "out"]) == 1
    out, err = capsys.readouterr()
    assert out == "x.npy -> out/x.tsr\n"
    assert err == "tsr: other/x.npy: would be written to the same place as x.npy\n"
    np.testing.assert_array_equal(tsr.load("out/x.tsr"), X)


def test_folder_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    """Each file in a folder is converted; the bad one is told and does not stop the rest."""
    assert main(["convert", ".", "out/", "--to=npy", "--dataset=a"]) == 1
    out, err = capsys.readouterr()
    assert "./x.npy -> out/x.npy\n" in out
    assert "./many.npz -> out/many.npy\n" in out
    assert err.startswith("tsr: ./junk.npy: ")


def test_existing_destination(capsys: pytest.CaptureFixture[str]) -> None:
    """What exists is left alone, and replaced with `--force`, also called `--overwrite`."""
    Path("x.tsr").write_bytes(b"precious")
    assert main(["convert", "x.npy", "x.tsr"]) == 2
    assert "tsr: x.tsr: File exists" in capsys.readouterr().err
    assert Path("x.tsr").read_bytes() == b"precious"
    for option in ("-f", "--force", "--overwrite"):
        assert main(["convert", option, "x.npy", "x.tsr"]) == 0
    np.testing.assert_array_equal(tsr.load("x.tsr"), X)


def test_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A refusal names the option of this command that helps, and the option does."""
    assert main(["convert", "double.npy", "y.tsr"]) == 1
    assert "(--cast float32)" in capsys.readouterr().err
    assert main(["convert", "double.npy", "y.tsr", "--cast", "float32"]) == 1
    assert "lossy" in capsys.readouterr().err
    assert not Path("y.tsr").exists()
    assert main(["convert", "double.npy", "y.tsr", "--cast", "float32", "--lossy"]) == 0
    assert tsr.load("y.tsr").tolist() == [np.float32(0.1), 2.0]


def test_option_that_makes_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    """It is told once, however many sources there are, and blames none."""
    assert main(["convert", "x.npy", "double.npy", "out", "--cast=float99"]) == 1
    assert capsys.readouterr() == ("", "tsr: not a dtype: got 'float99'\n")


def test_lenient(capsys: pytest.CaptureFixture[str]) -> None:
    """`--lenient` converts what the original readers read."""
    Path("x.tsr").write_bytes(tsr.dumps(X) + b"trailing")
    assert main(["convert", "x.tsr", "y.npy"]) == 1
    assert "[V1-PAYLOAD-2]" in capsys.readouterr().err
    assert main(["convert", "--lenient", "x.tsr", "y.npy"]) == 0


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is a list of what was made; what was not is on stderr."""
    assert main(["convert", "--json", "x.npy", "junk.npy", "many.npz", "out"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == [
        {"source": "x.npy", "destination": "out/x.tsr", "tensors": 1},
        {"source": "many.npz", "destination": "out/many", "tensors": 2},
    ]
    assert err.startswith("tsr: junk.npy: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], {"overwrite": False, "strict": True, "lossy": False}, id="defaults"),
        pytest.param([], {"cast": None, "durable": None, "dataset": None, "to": None}, id="nones"),
        pytest.param(["--cast=int8"], {"cast": "int8"}, id="cast"),
        pytest.param(
            ["--cast", "float64=float32", "--cast", "int64=int32"],
            {"cast": {"float64": "float32", "int64": "int32"}},
            id="casts",
        ),
        pytest.param(
            ["--cast=float64=float32,int64=int32"],
            {"cast": {"float64": "float32", "int64": "int32"}},
            id="casts-in-one",
        ),
        pytest.param(["--durable", "--force"], {"durable": True, "overwrite": True}, id="writing"),
        pytest.param(["--lenient", "--lossy"], {"strict": False, "lossy": True}, id="tolerance"),
        pytest.param(["--to=npy", "--dataset=a/b"], {"to": "npy", "dataset": "a/b"}, id="entry"),
        pytest.param([], {"names": None, "compress": False}, id="no-tsr4"),
        pytest.param(
            ["--names=n.json", "--zlib"], {"names": "n.json", "compress": True}, id="tsr4"
        ),
    ],
)
def test_options(
    arguments: list[str], expected: dict[str, Any], calls: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """Each option arrives at `tsr.convert` as what it stands for."""
    assert main(["convert", "x.npy", *arguments, "x.tsr"]) == 0
    [(source, destination, options)] = calls
    assert (source, destination) == ("x.npy", "x.tsr")
    assert options["on_error"] == "report"
    assert {name: options[name] for name in expected} == expected


def test_missing_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A format whose library is not installed names the extra that installs it."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    Path("x.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert main(["convert", "x.h5", "out/"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("tsr: x.h5: ")
    assert "pip install 'tsr-codec[formats]'" in err


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C in a conversion ends it quietly."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(vars(tsr), "convert", interrupt)
    assert main(["convert", "x.npy", "x.tsr"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_name_that_begins_with_a_dash() -> None:
    """What follows `--` is a path."""
    assert main(["convert", "x.npy", "--", "-x.tsr"]) == 0
    assert Path("-x.tsr").exists()


def test_file_for_several_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """A destination that is called like a file is refused where a folder is needed."""
    assert main(["convert", "x.npy", "double.npy", "out.npz"]) == 2
    assert "DST: several SRC go to a folder: out.npz/" in capsys.readouterr().err
    assert not Path("out.npz").exists()
    assert main(["convert", "x.npy", "many.npz", "out.npz/"]) == 0
    assert Path("out.npz/x.tsr").exists()


def test_suffix_that_contradicts(capsys: pytest.CaptureFixture[str]) -> None:
    """A destination that ends like a file of another format than `--to` is refused."""
    assert main(["convert", "--to", "tsr", "many.npz", "q.npz"]) == 1
    assert "q.npz: ends with .npz, and to='.tsr' (--to) asks" in capsys.readouterr().err


def test_casts_that_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Several dtypes to convert to need one each to convert from."""
    assert main(["convert", "x.npy", "y.tsr", "--cast", "float32,int64=int32"]) == 2
    assert "--cast: expected one DTYPE" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["tsr4", ".tsr4", ".TSR4"])
def test_tsr4(capsys: pytest.CaptureFixture[str], to: str) -> None:
    """Several tensors go to one file and come back with the names that are beside it."""
    assert main(["convert", "--to", to, "--zlib", "--names=n.json", "many.npz", "m.tsr"]) == 0
    assert main(["convert", "--names=n.json", "m.tsr", "back.npz"]) == 0
    assert capsys.readouterr() == (
        "many.npz -> m.tsr (2 tensors)\nm.tsr -> back.npz (2 tensors)\n", ""
    )  # fmt: skip
    with np.load("back.npz") as found:
        assert list(found) == ["a", "b"]
        np.testing.assert_array_equal(found["a"], X)


def test_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """What a TSR4 file without names loses is told, the file made and the code 0."""
    assert main(["convert", "--to", "tsr4", "many.npz", "x.npy", "out"]) == 0
    out, err = capsys.readouterr()
    assert out == "many.npz -> out/many.tsr (2 tensors)\nx.npy -> out/x.tsr\n"
    first, second = err.splitlines()
    assert first.startswith("tsr: warning: many.npz: TSR4 does not keep names (a, b) and ranks ")
    assert second.startswith("tsr: warning: x.npy: TSR4 does not keep ranks below 4 (the shape (2")
    assert main(["convert", "--to", "tsr4", "--lossy", "-f", "many.npz", "x.npy", "out"]) == 0
    assert capsys.readouterr().err == ""


def test_several_tsr4_files() -> None:
    """Those with several tensors get a folder each, the others a file."""
    for name, arrays in [("one", [X]), ("two", [X, X])]:
        tsr.save(f"{name}.tsr", arrays, format="tsr4")
    assert main(["convert", "one.tsr", "two.tsr", "out"]) == 0
    assert sorted(map(str, Path("out").rglob("*.tsr"))) == [
        "out/one.tsr", "out/two/0.tsr", "out/two/1.tsr",
    ]  # fmt: skip
    assert main(["convert", "one.tsr", "absent.tsr", "again"]) == 2
    assert Path("again/one.tsr").exists()


def test_names_for_several_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """Names are those of one source."""
    assert main(["convert", "--to=tsr4", "--names=n.json", "many.npz", "x.npy", "out"]) == 2
    assert "--names: expected one SRC" in capsys.readouterr().err
    assert not Path("out").exists()


def test_zlib_is_for_tsr4(capsys: pytest.CaptureFixture[str]) -> None:
    """Other formats have no compression to choose."""
    assert main(["convert", "--zlib", "x.npy", "y.tsr"]) == 1
    assert capsys.readouterr().err == (
        "tsr: compress: got True, which only to='tsr4' takes (--to tsr4 --zlib)\n"
    )


def test_terminated() -> None:
    """SIGTERM in a conversion ends it quietly, with its code, and leaves nothing unfinished."""
    script = (
        "import os, signal, sys, tsr\n"
        "from tsr.cli import main\n"
        "from tsr.converters import manifest\n"
        "manifest.dump = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.exit(main(['convert', 'many.npz', 'new/sub/']))"
    )
    root = str(Path(tsr.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": root},
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (143, b"", b"")
    assert not Path("new").exists()
