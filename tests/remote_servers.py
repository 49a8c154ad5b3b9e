"""Servers on loopback for the tests of remote files: S3 (moto's), and HTTP servers of all sorts.

Both keep a list of what they were asked, and how many bytes they gave.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Asked", "HttpServer", "Reply", "S3Server", "http_server", "part", "s3_server"]


@dataclass
class Asked:
    """A request as a server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    given: int = 0

    @property
    def range(self) -> str | None:
        """What part was asked for."""
        return self.headers.get("range")


@dataclass
class S3Server:
    """An S3 server, empty at first but for the bucket ``bucket``."""

    options: dict[str, Any]
    asked: list[Asked] = field(default_factory=list)

    def put(self, key: str, data: bytes) -> str:
        """Store an object and give its URL."""
        self._filesystem().call_s3("put_object", Bucket="bucket", Key=key, Body=data)
        self.asked.clear()
        return f"s3://bucket/{key}"

    def get(self, key: str) -> bytes:
        """Give what an object holds."""
        data: bytes = self._filesystem().cat_file(f"bucket/{key}")
        self.asked.clear()
        return data

    def made(self) -> list[tuple[str, str | None]]:
        """Give method and range of each request since this was called last."""
        found = [(asked.method, asked.range) for asked in self.asked]
        self.asked.clear()
        return found

    def _filesystem(self) -> Any:
        import s3fs

        return s3fs.S3FileSystem(**copy.deepcopy(self.options))


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run an S3 server in a thread."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    asked: list[Asked] = []
    backend = DomainDispatcherApplication(create_backend_app)

    def counting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        this = Asked(environ["REQUEST_METHOD"], environ["RAW_URI"], headers)
        asked.append(this)
        for piece in backend(environ, start_response):
            this.given += len(piece)
            yield piece

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any, **__: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    options = {
        "key": "key",
        "secret": "secret",
        "endpoint_url": f"http://127.0.0.1:{server.server_port}",
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    found = S3Server(options, asked)
    try:
        found._filesystem().call_s3("create_bucket", Bucket="bucket")
        asked.clear()
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Reply:
    """What an HTTP server answers: as it says here, be it right or wrong.

    `length` is what the header ``Content-Length`` says: of the body where it is None, and no such
    header where it is -1. `cut` bytes of the body are given before the connection is cut.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    cut: int | None = None
    chunked: bool = False
    delay: float = 0.0


@dataclass
class HttpServer:
    """An HTTP server that answers as `answer` says."""

    address: str
    answer: Callable[[Asked], Reply | None]
    asked: list[Asked] = field(default_factory=list)

    def url(self, name: str = "x.tsr") -> str:
        """Give the URL of a name."""
        return f"{self.address}/{name}"

    def made(self) -> list[tuple[str, str | None]]:
        """Give method and range of each request since this was called last."""
        found = [(asked.method, asked.range) for asked in self.asked]
        self.asked.clear()
        return found


@contextmanager
def http_server(answer: Callable[[Asked], Reply | None]) -> Iterator[HttpServer]:
    """Run an HTTP server in a thread; None for an answer cuts the connection at once."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            this = Asked(self.command, self.path, headers)
            asked.append(this)
            reply = found.answer(this)
            try:
                self.close_connection = reply is None or not _send(self, reply, this, stopped)
            except ConnectionError:  # the client has what it wants
                self.close_connection = True

        do_HEAD = do_PUT = do_GET  # noqa: N815 - likewise

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    stopped = threading.Event()
    server = Server(("127.0.0.1", 0), Handler)
    found = HttpServer(f"http://127.0.0.1:{server.server_port}", answer, asked)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _send(
    handler: BaseHTTPRequestHandler, reply: Reply, this: Asked, stopped: threading.Event
) -> bool:
    # Give an answer, and tell whether the connection can be used for another.
    if not reply.status:
        handler.wfile.write(reply.body)
        return False
    handler.send_response(reply.status)
    length = len(reply.body) if reply.length is None else reply.length
    if reply.chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    elif length >= 0:
        handler.send_header("Content-Length", str(length))
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    stopped.wait(reply.delay)
    whole = reply.cut is None
    if this.method == "HEAD":
        return True
    pieces = [reply.body] if whole else [reply.body[: reply.cut]]
    if len(reply.body) > 1 << 16 and whole:
        pieces = [reply.body[at : at + 4096] for at in range(0, len(reply.body), 4096)]
    for piece in pieces:
        this.given += len(piece)
        head = b"%x\r\n" % len(piece) if reply.chunked else b""
        handler.wfile.write(head + piece + (b"\r\n" if reply.chunked else b""))
    if reply.chunked and whole:
        handler.wfile.write(b"0\r\n\r\n")
    return whole and (reply.chunked or length >= 0)


def part(data: bytes, asked: Asked, etag: str | None = '"1"') -> Reply:
    """Answer as a well-behaved server does that has `data`."""
    headers = {} if etag is None else {"ETag": etag}
    if "if-match" in asked.headers and asked.headers["if-match"] != etag:
        return Reply(412)
    if asked.range is None:
        return Reply(200, data, headers)
    first, _, last = asked.range.removeprefix("bytes=").partition("-")
    start, stop = int(first), min(int(last or len(data)) + 1, len(data))
    if start >= len(data):
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Reply(206, data[start:stop], headers)
