"""The shell command as a process: exit codes, streams that close, names of any bytes, imports."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tsr
from tsr.cli import main
from tsr.cli.dispatch import COMMANDS
from tsr.cli.output import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

TSR = [sys.executable, "-m", "tsr"]
# Processes find the package that is under test from any working directory.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)
FORMATS = "reads and writes TSR version 1 (TSR!) and TSR4 version 4.20 (TSR4)"
READING = ["info", "validate", "dump"]


def shell(
    *arguments: str | bytes | Path, command: Sequence[str] = TSR, **options: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run `tsr`, or what runs it, in a process of its own."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT}
    return subprocess.run([*command, *arguments], check=False, **{**streams, **options})


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Make a valid file, float32 of shape (2, 3)."""
    path = tmp_path / "good.tsr"
    tsr.save(path, np.arange(6, dtype=np.float32).reshape(2, 3))
    return path


@pytest.fixture(params=["v1", "raw", "zlib"])
def each(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Make a valid file of each kind; of TSR4 with three tensors."""
    path = tmp_path / f"{request.param}.tsr"
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    if request.param == "v1":
        tsr.save(path, array)
    else:
        several = [array, np.float16(0.1), np.zeros(9, np.int8)]
        tsr.save(path, several, format="tsr4", compress=request.param == "zlib")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Make a file that breaks two clauses."""
    path = tmp_path / "bad.tsr"
    data = bytearray(tsr.dumps(np.zeros(3, np.float32)))
    data[:4] = b"TSR?"
    data[12] = 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize(
    ("names", "code"),
    [
        pytest.param(["good.tsr"], 0, id="good"),
        pytest.param(["bad.tsr"], 1, id="invalid"),
        pytest.param(["absent.tsr"], 2, id="absent"),
        pytest.param(["."], 1, id="folder"),
    ],
)
@pytest.mark.usefixtures("good", "bad")
def test_exit_code(command: str, names: list[str], code: int, tmp_path: Path) -> None:
    """0 for a good file, 1 for an invalid one, 2 for one that cannot be opened; no traceback."""
    done = shell(command, *names, cwd=tmp_path)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["info", "validate"])
