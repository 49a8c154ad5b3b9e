"""Bugs, put into a copy of the sources one at a time -> by what each is found, and how fast.

Fuzzing that finds nothing says little unless it is known to find what is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fuzz.runs import run
from fuzz.seeds import few_seeds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["BUGS", "Bug", "Found", "copy_sources", "find_all", "plant"]

_ROOT = Path(__file__).parents[1]
_SOURCES = ("tsr", "session", "spec", "tests", "fuzz", "tech_renaissance.py", "pyproject.toml")

# A run's own start takes a while, and so does that of pytest.
_START_SECONDS = 30


class Bug(NamedTuple):
    """A bug: in `module`, `right` becomes `wrong`; `target` is fuzzed to find it."""

    name: str
    module: str
    right: str
    wrong: str
    target: str


BUGS = (
    Bug(
        "off by one in the bound of ndim",
        "tsr/header.py",
        "if not 0 <= ndim <= V1_RANK_MAX:",
        "if not 0 <= ndim < V1_RANK_MAX:",
        "reference",
    ),
    Bug(
        "a reserved field is skipped",
        "tsr/header.py",
        "if reserved_3 and strict:",
        "if reserved_3 and reserved_2 and strict:",
        "loads",
    ),
    Bug(
        "a product that wraps",
        "tsr/header.py",
        "product = n * c * h * w  #",
        "product = n * c * h * w & 2**64 - 1  #",
        "reference",
    ),
    Bug(
        "dims unsigned",
        "tsr/layout.py",
        '"<4siiiiiiiiiqqq"',
        '"<4siiiiiIIIIqqq"',
        "reference",
    ),
    Bug(
        "dims swapped",
        "tsr/header.py",
        "return element, dims[unused:]",
        "return element, dims[unused:][::-1]",
        "loads",
    ),
    Bug(
        "bytes after the payload accepted",
        "tsr/header.py",
        "file_size != V1_HEADER_SIZE + nbytes:",
        "file_size < V1_HEADER_SIZE + nbytes:",
        "loads",
    ),
    Bug(
        "a limit that a 0 in the shape escapes",
        "tsr/header.py",
        "span = nbytes or (n or 1) * (c or 1) * (h or 1) * (w or 1) * element.itemsize",
        "span = nbytes  # where there are any",
        "loads",
    ),
    Bug(
        "no CRC over the elements",
        "tsr/contents.py",
        "if stored is not None and stored != checksum:",
        "if stored is not None and stored != checksum and not checksum:",
        "reference",
    ),
    Bug(
        "a header CRC that leaves out its last byte",
        "tsr/container.py",
        "data[_CRC_OFFSET + 4 : TSR4_HEADER_SIZE]",
        "data[_CRC_OFFSET + 4 : TSR4_HEADER_SIZE - 1]",
        "reference",
    ),
    Bug(
        "padding looked at in its first byte only",
        "tsr/contents.py",
        'if padding.strip(b"\\0"):',
        'if padding[:1].strip(b"\\0"):',
        "open",
    ),
    Bug(
        "payloads may overlap",
        "tsr/container.py",
        "if offset != start:",
        "if offset > start:",
        "reference",
    ),
    Bug(
        "bytes behind a zlib stream accepted",
        "tsr/compression.py",
        "surplus = len(decoder.unused_data) + len(stream) - start",
        "surplus = len(stream) - start",
        "reference",
    ),
    Bug(
        "a file object's position forgotten",
        "tsr/contents.py",
        "return memoryview(mapping)[start:] if start else mapping",
        "return mapping",
        "readers",
    ),
    Bug(
        "Fortran order ignored",
        "tsr/converters/npy.py",
        'order="F" if self.fortran_order else "C"',
        'order="C"',
        "npy",
    ),
    Bug(
        "a response loses its second tensor",
        "session/message.py",
        "tuple(map(_text, tensors))",
        "tuple(map(_text, tensors[:1] + tensors[2:]))",
        "response",
    ),
)


class Found(NamedTuple):
    """How a bug was found: in how many seconds, None where it was not.

    Attributes
    ----------
    name, target : str
    vectors, properties, fuzzing : float or None
    executions : int
        Inputs that the fuzzing took.
    """

    name: str
    target: str
    vectors: float | None
    properties: float | None
    fuzzing: float | None
    executions: int

    @property
    def found(self) -> bool:
        """Whether fuzzing found it: that each way does is not to be expected."""
        return self.fuzzing is not None


def find_all(seconds: float, bugs: Sequence[Bug] = BUGS) -> Iterator[Found]:
    """Look for each bug in each way, so many seconds long.

    Raises
    ------
    RuntimeError
        Something is found in the sources as they are, for the targets of these bugs.
    """
    for target in dict.fromkeys(bug.target for bug in bugs):
        found = _look("none", target, None, min(seconds, 5))
        if (found.vectors, found.properties, found.fuzzing) != (None, None, None):
            raise RuntimeError(f"found where no bug was planted: {found}")
    for bug in bugs:
        yield _look(bug.name, bug.target, bug, seconds)


def _look(name: str, target: str, bug: Bug | None, seconds: float) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copy_sources(root)
        if bug:
            plant(bug, root)
        vectors = _failing(
            root, seconds, "spec.conformance", sys.executable, "-m", "spec.conformance.codec"
        )
        properties = _failing(
            root, seconds, "pytest", "-q", "-x", "-p", "no:cacheprovider",
            f"tests/test_fuzz.py::test_properties[{target}]",
        )  # fmt: skip
        done = run(target, seconds, root=root, crashes=root, seeds=few_seeds_of(target))
        fuzzing = done.seconds if done.crash else None
        return Found(name, target, vectors, properties, fuzzing, done.executions)


def copy_sources(root: Path) -> None:
    """Copy what the tests and the engine need."""
    for name in _SOURCES:
        source = _ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "found", "corpus")
            shutil.copytree(source, root / name, ignore=ignored)
        else:
            shutil.copy(source, root)


def plant(bug: Bug, root: Path) -> None:
    """Put a bug into a copy."""
    module = root / bug.module
    text = module.read_text()
    if text.count(bug.right) != 1:
        raise ValueError(f"{bug.name}: {bug.right!r} stands {text.count(bug.right)} times")
    module.write_text(text.replace(bug.right, bug.wrong))


def _failing(root: Path, seconds: float, module: str, *arguments: str) -> float | None:
    # How long a module takes to find a fault, if it does.
    start = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that runs this
            [sys.executable, "-m", module, *arguments],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True,
            timeout=seconds + _START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout.decode() + done.stderr.decode())
    return time.monotonic() - start if done.returncode else None
