"""``tsr session``: requests from a shell, the list of sessions, what is left of dead ones."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import tsr
from session import PythonSession
from session.cli import COMMANDS, _duration
from session.survey import LIVE, STALE, UNKNOWN, remove, survey
from tsr.cli import main

WORKER = """\
import os, sys, time
from session import TechRenaissanceServer

class Worker(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        if command == "halves":
            (array,) = self.get_arrays(parameters, 1)
            half = len(array) // 2
            self.send_arrays(array[:half], array[half:])
        elif command == "say":
            self.write_response("", parameters.encode().decode("unicode_escape"))
        elif command == "print":
            print(parameters, flush=True)
        elif command == "raise":
            raise ValueError("wrong\\x1b[31m")
        elif command == "die":
            os._exit(3)
        elif command == "sleep":
            time.sleep(float(parameters))
        elif command == "count":
            for number in range(20):
                self.progress(number, 20, f"[bold]step {number}")
                time.sleep(0.1)
        else:
            return False
        return True

Worker().run(sys.argv[1])
"""

A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.arange(12, dtype=np.float32).reshape(3, 4)

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}

# What takes milliseconds may take this long on a machine that does much else.
PATIENCE = 60.0


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a folder with a worker and tensors; no session may be left in its workspace."""
    monkeypatch.chdir(tmp_path)
    workspace = tmp_path / "workspace"
    monkeypatch.setenv("TR_WORKSPACE", str(workspace))
    monkeypatch.setitem(ENVIRONMENT, "TR_WORKSPACE", str(workspace))
    Path("worker.py").write_text(WORKER)
    np.save("a.npy", A)
    tsr.save("b.tsr", B)
    yield workspace
    assert survey(str(workspace)) == []


def plant(name: str, *files: str) -> Path:
    """Make what a session has left, with these files in it."""
    path = Path(os.environ["TR_WORKSPACE"], "python_session", f"tr_session_{name}")
    path.mkdir(parents=True)
    for file in files:
        (path / file).touch()
    return path


def shell(*arguments: str) -> subprocess.Popen[bytes]:
    """Start `tsr session` in a process of its own, which a shell would have in the foreground."""
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from tsr.cli import main; sys.exit(main())"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, "session", *arguments],
        env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command ends with examples, and `tsr session --help` names it."""
    assert main(["session", command, "--help"]) == 0
    _, _, examples = capsys.readouterr().out.partition("\nexamples:\n")
    assert f"  tsr session {command} " in examples.replace("\n", " \n")
    assert main(["session", "--help"]) == 0
    assert f"  {command} " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="none"),
        pytest.param(["frobnicate"], id="unknown-command"),
        pytest.param(["run", "default"], id="no-request"),
        pytest.param(["run", "default", " "], id="empty-request"),
        pytest.param(["run", "default", "relu a", "a.npy"], id="no-tag"),
        pytest.param(["run", "default", "relu a", "a="], id="no-file"),
        pytest.param(["run", "default", "relu a", "../a=a.npy"], id="tag-that-is-a-path"),
        pytest.param(["run", "default", "add a a", "a=a.npy", "a=b.tsr"], id="tag-twice"),
        pytest.param(["run", "default", "hello", "-o", "out"], id="output-without-suffix"),
        pytest.param(["run", "default", "hello", "-o", "out.txt"], id="output-of-no-format"),
        pytest.param(["run", "default", "hello", "-o", "out.npz"], id="output-for-several"),
        pytest.param(["run", "default", "hello", "--timeout", "-1"], id="negative-timeout"),
        pytest.param(["run", "default", "hello", "--timeout", "soon"], id="timeout-no-number"),
        pytest.param(["ls", "x"], id="ls-of-something"),
        pytest.param(["clean", "x"], id="clean-something"),
    ],
)
def test_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments are answered by the usage, on stderr, and 2."""
    assert main(["session", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: tsr session")
    assert ": error: " in err


# ------------------------------------------------------------------ run


@pytest.mark.parametrize("suffix", [".tsr", ".npy", ".pt"])
def test_run_stores(suffix: str) -> None:
    """Tensors of several formats go to the worker, the result into one of several formats."""
    np.savez("b.npz", named=B)
    torch.save(torch.from_numpy(A), "a.pt")
    Path(f"out{suffix}").write_bytes(b"what was there")
    for tensors in (["a=a.npy", "b=b.tsr"], ["a=a.pt", "b=b.npz"]):
        assert (
            main(["session", "run", "default", "matmul a b", *tensors, "-o", f"out{suffix}"]) == 0
        )
        tsr.convert(f"out{suffix}", "got/", to=".npy", overwrite=True)
        got = np.load("got/out.npy")
        np.testing.assert_array_equal(got, A @ B)
        assert got.dtype == np.float32


def test_options_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Options may stand between the arguments, and tensors behind `--`."""
    arguments = ["run", "--timeout", "60000", "default", "-o", "x.tsr", "square a", "--", "a=a.npy"]
    assert main(["session", *arguments]) == 0
    np.testing.assert_array_equal(tsr.load("x.tsr"), A * A)
    assert capsys.readouterr() == ("", "")


def test_run_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Without -o, a tensor is printed as `tsr dump` prints it."""
    assert main(["session", "run", "default", "negative a", "a=a.npy"]) == 0
    out = capsys.readouterr().out
    tsr.save("x.tsr", -A)
    assert main(["dump", "x.tsr"]) == 0
    assert capsys.readouterr().out == out


def test_run_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has the tensors' values, or where they were stored, or the text."""
    assert main(["session", "run", "worker.py", "halves a", "a=a.npy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "tensors": [{"dtype": "float32", "shape": [1, 3], "values": [half.tolist()]} for half in A]
    }
    assert (
        main(["session", "run", "worker.py", "halves a", "a=a.npy", "--json", "-o", "h.tsr"]) == 0
    )
    assert json.loads(capsys.readouterr().out) == {
        "tensors": [
            {"dtype": "float32", "shape": [1, 3], "path": f"h_{number}.tsr"} for number in (0, 1)
        ]
    }
    assert main(["session", "run", "--json", "default", "echo grüße"]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "grüße"}


def test_run_prints_several(capsys: pytest.CaptureFixture[str]) -> None:
    """Several tensors have headings, as those of a file."""
    assert main(["session", "run", "worker.py", "halves a", "a=a.npy"]) == 0
    out = capsys.readouterr().out
    tsr.save("x.tsr", np.split(A, 2), format="tsr4")
    assert main(["dump", "x.tsr"]) == 0
    dumped = capsys.readouterr().out.replace("(1, 1, 1, 3)", "(1, 3)")
    assert re.sub(r"[][]+", "", out) == re.sub(r"[][]+", "", dumped)


@pytest.mark.parametrize(
    ("request_", "text"),
    [("hello wide world", "Hello Wide World"), ("echo grüße", "grüße"), ("echo", "")],
)
def test_run_text(request_: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer that is text is printed."""
    assert main(["session", "run", "default", request_]) == 0
    assert capsys.readouterr().out == f"{text}\n"


def test_run_text_is_exact() -> None:
    """It is printed as it is, but for what the encoding of stdout lacks."""
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "tsr", "session", "run", "worker.py", r"say ä\t\u6570\udc80\nb"],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    assert (
        done.stdout == "ä".encode().decode("latin-1").encode("latin-1") + b"\t\\u6570\\udc80\nb\n"
    )


def test_run_output_of_the_worker(capfd: pytest.CaptureFixture[str]) -> None:
    """What the worker prints is on stderr, where it disturbs nothing."""
    assert main(["session", "run", "worker.py", "print remark"]) == 0
    assert capfd.readouterr() == ("ok\n", "remark\n")


def test_outputs() -> None:
    """Several tensors go to as many files, or to one name with their numbers in it."""
    first, second = np.split(A, 2)
    ask = ["session", "run", "worker.py", "halves a", "a=a.npy"]
    assert main([*ask, "-o", "x.tsr", "--output", "y.npy"]) == 0
    np.testing.assert_array_equal(tsr.load("x.tsr"), first)
    np.testing.assert_array_equal(np.load("y.npy"), second)
    assert main([*ask, "-o", "z.tsr"]) == 0
    np.testing.assert_array_equal(tsr.load("z_0.tsr"), first)
    np.testing.assert_array_equal(tsr.load("z_1.tsr"), second)
    assert not os.path.exists("z.tsr")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(
            ["default", "frobnicate"], 1,
            "the worker could not do 'frobnicate': unknown command 'frobnicate'",
            id="unknown",
        ),
        pytest.param(
            ["default", "hello", "-o", "x.tsr"], 1,
            "the worker could not do 'hello': it answered 'Hello', no tensor",
            id="no-tensor",
        ),
        pytest.param(
            ["default", "relu a", "-o", "x.tsr"], 1,
            "the worker could not do 'relu a': it answered 'invalid', no tensor",
            id="invalid",
        ),
        pytest.param(
            ["worker.py", "halves a", "a=a.npy", *["-o", "x.tsr"] * 3], 1,
            "the worker could not do 'halves a': it answered 2 tensors, expected one for each -o",
            id="too-few-tensors",
        ),
        pytest.param(
            ["default", "relu a", "a=a.npy", *["-o", "x.tsr"] * 2], 1,
            "the worker could not do 'relu a': it answered one tensor, expected one for each -o",
            id="one-tensor",
        ),
        pytest.param(["worker.py", "die"], 1, "the worker exited with status 3", id="died"),
        pytest.param(
            ["worker.py", "sleep 60", "--timeout", "4000"], 1,
            "the response to 'sleep': did not come within 4000 ms",
            id="slow",
        ),
        pytest.param(
            ["hangs.py", "hello", "--timeout", "300"], 1,
            "the worker's start: did not come within 300 ms",
            id="slow-start",
        ),
        pytest.param(["absent.py", "hello"], 2, "no worker script: absent.py", id="no-worker"),
        pytest.param(
            ["default", "hello", "a=absent.npy"], 2, "absent.npy: No such file or directory",
            id="no-input",
        ),
        pytest.param(
            ["default", "hello", "a=worker.py"], 1, "worker.py: nothing reads .py files",
            id="input-of-no-format",
        ),
        pytest.param(
            ["default", "hello", "a=Makefile"], 1, "Makefile: nothing reads such files",
            id="input-without-suffix",
        ),
        pytest.param(
            ["default", "hello", "a=two.npz"], 1, "two.npz: holds 2 arrays, expected one",
            id="two-inputs",
        ),
        pytest.param(
            ["default", "hello", "a=wide.npy"], 1,
            "wide.npy: holds float64, expected float32, int8 or int32; tsr convert --cast makes "
            "one of it",
            id="float64",
        ),
        pytest.param(
            ["default", "hello", "a=deep.npy"], 1,
            "shape: got 5 dimensions (1, 1, 1, 1, 1), expected at most 4; reshape the array to "
            "merge some",
            id="five-dimensions",
        ),
        pytest.param(
            ["default", "relu a", "a=a.npy", "-o", "absent/x.tsr"], 2,
            "absent/x.tsr: No such file or directory",
            id="output-nowhere",
        ),
    ],
)  # fmt: skip
def test_errors(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 for what the worker could not do or a file does not hold, 2 for what the system refused."""
    Path("hangs.py").write_text("import time; time.sleep(60)")
    np.savez("two.npz", x=A, y=B)
    np.save("wide.npy", np.zeros(3))
    np.save("deep.npy", np.zeros((1,) * 5, np.int8))
    assert main(["session", "run", *arguments]) == code
    assert capsys.readouterr() == ("", f"tsr: {message}\n")


def test_every_broken_input_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """All inputs are read before a worker is started, and each that is broken has its line."""
    Path("c.tsr").write_bytes(b"TSR?")
    arguments = ["run", "absent.py", "add a c", "a=absent.tsr", "c=c.tsr"]
    assert main(["session", *arguments]) == 2
    missing, broken = capsys.readouterr().err.splitlines()
    assert missing == "tsr: absent.tsr: No such file or directory"
    assert broken.startswith("tsr: c.tsr: ")


def test_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception of the worker is told with its traceback, and steers no terminal."""
    assert main(["session", "run", "worker.py", "raise"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == r"tsr: the worker could not do 'raise': ValueError: wrong\x1b[31m"


def test_broken_worker(capfd: pytest.CaptureFixture[str]) -> None:
    """A worker that fails at its start has told why, and is told once."""
    Path("broken.py").write_text("import absent")
    assert main(["session", "run", "broken.py", "hello"]) == 1
    err = capfd.readouterr().err
    assert err.count("ModuleNotFoundError: No module named 'absent'\n") == 1
    assert err.endswith("tsr: the worker exited with status 1\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_interrupt(number: int, code: int, workspace: Path) -> None:
    """Ctrl-C and SIGTERM end the command, its worker and the session."""
    with shell("run", "worker.py", "sleep 60") as process:
        deadline = time.monotonic() + PATIENCE
        while [session.status for session in survey(str(workspace))] != ["busy"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
    assert process.returncode == code


def test_progress() -> None:
    """On a terminal, a bar shows what the worker reports; its notes are no markup."""
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    pytest.importorskip("rich")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tsr", "session", "run", "worker.py", "count"],
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = piece = b" "
        while piece:
            shown += piece
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so when the other side is closed
                piece = b""
        os.close(ours)
        assert process.stdout is not None
        assert process.stdout.read() == b"ok\n"
    assert process.returncode == 0
    assert re.search(rb"\[bold\]step 1\d", shown)
    assert b"/20" in shown


# ------------------------------------------------------------------ ls, clean


def test_ls_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there has never been a session, there is none to list, and none to remove."""
    assert main(["session", "ls"]) == 0
    assert main(["session", "clean"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["session", "ls", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert not os.path.exists(os.environ["TR_WORKSPACE"])


def test_ls_and_clean(capsys: pytest.CaptureFixture[str]) -> None:
    """Live, stale and unknown sessions are told apart, and only stale ones are removed."""
    stale, unknown = plant("dead", ".lock", "a.tsr"), plant("foreign")
    (stale / "status.txt").write_text("error: \x1b[31mred\nmore")
    (unknown / "status.txt").write_text("running")
    os.utime(stale, times=(time.time() - 7300,) * 2)
    with PythonSession("worker.py", "alive") as session:
        session.send_request("sleep 60")
        deadline = time.monotonic() + PATIENCE
        while survey(os.environ["TR_WORKSPACE"])[0].status != "busy":
            assert time.monotonic() < deadline
        assert main(["session", "ls"]) == 0
        head, *rows = capsys.readouterr().out.splitlines()
        assert head.split() == ["SESSION", "STATE", "CLIENT", "STATUS", "AGE"]
        assert [re.split("  +", row) for row in rows] == [
            ["alive", "live", str(os.getpid()), "busy", rows[0].rpartition("  ")[2]],
            ["dead", "stale", "-", r"error: \x1b[31mred", "2 h"],
            ["foreign", "unknown", "-", "running", rows[2].rpartition("  ")[2]],
        ]
        assert main(["session", "ls", "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)
        assert [entry.pop("age_seconds") >= 0 for entry in listed] == [True] * 3
        assert listed[0] == {
            "session_id": "alive", "path": session.session_dir, "state": "live",
            "pid": os.getpid(), "status": "busy",
        }  # fmt: skip
        assert listed[1]["path"] == str(stale)
        assert main(["session", "clean"]) == 0
        assert capsys.readouterr().out == "removed dead\n"
        assert not stale.exists()
        assert unknown.exists()
        assert session.is_alive()
        assert session.is_busy()
        session.terminate()
    (unknown / "status.txt").unlink()
    unknown.rmdir()


def test_a_client_that_the_system_does_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not say who holds a lock, a session with one is live all the same."""
    monkeypatch.setattr("session.survey._FLOCK", re.compile("(.)(.)(.)(.)(?!)"))
    with PythonSession() as session:
        [found] = survey(os.environ["TR_WORKSPACE"])
        assert (found.session_id, found.state, found.pid) == ("default", LIVE, None)
        assert not remove(found)
        assert session.fetch_response("echo here", 1000 * PATIENCE) == "here"


def test_what_a_crash_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    """A session whose worker and client were killed at once is stale, and can be removed."""
    script = (
        "import os, signal\n"
        "from session import PythonSession\n"
        "session = PythonSession('default', 'crashed')\n"
        "session.start()\n"
        "session.wait_until_ready(0)\n"
        "for pid in (session._connection.process.pid, os.getpid()):\n"
        "    os.kill(pid, signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, check=False)
    assert done.returncode == -signal.SIGKILL
    [found] = survey(os.environ["TR_WORKSPACE"])
    assert (found.session_id, found.state, found.status) == ("crashed", STALE, "ready")
    assert main(["session", "clean"]) == 0
    assert capsys.readouterr().out == "removed crashed\n"


def test_odd_directories() -> None:
    """What is no session is not listed, what is no file is not read, and nothing is changed."""
    folder = plant("odd", ".lock").parent
    (folder / "tr_session_file").touch()
    (folder / "other").mkdir()
    (folder / "tr_session_link").symlink_to(folder / "tr_session_odd")
    os.mkfifo(folder / "tr_session_odd" / "status.txt")
    (plant("odder", ".lock") / "status.txt").mkdir()
    (folder / "tr_session_odd" / "x.tsr").symlink_to("/etc/passwd")
    before = sorted(map(str, folder.rglob("*")))
    found = survey(os.environ["TR_WORKSPACE"])
    assert [(one.session_id, one.state, one.status) for one in found] == [
        ("odd", STALE, ""),
        ("odder", STALE, ""),
    ]
    assert sorted(map(str, folder.rglob("*"))) == before
    assert main(["session", "clean"]) == 0
    assert sorted(os.listdir(folder)) == ["other", "tr_session_file", "tr_session_link"]


def test_unreadable_lock() -> None:
    """Where the lock is no file, the state is unknown, and the session stays."""
    lock = plant("odd") / ".lock"
    lock.symlink_to("/dev/null")
    [found] = survey(os.environ["TR_WORKSPACE"])
    assert found.state == UNKNOWN
    assert main(["session", "clean"]) == 0
    lock.unlink()
    lock.parent.rmdir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove anything")
def test_clean_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be removed is an error with its path, and the rest is removed."""
    held, other = plant("held", ".lock"), plant("other", ".lock")
    inner = held / "inner"
    inner.mkdir()
    (inner / "file").touch()
    inner.chmod(0o500)
    assert main(["session", "clean"]) == 2
    out, err = capsys.readouterr()
    assert out == "removed other\n"
    assert err.startswith(f"tsr: {held}: ")
    assert not other.exists()
    inner.chmod(0o700)
    assert main(["session", "clean"]) == 0
    assert capsys.readouterr() == ("removed held\n", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (59.9, "59 s"), (60.0, "1 min"), (7199.0, "1 h"), (200_000.0, "2 d")],
)
def test_duration(seconds: float, text: str) -> None:
    """An age has one unit, the largest of which there is a whole one."""
    assert _duration(seconds) == text


def test_imports() -> None:
    """Nothing heavy is imported to list sessions."""
    script = (
        "import sys; from tsr.cli import main\n"
        "assert main(['session', 'ls']) == 0\n"
        "heavy = {'numpy', 'construct', 'torch', 'rich', 'h5py', 'safetensors'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, check=True)
