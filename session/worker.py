"""`TechRenaissanceServer`: a worker that answers the requests of one session, in order.

numpy is imported at the first tensor, torch when a method that is about torch is called: a worker
is ready before either. Whatever `main_logic` does, a request gets one response.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from session.errors import MessageError, SessionError
from session.mailbox import (
    PROGRESS,
    REQUEST,
    RESPONSE,
    STATUS,
    Mailbox,
    check_name,
    default_workspace,
    session_path,
)
from session.message import Response, decode_request, encode_response, split_names
from session.process import CLIENT_PID
from session.watch import Watch

if TYPE_CHECKING:
    from types import FrameType

    import torch
    from numpy.typing import NDArray

    from session.message import Request
    from tsr.buffers import ArrayObject

__all__ = ["TechRenaissanceServer"]

# How often a worker reports progress at most.
_PROGRESS_SECONDS = 0.05

# How often to look for the client where the system does not tell of its end.
_ORPHAN_SECONDS = 0.2


class TechRenaissanceServer:
    """A worker: subclass it and override `main_logic`.

    Parameters
    ----------
    debug : bool, default False
        Log to stderr what happens.

    Examples
    --------
    >>> class Doubler(TechRenaissanceServer):
    ...     def main_logic(self, command, parameters):
    ...         if command == "double":
    ...             (array,) = self.get_arrays(parameters, 1)
    ...             self.send_arrays(array * 2)
    ...             return True
    ...         return False
    >>> Doubler().run(sys.argv[1])
    """

    def __init__(self, debug: bool = False) -> None:
        self._debug = debug
        self._pid = os.getpid()
        self._mailbox: Mailbox = None  # type: ignore[assignment] # until `run` opens it
        self._client: int | None = None
        self._status = ""
        self._request: Request | None = None
        self._result: tuple[str, str] | None = None
        self._sent: list[str] = []
        self._reported = 0.0

    # -------------------------------------------------------------- for subclasses

    def main_logic(self, command: str, parameters: str) -> bool:
        """Do what a request asks for; to be overridden.

        Parameters
        ----------
        command : str
            Its first word.
        parameters : str
            The rest.

        Returns
        -------
        bool
            False if the command is unknown. An exception is the client's `WorkerError`.
        """
        return False

    def get_tensors(self, params: str, count: int) -> list[torch.Tensor] | None:
        """Take the tensors that are named, as torch tensors; as `get_arrays` otherwise."""
        import torch

        arrays = self.get_arrays(params, count)
        return None if arrays is None else [torch.from_numpy(array) for array in arrays]

    def get_arrays(self, params: str, count: int) -> list[NDArray[Any]] | None:
        """Take the tensors that are named, as numpy arrays; their files are removed.

        Parameters
        ----------
        params : str
            Names, split at spaces or commas.
        count : int
            How many there must be.

        Returns
        -------
        list of ndarray or None
            float32, int8 or int32, writable and private; None if their number is another one, or
            one is not there or not valid.
        """
        names = split_names(params)
        if len(names) != count:
            self._log(f"expected {count} tensors, got {params!r}")
            return None
        try:
            missing = [name for name in names if not self._mailbox.has_tensor(name)]
            if not missing:
                return [self._mailbox.take_tensor(name) for name in names]
            self._log(f"no such tensors: {' '.join(missing)}")
        except (OSError, ValueError, SessionError) as error:  # FormatError is a ValueError
            self._log(f"tensors of {params!r}: {error}")
        return None

    def send_tensors(self, *tensors: torch.Tensor | ArrayObject) -> None:
        """Send results, named in the order of sending: result_0, result_1...

        Parameters
        ----------
        *tensors : torch.Tensor or ndarray
            float32, int8 or int32, of up to four dimensions.

        Raises
        ------
        UnsupportedError
            One has no encoding.
        """
        torch = sys.modules.get("torch")  # who has a tensor has imported it
        for tensor in tensors:
            if torch is not None and isinstance(tensor, torch.Tensor):
                from tsr.torch import as_array

                self.send_arrays(as_array(tensor))
            else:
                self.send_arrays(tensor)

    def send_arrays(self, *arrays: ArrayObject) -> None:
        """Send results that are no tensors of torch, as `send_tensors` does."""
        for array in arrays:
            number = len(self._sent)
            name = f"result_{number}"
            if self._request is not None and self._request.is_original:
                name = f"r{number or ''}"
            self._mailbox.put_tensor(name, array)
            self._sent.append(name)

    def write_response(self, command: str, result: str) -> None:
        """Say what the response is to be; it is sent when `main_logic` returns.

        Parameters
        ----------
        command : str
            What it says the command was; ``""`` for that of the request.
        result : str
            ``"ok"`` or any text. The first response that is written counts.
        """
        if self._result is None:
            self._result = (command, str(result))
        else:
            self._log(f"a second response: {result!r}")

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Tell the client how far a request has come.

        Parameters
        ----------
        done, total : float
            In any unit.
        note : str
            What is being done.
        """
        now = time.monotonic()
        if done < total and now - self._reported < _PROGRESS_SECONDS:
            return
        self._reported = now
        identity = self._request.id if self._request is not None else ""
        fields = {"done": done, "total": total, "note": note, "id": identity}
        self._mailbox.put(PROGRESS, json.dumps(fields).encode())

    # -------------------------------------------------------------- the loop

    def run(self, session_id: str) -> None:
        """Answer requests until the client asks to exit or is gone, or a signal says so.

        Parameters
        ----------
        session_id : str
            The session's name, as the client passes it on the command line.
        """
        path = session_path(default_workspace(), check_name("session id", session_id))
        self._mailbox = Mailbox(path)
        self._client = _client()
        watch = Watch(path, in_place=self._client is None)
        if self._client is not None:
            threading.Thread(target=self._end_with, args=(self._client,), daemon=True).start()
        signal.signal(signal.SIGTERM, self._stop)
        try:
            self._say("ready")
            while (request := self._next_request(watch)) is not None:
                self._answer(request)
        except _Stopped:
            self._log("terminated")
        if self._mailbox.is_there:
            self._say("exiting")
        watch.close()
        self._mailbox.close()

    def _next_request(self, watch: Watch) -> Request | None:
        # The next one, None to end.
        while True:
            try:
                request = self._take_request()
            except MessageError as error:
                self._log(str(error))
                self._mailbox.remove(REQUEST)
                self._mailbox.put(
                    RESPONSE, encode_response(Response("", "error", str(error)), _now())
                )
                continue
            if request is not None:
                watch.reset()
                if request.command.lower() != "exit":
                    return request
                self._mailbox.remove(REQUEST)
                return None
            if not self._mailbox.is_there or (self._client is None and self._told_to_exit()):
                return None
            watch.wait(None)

    def _take_request(self) -> Request | None:
        # The original's client takes its presence for being busy: it stays until it is answered.
        if self._client is None:
            data = self._mailbox.read(REQUEST)
            request = None if data is None else decode_request(data)
            if request is None or request.is_original:
                return request
        data = self._mailbox.take(REQUEST)
        return None if data is None else decode_request(data)

    def _answer(self, request: Request) -> None:
        self._request, self._result, self._sent = request, None, []
        self._log(f"{request.command} {request.parameters}")
        self._say("busy")
        status, message = "ok", ""
        try:
            if not self.main_logic(request.command, request.parameters) and self._result is None:
                message = f"unknown command {request.command!r}"
        except Exception:
            message = traceback.format_exc()
        if os.getpid() != self._pid:
            os._exit(0)  # main_logic forked, and this is the child
        command, result = self._result or ("", "ok")
        if message:
            status, result = f"error: {message.strip().splitlines()[-1]}", "error"
        response = Response(
            command or request.command, result, message, () if message else tuple(self._sent),
            request.id, request.is_original,
        )  # fmt: skip
        self._mailbox.put(RESPONSE, encode_response(response, _now()))
        if request.is_original:
            self._mailbox.remove(REQUEST)
        self._request = None
        self._say(status)

    def _say(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._mailbox.put(STATUS, f"{status}\n".encode(errors="replace"))

    def _told_to_exit(self) -> bool:
        # The original's client writes this in place of asking.
        return (self._mailbox.read(STATUS) or b"").strip() == b"exit"

    # -------------------------------------------------------------- the client

    def _end_with(self, client: int) -> None:
        # In a thread of its own: main_logic may take for ever.
        try:
            descriptor = os.pidfd_open(client)
        except (AttributeError, OSError):
            while os.getppid() == client:
                time.sleep(_ORPHAN_SECONDS)
        else:
            if os.getppid() == client:  # else it ended before it could be watched
                select.select([descriptor], [], [])
        self._mailbox.inherit()
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            os._exit(128 + number)  # a child that main_logic has forked, and no worker
        raise _Stopped

    def _log(self, text: str) -> None:
        if self._debug:
            print(f"[{self._pid}] {text}", file=sys.stderr, flush=True)


class _Stopped(BaseException):
    """SIGTERM, which no handler of `Exception` is to catch."""


def _client() -> int | None:
    # The process that this one is to end with, if a client of this package has started it.
    told = os.environ.pop(CLIENT_PID, "")
    return int(told) if told.isdecimal() else None


def _now() -> int:
    return time.time_ns() // 1_000_000
