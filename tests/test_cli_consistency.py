"""What all commands have in common: options, colours, exit codes, streams, help that is true."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from argparse import Action, ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tsr
from session.mailbox import LOCK
from tsr.cli import main
from tsr.cli.dispatch import COMMANDS, Parsers, command_parsers

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tsr.__file__).parents[1])}

# A run of each command that finds something to print, and its exit code.
RUNS = [
    ("info good.tsr several.tsr", 0),
    ("scan good.tsr several.tsr", 0),
    ("validate good.tsr broken.tsr", 1),
    ("explain broken.tsr", 1),
    ("repair broken.tsr", 0),
    ("view good.tsr", 0),
    ("dump good.tsr", 0),
    ("convert good.tsr made.npy", 0),
    ("diff --all good.tsr other.tsr", 1),
    ("checksum good.tsr", 0),
    ("manifest --check folder", 1),
    ("completion bash", 0),
    ("session ls", 0),
    ("session clean", 0),
]


def walk(parsers: Parsers, name: str = "tsr") -> Iterator[tuple[str, ArgumentParser]]:
    """Give each parser with the name of its command."""
    for command, found in parsers.items():
        if isinstance(found, ArgumentParser):
            yield f"{name} {command}", found
        else:
            yield from walk(found[1], f"{name} {command}")


PARSERS = dict(walk(command_parsers()))


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TR_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setitem(ENVIRONMENT, "TR_WORKSPACE", str(tmp_path / "workspace"))
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    tsr.save("good.tsr", array)
    tsr.save("other.tsr", array + 1)
    tsr.save("several.tsr", [array, array], format="tsr4")
    Path("broken.tsr").write_bytes(tsr.dumps(array) + b"behind")
    os.mkdir("folder")
    Path("folder/a").touch()
    assert main(["manifest", "-q", "folder"]) == 0
    Path("folder/a").write_bytes(b"changed")
    leave_session()


def leave_session() -> None:
    """Make what a session leaves whose client is gone."""
    left = Path("workspace/python_session/tr_session_left")
    left.mkdir(parents=True, exist_ok=True)
    (left / LOCK).touch()


class Done(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give a function that runs `tsr` with variables of the environment, in this process."""

    def call(line: str, **environment: str) -> Done:
        with monkeypatch.context() as patch:
            for name in VARIABLES:
                patch.delenv(name, raising=False)
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            return Done(main(line.split()), *capsys.readouterr())

    return call


def test_every_command_is_tried() -> None:
    """A new command is held against the others, too."""
    assert {line.split()[0] for line, _ in RUNS} == set(COMMANDS)


# ------------------------------------------------------------------ options

# An option of the session that may be given for each tensor of an answer.
SEVERAL = {("tsr session run", "--output")}
# There is nothing to print but a script for a shell.
WITHOUT_JSON = {"tsr completion"}
SHORT = {"-h": "--help", "-o": "--output", "-f": "--force", "-q": "--quiet"}
METAVARS = {"--output": "OUT", "--tensor": "INDEX"}


def options() -> Iterator[tuple[str, str, Action]]:
    """Give each option of each command."""
    for command, parser in PARSERS.items():
        for action in parser._actions:
            for option in action.option_strings:
                yield command, option, action


def test_an_option_is_the_same_everywhere() -> None:
    """It takes the same, has the same short form, and is said of in the same words or metavars."""
    seen: dict[str, tuple[object, ...]] = {}
    helped: dict[str, str | None] = {}
    for command, option, action in options():
        if (command, option) in SEVERAL or option == "-o":
            continue
        facts = type(action), action.nargs, action.choices
        assert seen.setdefault(option, facts) == facts, (command, option)
        if option in ("--color", "--lenient"):
            assert helped.setdefault(option, action.help) == action.help


def test_short_forms() -> None:
    """A short form stands for the same option wherever it is, and the option always has it."""
    for command, option, action in options():
        if len(option) == 2:
            assert SHORT[option] in action.option_strings, (command, option)
        for short, long in SHORT.items():
            if option == long:
                assert short in action.option_strings, (command, option)
        if option in METAVARS:
            assert METAVARS[option] in str(action.metavar).split("|"), (command, option)


def test_json_is_everywhere() -> None:
    """Every command prints JSON if asked for it, and says in its help what it holds."""
    for command, parser in PARSERS.items():
        told = "--json" in parser.format_help()
        assert told != (command in WITHOUT_JSON), command
        if told:
            assert "JSON: " in str(parser.description), command


def test_every_option_is_explained() -> None:
    """None is without help."""
    for command, option, action in options():
        assert action.help, (command, option)


@pytest.mark.parametrize(
    ("line", "code"), [run for run in RUNS if f"tsr {run[0].split()[0]}" not in WITHOUT_JSON]
)
def test_json_is_json(line: str, code: int, run: Run) -> None:
    """What is printed is one JSON value, and the exit code is the same."""
    done = run(f"{line} --json")
    assert (done.code, done.err) == (code, "")
    assert json.loads(done.out)


