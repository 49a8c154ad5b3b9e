"""Messages: what each field becomes, in both dialects, and what is refused."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from session.errors import MessageError
from session.mailbox import MESSAGE_MAX
from session.message import (
    Request,
    Response,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    split_names,
)
from tests.originals import scan_params

NOW = 1699123456789

# Lone surrogates included, which file names and user code can bring.
anything = st.text(st.characters(exclude_categories=()))
names = anything.map(str.strip).filter(bool)
ours = st.just(False)
requests = st.builds(Request, names, anything, anything, ours)
responses = st.builds(
    Response, anything, anything, anything, st.lists(anything).map(tuple), anything, ours
)


# ------------------------------------------------------------------ this package's dialect


def test_request_bytes() -> None:
    """A request is JSON with the four fields of the format."""
    data = encode_request(Request("matmul", "input_a input_b", "7f-1"), NOW)
    assert data == (
        b'{"command": "matmul", "parameters": "input_a input_b", "timestamp": 1699123456789, '
        b'"id": "7f-1"}'
    )


def test_request_bytes_for_either_worker() -> None:
    """Where the worker may be the original's, its two fields stand beside, with their own text."""
    data = encode_request(Request("matmul", "a b", "7f-1"), NOW, "a,b")
    assert data == (
        b'{"command": "matmul", "parameters": "a b", "timestamp": 1699123456789, "id": "7f-1", '
        b'"cmd": "matmul", "params": "a,b"}'
    )
    assert decode_request(data) == Request("matmul", "a b", "7f-1")


def test_response_bytes() -> None:
    """A response is JSON with the five fields of the format, and its tensors' names if any."""
    response = Response("matmul", "ok", "", ("result_0", "result_1"), "7f-1")
    assert encode_response(response, NOW) == (
        b'{"command": "matmul", "result": "ok", "message": "", "timestamp": 1699123456789, '
        b'"id": "7f-1", "tensors": ["result_0", "result_1"]}'
    )
    assert b"tensors" not in encode_response(response._replace(tensors=()), NOW)


@given(requests)
@example(Request("\ud800", "\udfff\x00\u2028", '"\\'))
def test_requests_survive(request: Request) -> None:
    """Any request is read back as it was written, from ASCII."""
    data = encode_request(request, NOW)
    assert data.isascii()
    assert decode_request(data) == request


@given(responses)
@example(Response("", "\ud800", '"', ("\udfff",), "\\"))
def test_responses_survive(response: Response) -> None:
    """Any response is read back as it was written, from ASCII."""
    data = encode_response(response, NOW)
    assert data.isascii()
    assert decode_response(data) == response


@pytest.mark.parametrize(
    ("data", "request_"),
    [
        pytest.param(
            b'{"command": "matmul", "parameters": "a b", "timestamp": 1699123456789}',
            Request("matmul", "a b"),
            id="seed",
        ),
        pytest.param(b'{"command": "stop"}', Request("stop", ""), id="command-only"),
        pytest.param(b'{"command": " \\n go\\t"}', Request("go", ""), id="space-around"),
        pytest.param(b'\r\n{"command":"go"}\n', Request("go", ""), id="newlines-around"),
        pytest.param(b'{"command": "go", "extra": [1]}', Request("go", ""), id="unknown-field"),
        pytest.param(b'{"command": "a", "command": "b"}', Request("b", ""), id="last-counts"),
        pytest.param(
            b'{"cmd": "theirs", "params": "x", "command": "ours"}', Request("ours", ""), id="mixed"
        ),
        pytest.param('{"command": "größe"}'.encode(), Request("größe", ""), id="utf-8"),
        pytest.param(b'{"command": "a\nb"}', Request("a\nb", ""), id="raw-newline"),
    ],
)
def test_requests_read(data: bytes, request_: Request) -> None:
    """Fields that are missing are empty, those that are unknown do not matter."""
    assert decode_request(data) == request_


