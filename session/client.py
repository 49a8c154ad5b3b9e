"""`PythonSession`: a client that starts a Python worker and drives it.

Text goes as messages, tensors as ``.tsr`` files beside them. A worker that dies, and one that
does not answer in time, are errors at once; an answer is never taken for that to another request.
Raises the errors of `session.errors`.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import weakref
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from session.connection import Connection
from session.errors import MessageError, SessionBusy, SessionError, SessionTimeout, WorkerError
from session.mailbox import (
    MESSAGE_MAX,
    PROGRESS,
    REQUEST,
    RESPONSE,
    STATUS,
    check_name,
    default_workspace,
    session_path,
    tensor_file,
)
from session.message import Request, Response, decode_response, encode_request, split_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType

    import torch
    from numpy.typing import NDArray
    from typing_extensions import Self

    from tsr.buffers import ArrayObject

    Tensor = torch.Tensor | NDArray[Any]

__all__ = ["Progress", "PythonSession"]

# How long a worker that was asked to exit may take when the client goes.
_EXIT_MS = 2000


class Progress(NamedTuple):
    """How far a request has come, in the worker's words.

    Attributes
    ----------
    done, total : float
    note : str
    """

    done: float
    total: float
    note: str


class PythonSession:
    """A session with a Python worker.

    Parameters
    ----------
    script_path : path, default "default"
        The worker's script, which calls ``TechRenaissanceServer().run(sys.argv[1])``. The default
        is a worker with this package that knows `matmul`, `relu` and others.
    session_id : str, default "default"
        Names the session's directory: letters, digits, ``_``, ``.``, ``-``. One client at a time
        has it.
    quiet_mode : bool, default False
        Do not show on stderr what the worker prints.
    workspace : path, optional
        Where sessions live; by default ``TR_WORKSPACE`` in the environment, else a private folder
        in memory where there is room, else ``./workspace``.

    Attributes
    ----------
    on_progress : callable or None
        Called with a `Progress` when the worker reports one while this client waits.

    Notes
    -----
    Time-outs are in ms; 0 and None wait for ever. Threads may share a session: `fetch_response`,
    `fetch_tensor`, `calculate` and `submit` take turns.

    Examples
    --------
    >>> with PythonSession() as session:
    ...     session.calculate("matmul", a, b)
    """

    def __init__(
        self,
        script_path: str | os.PathLike[str] = "default",
        session_id: str = "default",
        quiet_mode: bool = False,
        *,
        workspace: str | os.PathLike[str] | None = None,
    ) -> None:
        self._script = os.fspath(script_path)
        self._session_id = check_name("session id", session_id)
        self._workspace = os.path.abspath(
            workspace if workspace is not None else default_workspace()
        )
        self.on_progress: Callable[[Progress], object] | None = None
        self._connection = Connection(quiet_mode)
        self._pending: Request | None = None
        self._answered: Response | None = None
        self._reported: Progress | None = None
        self._tags: list[str] = []
        # Whether the worker is an original one; None until it has said something.
        self._is_original: bool | None = None
        self._is_overdue = False
        self._is_posted = True
        self._token = ""
        self._numbers = count(1)
        self._executor: ThreadPoolExecutor | None = None
        self._submitting = Lock()
        # When the session is garbage or the interpreter ends.
        weakref.finalize(self, self._connection.end)

    # -------------------------------------------------------------- the process

    def start(self) -> None:
        """Start the worker.

        Raises
        ------
        SessionBusy
            It runs already, or another client has the session.
        WorkerStartError
            There is no such script.
        """
        with self._connection.turn:
            if self.is_alive():
                raise SessionBusy(f"session {self._session_id!r}: the worker runs already")
            self._connection.end()
            self._connection.start(self._script, self._session_id, self._workspace)
            self._forget()
            self._is_original = None
            self._token = secrets.token_hex(4)

    def restart(self, timeout_ms: float | None = 10_000) -> None:
        """End the worker at once, start another one and wait until it is ready."""
        self._end()
        self.start()
        self.wait_until_ready(timeout_ms)

    def is_alive(self) -> bool:
        """Tell whether the worker process runs."""
        return self._connection.is_alive

    def please_exit(self, timeout_ms: float | None = 5000, ensure: bool = True) -> bool:
        """Ask the worker to exit, and wait until it has.

        Parameters
        ----------
        timeout_ms : float or None
        ensure : bool, default True
            End it when the time is over.

        Returns
        -------
        bool
            Whether it has ended. What is left of the session is removed then.
        """
        process = self._connection.process
        if process is not None and process.is_alive():
            with suppress(OSError, SessionError):
                mailbox = self._connection.mailbox
                if self._is_original and mailbox.has(REQUEST):
                    # With the request it works on it would remove this one.
                    mailbox.put(STATUS, b"exit")
                else:
                    mailbox.put(REQUEST, self._encode(Request("exit", "")))
            if not process.wait(timeout_ms or None) and not ensure:
                return False
        self.terminate()
        return True

    def terminate(self) -> None:
        """End the worker and its children at once, and remove what is left of the session.

        What is submitted and not begun is cancelled.
        """
        with self._submitting:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        self._end()

    def _end(self) -> None:
        process = self._connection.process
        if process is not None:
            process.kill()  # which ends the waits of other threads
        with self._connection.turn:
            self._connection.end()
            self._forget()

    def join(self, timeout_ms: float | None = None) -> bool:
        """Wait until the worker process has ended; tell whether it has."""
        process = self._connection.process
        return process is None or process.wait(timeout_ms or None)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.terminate()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None and self._executor is not None:
            self._executor.shutdown()
        self.please_exit(_EXIT_MS if error is None else 1, ensure=True)

    # -------------------------------------------------------------- state

    @property
    def session_id(self) -> str:
        """The session's name."""
        return self._session_id

    @property
    def session_dir(self) -> str:
        """The session's directory."""
        return session_path(self._workspace, self._session_id)

    def set_quiet_mode(self, quiet_mode: bool) -> None:
        """Show what the worker prints, or do not."""
        self._connection.quiet = quiet_mode

    def is_ready(self) -> bool:
        """Tell whether the worker waits for a request."""
        status = self._status() if self.is_alive() and self._pending is None else ""
        return status not in (None, "", "busy", "exiting")

    def is_busy(self) -> bool:
        """Tell whether the worker has a request that it has not answered yet."""
        return self.is_alive() and (
            self._waits_elsewhere() or (self._pending is not None and not self.new_response())
        )

    def wait_until_ready(self, timeout_ms: float | None = 10_000) -> bool:
        """Wait until the worker has started and takes requests.

        Returns
        -------
        bool
            True.

        Raises
        ------
        SessionTimeout, WorkerDied
        """
        with self._connection.turn:
            return self._connection.wait(self._ready, timeout_ms, "the worker's start")

    def wait_until_ok(self, timeout_ms: float | None = 10_000) -> bool:
        """Wait until the worker is done with what it was sent; tell whether that went well."""
        with self._connection.turn:
            status = self._connection.wait(self._done, timeout_ms, "the worker's work")
        return not status.startswith("error")

    def new_response(self) -> bool:
        """Tell whether the response to the last request is there."""
        if self._waits_elsewhere():
            return False
        with self._connection.turn:
            self._look()
            return self._answered is not None

    def progress(self) -> Progress | None:
        """Give the last that the worker reported of the request it works on."""
        try:
            fields = json.loads(self._connection.mailbox.read(PROGRESS) or b"{}")
            if self._pending is not None and fields.get("id") == self._pending.id:
                return Progress(fields["done"], fields["total"], fields["note"])
        except (ValueError, KeyError, AttributeError, SessionError):
            pass  # there is none, or somebody else's
        return None

    # -------------------------------------------------------------- text

    def send_request(self, message: str) -> None:
        """Send a request: a command, and its parameters behind a space.

        Raises
        ------
        SessionBusy
            The last request is not answered yet; one whose time is over is given up instead.
        WorkerDied
        """
        command, *rest = message.split(None, 1) or [""]
        parameters = "".join(rest)
        if not command:
            raise SessionError(f"request: got {message!r}, expected a command")
        with self._connection.turn:
            self._connection.check()
            self._look()
            if self._is_overdue:
                self._forget()
            if self._pending is not None:
                raise SessionBusy(
                    f"session {self._session_id!r}: {self._pending.command!r} is not answered yet"
                )
            if self._is_original is None:
                self._ready()
            identity = f"{self._token}-{next(self._numbers)}"
            request = Request(command, parameters.strip(), identity)
            self._forget()
            self._pending, self._is_posted = request, False
            try:
                self._post()
            except BaseException:
                self._forget()
                raise

    def read_response(self) -> str | None:
        """Give the text of the response, if it is there; None if not."""
        with self._connection.turn:
            return self._text(self._response(1)) if self.new_response() else None

    def wait_for_response(self, timeout_ms: float | None = 5000) -> str:
        """Wait for the response to the last request.

        Returns
        -------
        str
            Its text; ``"ok"`` where the worker said nothing.

        Raises
        ------
        SessionTimeout
            It did not come in time. It may be waited for again.
        WorkerDied
        WorkerError
            The worker could not do it.
        """
        with self._connection.turn:
            return self._text(self._response(timeout_ms))

    def fetch_response(self, message: str, timeout_ms: float | None = 5000) -> str:
        """Send a request and wait for its response, which is nobody's once the time is over."""
        with self._exchange():
            self.send_request(message)
            return self.wait_for_response(timeout_ms)

    # -------------------------------------------------------------- tensors

    def send_tensor(self, tensor: Tensor | ArrayObject, tag: str) -> None:
        """Send a tensor for requests to name.

        Parameters
        ----------
        tensor : ndarray, torch.Tensor or array-like object
            float32, int8 or int32, of up to four dimensions.
        tag : str
            Its name: letters, digits, ``_``, ``.``, ``-``. What was sent under it is replaced.

        Raises
        ------
        UnsupportedError
            The tensor has no encoding.
        """
        check_name("tag", tag)
        with self._connection.turn:
            self._connection.check()
            self._connection.mailbox.put_tensor(tag, _as_array(tensor))

    def wait_for_tensor(self, timeout_ms: float | None = 10_000, *, as_torch: bool = False) -> Any:
        """Wait for the tensors of the response to the last request.

        Parameters
        ----------
        timeout_ms : float or None
        as_torch : bool, default False
            As torch tensors.

        Returns
        -------
        ndarray, torch.Tensor, or tuple of them
            A tuple where the worker sent more than one. Large ones are views of files in memory
            that stay as they are, whatever the worker does next.

        Raises
        ------
        SessionTimeout, WorkerDied
        WorkerError
            The worker could not do it, or sent none.
        """
        with self._connection.turn:
            response = self._response(timeout_ms)
            self._text(response)
            arrays = self._arrays(response)
            if not arrays:
                raise WorkerError(response.command, f"it answered {response.result!r}, no tensor")
        return _as_wanted(arrays, as_torch)

    def fetch_tensor(
        self, message: str, timeout_ms: float | None = 10_000, *, as_torch: bool = False
    ) -> Any:
        """Send a request and wait for its tensors, which are nobody's once the time is over."""
        with self._exchange():
            self.send_request(message)
            return self.wait_for_tensor(timeout_ms, as_torch=as_torch)

    def calculate(
        self,
        command: str,
        *tensors: Tensor | ArrayObject,
        timeout_ms: float | None = 10_000,
        as_torch: bool | None = None,
    ) -> Any:
        """Send tensors and a command on them, and wait for the result.

        Parameters
        ----------
        command : str
        *tensors : ndarray, torch.Tensor or array-like object
            Any number of them.
        timeout_ms : float or None
        as_torch : bool, optional
            By default, torch for torch.

        Returns
        -------
        ndarray, torch.Tensor, or tuple of them
            As for `wait_for_tensor`.
        """
        with self._exchange():
            self._send(command, tensors)
            if as_torch is None:
                as_torch = any(map(_is_torch, tensors))
            return self.wait_for_tensor(timeout_ms, as_torch=as_torch)

    # -------------------------------------------------------------- in the background

    def submit(
        self,
        message: str,
        *tensors: Tensor | ArrayObject,
        timeout_ms: float | None = None,
        as_torch: bool | None = None,
    ) -> Future[Any]:
        """Have a request made in the background, after those submitted before.

        Parameters
        ----------
        message : str
            As for `send_request`.
        *tensors : ndarray, torch.Tensor or array-like object
            Sent before, and named behind the message, as `calculate` does. Not to be changed until
            the future is done.
        timeout_ms, as_torch
            As for `calculate`.

        Returns
        -------
        concurrent.futures.Future
            Of the response's tensors if it has any, else of its text.
        """
        return self._submit(message, tensors, timeout_ms, as_torch, None)

    async def request(
        self,
        message: str,
        *tensors: Tensor | ArrayObject,
        timeout_ms: float | None = None,
        as_torch: bool | None = None,
    ) -> Any:
        """Do what `submit` does, for asyncio: no loop is blocked meanwhile.

        A request that is cancelled is given up within a second: the next one is made then.
        """
        from asyncio import CancelledError, wrap_future

        given_up = Event()
        try:
            return await wrap_future(self._submit(message, tensors, timeout_ms, as_torch, given_up))
        except CancelledError:
            given_up.set()
            raise

    # -------------------------------------------------------------- inside

    def _waits_elsewhere(self) -> bool:
        # Whether another thread has a request under way, and takes the response.
        if not self._connection.turn.acquire(blocking=False):
            return True
        self._connection.turn.release()
        return False

    def _submit(
        self,
        message: str,
        tensors: tuple[Any, ...],
        timeout_ms: float | None,
        as_torch: bool | None,
        given_up: Event | None,
    ) -> Future[Any]:
        with self._submitting:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(1, f"tr-session-{self._session_id}")
            return self._executor.submit(
                self._request, message, tensors, timeout_ms, as_torch, given_up
            )

    def _request(
        self,
        message: str,
        tensors: tuple[Any, ...],
        timeout_ms: float | None,
        as_torch: bool | None,
        given_up: Event | None,
    ) -> Any:
        with self._exchange():
            self._send(message, tensors)
            response = self._response(timeout_ms, given_up)
            text, arrays = self._text(response), self._arrays(response)
        if as_torch is None:
            as_torch = any(map(_is_torch, tensors))
        return _as_wanted(arrays, as_torch) if arrays else text

    def _send(self, message: str, tensors: tuple[Any, ...]) -> None:
        # Under tags of their own: a worker that is late with a request would take the next one's.
        turn = next(self._numbers)
        self._tags = [f"t{turn}_{number}" for number in range(len(tensors))]
        for tag, tensor in zip(self._tags, tensors, strict=True):
            self.send_tensor(tensor, tag)
        self.send_request(" ".join([message, *self._tags]))

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        # A request and what answers it, as one: nothing is left for the next to find.
        with self._connection.turn:
            before, tags = self._pending, self._tags
            self._tags = []
            try:
                yield
            except BaseException:
                if self._pending is not before:
                    self._forget()
                raise
            finally:
                self._discard()
                self._tags = tags

    def _discard(self) -> None:
        # What of its tensors a request was answered without, or is not waited for any more. The
        # original's worker removes them itself, and ends where one is missing.
        if not self._is_original:
            with suppress(SessionError):  # there is no worker any more
                for tag in self._tags:
                    self._connection.mailbox.remove(tensor_file(tag))

    def _response(self, timeout_ms: float | None, given_up: Event | None = None) -> Response:
        # That to the last request, once, unless it is given up.
        def look() -> Response | None:
            if given_up is not None and given_up.is_set():
                raise SessionError("the request was given up")
            response = self._look()
            if response is None and self._pending is None:
                raise SessionError("there is no request to wait for any more")
            return response

        if self._pending is None and self._answered is None:
            raise SessionError("there is no request to wait for")
        if self._answered is None:
            command = self._pending.command if self._pending is not None else ""
            try:
                self._connection.wait(look, timeout_ms, f"the response to {command!r}")
            except SessionTimeout:
                self._is_overdue = True
                raise
        response, self._answered = self._answered, None
        assert response is not None  # noqa: S101 - it was waited for
        return response

    def _look(self) -> Response | None:
        # Look for the response to the pending request, and drop those that came too late.
        if self._pending is None or self._answered is not None or not self._post():
            return self._answered
        self._report()
        if self._pending is None:  # the callback has ended the request, or taken its response
            return self._answered
        mailbox = self._connection.mailbox
        data = mailbox.read(RESPONSE)
        while data is not None:
            try:
                response = decode_response(data)
            except MessageError:
                mailbox.remove(RESPONSE)
                raise
            # An id is optional; a response with neither it nor a command is to what is no request.
            is_free = response.is_original or (response.command and not response.id)
            if is_free or response.id == self._pending.id:
                self._report()  # what it reported since, for it did so before it answered
                if self._pending is None:
                    return self._answered
                self._pending, self._answered = None, response
                mailbox.remove(RESPONSE)  # none can have taken its place: no request came after it
                if response.is_original and not self._is_original:
                    self._learn(True)
                return response
            data = mailbox.take(RESPONSE)  # by now it may be another one
        return None

    def _post(self) -> bool:
        # Put the pending request where the worker finds it; tell whether it is there.
        if self._pending is None or self._is_posted:
            return True
        mailbox = self._connection.mailbox
        if self._is_original:
            # It removes a request once it has answered it, whichever is there by then. So it has
            # to be free; and without ids, what it has answered until then is somebody else's.
            is_free = not mailbox.has(REQUEST)
            mailbox.take(RESPONSE)
            if not is_free:
                return False
        mailbox.put(REQUEST, self._encode(self._pending))
        self._is_posted = True
        return True

    def _encode(self, request: Request) -> bytes:
        params = None
        if self._is_original is not False:
            names = split_names(request.parameters)
            # Of tensors it splits the names at commas only.
            are_tensors = all(map(self._connection.mailbox.has_tensor, names))
            params = ",".join(names) if are_tensors else request.parameters
        data = encode_request(request, _now(), params)
        if len(data) > MESSAGE_MAX:
            raise MessageError(f"a request of {len(data)} bytes, expected {MESSAGE_MAX} at most")
        return data

    def _report(self) -> None:
        if self.on_progress is not None:
            progress = self.progress()
            if progress is not None and progress != self._reported:
                self._reported = progress
                self.on_progress(progress)

    def _forget(self) -> None:
        self._pending = self._answered = self._reported = None
        self._is_overdue = False

    def _text(self, response: Response) -> str:
        if response.result == "error" and response.message:
            raise WorkerError(response.command, response.message)
        return response.result

    def _arrays(self, response: Response) -> tuple[NDArray[Any], ...]:
        names = response.tensors
        if response.is_original and self._connection.mailbox.has_tensor(response.result):
            names = (response.result,)
        try:
            return tuple(map(self._connection.mailbox.take_tensor, names))
        except FileNotFoundError as error:
            raise WorkerError(
                response.command, f"it names a tensor that is not there: {error}"
            ) from error

    def _status(self) -> str | None:
        data = self._connection.mailbox.read(STATUS)
        return None if data is None else data.decode(errors="replace").strip()

    def _ready(self) -> bool | None:
        # Whether the worker has said a first word; which one tells whose worker it is.
        status = self._status()
        if not status:
            return None
        if self._is_original is None:
            self._learn(status == "running")
        return True

    def _learn(self, is_original: bool) -> None:
        # Ours moves all its files to their places.
        self._is_original = is_original
        self._connection.expect(in_place=is_original)

    def _done(self) -> str | None:
        status = self._status()
        if status is None or status == "busy" or (self._pending and self._look() is None):
            return None
        return status


def _as_array(tensor: Any) -> Any:
    if not _is_torch(tensor):
        return tensor
    from tsr.torch import as_array

    return as_array(tensor)


def _as_wanted(arrays: tuple[NDArray[Any], ...], as_torch: bool) -> Any:
    # One as it is, more as a tuple.
    tensors: tuple[Any, ...] = arrays
    if as_torch:
        from torch import from_numpy

        tensors = tuple(map(from_numpy, arrays))
    return tensors[0] if len(tensors) == 1 else tensors


def _is_torch(tensor: object) -> bool:
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    return torch is not None and isinstance(tensor, torch.Tensor)


def _now() -> int:
    return time.time_ns() // 1_000_000