@pytest.mark.usefixtures("good", "bad")
def test_the_rest_goes_on(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that is missing or broken stops nothing, and the worst code wins, not the last."""
    monkeypatch.chdir(tmp_path)
    assert main([command, "absent.tsr", "bad.tsr", "good.tsr"]) == 2
    out, err = capsys.readouterr()
    assert "good.tsr" in out
    assert "tsr: absent.tsr: No such file or directory\n" in err
    assert main([command, "bad.tsr", "good.tsr"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="none"),
        pytest.param(["frobnicate"], id="unknown-command"),
        pytest.param(["--frobnicate"], id="unknown-option"),
        pytest.param(["info"], id="no-path"),
        pytest.param(["info", "--frobnicate", "x"], id="unknown-option-of-command"),
        pytest.param(["info", "--js", "x"], id="abbreviated-option"),
        pytest.param(["dump", "x", "y"], id="two-paths"),
        pytest.param(["dump", "x", "--csv", "--json"], id="two-formats"),
        pytest.param(["dump", "x", "--csv", "--full"], id="full-csv"),
        pytest.param(["dump", "x", "--json", "--precision=0"], id="precision-json"),
        pytest.param(["dump", "x", "--precision=-1"], id="negative-precision"),
        pytest.param(["dump", "x", "--precision=1001"], id="absurd-precision"),
        pytest.param(["dump", "x", "--tensor", "first"], id="tensor-by-name"),
        pytest.param(["convert", "x"], id="no-destination"),
        pytest.param(["convert", "x", "y", "--cast=int8", "--cast=int32"], id="two-casts"),
        pytest.param(["convert", "x", "y", "--cast=int8", "--cast=int64=int32"], id="mixed-casts"),
    ],
)
def test_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments are answered by the usage, on stderr, and 2."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: tsr")
    assert ": error: " in err


@pytest.mark.parametrize("command", [[], ["session"]])
def test_no_command(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, the help says which there are, on stderr, and it is an error."""
    assert main([*command, "--help"]) == 0
    helped = capsys.readouterr().out
    assert main(command) == 2
    name = " ".join(["tsr", *command])
    assert capsys.readouterr() == ("", f"{helped}\n{name}: error: expected a command\n")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("inof", "tsr info"), ("Validate", "tsr validate"), ("checksums", "tsr checksum"),
     ("session rum", "tsr session run"), ("session list", "tsr session ls"), ("xyzzy", None)],
)  # fmt: skip
def test_wrong_command(given: str, meant: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that there is not names the one that was meant, if one is near."""
    assert main(given.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"got {given.split()[-1]!r}, which is no command; " in err
    assert f"did you mean {meant}?\n" in err or (meant is None and "--help' lists them\n" in err)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` names the version of the package and those of the formats."""
    monkeypatch.setitem(vars(tsr), "__version__", "1.2.3")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tsr 1.2.3, {FORMATS}\n"


def test_version_of_a_source_tree() -> None:
    """A package that runs without having been installed says so."""
    hide = (
        "import importlib.metadata as m, sys\n"
        "def version(name): raise m.PackageNotFoundError(name)\n"
        "m.version = version\n"
        "from tsr.cli import main\n"
        "sys.exit(main(['--version']))"
    )
    done = shell(command=[sys.executable, "-c", hide])
    assert done.stdout.decode() == f"tsr (not installed), {FORMATS}\n"
    assert done.returncode == 0


def test_directories_for_cpp() -> None:
    """`--include-dir` and `--cmake-dir` print what `tsr` says, and import nothing heavy for it."""
    script = (
        "import sys; from tsr.cli import main\n"
        "assert main(['--include-dir', '--cmake-dir']) == 0\n"
        "assert main(['--cmake-dir']) == 0\n"
        "assert not {'numpy', 'construct', 'torch', 'rich'} & sys.modules.keys()"
    )
    done = shell(command=[sys.executable, "-c", script])
    assert done.stderr == b""
    include, cmake = tsr.get_include(), tsr.get_cmake_dir()
    assert done.stdout.decode().splitlines() == [include, cmake, cmake]


def test_directories_without_the_header(tmp_path: Path) -> None:
    """An installation that lacks the header says what is missing, in Python and in the shell."""
    package = tmp_path / "tsr"
    shutil.copytree(Path(tsr.__file__).parent, package, ignore=shutil.ignore_patterns("*.hpp"))
    missing = package / "include" / "tsr" / "tsr.hpp"
    environment = {**ENVIRONMENT, "PYTHONPATH": str(tmp_path)}
    done = shell("--include-dir", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"tsr: {missing}: not part of this installation of tsr-codec\n"
    (package / "share" / "cmake" / "tsr" / "tsrConfig.cmake").unlink()
    done = shell("--cmake-dir", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"tsrConfig.cmake: not part of this installation" in done.stderr
    script = "import tsr; tsr.get_include()"
    done = shell(command=[sys.executable, "-c", script], cwd=tmp_path, env=environment)
    assert b"\nFileNotFoundError: [Errno 2] not part of this installation" in done.stderr


def test_directory_that_is_no_text(tmp_path: Path) -> None:
    """The paths are printed as the bytes that they are."""
    folder = os.path.join(os.fsencode(tmp_path), b"\xff\xc3\xb6")
    shutil.copytree(Path(tsr.__file__).parent, os.path.join(os.fsdecode(folder), "tsr"))
    environment = {**ENVIRONMENT, "PYTHONPATH": os.fsdecode(folder), "PYTHONIOENCODING": "ascii"}
    done = shell("--include-dir", cwd=tmp_path, env=environment)
    assert (done.stdout, done.stderr) == (folder + b"/tsr/include\n", b"")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """`tsr --help` names every command and what it does."""
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: tsr [-h]")
    for command, does in COMMANDS.items():
        assert f"{command} " in out
        assert does in out


@pytest.mark.parametrize("command", [*READING, "convert"])
def test_help_has_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command ends with examples that its own parser takes."""
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    _, _, examples = out.partition("\nexamples:\n")
    assert f"  tsr {command} " in examples
    assert all(f"tsr {command} " in line for line in examples.splitlines())
    for option in ("--json", "--lenient"):
        assert option in out


@pytest.mark.parametrize("command", ["info", "validate"])
def test_headers_need_no_numpy(command: str, good: Path, each: Path) -> None:
    """`info` and `validate` import nothing heavy, also for many files and as JSON."""
    script = (
        "import sys; from tsr.cli import main\n"
        f"assert main(['{command}', {str(each)!r}]) == 0\n"
        f"assert main(['{command}', {str(good)!r}, {str(each)!r}]) == 0\n"
        f"assert main(['{command}', '--json', {str(each)!r}]) == 0\n"
        "heavy = {'numpy', 'construct', 'torch', 'rich', 'h5py', 'safetensors'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    done = shell(command=[sys.executable, "-c", script])
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["info", "good.tsr"], ["validate", "."], ["dump", "good.tsr"],
     ["convert", "good.tsr", "x.npy"], ["session", "ls"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.usefixtures("good")
def test_the_session_is_a_layer_above(arguments: list[str], tmp_path: Path) -> None:
    """Nothing of it is imported unless it is called for."""
    script = (
        "import sys; from tsr.cli import main\n"
        f"assert main({arguments}) == 0\n"
        f"assert ('session' in sys.modules) == {'session' in arguments}"
    )
    environment = {**ENVIRONMENT, "TR_WORKSPACE": str(tmp_path)}
    done = shell(command=[sys.executable, "-c", script], cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [["info", "good.tsr"], ["validate", "."], ["dump", "good.tsr"], ["dump", "good.tsr", "--csv"],
     ["info", "--json", "good.tsr"], ["--help"], ["info", "--help"], ["--version"],
     ["--include-dir"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.usefixtures("good")
def test_closed_pipe(arguments: list[str], tmp_path: Path) -> None:
    """Output that nobody reads ends the command quietly, with the code of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = shell(*arguments, stdout=pipe, cwd=tmp_path)
    assert done.stderr == b""
    assert done.returncode == 141


def test_closed_pipe_unbuffered(good: Path) -> None:
    """Nor does output that is written at once make noise."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = shell("info", good, stdout=pipe, env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"})
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.usefixtures("bad")
def test_closed_stderr(tmp_path: Path) -> None:
    """Nor does an error that nobody reads make noise."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = shell("info", "bad.tsr", stderr=pipe, cwd=tmp_path)
    assert done.stdout == b""
    assert done.returncode == 141


def test_pipe_closed_in_midstream(tmp_path: Path) -> None:
    """A reader that takes the first line only ends a long dump."""
    path = tmp_path / "long.tsr"
    tsr.save(path, np.zeros(1_000_000, np.int8))
    with subprocess.Popen(
        [*TSR, "dump", "--csv", path],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")
def test_full_disk(good: Path) -> None:
    """Output for which there is no room is an error, and blames no file."""
    with open("/dev/full", "wb") as full:
        done = shell("info", good, stdout=full)
    assert done.stderr == f"tsr: {os.strerror(errno.ENOSPC)}\n".encode()
    assert done.returncode == 2


def test_interrupt() -> None:
    """Ctrl-C ends the command quietly, with the code of SIGINT."""
    # A shell has its background jobs ignore SIGINT, and what they start inherits that.
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tsr.cli import main; sys.exit(main())"
    )
    fcntl = pytest.importorskip("fcntl")
    termios = pytest.importorskip("termios")
    with subprocess.Popen(
        [sys.executable, "-c", script, "validate", "-"],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"TSR!")
        process.stdin.flush()
        # It runs, and reads on, once the pipe is empty.
        while fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)) != bytes(4):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() + process.stderr.read() == b""


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_stdin(command: str, kind: str, each: Path) -> None:
    """`-` is stdin, be it a pipe or a file, and gives what the file by its name does."""
    if kind == "pipe":
        done = shell(command, "-", input=each.read_bytes())
    else:
        with each.open("rb") as file:
            done = shell(command, "-", stdin=file)
    assert (done.returncode, done.stderr) == (0, b"")
    named = shell(command, each).stdout
    assert named
    assert done.stdout == named.replace(bytes(each), b"<stdin>")


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("magic", [b"TSR!", b"TSR4"])
def test_broken_stdin(command: str, magic: bytes) -> None:
    """Errors call stdin by its name."""
    done = shell(command, "-", input=magic)
    assert done.returncode == 1
    assert b"<stdin>: header at offset 0: got 4 bytes" in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["validate", "dump"])