# ------------------------------------------------------------------ streams


# Reads nothing twice: the second time there is nothing left, or something in the way.
ONCE = ("convert", "session clean")


@pytest.mark.parametrize(("line", "code"), [run for run in RUNS if not run[0].startswith(ONCE)])
def test_colours(line: str, code: int, run: Run) -> None:
    """A pipe gets no colours unless they are asked for, and then they are all that is new."""
    plain = run(line, TERM="xterm")
    assert (plain.code, plain.err) == (code, "")
    assert "\x1b" not in plain.out
    forced = run(line, FORCE_COLOR="1", TERM="xterm")
    command = next(name for name in PARSERS if f"tsr {line} ".startswith(f"{name} "))
    assert ("--color" in PARSERS[command].format_help()) == ("\x1b" in forced.out)
    if "\x1b" in forced.out:
        assert same(run(f"{line} --color never", FORCE_COLOR="1"), plain)
        assert same(run(line, FORCE_COLOR="1", NO_COLOR="1"), plain)
        assert "\x1b" in run(f"{line} --color always", NO_COLOR="1", TERM="dumb").out
    if command != "tsr view":  # draws with colours what it draws with characters else
        assert same(forced, plain)


def same(done: Done, other: Done) -> bool:
    """Compare what was printed, but for colours and how old something is."""
    texts = [re.sub(r"\x1b\[[\d;]*m|\d+ s$", "", each.out, flags=re.M) for each in (done, other)]
    return texts[0] == texts[1]


@pytest.mark.parametrize(("line", "code"), RUNS, ids=[line for line, _ in RUNS])
def test_closed_pipe(line: str, code: int) -> None:
    """Output that nobody reads ends every command quietly, with the code of SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "tsr", *line.split()],
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},  # each line is written at once
            stdout=pipe, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    "line",
    [re.sub(r"(good|broken|several)\.tsr|folder", "absent.tsr", line)
     for line, _ in RUNS if "." in line or "folder" in line],
)  # fmt: skip
def test_absent_file(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing is told on stderr, by its name, and the exit code is 2."""
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.match(r"tsr: absent\.tsr: (No such file|No .*file)", err)


# For info, validate and dump tests/test_cli.py has this.
@pytest.mark.parametrize("line", ["explain", "repair", "view", "diff good.tsr", "checksum"])
def test_stdin(line: str, run: Run) -> None:
    """What reads files reads stdin for `-`, with the same result as from the file."""
    piped = subprocess.run(
        [sys.executable, "-m", "tsr", *line.split(), "-"],
        env=ENVIRONMENT, input=Path("good.tsr").read_bytes(), capture_output=True, check=False,
    )  # fmt: skip
    assert (piped.returncode, piped.stderr) == (0, b"")
    shown = piped.stdout.decode().replace("<stdin>", "good.tsr").replace("  -\n", "  good.tsr\n")
    assert shown == run(f"{line} good.tsr").out


@pytest.mark.parametrize(
    "line",
    ["convert good.tsr there.tsr", "repair broken.tsr -o there.tsr",
     "view --html there.html good.tsr", "manifest -o there.sha256 folder"],
)  # fmt: skip
def test_what_exists_stays(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there is not replaced without --force, which the error names, and with it is."""
    (there,) = (word for word in line.split() if word.startswith("there"))
    Path(there).write_bytes(b"old")
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"tsr: {there}: File exists; .*--force\)? replaces it\n", err)
    assert Path(there).read_bytes() == b"old"
    assert main([*line.split(), "-f"]) == 0
    assert Path(there).read_bytes() != b"old"


@pytest.mark.parametrize("line", ["info", "validate", "explain", "checksum", "view"])
def test_several_files_go_on(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of several files one that is missing stops nothing."""
    assert main([line, "absent.tsr", "good.tsr"]) == 2
    out, err = capsys.readouterr()
    assert out
    assert err == "tsr: absent.tsr: No such file or directory\n"


# ------------------------------------------------------------------ help


@pytest.mark.parametrize("name", PARSERS)
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` fits a terminal of 100 columns, ends with examples, and costs no numpy."""
    assert main([*name.split()[1:], "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: {name} [-h]")
    assert all(len(line) <= 100 for line in out.splitlines())
    _, _, examples = out.partition("\nexamples:\n")
    assert examples
    for line in examples.splitlines():
        assert line.startswith("  ")
        assert f"{name} " in f"{line} "


def test_help_is_quick() -> None:
    """To be helped loads nothing that costs."""
    script = (
        "import sys; from tsr.cli import main\n"
        f"for name in {[*COMMANDS]}: assert main([name, '--help']) == 0\n"
        "heavy = {'numpy', 'construct', 'torch', 'rich', 'h5py', 'safetensors', 'shtab'}\n"
        "print(heavy & sys.modules.keys(), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, check=True, text=True
    )
    assert done.stderr == "set()\n"
