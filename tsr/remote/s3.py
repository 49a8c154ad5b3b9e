"""One request to S3 -> a range of an object, or all of it; and an object put there.

It goes through the client that s3fs makes, with its credentials and options. Raises
`PassingError` for a body that is cut, `ChangedError` for what changed, and whatever s3fs does:
requests that fail are tried again by it.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from tsr.remote.failures import PassingError, os_error
from tsr.remote.wanted import ChangedError, parse_content_range
from tsr.streams import CHUNK

if TYPE_CHECKING:
    from tsr.remote.wanted import Wanted

__all__ = ["fetch", "put"]

# What botocore's client tells of when a large object is begun, of which s3fs tells nothing.
_MULTIPART = "after-call.s3.CreateMultipartUpload"


async def fetch(fs: Any, url: str, wanted: Wanted) -> None:
    """Ask an `S3FileSystem` for what is missing of a range."""
    bucket, key, version_id = fs.split_path(url)
    if not key:
        raise IsADirectoryError(url)
    options: dict[str, str] = {"Bucket": bucket, "Key": key}
    if wanted.range is not None:
        options["Range"] = wanted.range
    if version_id:
        options["VersionId"] = version_id
    if wanted.version is not None and wanted.version.startswith('"'):
        options["IfMatch"] = wanted.version
    try:
        answer = await fs._call_s3("get_object", **options)
    except OSError as error:
        if _nothing_there(error, wanted):
            return
        raise
    body = answer["Body"]
    try:
        end = _begin(answer, wanted)
        while chunk := await _read(body, wanted):
            if not wanted.add(chunk):
                return
        wanted.finish(end)
    finally:
        body.close()


async def put(fs: Any, path: str, method: str, *places: Any, mode: str) -> None:
    """Have an `S3FileSystem` put an object; of what is interrupted no part stays behind."""
    bucket, key, _ = fs.split_path(path)
    await fs.set_session()
    events = (await fs.get_s3(bucket)).meta.events
    task = asyncio.current_task()
    begun: list[str] = []

    def note(parsed: Any, **_: Any) -> None:
        if asyncio.current_task() is task and "UploadId" in parsed:
            begun.append(parsed["UploadId"])

    events.register(_MULTIPART, note)
    try:
        await getattr(fs, f"_{method}")(*places, mode=mode)
    except asyncio.CancelledError:
        for upload in begun:
            await fs._call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload)
        raise
    finally:
        events.unregister(_MULTIPART, note)


async def _read(body: Any, wanted: Wanted) -> bytes:
    try:
        chunk: bytes = await body.read(CHUNK)
    except Exception as error:  # of several packages
        raise PassingError(os_error(error, wanted.name)) from None
    return chunk


def _begin(answer: Any, wanted: Wanted) -> int:
    # Where what the answer gives ends in the object.
    length, version = int(answer["ContentLength"]), answer.get("ETag")
    if answer.get("ContentRange") is None:  # all of it, whatever was asked for
        wanted.begin(length, version)
        wanted.retry(pinned=False)
        if wanted.start:
            raise OSError(errno.EIO, "the server ignores ranges", wanted.name)
        return length
    told = parse_content_range(answer["ContentRange"])
    if told is None or told[0] != wanted.at or told[1] - wanted.at != length:
        raise OSError(
            errno.EIO, f"the server gives {answer['ContentRange']!r}, not {wanted.range!r}",
            wanted.name,
        )  # fmt: skip
    wanted.begin(told[2], version)
    return told[1]


def _nothing_there(error: OSError, wanted: Wanted) -> bool:
    # Whether a request failed because the object ends before the range.
    response = getattr(error.__cause__, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status == 412 and wanted.version is not None:
        raise ChangedError from None
    if status != 416:
        return False
    size = response.get("Error", {}).get("ActualObjectSize")
    if size is None and wanted.at:
        return False
    wanted.begin(int(size or 0), None)
    wanted.check()
    return True