@pytest.mark.parametrize(
    ("data", "response"),
    [
        pytest.param(
            b'{"command": "matmul", "result": "ok", "message": "", "timestamp": 1699123456790}',
            Response("matmul", "ok"),
            id="seed",
        ),
        pytest.param(b'{"result": ""}', Response("", ""), id="result-only"),
        pytest.param(
            b'{"result": "ours", "cmd": "x", "params": "y"}', Response("", "ours"), id="mixed"
        ),
        pytest.param(b'{"params": "y"}', Response("", "y", is_original=True), id="params-only"),
    ],
)
def test_responses_read(data: bytes, response: Response) -> None:
    """Fields that are missing are empty, those that are unknown do not matter."""
    assert decode_response(data) == response


# ------------------------------------------------------------------ the original's dialect


@given(names, anything)
def test_original_worker_reads(command: str, parameters: str) -> None:
    """A request to the original's worker is JSON with its two fields and no other."""
    request = Request(command, parameters, is_original=True)
    data = encode_request(request, NOW)
    assert json.loads(data) == {"cmd": command, "params": parameters}
    assert decode_request(data) == request


@given(names.filter(lambda name: not set(name) & set('"\\')), anything)
@example("echo", 'say "hi"')
@example("echo", '"')
@example("echo", '","params":"')
@example("echo", "C:\\Users\\q")
@example("echo", "two\nlines\tand a tab")
@example("echo", "}")
def test_original_client_pastes(command: str, parameters: str) -> None:
    """What its client pastes unescaped is read as meant, unless it happens to be JSON."""
    text = f'{{"cmd": "{command}", "params": "{parameters}"}}'
    data = text.encode(errors="surrogatepass")
    try:
        meant = json.loads(text, strict=False).get("params")
    except ValueError:
        meant = parameters
    try:
        data.decode()
    except UnicodeDecodeError:
        with pytest.raises(MessageError, match="no UTF-8"):
            decode_request(data)
    else:
        assert decode_request(data) == Request(command, meant, is_original=True)


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        pytest.param(b'{"cmd": "exit"}', "", id="no-params"),
        pytest.param(b'{"cmd":"exit","params":"a,b"}', "a,b", id="no-spaces"),
        pytest.param(b'{ "cmd" : "exit" , "params" : "say "hi"" }\n', 'say "hi"', id="spaces"),
        pytest.param(b'{"cmd": "exit", "params": "a\\tb"}', "a\tb", id="escape"),
        pytest.param(b'{"cmd": "exit", "params": "\\d"}', "\\d", id="no-escape"),
        pytest.param(b'{"cmd": "exit", "params": "a\nb"}', "a\nb", id="raw-newline"),
    ],
)
def test_original_requests(data: bytes, parameters: str) -> None:
    """Requests of the original's client; escapes mean what its worker, too, takes them for."""
    assert decode_request(data) == Request("exit", parameters, is_original=True)


@given(responses)
@example(Response("echo", 'say "hi"\n\\n \\" \\'))
@example(Response('x","params":"y', "text"))
@example(Response("echo", ""))
@example(Response("echo", "\ud800"))
@example(Response("sum", "error", 'File "x.py"\nValueError: \\'))
def test_original_client_reads(response: Response) -> None:
    """Its client, which looks for quotes, reads any response whole, and never nothing."""
    text = response.result or "ok"
    if response.tensors:
        text = ",".join(response.tensors) or "ok"
    elif response.message:
        text = f"{response.result}: {response.message}"
    data = encode_response(response._replace(is_original=True), NOW)
    assert scan_params(data) == text.replace('"', "'").encode(errors="replace").decode()


