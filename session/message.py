"""Requests and responses <-> the bytes of their files, in both dialects. No I/O.

The dialect of this package is JSON with ids. That of the format's original C++ client and Python
worker has two fields; the client pastes strings without escaping them and reads none, so what it
sends may be no JSON and what it gets must not be escaped. Raises `MessageError`.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from session.errors import MessageError

__all__ = [
    "Request",
    "Response",
    "decode_request",
    "decode_response",
    "encode_request",
    "encode_response",
    "split_names",
]

# Control characters may stand in strings, as the original pastes them. json.loads would make a
# decoder for each message.
_decode_json = json.JSONDecoder(strict=False).decode

# What stands around the original's fields, when quotes inside them are not escaped. One pattern
# for all of it would take the square of a message's length to find that it does not match.
_PASTED_HEAD = re.compile(r'\{\s*"cmd"\s*:\s*"')
_PASTED_MIDDLE = re.compile(r'"\s*,\s*"params"\s*:\s*"')
_PASTED_TAIL = re.compile(r'"\s*\}\s*\Z')


class Request(NamedTuple):
    """What a client asks for.

    Attributes
    ----------
    command, parameters : str
    id : str
        Tells requests apart; empty where the client gave none.
    is_original : bool
        Whether it is in the original's dialect.
    """

    command: str
    parameters: str
    id: str = ""
    is_original: bool = False


class Response(NamedTuple):
    """What a worker answers.

    Attributes
    ----------
    command : str
    result : str
        ``"ok"``, ``"error"`` or any text.
    message : str
        Why it is an error; else empty.
    tensors : tuple of str
        The names of the tensors that come with it.
    id : str
        That of the request; empty where it had none.
    is_original : bool
        Whether it is in the original's dialect.
    """

    command: str
    result: str
    message: str = ""
    tensors: tuple[str, ...] = ()
    id: str = ""
    is_original: bool = False


def split_names(text: str) -> list[str]:
    """Split parameters into names: at spaces, or commas as the original joins them with."""
    return text.replace(",", " ").split()


def encode_request(request: Request, timestamp: int, params: str | None = None) -> bytes:
    """Write a request.

    Parameters
    ----------
    request : Request
    timestamp : int
        In milliseconds since the Unix epoch.
    params : str, optional
        What an original worker is to read for parameters, where the worker may be one.
    """
    if request.is_original:
        return _dump({"cmd": request.command, "params": request.parameters})
    fields = {
        "command": request.command, "parameters": request.parameters, "timestamp": timestamp,
        "id": request.id,
    }  # fmt: skip
    if params is not None:
        fields |= {"cmd": request.command, "params": params}
    return _dump(fields)


def decode_request(data: bytes) -> Request:
    """Read a request of either dialect."""
    fields = _load(data)
    if "command" in fields:
        command, parameters = fields["command"], fields.get("parameters", "")
        request = Request(command, parameters, _text(fields.get("id", "")))
    else:
        request = Request(fields.get("cmd", ""), fields.get("params", ""), is_original=True)
    if not isinstance(request.command, str) or not request.command.strip():
        raise MessageError(f"a request without a command: {_shown(data)}")
    if not isinstance(request.parameters, str):
        raise MessageError(f"a request whose parameters are no text: {_shown(data)}")
    return request._replace(command=request.command.strip())


def encode_response(response: Response, timestamp: int) -> bytes:
    """Write a response; `timestamp` is in milliseconds since the Unix epoch."""
    if not response.is_original:
        fields = {
            "command": response.command, "result": response.result, "message": response.message,
            "timestamp": timestamp, "id": response.id,
        }  # fmt: skip
        if response.tensors:
            fields["tensors"] = response.tensors
        return _dump(fields)
    # Of a tensor it expects the name, of an error whatever says so; nothing counts as a failure.
    text = response.result
    if response.tensors:
        text = ",".join(response.tensors)
    elif response.message:
        text = f"{response.result}: {response.message}"
    # It takes what stands between two quotes as it stands.
    command, text = (part.replace('"', "'") for part in (response.command, text or "ok"))
    return f'{{"cmd":"{command}","params":"{text}"}}'.encode(errors="replace")


def decode_response(data: bytes) -> Response:
    """Read a response of either dialect; of the original's, a tensor is not told from text."""
    fields = _load(data)
    if "result" in fields:
        tensors = fields.get("tensors", [])
        if not isinstance(tensors, list):
            raise MessageError(f"a response whose tensors are no list: {_shown(data)}")
        return Response(
            _text(fields.get("command", "")), _text(fields["result"]),
            _text(fields.get("message", "")), tuple(map(_text, tensors)),
            _text(fields.get("id", "")),
        )  # fmt: skip
    if "params" not in fields:
        raise MessageError(f"a response without a result: {_shown(data)}")
    return Response(_text(fields.get("cmd", "")), _text(fields["params"]), is_original=True)


def _dump(fields: dict[str, Any]) -> bytes:
    # Lone surrogates, which file names can carry, pass as escapes.
    return json.dumps(fields).encode("ascii")


def _load(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"a message that is no UTF-8: {_shown(data)}") from error
    try:
        fields = _decode_json(text)
    except (ValueError, RecursionError) as error:
        fields = _pasted(text)
        if fields is None:
            raise MessageError(f"a message that is no JSON: {_shown(data)}") from error
    if not isinstance(fields, dict):
        raise MessageError(f"a message that is no object: {_shown(data)}")
    return fields


def _pasted(text: str) -> dict[str, Any] | None:
    if (
        (head := _PASTED_HEAD.match(text))
        and (middle := _PASTED_MIDDLE.search(text, head.end()))
        and (tail := _PASTED_TAIL.search(text, middle.end()))
    ):
        command, parameters = text[head.end() : middle.start()], text[middle.end() : tail.start()]
        return {"cmd": command, "params": parameters}
    return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MessageError(f"a message with {str(value)[:80]!r} where text belongs")
    return value


def _shown(data: bytes) -> str:
    return repr(data[:80])
