"""A command -> a program under the protocol: inputs -> its answers. POSIX only.

A program that dies, hangs or writes too much is ended and started anew, and the input that it
failed at is found: its answer is one of the kind ``"failed"``. `OSError` is raised where the
program cannot be started.
"""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
from typing import IO, TYPE_CHECKING, cast

from spec.conformance.answers import Answer, failed, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["TIMEOUT_SECONDS", "Program"]

TIMEOUT_SECONDS = 10.0

# To start a program anew takes time, and so does waiting: after so many faults it is left alone.
_FAULTS_MAX = 3

_BATCH = 256
_PIECE = 1 << 16
_LINE_MAX = 1 << 24


class Program:
    """A program that is asked; a context manager, which starts and ends it.

    Parameters
    ----------
    command : sequence of str
    timeout : float, default 10
        The seconds without an answer after which a program counts as hanging.

    Attributes
    ----------
    name : str
        The command, in one line.
    """

    def __init__(self, command: Sequence[str], timeout: float = TIMEOUT_SECONDS) -> None:
        self.name = shlex.join(command)
        self._command = command
        self._timeout = timeout
        self._faults = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._started()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._kill()

    def ask(self, inputs: Sequence[bytes]) -> list[Answer]:
        """Give the answers to inputs, in their order."""
        answers: list[Answer] = []
        for start in range(0, len(inputs), _BATCH):
            batch = inputs[start : start + _BATCH]
            lines, _ = self._exchange(batch) if self._faults < _FAULTS_MAX else ([], "")
            answers += map(parse, lines)
            # What was not answered is asked for one at a time, to tell at which input it fails.
            answers += map(self._ask_alone, batch[len(lines) :])
        return answers

    def end(self) -> str:
        """Let the program come to its end; give what is wrong with how it does, or nothing."""
        process, self._process = self._started(), None
        try:
            surplus, _ = process.communicate(timeout=self._timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "does not end where its input ends"
        if surplus:
            return f"wrote {surplus[:80]!r} behind its last answer"
        return _fate(process.returncode) if process.returncode else ""

    def _ask_alone(self, data: bytes) -> Answer:
        if self._faults >= _FAULTS_MAX:
            return failed(f"was not asked any more, after {_FAULTS_MAX} faults")
        lines, fault = self._exchange([data])
        if fault:
            self._faults += 1
            return failed(fault)
        return parse(lines[0])

    def _exchange(self, inputs: Sequence[bytes]) -> tuple[list[bytes], str]:
        # The lines that come back, and a fault where they are not as many; then it has ended.
        process = self._started()
        source, sink = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stdin)
        data = memoryview(b"".join(len(data).to_bytes(8, "little") + data for data in inputs))
        lines: list[bytes] = []
        rest, fault = b"", ""
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            selector.register(sink, selectors.EVENT_WRITE)
            while len(lines) < len(inputs) and not fault:
                ready = {key.fileobj for key, _ in selector.select(self._timeout)}
                if not ready:
                    fault = f"hangs: no answer for {self._timeout:g} s"
                if sink in ready:
                    data = data[_write(sink, data[:_PIECE]) :]
                    if not data:
                        selector.unregister(sink)
                if source in ready:
                    piece = os.read(source.fileno(), _PIECE)
                    *complete, rest = (rest + piece).split(b"\n")
                    lines += complete
                    if not piece:
                        fault = _fate(process.wait())
                    elif len(rest) > _LINE_MAX:
                        fault = f"wrote a line of more than {_LINE_MAX} bytes"
        if not fault and (rest or len(lines) > len(inputs)):
            lines, fault = [], "wrote more than one line for an input"
        if fault:
            self._kill()
        return lines, fault

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - to run the caller's command is the job
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            # A pipe that is full must not keep answers from being read.
            os.set_blocking(cast("IO[bytes]", self._process.stdin).fileno(), False)
        return self._process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


def _write(sink: IO[bytes], data: memoryview) -> int:
    try:
        return os.write(sink.fileno(), data)
    except BrokenPipeError:
        return len(data)  # the end of its answers tells more


def _fate(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
