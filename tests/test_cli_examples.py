"""The examples in the help of every command run, as they stand."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tsr
from tsr.cli import main
from tsr.cli.dispatch import Parsers, command_parsers

pytest.importorskip("safetensors", reason="needs the extra formats")
torch = pytest.importorskip("torch", reason="needs the extra torch")
safetensors_numpy = pytest.importorskip("safetensors.numpy")
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

PACKAGES = str(Path(tsr.__file__).parents[1])

# What is not run, and why.
LEFT_OUT = {
    "curl -s https://example.org/x.tsr | tsr validate --lenient -": "needs a network",
    "tsr info s3://bucket/runs/": "needs a bucket",
    "tsr convert s3://bucket/x.npy s3://bucket/x.tsr": "needs a bucket",
    "tsr convert --dask tcp://head:8786 --to npy /data/runs /data/arrays": "needs a cluster",
}

# What is to be made must not be there.
MADE = {
    "tsr convert x.npy x.tsr": "x.tsr",
    "tsr convert model.pt model/": "model",
    "tsr convert model/ model.safetensors": "model.safetensors",
    "tsr convert --to tsr4 --zlib --names model.json model.pt model.tsr": "model.tsr model.json",
    "tsr convert --cast float64=float32 --lossy x.npy x.tsr": "x.tsr",
    "tsr manifest weights/": "weights/SHA256SUMS",
    "tsr manifest --check --root weights/ weights.sha256": "weights/SHA256SUMS",
}

# Those that show what is wrong, and have its exit code.
CODES = {
    "tsr scan --status invalid --csv weights/ broken.tsr > bad.csv": 1,
    "tsr explain --color always broken.tsr | less -R": 1,
    "tsr explain --json broken.tsr | jq '.[].findings[].mend'": 1,
    "head -c 100 weights.tsr | tsr explain -": 1,
}

# The programs that examples name beside `tsr`.
PROGRAMS = ("curl", "head", "jq", "less", "sha256sum", "zsh")

WORKER = """\
import sys
from session import TechRenaissanceServer

class Worker(TechRenaissanceServer):
    def main_logic(self, command, parameters):
        if command == "train":
            images, labels = self.get_arrays(parameters, 2)
            self.write_response("", f"{len(images)} images, {len(labels)} labels")
        return command == "train"

Worker().run(sys.argv[1])
"""


def examples(parsers: Parsers) -> Iterator[str]:
    """Give the examples of all commands."""
    for found in parsers.values():
        if isinstance(found, ArgumentParser):
            _, _, lines = str(found.epilog).partition("examples:\n")
            yield from (line.strip() for line in lines.splitlines())
        else:
            yield from examples(found[1])


EXAMPLES = list(examples(command_parsers()))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with all that the examples take for there."""
    folder = tmp_path_factory.mktemp("examples")
    random = np.random.default_rng(0)
    state = {
        name: random.standard_normal(shape, np.float32)
        for name, shape in (("fc1.weight", (4, 6)), ("fc1.bias", (4,)), ("layer1/weight", (3, 3)))
    }
    square = random.standard_normal((5, 5), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("weights", "a", "b", "x", "y", "runs/a", "runs/b", "runs/sub/c", "more/in/d"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            tsr.save(f"{name}.tsr", square)
        for name in ("a", "x", "y", "more/e"):
            np.save(f"{name}.npy", square)
        tsr.save("images.tsr", random.standard_normal((2, 4, 8, 8), np.float32))
        tensors = {name: torch.from_numpy(array) for name, array in state.items()}
        for name in ("model", "old"):
            torch.save(tensors, f"{name}.pt")
        for name in ("model", "new"):
            safetensors_numpy.save_file(state, f"{name}.safetensors")
        for name in ("a", "b"):
            np.savez(f"{name}.npz", allow_pickle=False, **state)
        tsr.convert("model.pt", "model")
        tsr.convert("model.pt", "model.tsr", to="tsr4", names="model.json")
        Path("broken.tsr").write_bytes(tsr.dumps(square) + b"behind")
        edited = bytearray(tsr.dumps([square], format="tsr4"))
        edited[-1] ^= 1
        Path("edited.tsr").write_bytes(edited)
        Path("worker.py").write_text(WORKER)
        shutil.copytree("runs", "weights")
        for place in (".local/share/bash-completion/completions", ".zsh/completions",
                      ".config/fish/completions"):  # fmt: skip
            Path(place).mkdir(parents=True)
        program = Path("bin/tsr")
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tsr "$@"\n')
        program.chmod(0o755)
        assert main(["manifest", "-q", "weights"]) == 0
        shutil.copy("weights/SHA256SUMS", "weights.sha256")
    return folder


@pytest.mark.parametrize("line", EXAMPLES)
def test_example(
    line: str,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It runs, with the exit code that it has to have, and has nothing to complain of."""
    if line in LEFT_OUT:
        pytest.skip(LEFT_OUT[line])
    missing = [
        program
        for program in PROGRAMS
        if re.search(rf"(?<!completion ){program} ", line) and shutil.which(program) is None
    ]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    home = tmp_path / "home"
    shutil.copytree(files, home)
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", PACKAGES)
    monkeypatch.setenv("TR_WORKSPACE", str(home / "workspace"))
    for name in MADE.get(line, "").split():
        shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    if re.search(r"[|&;<>$~#]|^\w+=", line):
        code = subprocess.run(["bash", "-o", "pipefail", "-c", line], check=False).returncode
    else:
        code = main(shlex.split(line)[1:])
    assert (code, capfd.readouterr().err) == (CODES.get(line, 0), "")


def test_tables_are_about_examples() -> None:
    """What is said above of examples that are no more, is to go."""
    assert {*LEFT_OUT, *MADE, *CODES} <= {*EXAMPLES}
