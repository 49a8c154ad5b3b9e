"""SHA-256 of files, and the lines of `sha256sum`: ours are read by it, and its ones by us."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsr.digests import (
    Digest,
    DigestLineError,
    digest_line,
    file_digest,
    file_digests,
    parse_digest_line,
    read_digest_lines,
    stream_digest,
)
from tsr.errors import FormatError

X = b"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of the byte "x"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

names = st.binary(min_size=1).filter(lambda name: b"\0" not in name)

# ------------------------------------------------------------------ files


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_file(size: int, tmp_path: Path) -> None:
    """Files of any size, around that of a piece too, have the digest that hashlib gives at once."""
    path = tmp_path / "x"
    data = bytes(range(256)) * (size // 256) + b"y" * (size % 256)
    path.write_bytes(data)
    read: list[int] = []
    found = file_digest(str(path), lambda count, _: read.append(count))
    assert found == Digest(str(path), hashlib.sha256(data).hexdigest(), size)
    assert sum(read) == size
    assert max(read, default=0) <= 1 << 20


def test_several_files(tmp_path: Path) -> None:
    """Each has its digest or error, in order, however many threads there are."""
    paths = [str(tmp_path / f"{number}") for number in range(50)]
    for path in paths:
        Path(path).write_text(path)
    os.unlink(paths[7])
    os.unlink(paths[8])
    os.mkdir(paths[8])
    found = list(file_digests(paths, len(paths)))
    assert isinstance(found[7], FileNotFoundError)
    assert isinstance(found[8], FormatError)
    for path, digest in list(zip(paths, found, strict=True))[9:]:
        assert digest == Digest(path, hashlib.sha256(path.encode()).hexdigest(), len(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_fifo_is_refused(tmp_path: Path) -> None:
    """A FIFO that nobody writes to does not block."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    with pytest.raises(FormatError, match=r"fifo: file at offset 0: got a FIFO"):
        file_digest(path)


def test_stop() -> None:
    """Reading ends soon after it is told to, where the stream would never end."""
    stop = Event()

    class Endless(io.RawIOBase):
        def readinto(self, buffer: object) -> int:
            stop.set()
            return 1

    assert stream_digest(Endless(), "endless", stop=stop).size == 1