@pytest.mark.parametrize(
    ("response", "data"),
    [
        pytest.param(Response("hi", "Hi X"), b'{"cmd":"hi","params":"Hi X"}', id="text"),
        pytest.param(Response("hi", ""), b'{"cmd":"hi","params":"ok"}', id="empty"),
        pytest.param(
            Response("mm", "ok", tensors=("r",)), b'{"cmd":"mm","params":"r"}', id="tensor"
        ),
        pytest.param(
            Response("mm", "ok", tensors=("r", "r1")), b'{"cmd":"mm","params":"r,r1"}', id="tensors"
        ),
        pytest.param(
            Response("mm", "error", "no 'b'"),
            b'{"cmd":"mm","params":"error: no \'b\'"}',
            id="error",
        ),
        pytest.param(
            Response("echo", 'a "b"\n\\'), b'{"cmd":"echo","params":"a \'b\'\n\\"}', id="no-escapes"
        ),
        pytest.param(
            Response("echo", "ü\ud800"), '{"cmd":"echo","params":"ü?"}'.encode(), id="utf-8"
        ),
    ],
)
def test_original_response_bytes(response: Response, data: bytes) -> None:
    """A response to its client has no space before a colon, no escapes, and is not empty."""
    assert encode_response(response._replace(is_original=True), NOW) == data


@given(anything, anything)
@example("echo", 'say "hi"\n\\n')
def test_original_responses(command: str, text: str) -> None:
    """What the original's worker writes, with its json module, is read as it was meant."""
    data = json.dumps({"cmd": command, "params": text}).encode()
    assert decode_response(data) == Response(command, text, is_original=True)


# ------------------------------------------------------------------ what is refused

NO_MESSAGE = [
    pytest.param(b"", "no JSON", id="empty"),
    pytest.param(b"\x00" * 64, "no JSON", id="zeros"),
    pytest.param(b"matmul a b", "no JSON", id="text"),
    pytest.param(b'{"command": "matm', "no JSON", id="cut"),
    pytest.param(b"{'command': 'x', 'result': 'x'}", "no JSON", id="python"),
    pytest.param(b'{"command": "x", "result": "x"} {}', "no JSON", id="two"),
    pytest.param(b'\xef\xbb\xbf{"command": "x", "result": "x"}', "no JSON", id="mark"),
    pytest.param(b'{"command": ' + b"1" * 5000 + b"}", "no JSON", id="number-without-end"),
    pytest.param(b'{"command": "\xff", "result": ""}', "no UTF-8", id="latin-1"),
    pytest.param('{"command": "x", "result": ""}'.encode("utf-16"), "no UTF-8", id="utf-16"),
    pytest.param(b'{"command": "\xed\xa0\x80", "result": ""}', "no UTF-8", id="surrogate"),
    pytest.param(b'{"command": "\xc0\x80", "result": ""}', "no UTF-8", id="overlong"),
    pytest.param(b"null", "no object", id="null"),
    pytest.param(b"17", "no object", id="number"),
    pytest.param(b"NaN", "no object", id="nan"),
    pytest.param(b'"command"', "no object", id="string"),
    pytest.param(b'["command", "result"]', "no object", id="list"),
]


