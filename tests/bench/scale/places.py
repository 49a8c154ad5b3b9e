"""Where the files of the bench lie: a folder of this machine, and an S3 server on loopback.

The server is moto's, in a process of its own, with a delay before each answer if one is asked for:
what it costs to wait for storage is then seen apart from what the server itself costs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import tsr

__all__ = ["ROWS", "Place", "few", "local_place", "s3_place", "values"]

# Each file is of float32, (ROWS, 64): 1 KiB, unless more is asked for.
ROWS = 4

_SERVER = """
import sys, time
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_, **__):
        pass

backend, delay = DomainDispatcherApplication(create_backend_app), float(sys.argv[1])

def answer(environ, start_response):
    if environ["REQUEST_METHOD"] == "GET":
        time.sleep(delay)
    return backend(environ, start_response)

server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass(frozen=True)
class Place:
    """Files that are all alike but for their values.

    Attributes
    ----------
    name : str
    folder : str
        A path or URL.
    files : list of str
    storage_options : mapping
        What is needed to read them; empty for paths.
    threads : int
        How many are worth it.
    """

    name: str
    folder: str
    files: list[str]
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 4

    @property
    def options(self) -> dict[str, Any]:
        """What a function of tsr takes to read them."""
        return {"storage_options": self.storage_options} if self.storage_options else {}


def values(number: int, rows: int = ROWS) -> Any:
    """Make what file `number` holds."""
    return np.full((rows, 64), number % 100, np.float32)


def local_place(folder: str, count: int, rows: int = ROWS) -> Place:
    """Write files into a folder, which is made."""
    Path(folder).mkdir()
    files = [f"{folder}/{number:07}.tsr" for number in range(count)]
    for number, file in enumerate(files):
        tsr.save(file, values(number, rows), durable=False)
    return Place("local", folder, files)


def few(place: Place, count: int) -> Place:
    """Give a local place that has only the first files of another, by links to them."""
    folder = f"{place.folder}-{count}"
    if not os.path.isdir(folder):
        os.mkdir(folder)
        for file in place.files[:count]:
            os.link(file, f"{folder}/{os.path.basename(file)}")
    return replace(place, folder=folder, files=sorted(map(str, Path(folder).iterdir())))


@contextmanager
def s3_place(name: str, count: int, delay: float) -> Iterator[Place]:
    """Run a server that has files, and waits `delay` seconds before it gives one."""
    import s3fs

    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(delay)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        options = {
            "key": "key",
            "secret": "secret",
            "endpoint_url": f"http://127.0.0.1:{int(server.stdout.readline())}",
            "client_kwargs": {"region_name": "us-east-1"},
        }
        files = s3fs.S3FileSystem(**options)
        files.call_s3("create_bucket", Bucket="bench")
        objects = {f"bench/{number:07}.tsr": tsr.dumps(values(number)) for number in range(count)}
        files.pipe(objects)
        urls = [f"s3://{name}" for name in objects]
        yield Place(name, "s3://bench", urls, options, threads=32)
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
