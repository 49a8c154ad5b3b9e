"""The loop of a worker: requests in their order, one response each, until the end comes.

Whatever `main_logic` does, a request gets one response. The end is a request to exit, a signal,
the removal of the directory, or the end of the client.
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
from typing import TYPE_CHECKING, Any, NoReturn

from session.errors import MessageError, SessionError
from session.mailbox import PROGRESS, REQUEST, RESPONSE, STATUS, tensor_file
from session.message import Response, decode_request, encode_response, split_names
from session.process import open_pidfd
from session.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from numpy.typing import NDArray

    from session.mailbox import Lent, Mailbox
    from session.message import Request
    from tsr.buffers import ArrayObject

__all__ = ["Service"]

# How often a worker reports progress at most.
_PROGRESS_SECONDS = 0.05

# How often to look for the client where the system does not tell of its end.
_ORPHAN_SECONDS = 0.2


class Service:
    """What serves one session.

    Parameters
    ----------
    mailbox : Mailbox
    main_logic : callable
        Does what a request asks for: see `TechRenaissanceServer.main_logic`.
    client : int or None
        The process that this one is to end with, where a client of this package has started it.
    debug : bool
        Log to stderr what happens.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        main_logic: Callable[[str, str], bool],
        client: int | None,
        debug: bool,
    ) -> None:
        self.mailbox = mailbox
        self._main_logic = main_logic
        self._client = client
        self._debug = debug
        self._client_end = -1
        self._pid = os.getpid()
        self._status = "ready"
        self._request: Request | None = None
        self._result: tuple[str, str] | None = None
        self._sent: list[str] = []
        self._lent: list[tuple[str, Lent]] = []
        self._reported = 0.0
        self._sending = threading.Lock()
        self._unreadable = b""

    # -------------------------------------------------------------- for main_logic

    def take_arrays(self, params: str, count: int) -> list[NDArray[Any]] | None:
        """Take the tensors that are named; None if they are not so many, or not all there."""
        names = split_names(params)
        if len(names) != count:
            self.log(f"expected {count} tensors, got {params!r}")
            return None
        missing = [name for name in names if not self.mailbox.has_tensor(name)]
        if missing:
            self.log(f"no such tensors: {' '.join(missing)}")
            return None
        arrays: dict[str, NDArray[Any]] = {}
        taken = []
        try:
            for name in names:
                if name in arrays:  # named again: another one of the same values
                    taken.append(arrays[name].copy())
                else:
                    arrays[name] = self.mailbox.take_tensor(name)
                    taken.append(arrays[name])
        except (OSError, ValueError, SessionError) as error:  # FormatError is a ValueError
            self.log(f"tensors of {params!r}: {error}")
            return None
        return taken

    def send(self, array: ArrayObject, is_given: bool) -> None:
        """Send a result under the next name; what is given need not be copied."""
        with self._sending:
            number = len(self._sent)
            name = f"result_{number}"
            if self._request is not None and self._request.is_original:
                name = f"r{number or ''}"
            lent = self.mailbox.find_lent(array) if is_given else None
            if lent is None:
                self.mailbox.put_tensor(name, array)
            else:  # main_logic has it still
                self._lent.append((name, lent))
            self._sent.append(name)

    def respond(self, command: str, result: str) -> None:
        """Say what the response is to be."""
        if self._result is None:
            self._result = (command, str(result))
        else:
            self.log(f"a second response: {result!r}")

    def report(self, done: float, total: float, note: str) -> None:
        """Tell the client how far the request has come."""
        now = time.monotonic()
        if done < total and now - self._reported < _PROGRESS_SECONDS:
            return
        self._reported = now
        identity = self._request.id if self._request is not None else ""
        # Numbers of numpy's are none of json's.
        fields = {"done": float(done), "total": float(total), "note": note, "id": identity}
        self.mailbox.put(PROGRESS, json.dumps(fields).encode())

    def log(self, text: str) -> None:
        """Write to stderr, where that is asked for."""
        if self._debug:
            print(f"[{self._pid}] {text}", file=sys.stderr, flush=True)

    # -------------------------------------------------------------- the loop

    def run(self) -> None:
        """Answer requests until the end."""
        try:
            watch = Watch(self.mailbox.path, in_place=self._client is None)
        except FileNotFoundError:  # the directory is gone already
            return
        signal.signal(signal.SIGTERM, self._stop)
        if self._client is not None:
            try:
                self._client_end = open_pidfd(self._client)
            except ProcessLookupError:
                self._end()
            self._ending = threading.Thread(target=self._end_with_client, daemon=True)
            self._ending.start()
        try:
            request = self._next_request(watch, has_looked=False)
            while request is not None:
                self._answer(request)
                # What came since this request was taken has left an event, where events tell.
                request = self._next_request(watch, has_looked=watch.descriptor >= 0)
        except _Stopped:
            self.log("terminated")
        if self.mailbox.is_there:
            self.mailbox.put_status("exiting")
        watch.close()
        self.mailbox.close()

    def _next_request(self, watch: Watch, has_looked: bool) -> Request | None:
        # The next one, None to end.
        while True:
            if has_looked:
                watch.wait(None)
            has_looked = True
            watch.drain()
            if self._is_orphaned():
                self._ending.join()  # what comes now is for another client's worker
            try:
                request = self._take_request()
            except MessageError as error:
                self.log(str(error))
                response = Response("", "error", str(error))
                self.mailbox.put(RESPONSE, encode_response(response, _now()))
                continue
            if request is not None:
                watch.reset()
                if request.command.lower() != "exit":
                    return request
                self.mailbox.remove(REQUEST)
                return None
            if not self.mailbox.is_there or self._is_told_to_exit():
                return None

    def _take_request(self) -> Request | None:
        # The original's client takes its presence for being busy: it stays until it is answered.
        if self._client is None:
            data = self.mailbox.read(REQUEST)
            request = None if data is None else self._decode_whole(data)
            if request is None or request.is_original:
                return request
        data = self.mailbox.take(REQUEST)
        return None if data is None else decode_request(data)

    def _decode_whole(self, data: bytes) -> Request | None:
        # Who writes a request in place may not be done with it: it is none if it stays as it is.
        try:
            return decode_request(data)
        except MessageError:
            before, self._unreadable = self._unreadable, data or b" "
            if before != self._unreadable:
                return None
            self._unreadable = b""
            self.mailbox.remove(REQUEST)
            raise

    def _answer(self, request: Request) -> None:
        self._request, self._result, self._sent, self._lent = request, None, [], []
        self.log(f"{request.command} {request.parameters}")
        self._say("busy")
        message = ""
        try:
            is_known = self._main_logic(request.command, request.parameters)
            self._end_forked()
            if is_known or self._result is not None or self._sent:
                for name, lent in self._lent:
                    self.mailbox.put_lent(name, lent)
            else:
                message = f"unknown command {request.command!r}"
        except Exception:
            self._end_forked()
            message = traceback.format_exc()
        self._finish(request, message)
        self._request = None

    def _end_forked(self) -> None:
        if os.getpid() != self._pid:  # main_logic forked, and this is the child
            os._exit(0)

    def _finish(self, request: Request, message: str) -> None:
        # What there is to say; `message` where it is an error.
        command, result = self._result or ("", "ok")
        status = "ok"
        if message:
            status, result = f"error: {message.strip().splitlines()[-1]}", "error"
            for name in self._sent:
                self.mailbox.remove(tensor_file(name))
            for _, lent in self._lent:
                self.mailbox.forget_lent(lent)
        response = Response(
            command or request.command, result, message, () if message else tuple(self._sent),
            request.id, request.is_original,
        )  # fmt: skip
        # The status first: who has the response finds it.
        self._say(status)
        self.mailbox.put(RESPONSE, encode_response(response, _now()))
        if request.is_original:
            self.mailbox.remove(REQUEST)

    def _say(self, status: str) -> None:
        if status != self._status and not self._is_told_to_exit():
            self._status = status
            self.mailbox.put_status(status)

    def _is_told_to_exit(self) -> bool:
        # The original's client writes this into the status in place of asking.
        return self._client is None and (self.mailbox.read(STATUS) or b"").strip() == b"exit"

    # -------------------------------------------------------------- the end

    def _is_orphaned(self) -> bool:
        # Whether the client is gone, where it is one of this package.
        if self._client is None:
            return False
        if self._client_end < 0:
            return os.getppid() != self._client
        return bool(select.select([self._client_end], [], [], 0)[0])

    def _end_with_client(self) -> None:
        # In a thread of its own: main_logic may take for ever.
        if self._client_end >= 0:
            select.select([self._client_end], [], [])
        while not self._is_orphaned():
            time.sleep(_ORPHAN_SECONDS)
        self._end()

    def _end(self) -> NoReturn:
        # With all that main_logic has started.
        try:
            self.mailbox.inherit()
        finally:
            if os.getpgrp() == os.getpid():
                os.killpg(0, signal.SIGKILL)
            os._exit(1)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            os._exit(128 + number)  # a child that main_logic has forked, and no worker
        raise _Stopped


class _Stopped(BaseException):
    """SIGTERM, which no handler of `Exception` is to catch."""


def _now() -> int:
    return time.time_ns() // 1_000_000