@pytest.mark.parametrize(("data", "why"), NO_MESSAGE)
def test_no_messages(data: bytes, why: str) -> None:
    """What is no JSON object in UTF-8 is neither a request nor a response."""
    for decode in (decode_request, decode_response):
        with pytest.raises(MessageError, match=f"a message that is {why}: {re.escape('b')}"):
            decode(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"{}", "without a command", id="empty"),
        pytest.param(b'{"parameters": "a"}', "without a command", id="no-command"),
        pytest.param(b'{"command": ""}', "without a command", id="command-empty"),
        pytest.param(b'{"command": " \\n"}', "without a command", id="command-blank"),
        pytest.param(b'{"command": null}', "without a command", id="command-null"),
        pytest.param(b'{"command": 1}', "without a command", id="command-number"),
        pytest.param(b'{"command": ["x"]}', "without a command", id="command-list"),
        pytest.param(b'{"command": null, "cmd": "x"}', "without a command", id="mixed"),
        pytest.param(b'{"cmd": "", "params": "say "hi""}', "without a command", id="pasted"),
        pytest.param(b'{"cmd": 1, "params": "x"}', "without a command", id="cmd-number"),
        pytest.param(b'{"command": "x", "parameters": null}', "are no text", id="parameters-null"),
        pytest.param(b'{"command": "x", "parameters": []}', "are no text", id="parameters-list"),
        pytest.param(b'{"cmd": "x", "params": 1.5}', "are no text", id="params-number"),
        pytest.param(b'{"command": "x", "id": 7}', "with '7' where text", id="id-number"),
        pytest.param(b'{"command": "x", "id": null}', "with 'None' where text", id="id-null"),
    ],
)
def test_no_requests(data: bytes, why: str) -> None:
    """A request has a command, and texts only."""
    with pytest.raises(MessageError, match=why):
        decode_request(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"{}", "without a result", id="empty"),
        pytest.param(b'{"command": "x", "message": "y"}', "without a result", id="no-result"),
        pytest.param(b'{"cmd": "x"}', "without a result", id="no-params"),
        pytest.param(b'{"result": null}', "where text belongs", id="result-null"),
        pytest.param(b'{"result": "ok", "command": 1}', "where text", id="command-number"),
        pytest.param(b'{"result": "ok", "message": {}}', "where text", id="message-object"),
        pytest.param(b'{"result": "ok", "id": 1}', "where text", id="id-number"),
        pytest.param(b'{"result": "ok", "tensors": "r"}', "are no list", id="tensors-text"),
        pytest.param(b'{"result": "ok", "tensors": null}', "are no list", id="tensors-null"),
        pytest.param(b'{"result": "ok", "tensors": ["r", 1]}', "where text", id="tensor-number"),
        pytest.param(b'{"cmd": "x", "params": 1}', "where text", id="params-number"),
        pytest.param(b'{"cmd": 1, "params": "x"}', "where text", id="cmd-number"),
    ],
)
def test_no_responses(data: bytes, why: str) -> None:
    """A response has a result, and texts only, in a list where they are tensors' names."""
    with pytest.raises(MessageError, match=why):
        decode_response(data)


# With what stands around it, more than the 80 bytes that an error shows.
EXTRA = b'"extra": "' + b"." * 69


@pytest.mark.parametrize(
    ("decode", "data", "message"),
    [
        pytest.param(
            decode_request, b"{" + EXTRA + b'"}', "a request without a command", id="no-command"
        ),
        pytest.param(
            decode_request, b"{" + EXTRA + b'", "command": "x", "parameters": 1}',
            "a request whose parameters are no text", id="no-parameters",
        ),
        pytest.param(
            decode_response, b"{" + EXTRA + b'"}', "a response without a result", id="no-result"
        ),
        pytest.param(
            decode_response, b"{" + EXTRA + b'", "result": "x", "tensors": 1}',
            "a response whose tensors are no list", id="no-list",
        ),
        pytest.param(
            decode_request, b"[" + b"." * 80, "a message that is no JSON", id="no-json"
        ),
        pytest.param(
            decode_request, b"{" + EXTRA + b"\xff", "a message that is no UTF-8", id="no-utf-8"
        ),
        pytest.param(
            decode_request, b"1" * 81, "a message that is no object", id="no-object"
        ),
    ],
)  # fmt: skip
def test_messages(decode: Callable[[bytes], object], data: bytes, message: str) -> None:
    """An error says what is wrong, and shows the first 80 bytes."""
    with pytest.raises(MessageError) as caught:
        decode(data)
    assert len(data) > 80
    assert str(caught.value) == f"{message}: {data[:80]!r}"


def test_message_about_a_value() -> None:
    """An error shows the first 80 characters of what is no text."""
    with pytest.raises(MessageError) as caught:
        decode_response(b'{"result": ["' + b"x" * 78 + b'y"]}')
    assert str(caught.value) == f"""a message with "['{"x" * 78}" where text belongs"""


def test_causes() -> None:
    """An error tells where the bytes are no UTF-8, or no JSON."""
    with pytest.raises(MessageError) as caught:
        decode_request(b'{"command": "\xff"}')
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    with pytest.raises(MessageError) as caught:
        decode_request(b'{"command": }')
    assert isinstance(caught.value.__cause__, json.JSONDecodeError)


