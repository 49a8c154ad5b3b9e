"""What shells complete after `tsr`: tried in bash, zsh and fish themselves."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest

from session.cli import COMMANDS as SESSION_COMMANDS
from tsr.cli import main
from tsr.cli.completion import SHELLS, whole_parser
from tsr.cli.dispatch import COMMANDS

shtab = pytest.importorskip("shtab", reason="needs shtab, of the extra cli")

# What is typed, and some of what is offered for its last word.
CASES = [
    pytest.param("tsr ", set(COMMANDS), id="command"),
    pytest.param("tsr manif", {"manifest"}, id="command-begun"),
    pytest.param("tsr --ver", {"--version"}, id="option-of-none"),
    pytest.param("tsr info --", {"--json", "--lenient", "--color", "--help"}, id="option"),
    pytest.param("tsr info --color ", {"auto", "always", "never"}, id="value"),
    pytest.param("tsr info wei", {"weights.tsr"}, id="file"),
    pytest.param("tsr info weights.tsr mod", {"models"}, id="second-file"),
    pytest.param("tsr checksum models/", {"models/m.tsr"}, id="file-in-a-folder"),
    pytest.param("tsr convert --to npy wei", {"weights.tsr"}, id="file-after-an-option"),
    pytest.param("tsr convert a.npy b.npy wei", {"weights.tsr"}, id="destination"),
    pytest.param("tsr convert --names wei", {"weights.tsr"}, id="file-of-an-option"),
    pytest.param("tsr manifest --root mod", {"models"}, id="folder"),
    pytest.param("tsr session ", set(SESSION_COMMANDS), id="session"),
    pytest.param("tsr session ls --c", {"--color"}, id="option-of-session"),
    pytest.param("tsr session run --timeout 5 wei", {"weights.tsr"}, id="worker"),
    pytest.param("tsr completion ", set(SHELLS), id="shell"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make files to be found, and a `tsr` that prints its arguments."""
    monkeypatch.chdir(tmp_path)
    Path("weights.tsr").touch()
    Path("with two blanks.tsr").touch()
    Path("models").mkdir()
    Path("models/m.tsr").touch()
    Path("bin").mkdir()
    Path("bin/tsr").write_text("#!/bin/sh\nprintf '[%s]' \"$@\"\n")
    Path("bin/tsr").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Path:
    """Write the script for a shell, which has to be there."""
    if shutil.which(request.param) is None:
        pytest.skip(f"needs the shell {request.param}")
    assert main(["completion", request.param]) == 0
    path = Path("script")
    path.write_text(capsys.readouterr().out)
    return path


def run(*command: str) -> set[str]:
    """Run a shell and give the lines that it prints."""
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stderr == ""
    return set(done.stdout.splitlines())


def bash(line: str) -> set[str]:
    """Give what the script's function offers in bash."""
    words = " ".join(f"'{word}'" for word in line.split(" "))
    return run(
        "bash",
        "-c",
        f"""\
source ./script
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}  # works only where completion goes on
_shtab_tsr
printf '%s\\n' "${{COMPREPLY[@]}}\"""",
    )


def fish(line: str) -> set[str]:
    """Give what fish offers, which puts a slash behind folders."""
    offered = run("fish", "--no-config", "-c", f"source ./script; complete -C '{line}'")
    return {word.split("\t")[0].rstrip("/") for word in offered}


@pytest.mark.parametrize("script", ["bash"], indirect=True)
@pytest.mark.parametrize(("line", "offered"), CASES)
@pytest.mark.usefixtures("script")
def test_bash(line: str, offered: set[str]) -> None:
    """Bash offers what fits, and nothing else for a word that has begun."""
    found = bash(line)
    assert offered <= found
    last = line.rpartition(" ")[2]
    assert all(word.startswith(last) for word in found)


@pytest.mark.parametrize("script", ["fish"], indirect=True)
@pytest.mark.parametrize(("line", "offered"), CASES)
@pytest.mark.usefixtures("script")
def test_fish(line: str, offered: set[str]) -> None:
    """So does fish."""
    assert offered <= fish(line)


# ------------------------------------------------------------------ with a keyboard