def test_stream_that_has_nothing_yet() -> None:
    """A pipe that does not block and is empty for now has no digest: it is not at its end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(reader, "rb") as stream, open(writer, "wb", buffering=0) as other:
        other.write(b"begin")
        with pytest.raises(BlockingIOError):
            stream_digest(stream, "<stdin>")


def test_no_thread_is_left(tmp_path: Path) -> None:
    """Whoever takes no more results waits for no file: the threads are told to stop."""
    paths = [str(tmp_path / f"{number}") for number in range(3)]
    for path in paths:
        with open(path, "wb") as file:
            file.truncate(1 << 40)  # takes hours to read
    threads = threading.active_count()
    results = file_digests(["absent", *paths], 4)
    assert isinstance(next(results), FileNotFoundError)
    results.close()
    assert threading.active_count() == threads


# ------------------------------------------------------------------ lines


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (b"a.tsr", b"%s  a.tsr\n"),
        (b" a", b"%s   a\n"),
        (b"*a", b"%s  *a\n"),
        (b"\xff\xfe", b"%s  \xff\xfe\n"),
        (b"a\nb", b"\\%s  a\\nb\n"),
        (b"a\rb", b"\\%s  a\\rb\n"),
        (b"a\\n", b"\\%s  a\\\\n\n"),
    ],
)
def test_line(name: bytes, line: bytes) -> None:
    """A line has the digest, two blanks and the name; some characters are escaped."""
    assert digest_line(X.decode(), name) == line % X
    assert parse_digest_line(line % X) == (X.decode(), name)


@given(names)
def test_lines_are_read_back(name: bytes) -> None:
    """Whatever a name holds, its line is one line and gives it back."""
    line = digest_line(EMPTY, name)
    assert line.index(b"\n") == len(line) - 1
    assert b"\r" not in line
    assert parse_digest_line(line) == (EMPTY, name)
    assert list(read_digest_lines(io.BytesIO(line * 2), "sums")) == [
        (1, EMPTY, name), (2, EMPTY, name)
    ]  # fmt: skip


@given(st.lists(st.binary() | names.map(lambda name: digest_line(EMPTY, name))))
def test_any_bytes_are_lines(pieces: list[bytes]) -> None:
    """Of any bytes there are lines and errors, and the lines are read back from our own."""
    for found in read_digest_lines(io.BytesIO(b"\n".join(pieces)), "sums"):
        if not isinstance(found, DigestLineError):
            _, digest, name = found
            assert parse_digest_line(digest_line(digest, name)) == (digest, name)


# Lines that name the file "a", lines that say nothing, and lines that are none of sha256sum.
NAMES_A = [
    b"%s  a\n", b"%s *a\n", b"%s  a", b"%s  a\r\n", b"%s a\n", b"%s\ta\n", b" \t%s  a\n",
    b"\\%s  a\n", b" \\%s  a\n", b"SHA256 (a) = %s\n", b"SHA256(a)= %s\r\n", b"\\SHA256 (a) = %s\n",
    b"SHA256 (a)  =\t%s\n",
]  # fmt: skip
SAYS_NOTHING = [b"\n", b"\r\n", b"# a comment\n", b"#%s  a\n"]
WRONG = [
    b"%s\n", b"%sa\n", b"%s*a\n", b"%s", b"x%s  a\n", b"0%s  a\n", b"\\\\%s  a\n",
    b" # no comment\n",
    b"\\%s  a\\\n", b"\\%s  \\a\n", b"\\%s  a\\ \n", b"\\%s  a\\t\n", b"sha256 (a) = %s\n",
    b"SHA256  (a) = %s\n", b"SHA256 (a) %s\n", b"SHA256 (a) = %s \n", b"SHA256 (a = %s\n",
    b"SHA512 (a) = %s\n", b"MD5 (a) = %s\n", b" \n", b"  a\n", b"\x00", b"hello world\n",
]  # fmt: skip


def filled(line: bytes) -> bytes:
    """Put the digest of "x" where a line has room for one."""
    return line.replace(b"%s", X)


@pytest.mark.parametrize("line", NAMES_A)
@pytest.mark.parametrize("upper", [False, True])
def test_lines_that_are_read(line: bytes, upper: bool) -> None:
    """Every form that `sha256sum --check` takes is read."""
    line = line.replace(b"%s", X.upper()) if upper else filled(line)
    assert parse_digest_line(line) == (X.decode(), b"a")


@pytest.mark.parametrize("line", SAYS_NOTHING)
def test_lines_that_say_nothing(line: bytes) -> None:
    """Comments and empty lines are passed over."""
    assert parse_digest_line(filled(line)) is None


@pytest.mark.parametrize("line", [*WRONG, b"%s  a\0b\n"])
def test_lines_that_are_refused(line: bytes) -> None:
    """Any other line is an error, with its number and what stands there."""
    data = b"# first\n" + filled(line)
    [found] = read_digest_lines(io.BytesIO(data), "sums")
    assert isinstance(found, DigestLineError)
    assert (found.path, found.line) == ("sums", 2)
    assert str(found).startswith("sums: line 2: got ")
    assert ", expected " in str(found)


def test_one_bad_line_stops_nothing() -> None:
    """What stands before and after it is read."""
    good = digest_line(EMPTY, b"a")
    found = list(read_digest_lines(io.BytesIO(good + b"bad\n" + good), "sums"))
    assert found[0] == (1, EMPTY, b"a")
    assert isinstance(found[1], DigestLineError)
    assert found[2] == (3, EMPTY, b"a")


def test_long_line() -> None:
    """A line that no name could fill is not read into memory, and those behind it count on."""

    class Counting(io.BytesIO):
        longest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            self.longest = max(self.longest, len(line))
            return line

    good = digest_line(EMPTY, b"a")
    stream = Counting(EMPTY.encode() + b"  " + b"a" * 1_000_000 + b"\n" + good)
    first, second = read_digest_lines(stream, "sums")
    assert str(first) == "sums: line 1: got more than 65535 bytes, expected a name"
    assert second == (2, EMPTY, b"a")
    assert stream.longest <= 1 << 16
    fits = digest_line(EMPTY, b"\n" * 20_000)
    assert list(read_digest_lines(io.BytesIO(fits), "sums")) == [(1, EMPTY, b"\n" * 20_000)]


# ------------------------------------------------------------------ the real one


def has_gnu() -> bool:
    """Tell whether there is a `sha256sum` that knows the escape of a carriage return."""
    if shutil.which("sha256sum") is None:
        return False
    told = subprocess.run(["sha256sum", "--version"], capture_output=True, check=False).stdout
    version = re.search(rb"GNU coreutils\) (\d+)", told)
    return version is not None and int(version[1]) >= 9


needs_sha256sum = pytest.mark.skipif(
    not has_gnu(), reason="needs sha256sum of the GNU coreutils, 9 or newer"
)


def gnu(*arguments: str | bytes, cwd: Path, data: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run the real `sha256sum` and give its exit code and output."""
    done = subprocess.run(
        ["sha256sum", *arguments], cwd=cwd, input=data, capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@needs_sha256sum
@pytest.mark.parametrize("line", [*NAMES_A, *SAYS_NOTHING, *WRONG])
def test_lines_as_gnu_takes_them(line: bytes, tmp_path: Path) -> None:
    """`sha256sum --check` takes each line above, or refuses it, as we do."""
    (tmp_path / "a").write_bytes(b"x")
    try:
        ours = parse_digest_line(filled(line))
    except ValueError:
        ours = None
    code, out, _ = gnu("--check", "--strict", cwd=tmp_path, data=filled(line))
    assert (code, out) == ((1, b"") if ours is None else (0, b"a: OK\n"))


@needs_sha256sum
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]])
def test_lines_both_ways(options: list[str], tmp_path: Path) -> None:
    """It writes for any name what we read, and checks what we write."""
    files = {
        b"plain": b"x", b"two  blanks": b"", b"*star": b"1", b" blank": b"2", b"a\\nb": b"3",
        b"a\nb": b"4", b"a\rb": b"5", b"\\": b"6", b"\xff\xfe.tsr": b"7", b"#": b"8",
        "größe".encode(): b"9", b"(a) = b": b"10",
    }  # fmt: skip
    for name, data in files.items():
        Path(tmp_path, os.fsdecode(name)).write_bytes(data)
    _, out, _ = gnu(*options, "--", *files, cwd=tmp_path)
    found = list(read_digest_lines(io.BytesIO(out), "sums"))
    sums = [hashlib.sha256(data).hexdigest() for data in files.values()]
    assert found == [
        (number, digest, name)
        for number, (digest, name) in enumerate(zip(sums, files, strict=True), start=1)
    ]
    ours = b"".join(digest_line(digest, name) for digest, name in zip(sums, files, strict=True))
    if not options:
        assert ours == out
    code, _, err = gnu("--check", "--strict", cwd=tmp_path, data=ours)
    assert (code, err) == (0, b"")