@pytest.mark.parametrize("depth", [100, 900, 1_100, 10_000, 1_000_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"]
)
@pytest.mark.parametrize("field", [b"id", b"tensors", b"extra"])
def test_nested(field: bytes, opening: bytes, closing: bytes, depth: int) -> None:
    """However deep it nests, it is a message, where nobody asks for that field, or is none."""
    nested = opening * depth + (b"1" if closing == b"}" else b"") + closing * depth
    for data in (
        opening * depth,
        b'{"command": "x", "result": "x", "' + field + b'": ' + nested + b"}",
    ):
        for decode in (decode_request, decode_response):
            try:
                message = decode(data)
            except MessageError:
                continue
            assert message[:2] in (("x", ""), ("x", "x"))


HOSTILE = [
    pytest.param(b'{"cmd":"', b'","params":"', id="params"),
    pytest.param(b'{"cmd":"x","params":"', b'"}', id="ends"),
    pytest.param(b'{"cmd":"x","params":"', b'"' + b" " * 99, id="quotes-and-spaces"),
    pytest.param(b'{"cmd":"x"', b" ", id="spaces"),
    pytest.param(b'{"cmd":"x"', b'"', id="quotes"),
    pytest.param(b'{"cmd":"x","params":"' + b"\\u", b"\\", id="backslashes"),
]


@pytest.mark.parametrize(("head", "piece"), HOSTILE)
def test_time_is_linear(head: bytes, piece: bytes) -> None:
    """What looks pasted at every byte is refused in no more time than its length takes."""
    start = time.perf_counter()
    with pytest.raises(MessageError):
        decode_request(head + piece * (300_000 // len(piece)) + b"x")
    assert time.perf_counter() - start < 10  # in the square of its length it would take a minute


def test_errors_are_short() -> None:
    """An error shows where a message begins, not all of it."""
    for data in (b"x" * MESSAGE_MAX, b'{"command": ["' + b"x" * MESSAGE_MAX + b'"]}'):
        with pytest.raises(MessageError) as caught:
            decode_request(data)
        assert len(str(caught.value)) < 400
    with pytest.raises(MessageError) as caught:
        decode_response(b'{"result": ["' + b"x" * MESSAGE_MAX + b'"]}')
    assert len(str(caught.value)) < 400


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
fields = st.sampled_from(
    ["command", "parameters", "id", "cmd", "params", "result", "message", "tensors", "timestamp"]
)
damaged = st.one_of(
    st.binary(),
    json_values.map(json.dumps).map(str.encode),
    st.dictionaries(fields, st.text(max_size=5) | json_values).map(json.dumps).map(str.encode),
    st.builds(
        lambda request, cut, junk: encode_request(request, NOW)[:cut] + junk,
        requests, st.integers(0, 80), st.binary(max_size=3),
    ),
)  # fmt: skip


@given(damaged)
def test_any_request(data: bytes) -> None:
    """Any bytes are a request that survives being written again, or a MessageError."""
    try:
        request = decode_request(data)
    except MessageError:
        return
    assert decode_request(encode_request(request, NOW)) == request


@given(damaged)
def test_any_response(data: bytes) -> None:
    """Any bytes are a response that survives being written again, or a MessageError."""
    try:
        response = decode_response(data)
    except MessageError:
        return
    if not response.is_original:
        assert decode_response(encode_response(response, NOW)) == response


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" ,\t,\n", [], id="separators"),
        pytest.param("a", ["a"], id="one"),
        pytest.param("a b", ["a", "b"], id="spaces"),
        pytest.param("a,b", ["a", "b"], id="commas"),
        pytest.param(" a ,  b,,c ", ["a", "b", "c"], id="both"),
    ],
)
def test_split_names(text: str, parts: list[str]) -> None:
    """Names are split at spaces and commas, however many."""
    assert split_names(text) == parts