class Keyboard:
    """A shell on a terminal, and what shows there."""

    def __init__(self, *command: str) -> None:
        pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
        self.descriptor, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200", "PS1": "ready> "},
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""
        self.wait("ready> ")

    def type(self, keys: str, expected: str) -> None:
        """Press keys, and wait for what has to show then."""
        os.write(self.descriptor, keys.encode())
        self.wait(expected)

    def wait(self, expected: str) -> None:
        """Wait until something shows, and forget all up to it."""
        end = time.monotonic() + 30
        while expected not in self.shown:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.descriptor], [], [], max(left, 0))
            assert ready, f"expected {expected!r}, got {self.shown!r}"
            self.shown += os.read(self.descriptor, 4096).decode(errors="replace")
        self.shown = self.shown.partition(expected)[2]

    def close(self) -> None:
        """End the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


@pytest.fixture
def keyboard(request: pytest.FixtureRequest, script: Path) -> Iterator[Keyboard]:
    """Start a shell that has read the script."""
    keyboard = Keyboard(*request.param)
    load = f"source ./{script}"
    if "zsh" in request.param:
        load = f'autoload -U compinit; compinit -u; eval "$(cat {script})"'
    keyboard.type(f"{load}\n", "ready> ")
    yield keyboard
    keyboard.close()


# Tab puts a blank behind what is complete.
TYPED = [
    ("tsr inf\twei\tmod\tm\t", ["info", "weights.tsr", "models/m.tsr"]),
    ("tsr dump wi\t", ["dump", "with two blanks.tsr"]),
    ("tsr dump with\\ tw\t", ["dump", "with two blanks.tsr"]),
    (
        "tsr conv\t--for\tweights.tsr mod\tm\t",
        ["convert", "--force", "weights.tsr", "models/m.tsr"],
    ),
    ("tsr sess\tru\t--time\t5 wei\t", ["session", "run", "--timeout", "5", "weights.tsr"]),
    ("tsr dump ~/weig\t", ["dump", "{home}/weights.tsr"]),
]


@pytest.mark.parametrize(
    ("script", "keyboard"),
    [
        pytest.param("bash", ["bash", "--norc", "--noprofile", "-i"], id="bash"),
        pytest.param("zsh", ["zsh", "-f", "-i"], id="zsh"),
    ],
    indirect=True,
)
def test_tab(keyboard: Keyboard) -> None:
    """Tab completes commands, options and files, one after the other, with blanks in names."""
    for keys, arguments in TYPED:
        given = "".join(f"[{argument}]" for argument in arguments)
        keyboard.type(f"{keys}\n", given.replace("{home}", os.environ["HOME"]))


# ------------------------------------------------------------------ the script


def parsers(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """Give all parsers below one."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                yield inner
                yield from parsers(inner)


def test_every_command_is_known() -> None:
    """All commands are in it, those of the session too, each with its options."""
    found = {parser.prog: parser for parser in parsers(whole_parser(shtab))}
    assert found.keys() == {f"tsr {name}" for name in COMMANDS} | {
        f"tsr session {name}" for name in SESSION_COMMANDS
    }
    assert "--lenient" in found["tsr info"].format_help()


# Arguments that are no files.
OTHERS = {"COMMAND", "REQUEST", "SHELL", "TAG=FILE"}


def test_every_argument_is_known() -> None:
    """Of each it is known whether it is a file: a new name needs an entry in the module's table."""
    for parser in parsers(whole_parser(shtab)):
        for action in parser._actions:
            if not action.option_strings and not isinstance(action.choices, dict):
                assert (action.metavar in OTHERS) != hasattr(action, "complete"), parser.prog


@pytest.mark.parametrize("shell", SHELLS)
def test_script_is_text_alone(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script says what it is for, and holds no path of the machine that made it."""
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "tsr" in out
    assert not re.search(re.escape(sys.prefix) if sys.prefix != "/usr" else "site-packages", out)


def test_unknown_shell(capsys: pytest.CaptureFixture[str]) -> None:
    """Another shell is refused, and those that there are named."""
    assert main(["completion", "cmd.exe"]) == 2
    err = capsys.readouterr().err
    assert all(shell in err for shell in SHELLS)


def test_without_shtab(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where shtab is missing, the error names the extra."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr() == (
        "", "tsr: tsr completion needs shtab: pip install 'tsr-codec[cli]'\n"
    )  # fmt: skip
