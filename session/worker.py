"""`TechRenaissanceServer`: what a worker is made of. Its loop is in `session.service`.

A worker says that it is ready before anything is imported that takes time: the loop's modules come
next, numpy at the first tensor, torch when a method that is about torch is called.
"""

from __future__ import annotations

import os
import sys

from session.mailbox import CLIENT_PID, Mailbox, check_name, default_workspace, session_path

# Type checkers take it for true, as typing's; importing typing would take as long as Python.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    import torch
    from numpy.typing import DTypeLike, NDArray

    from session.service import Service
    from tsr.buffers import ArrayObject

__all__ = ["TechRenaissanceServer"]


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

    _service: Service

    def __init__(self, debug: bool = False) -> None:
        self._debug = debug

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

    def run(self, session_id: str) -> None:
        """Answer requests until the client asks to exit or is gone, or a signal says so.

        Parameters
        ----------
        session_id : str
            The session's name, as the client passes it on the command line.
        """
        mailbox = Mailbox(session_path(default_workspace(), check_name("session id", session_id)))
        mailbox.put_status("ready")
        client = os.environ.pop(CLIENT_PID, "")
        from session.service import Service

        self._service = Service(
            mailbox, self.main_logic, int(client) if client.isdecimal() else None, self._debug
        )
        self._service.run()

    # -------------------------------------------------------------- tensors in

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
        return self._service.take_arrays(params, count)

    # -------------------------------------------------------------- tensors out

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
        self.send_arrays(*_as_arrays(tensors))

    def send_arrays(self, *arrays: ArrayObject) -> None:
        """Send results that are no tensors of torch, as `send_tensors` does."""
        for array in arrays:
            self._service.send(array, is_given=False)

    def give_tensors(self, *tensors: torch.Tensor | ArrayObject) -> None:
        """Send results that are not needed any more: large ones need not be copied.

        Parameters
        ----------
        *tensors : torch.Tensor or ndarray
            As for `send_tensors`. What `empty` or `get_arrays` gave goes as it is when
            `main_logic` returns: do not change it any more.

        Examples
        --------
        >>> (array,) = self.get_arrays(parameters, 1)
        >>> self.give_tensors(np.negative(array, out=array))
        """
        for array in _as_arrays(tensors):
            self._service.send(array, is_given=True)

    def empty(self, shape: int | tuple[int, ...], dtype: DTypeLike = "float32") -> NDArray[Any]:
        """Give an array to compute a large result into: to `give_tensors` then copies nothing.

        Parameters
        ----------
        shape : int or tuple of int
        dtype : dtype-like, default float32
            float32, int8 or int32.

        Returns
        -------
        ndarray
            Filled with anything; ``torch.from_numpy`` makes a tensor of it.

        Examples
        --------
        >>> result = self.empty(a.shape)
        >>> np.multiply(a, b, out=result)
        >>> self.give_tensors(result)
        """
        return self._service.mailbox.lend(shape, dtype)

    # -------------------------------------------------------------- text

    def write_response(self, command: str, result: str) -> None:
        """Say what the response is to be; it is sent when `main_logic` returns.

        Parameters
        ----------
        command : str
            What it says the command was; ``""`` for that of the request.
        result : str
            ``"ok"`` or any text. The first response that is written counts.
        """
        self._service.respond(command, result)

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Tell the client how far a request has come.

        Parameters
        ----------
        done, total : float
            In any unit.
        note : str
            What is being done.
        """
        self._service.report(done, total, note)


def _as_arrays(tensors: tuple[Any, ...]) -> list[Any]:
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    if torch is None:
        return list(tensors)
    from tsr.torch import as_array

    return [as_array(each) if isinstance(each, torch.Tensor) else each for each in tensors]