def test_broken_tensor_on_stdin(command: str) -> None:
    """Nor does a file that comes through a pipe get away with a wrong checksum."""
    data = bytearray(tsr.dumps([np.float16(1), np.int8(1)], format="tsr4"))
    data[-1] ^= 1
    done = shell(command, "-", input=data)
    assert done.returncode == 1
    assert b"<stdin>: entries[1].data_crc32 at offset 252: got" in done.stdout + done.stderr


def test_without_streams(good: Path) -> None:
    """A process that was started without stdin or stdout gives no traceback."""
    close = ["sh", "-c", 'exec "$@" <&- >&-', "sh", *TSR]
    done = shell("info", "-", command=close)
    assert done.stderr == b"tsr: <stdin>: Bad file descriptor\n"
    assert done.returncode == 2
    for command in READING:
        done = shell(command, good, command=close)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("command", READING)
def test_name_that_is_no_text(command: str, tmp_path: Path) -> None:
    """A file name that is no UTF-8, or that would steer the terminal, is escaped."""
    name = b"\xff\x1b[31m\n.tsr"
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_bytes(tsr.dumps(np.zeros(3, np.int8))[:-1])
    done = shell(command, name, cwd=tmp_path)
    assert done.returncode == 1
    assert rb"\xff\x1b[31m\n.tsr: payload at offset 64" in done.stdout + done.stderr
    with open(path, "ab") as file:
        file.write(b"\0")
    done = shell(command, name, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == b""
    assert b"\x1b" not in done.stdout
    done = shell(command, name, "--json", cwd=tmp_path)
    parsed = json.loads(done.stdout)
    entry = parsed if command == "dump" else parsed[0]
    assert os.fsencode(entry["path"]) == name


def test_name_that_stdout_cannot_encode(tmp_path: Path) -> None:
    """A character that the encoding of stdout lacks is escaped."""
    path = tmp_path / "größe.tsr"
    tsr.save(path, np.zeros(3, np.int8))
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii"}
    done = shell("info", "größe.tsr", cwd=tmp_path, env=environment)
    assert done.returncode == 0
    assert done.stdout.startswith(rb"gr\xf6\xdfe.tsr")


def test_printable() -> None:
    """What shows and does not move the cursor stays, anything else is escaped."""
    assert printable("größe 数.tsr") == "größe 数.tsr"
    assert printable("a\u202eb\r\x9b\udc80\ud800") == r"a\u202eb\r\x9b\x80\ud800"


@pytest.mark.usefixtures("good")
def test_options_and_paths_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options may stand between the paths, and what follows `--` is a path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.tsr").rename("--json")
    tsr.save("x.tsr", np.zeros(2, np.int8))
    assert main(["info", "x.tsr", "--lenient", "./--json"]) == 0
    mixed = capsys.readouterr().out
    assert main(["info", "--lenient", "--", "x.tsr", "--json"]) == 0
    assert capsys.readouterr().out == mixed
    assert "./--json" in mixed
    assert "2 files" in mixed


def test_out_of_memory(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Memory that runs out is an error of the system, while reading and while printing."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tsr.cli.values.csv_text", fail)
    assert main(["dump", "--csv", str(good)]) == 2
    assert capsys.readouterr() == ("", f"tsr: {good}: out of memory\n")
    monkeypatch.setattr("tsr.open", fail)
    assert main(["dump", str(good)]) == 2
    assert capsys.readouterr() == ("", f"tsr: {good}: out of memory\n")


def test_a_bug_shows(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is not swallowed."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tsr.cli.info.read_layout", fail)
    with pytest.raises(ZeroDivisionError):
        main(["info", str(good)])


def test_arguments_of_the_process(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without arguments, `main` takes those of the process, as the console script needs."""
    monkeypatch.setattr(sys, "argv", ["tsr", "info", str(good)])
    assert main() == 0
    assert capsys.readouterr().out.startswith(str(good))
