"""Random sequences of calls, kills and time-outs over a session, with events and by polling.

Whatever the sequence: an answer that comes is right, an error is one that what happened accounts
for, no call takes longer than its time-out, no second worker runs, results stay as they were, and
nothing is left of it all in the end: no file, process, descriptor, thread or mapping.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from session import (
    Progress,
    PythonSession,
    SessionBusy,
    SessionError,
    SessionTimeout,
    WorkerDied,
    WorkerError,
)
from tests.session_workers import (
    SECONDS,
    a_workspace,
    do,
    hit,
    no_hang,
    plant,
    processes_of,
    write_worker,
)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="looks for what is left in /proc"
)

# How many sequences are tried with events, and by polling, which takes longer; and how long ones.
IS_NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
EXAMPLES = {"": 500, "1": 100} if IS_NIGHTLY else {"": 24, "1": 8}
STEPS = 40 if IS_NIGHTLY else 30

# What an answer may take; only a worker that is stopped lets it pass.
PATIENCE_MS = SECONDS * 1000

# A call may take this much longer than its time-out on a machine that is busy with other things.
SLACK_SECONDS = 20.0

# The seconds that a worker takes for a request, around the time-outs that clients have then.
DELAYS = st.sampled_from([0.0, 0.001, 0.005, 0.02])
TIMEOUTS_MS = st.sampled_from([1, 5, 20, 60])

# The seconds until a kill: at once, in the next call, or some calls later.
MOMENTS = st.sampled_from([0.0, 0.0005, 0.002, 0.01, 0.05])

# How a worker can end that is sent a signal: one that it knows it obeys, where it is up.
ENDS = {
    signal.SIGKILL: {-signal.SIGKILL},
    signal.SIGSEGV: {-signal.SIGSEGV},
    signal.SIGTERM: {-signal.SIGTERM, 0, 1},
}

# What a request may fail with.
FAILURES = (WorkerDied, SessionTimeout, SessionBusy)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

# Elements of tensors: read whole, or mapped and written into the same pages again and again.
SIZES = st.sampled_from([0, 1, 1000, 1 << 18, 1 << 19])

# How many results are kept, and how many children of a fork keep what there was then.
KEPT = 8
CHILDREN = 2


def is_started(machine: Session) -> bool:
    """Tell whether there is a worker, dead or alive."""
    return machine.is_started


class Child:
    """A forked child of the client, which checks what it has of it when it is asked to."""

    def __init__(self, check: Callable[[], None]) -> None:
        reading, self._asking = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there are threads
            self._process = os.fork()
        if not self._process:
            status = 1
            try:
                os.close(self._asking)
                os.read(reading, 1)
                check()
                status = 0
            finally:
                os._exit(status)
        os.close(reading)

    def join(self) -> None:
        """Have it check."""
        os.write(self._asking, b"x")  # a later child has this end, too: to close it says nothing
        os.close(self._asking)
        assert os.waitpid(self._process, 0)[1] == 0


class Session(RuleBasedStateMachine):
    """A session, and what is known of it.

    Which rules come next depends on the rules before, never on what came of them: that depends on
    the machine's speed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.workspace = self.stack.enter_context(a_workspace())
        self.stack.enter_context(no_hang(600))
        worker = write_worker(Path(folder))
        self.session = PythonSession(worker, "machine", True, workspace=self.workspace)
        self.session.on_progress = self.reported
        self.is_started = False
        self.is_doomed = False  # it may be dead, or is going to be
        self.is_dead = False  # as a call has told
        self.is_stopped = False
        self.ends: set[int] = set()
        self.pending: str | None = None  # what the pending request is to be answered with
        self.is_overdue = False
        self.note = ""  # of the request that is under way
        self.kept: list[tuple[Any, int]] = []
        self.killers: list[threading.Timer] = []
        self.children: list[Child] = []
        self.serial = 0

    def teardown(self) -> None:
        """End it all, and check that nothing is left."""
        self.end_killers()
        while self.children:
            self.children.pop().join()
        self.session.terminate()
        self.results_stay()
        self.kept.clear()
        del self.session  # its thread for what is submitted goes with it
        self.stack.close()

    def end_killers(self) -> None:
        """Wait until no kill is under way."""
        for killer in self.killers:
            killer.join()
        self.killers.clear()

    def unique(self, text: str = "") -> str:
        """Make a text that no other request has."""
        self.serial += 1
        return f"{self.serial} {text}".strip()

    @property
    def patience_ms(self) -> float:
        """What an answer may take: a stopped worker never gives one."""
        return 50 if self.is_stopped else PATIENCE_MS

    def call(self, function: Callable[[], Any], timeout_ms: float = PATIENCE_MS) -> Any:
        """Call, and give what comes or the error, which must be one that can come now."""
        begin = time.monotonic()
        try:
            result = function()
        except SessionError as error:
            result = error
        seconds = time.monotonic() - begin
        assert seconds < timeout_ms / 1000 + SLACK_SECONDS
        if isinstance(result, WorkerDied):
            assert self.is_doomed
            assert result.returncode in self.ends
            self.is_dead = True
        elif isinstance(result, SessionTimeout):
            assert timeout_ms < PATIENCE_MS
            assert seconds >= timeout_ms / 1000
        elif isinstance(result, SessionBusy):
            assert self.pending is not None
            assert not self.is_overdue
        elif isinstance(result, WorkerError):
            assert "ValueError" in result.message or "unknown command" in result.message
        elif isinstance(result, SessionError):
            assert str(result) == "there is no request to wait for"
            assert self.pending is None or self.is_dead
        return result

    def request(self, function: Callable[[], Any], timeout_ms: float = PATIENCE_MS) -> Any:
        """Call for a request, which is refused while another one is pending."""
        result = self.call(function, timeout_ms)
        if not isinstance(result, (SessionBusy, WorkerDied)):
            self.pending = None  # it was answered and not read, or its time was over
        return result

    def keep(self, *results: tuple[Any, int]) -> None:
        """Keep results, whose elements all have a value, instead of the first ones."""
        self.kept = [*self.kept, *results][-KEPT:]

    def reported(self, progress: Progress) -> None:
        """Check that what is reported is of the request that is under way."""
        assert progress == (1, 2, self.note)

    # ------------------------------------------------------------ the process

    def begin(self, start: Callable[[], Any]) -> None:
        """Start a worker, of which all is known."""
        self.end_killers()
        start()
        self.is_started = True
        self.is_doomed = self.is_dead = self.is_stopped = False
        self.pending = None
        self.ends.clear()

    @precondition(lambda self: not self.is_started)
    @rule(wait=st.booleans())
    def start(self, wait: bool) -> None:
        """Start a worker, and wait until it is ready or do not."""
        self.begin(self.session.start)
        if wait:
            assert self.session.wait_until_ready(PATIENCE_MS)
        assert self.session.is_alive()

    @precondition(lambda self: self.is_started and not self.is_doomed)
    @rule()
    def start_again(self) -> None:
        """Start a worker where one runs already, which is refused."""
        with pytest.raises(SessionBusy, match="the worker runs already"):
            self.session.start()

    @precondition(lambda self: self.is_doomed or self.is_stopped)
    @rule()
    def recover(self) -> None:
        """Do what helps after any failure."""
        self.begin(lambda: self.session.restart(PATIENCE_MS))

    @rule()
    def terminate(self) -> None:
        """End the worker at once."""
        self.session.terminate()
        self.assert_ended()

    @precondition(lambda self: not self.is_stopped)
    @rule(timeout_ms=TIMEOUTS_MS, ensure=st.booleans())
    def please_exit(self, timeout_ms: float, ensure: bool) -> None:
        """Ask the worker to exit, and insist after a while or not."""
        timeout_ms = timeout_ms if ensure else PATIENCE_MS
        assert self.call(lambda: self.session.please_exit(timeout_ms, ensure), timeout_ms)
        self.assert_ended()

    def assert_ended(self) -> None:
        """Check that nothing is left of the worker at once."""
        assert not self.session.is_alive()
        assert not Path(self.session.session_dir).exists()
        self.is_started = self.is_stopped = False
        self.pending = None

    @precondition(lambda self: not self.is_started)
    @rule()
    def ask_nobody(self) -> None:
        """Call without a worker, which each call says."""
        calls: list[Callable[[], Any]] = [
            lambda: self.session.fetch_response("echo x"),
            lambda: self.session.calculate("double", np.ones(3, np.float32)),
            lambda: self.session.wait_until_ready(PATIENCE_MS),
        ]
        for call in calls:
            with pytest.raises(SessionError, match="no worker: start"):
                call()
        assert not self.session.is_ready()

    # ------------------------------------------------------------ whole requests

    @precondition(is_started)
    @rule(text=TEXTS)
    def echo(self, text: str) -> None:
        """Exchange text."""
        text, timeout_ms = self.unique(text), self.patience_ms
        answer = self.request(
            lambda: self.session.fetch_response(f"echo {text}", timeout_ms), timeout_ms
        )
        assert answer == text or isinstance(answer, FAILURES)

    @precondition(is_started)
    @rule(size=SIZES)
    def double(self, size: int) -> None:
        """Exchange tensors, and keep the result."""
        self.serial += 1
        timeout_ms, array = self.patience_ms, np.full(size, self.serial, np.float32)
        answer = self.request(
            lambda: self.session.calculate("double", array, timeout_ms=timeout_ms), timeout_ms
        )
        if not isinstance(answer, FAILURES):
            assert answer.shape == array.shape
            self.keep((answer, 2 * self.serial))

    @precondition(is_started)
    @rule(size=SIZES, other=SIZES)
    def several(self, size: int, other: int) -> None:
        """Exchange several tensors, under tags; results are computed into, in place, and sent."""
        self.serial += 1
        number, timeout_ms = self.serial, self.patience_ms
        a, b = np.full(size, number, np.int32), np.full((other, 1), -number, np.float32)
        code = do(f"""
            a, b = self.get_arrays("a{number},b{number}", 2)
            out = self.empty(a.shape, a.dtype)
            out[...] = 2 * a
            b *= 3
            self.give_tensors(out, b)
            self.send_arrays(a)
            """)

        def exchange() -> Any:
            self.session.send_tensor(a, f"a{number}")
            self.session.send_tensor(b, f"b{number}")
            return self.session.fetch_tensor(code, timeout_ms)

        answer = self.request(exchange, timeout_ms)
        if not isinstance(answer, FAILURES):
            assert [(x.shape, x.dtype) for x in answer] == [(x.shape, x.dtype) for x in (a, b, a)]
            self.keep(*zip(answer, (2 * number, -3 * number, number), strict=True))

    @precondition(is_started)
    @rule(is_known=st.booleans())
    def fail(self, is_known: bool) -> None:
        """Have the worker raise an exception, or do what it does not know."""
        text, timeout_ms = self.unique(), self.patience_ms
        command = "raise" if is_known else "nonsense"
        answer = self.request(
            lambda: self.session.fetch_response(f"{command} {text}", timeout_ms), timeout_ms
        )
        assert isinstance(answer, (WorkerError, *FAILURES))
        if isinstance(answer, WorkerError):
            said = f"ValueError: {text}\n" if is_known else "unknown command 'nonsense'"
            assert answer.message.endswith(said)

    @precondition(is_started)
    @rule(delay=DELAYS, timeout_ms=TIMEOUTS_MS)
    def fetch_in_time(self, delay: float, timeout_ms: float) -> None:
        """Wait for an answer that may come too late."""
        text = self.unique()
        answer = self.request(
            lambda: self.session.fetch_response(f"slow {delay} {text}", timeout_ms), timeout_ms
        )
        assert answer == text or isinstance(answer, FAILURES)

    @precondition(is_started)
    @rule()
    def report(self) -> None:
        """Have the worker report progress, which may be seen only while it is asked for."""
        text, timeout_ms = self.unique(), self.patience_ms
        self.note = text
        code = do(f"self.progress(1, 2, {text!r}); self.write_response('', {text!r})")
        answer = self.request(lambda: self.session.fetch_response(code, timeout_ms), timeout_ms)
        assert answer == text or isinstance(answer, FAILURES)

    @precondition(lambda self: self.is_started and not self.is_stopped)
    @rule(size=SIZES)
    def submit(self, size: int) -> None:
        """Have requests made in the background."""
        number = int(self.unique())
        array = np.full(size, number, np.float32)
        text = self.session.submit(f"echo {number}", timeout_ms=PATIENCE_MS)
        tensor = self.session.submit("double", array, timeout_ms=PATIENCE_MS)
        answer = self.request(text.result)
        assert answer == str(number) or isinstance(answer, FAILURES)
        answer = self.request(tensor.result)
        if not isinstance(answer, FAILURES):
            assert answer.shape == array.shape
            self.keep((answer, 2 * number))

    @precondition(is_started)
    @rule(moment=MOMENTS)
    def terminate_meanwhile(self, moment: float) -> None:
        """End the worker while a request in the background waits for it, or has not begun."""
        future = self.session.submit("slow 3600 x")
        time.sleep(moment)
        self.session.terminate()
        assert future.cancelled() or isinstance(future.exception(SECONDS), SessionError)
        self.assert_ended()

    # ------------------------------------------------------------ requests in steps

    @precondition(is_started)
    @rule(delay=DELAYS)
    def send(self, delay: float) -> None:
        """Make a request."""
        text = self.unique()
        answer = self.request(lambda: self.session.send_request(f"slow {delay} {text}"))
        assert answer is None or isinstance(answer, FAILURES)
        if answer is None:
            self.pending, self.is_overdue = text, False

    @precondition(is_started)
    @rule(timeout_ms=TIMEOUTS_MS | st.just(PATIENCE_MS))
    def wait(self, timeout_ms: float) -> None:
        """Wait for the answer, which can be waited for again if it does not come."""
        timeout_ms = min(timeout_ms, self.patience_ms)
        answer = self.call(lambda: self.session.wait_for_response(timeout_ms), timeout_ms)
        if isinstance(answer, SessionTimeout):
            self.is_overdue = True
        elif not isinstance(answer, SessionError):
            assert answer == self.pending
            self.pending = None

    @precondition(is_started)
    @rule()
    def read(self) -> None:
        """Read the answer if it is there."""
        answer = self.call(self.session.read_response)
        if answer is not None:
            assert answer == self.pending
            self.pending = None

    # ------------------------------------------------------------ faults

    @precondition(lambda self: self.is_started and not self.is_doomed)
    @rule(moment=MOMENTS, number=st.sampled_from(sorted(ENDS, reverse=True)))
    def kill(self, moment: float, number: signal.Signals) -> None:
        """Kill the worker, now or soon."""
        self.is_doomed = True
        self.ends |= ENDS[number]
        killer = threading.Timer(moment, hit, [self.session, number])
        killer.start()
        self.killers.append(killer)
        if not moment:
            killer.join()

    @precondition(lambda self: self.is_started and not self.is_stopped)
    @rule()
    def stop(self) -> None:
        """Stop the worker."""
        hit(self.session, signal.SIGSTOP)
        self.is_stopped = True

    @precondition(lambda self: self.is_stopped)
    @rule()
    def go_on(self) -> None:
        """Let the worker go on."""
        hit(self.session, signal.SIGCONT)
        self.is_stopped = False

    @precondition(is_started)
    @rule()
    def rival(self) -> None:
        """Have another client want the session."""
        rival = PythonSession("default", "machine", True, workspace=self.workspace)
        with pytest.raises(SessionBusy, match="another client"):
            rival.start()

    @precondition(is_started)
    @rule()
    def stray(self) -> None:
        """Put a response to nobody's request, unless it may take the place of one."""
        if self.pending is not None:
            return
        data = b'{"command": "echo", "result": "wrong", "id": "nobody-1"}'
        plant(Path(self.session.session_dir, "response.json"), data)

    @rule()
    def fork(self) -> None:
        """Fork a child, which has the results, too, and no session."""

        def check() -> None:
            self.results_stay()
            assert not self.session.is_alive()

        if len(self.children) == CHILDREN:
            self.children.pop(0).join()
        self.children.append(Child(check))

    # ------------------------------------------------------------ always

    @invariant()
    def one_worker(self) -> None:
        """Check that no worker runs beside another."""
        assert len(processes_of(self.workspace)) <= self.is_started

    @invariant()
    def results_stay(self) -> None:
        """Check that results stay as they were."""
        for array, value in self.kept:
            assert (array == value).all()


@pytest.mark.parametrize("polling", ["", "1"], ids=["events", "polling"])
def test_session(monkeypatch: pytest.MonkeyPatch, polling: str) -> None:
    """No sequence of calls and faults leads to a wrong answer, a hang or anything left behind."""
    monkeypatch.setenv("TR_POLLING", polling)
    run_state_machine_as_test(
        Session,
        settings=settings(
            max_examples=EXAMPLES[polling],
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
