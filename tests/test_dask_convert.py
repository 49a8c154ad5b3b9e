"""`tsr.dask` on a cluster of two processes, which are killed where that is the test."""

# mypy: disallow-untyped-calls=False
# for dask has few hints

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, LocalCluster

import tsr
import tsr.dask
from tests.remote_servers import s3_server
from tsr.cli import main
from tsr.converters.tree import Options
from tsr.dask.batches import Recipe, convert_batch
from tsr.dask.journal import NAME, Journal
from tsr.dask.work import Batch

pytestmark = pytest.mark.filterwarnings("ignore")  # those of distributed about its own end

FILES = 600


@pytest.fixture(scope="module")
def cluster() -> Iterator[Client]:
    """Two workers, a process each."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as made,
        Client(made, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of files in folders, one of them broken."""
    folder = tmp_path_factory.mktemp("many")
    for part in range(4):
        (folder / f"d{part}").mkdir()
    for number in range(FILES):
        np.save(folder / f"d{number % 4}/x{number}.npy", np.array([number], np.float32))
    (folder / "d1/x1.npy").write_bytes(b"broken")
    return folder


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Make a folder of five files."""
    folder = tmp_path / "src"
    folder.mkdir()
    for number in range(5):
        np.save(folder / f"{number}.npy", np.array([number], np.int32))
    return folder


def tree(folder: Path) -> dict[str, bytes | None]:
    """All in a folder but the journal, with its bytes."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if path.name != NAME
    }


def counts(summary: tsr.dask.Summary) -> tuple[int, int, int]:
    """How many files were converted, skipped and failed."""
    return summary.converted, summary.skipped, len(summary.failed)


@pytest.mark.parametrize("scheduler", ["processes", "cluster"])
def test_arrays_in_other_processes(cluster: Client, tmp_path: Path, scheduler: str) -> None:
    """Other processes write files and read them again, whole ones and rows of them."""
    x = np.arange(24, dtype=np.int32).reshape(6, 4)
    used = {"scheduler": cluster if scheduler == "cluster" else scheduler, "num_workers": 1}
    with dask.config.set(used):
        paths: Any = tsr.dask.to_files(
            da.from_array(x, chunks=3), tmp_path / "parts", mode="concatenate"
        )
        assert len(paths) == 2
        for rows in (None, 2) if scheduler == "cluster" else (2,):
            read = tsr.dask.from_files(paths, mode="concatenate", rows_per_task=rows)
            assert read.compute().tobytes() == x.tobytes()
        Path(paths[1]).write_bytes(b"broken")
        with pytest.raises(tsr.FormatError, match=r"1\.tsr"):
            read.compute()


def test_arrays_on_s3(cluster: Client) -> None:
    """Workers write objects and read them, and name the one that has changed meanwhile."""
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    with s3_server() as server, dask.config.set(scheduler=cluster):
        storage: Any = {"storage_options": server.options}
        url = "s3://bucket/parts"
        urls: Any = tsr.dask.to_files(da.from_array(x, chunks=2), url, **storage)
        assert urls == [f"{url}/{number}.tsr" for number in range(3)]
        read = tsr.dask.from_files(url, **storage)
        assert read.compute().tobytes() == x.tobytes()
        with pytest.raises(FileExistsError, match="overwrite=True"):
            tsr.dask.to_files(da.from_array(x), url, **storage)
        server.put("parts/1.tsr", tsr.dumps(x[1:]))
        with pytest.raises(tsr.TSRError, match=r"parts/1\.tsr"):
            read.compute()


def test_a_killed_worker_loses_nothing(cluster: Client, many: Path, tmp_path: Path) -> None:
    """With a worker killed in the middle the result is the serial one; a second run does none."""
    tsr.convert(many, tmp_path / "serial", on_error="report")
    pids = list(cluster.run(os.getpid).values())
    done: list[int] = []

    def watch(count: int, total: int, name: str) -> None:
        if count > FILES // 3 and len(pids) == 2:
            os.kill(pids.pop(), signal.SIGKILL)
        done.append(count)
        assert total == FILES

    summary = tsr.dask.convert(
        many, tmp_path / "dask", client=cluster, files_per_task=30, progress=watch
    )
    assert len(pids) == 1
    assert counts(summary) == (FILES - 1, 0, 1)
    assert done[-1] == FILES
    assert str(many / "d1/x1.npy") in str(summary.failed[0].error)
    assert tree(tmp_path / "dask") == tree(tmp_path / "serial")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "dask").rglob("*.tsr")}
    summary = tsr.dask.convert(many, tmp_path / "dask", client=cluster)
    assert counts(summary) == (0, FILES - 1, 1)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_what_changed_is_done_again(cluster: Client, few: Path, tmp_path: Path) -> None:
    """A changed source, a lost result and a new file are converted, and nothing else is."""
    dst = tmp_path / "dst"
    assert counts(tsr.dask.convert(few, dst, client=cluster)) == (5, 0, 0)
    np.save(few / "1.npy", np.array([1, 1], np.int32))
    (dst / "2.tsr").unlink()
    np.save(few / "5.npy", np.array([5], np.int32))
    assert counts(tsr.dask.convert(few, dst, client=cluster)) == (3, 3, 0)
    assert tsr.load(dst / "1.tsr").tolist() == [1, 1]


def test_nothing_of_others_is_replaced(cluster: Client, few: Path, tmp_path: Path) -> None:
    """What was there before stays, and what somebody changed since does."""
    dst = tmp_path / "dst"
    dst.mkdir()
    (dst / "3.tsr").write_bytes(b"mine")
    for expected in ((4, 0, 1), (0, 4, 1)):
        summary = tsr.dask.convert(few, dst, client=cluster)
        assert counts(summary) == expected
        assert isinstance(summary.failed[0].error, FileExistsError)
    (dst / "4.tsr").write_bytes(b"mine, too")
    np.save(few / "4.npy", np.array([4, 4], np.int32))
    assert counts(tsr.dask.convert(few, dst, client=cluster)) == (0, 3, 2)
    assert (dst / "4.tsr").read_bytes() == b"mine, too"
    assert counts(tsr.dask.convert(few, dst, client=cluster, overwrite=True)) == (2, 3, 0)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_what_appears_meanwhile_stays(tmp_path: Path, kind: str) -> None:
    """A task replaces nothing that came after it was planned; what it would write counts as done.

    The latter is what a killed worker leaves of a batch.
    """
    src, dst = tmp_path / "src", tmp_path / "dst"
    src.mkdir()
    if kind == "npy":
        np.save(src / "x.npy", np.array([1], np.int8))
    else:
        np.savez(src / "x.npz", a=np.array([1], np.int8), b=np.array([2], np.int8))
    recipe = Recipe(str(src), str(dst), None, Options())
    batch = Batch([f"x.{kind}"], [[]])
    dst.mkdir()
    first, again = (convert_batch(recipe, batch.packed)[0] for _ in range(2))
    assert first == again
    assert first.result.error is None
    place = Path(str(first.result.destination))
    (place if place.is_file() else place / "a.tsr").write_bytes(b"mine")
    before = tree(dst)
    assert isinstance(convert_batch(recipe, batch.packed)[0].result.error, FileExistsError)
    assert tree(dst) == before


def test_a_killed_client_goes_on(cluster: Client, few: Path, tmp_path: Path) -> None:
    """What was begun when a client was killed is replaced; unfinished files are swept up."""
    dst = tmp_path / "dst"
    tsr.dask.convert(few, dst, client=cluster)
    lines = (dst / NAME).read_bytes().splitlines(keepends=True)
    # As if it had been killed before the second file was done, in mid-line.
    done = [line for line in lines if line.startswith(b'{"done"')]
    (dst / NAME).write_bytes(b"".join([lines[0], lines[1], *lines[2:-5], done[0], done[1][:30]]))
    (dst / "2.tsr").write_bytes(b"half")
    (dst / "3.tsr.12345-0.tmp").write_bytes(b"half")
    (dst / "mine.12345-0.tmp").write_bytes(b"mine")
    assert counts(tsr.dask.convert(few, dst, client=cluster))[2] == 0
    assert tsr.load(dst / "2.tsr").tolist() == [2]
    assert not (dst / "3.tsr.12345-0.tmp").exists()
    assert (dst / "mine.12345-0.tmp").exists()


def test_other_options_need_overwrite(cluster: Client, few: Path, tmp_path: Path) -> None:
    """Other options than the last time are refused, and with overwrite do all again."""
    dst = tmp_path / "dst"
    tsr.dask.convert(few, dst, client=cluster)
    with pytest.raises(tsr.ConversionError, match=r"to='\.tsr'.*overwrite=True"):
        tsr.dask.convert(few, dst, client=cluster, to="npy")
    summary = tsr.dask.convert(few, dst, client=cluster, to="npy", overwrite=True)
    assert counts(summary) == (5, 0, 0)
    with pytest.raises(tsr.ConversionError, match="overwrite=True"):
        tsr.dask.convert(few, dst, client=cluster)
    again = tsr.dask.convert(few, dst, client=cluster, to="npy", resume=False, overwrite=True)
    assert counts(again) == (5, 0, 0)


def test_two_clients_at_once(cluster: Client, few: Path, tmp_path: Path) -> None:
    """A second run into the same folder is refused."""
    dst = tmp_path / "dst"
    dst.mkdir()
    with Journal(str(dst), str(few), {}), pytest.raises(BlockingIOError, match="in work"):
        tsr.dask.convert(few, dst, client=cluster)


def test_interrupted(cluster: Client, few: Path, tmp_path: Path) -> None:
    """Ctrl-C cancels what waits, and the next run goes on."""
    dst = tmp_path / "dst"

    def interrupt(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tsr.dask.convert(few, dst, client=cluster, files_per_task=1, progress=interrupt)
    assert not cluster.futures
    summary = tsr.dask.convert(few, dst, client=cluster)
    assert summary.failed == []
    assert summary.converted + summary.skipped == 5
    assert summary.skipped > 0


def test_no_workers(few: Path, tmp_path: Path) -> None:
    """All workers gone is an error that says how to go on."""
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as empty,
        Client(empty, set_as_default=False) as client,
    ):
        with pytest.raises(ConnectionError, match=r"no worker for 0\.5 seconds; the same command"):
            tsr.dask.convert(few, tmp_path / "dst", client=client, patience=0.5)
        empty.scale(1)
        assert counts(tsr.dask.convert(few, tmp_path / "dst", client=client)) == (5, 0, 0)


def test_a_deadly_file(cluster: Client, few: Path, tmp_path: Path) -> None:
    """A batch over which all workers die is taken apart; the file to blame is reported."""
    from tsr.dask.cluster import completed

    def deadly(packed: bytes) -> str:
        import os
        import zlib

        names = zlib.decompress(packed).decode()[1:]
        if "bad" in names:
            os._exit(1)
        return names

    batches = iter([Batch(["a", "bad", "b"], [[], [], []]), Batch(["c"], [[]])])
    results = {batch.names[0]: got for batch, got in completed(cluster, deadly, batches, 30)}
    assert {name: got for name, got in results.items() if name != "bad"} == {
        "a": "a", "b": "b", "c": "c",
    }  # fmt: skip
    assert "2 workers died" in str(results["bad"])


@pytest.mark.parametrize(
    ("client", "match"),
    [(None, "no current one"), (3, r"expected a distributed\.Client"), ("nonsense://x", "address")],
)
def test_clients(few: Path, tmp_path: Path, client: Any, match: str) -> None:
    """What is no client is refused."""
    with pytest.raises(tsr.UnsupportedError, match=match):
        tsr.dask.convert(few, tmp_path / "dst", client=client)
    assert not (tmp_path / "dst").exists()


def test_paths(cluster: Client, few: Path, tmp_path: Path) -> None:
    """Paths that the serial conversion refuses are refused, and single files with a hint."""
    with pytest.raises(tsr.ConversionError, match="the same folder"):
        tsr.dask.convert(few, few, client=cluster)
    with pytest.raises(tsr.UnsupportedError, match="expected two folders"):
        tsr.dask.convert(few / "1.npy", tmp_path / "x.tsr", client=cluster)
    for url in ("memory://dst/", "s3://bucket/dst"):
        with pytest.raises(tsr.UnsupportedError, match=f"got {url}, expected a folder"):
            tsr.dask.convert(few, url, client=cluster)
    (few / "1.pt").touch()
    with pytest.raises(tsr.ConversionError, match="would be written from this and from"):
        tsr.dask.convert(few, tmp_path / "dst", client=cluster)


def test_shell(
    cluster: Client, few: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """``tsr convert --dask``: a line for each file, what failed at the end, exit code 1."""
    (few / "4.npy").write_bytes(b"broken")
    address = cluster.scheduler_info()["address"]
    command = ["convert", "--dask", address, str(few), str(tmp_path / "dst")]
    assert main([*command, "--batch", "2"]) == 1
    out, err = capfd.readouterr()
    assert sorted(out.splitlines()) == [
        f"{few}/{number}.npy -> {tmp_path}/dst/{number}.tsr" for number in range(4)
    ]
    first, last = err.splitlines()[-2:]
    assert f"{few}/4.npy" in first
    assert last == "tsr: 4 converted, 0 done before, 1 failed"
    (few / "4.npy").unlink()
    assert main([*command, "--json"]) == 0
    assert capfd.readouterr().err.splitlines() == ["tsr: 0 converted, 4 done before, 0 failed"]
    assert main(["convert", "--batch", "2", "a", "b"]) == 2
    assert main([*command, "--batch", "0"]) == 2


def run_shell(src: Path, dst: Path) -> subprocess.Popen[str]:
    """Begin ``tsr convert --dask local`` with processes of its own; wait for its first file."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tsr", "convert", "--dask", "local", "--batch", "2", src, dst],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def is_gone(session: int) -> bool:
    """Whether no process of a session is there any more, but for those that nobody waits for."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, found = status.read_text().rpartition(")")[2].split()[:4]
            if found == str(session) and state != "Z":
                return False
    return True


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="it looks for processes there")
def test_killed_and_interrupted(cluster: Client, many: Path, tmp_path: Path) -> None:
    """SIGKILL, and Ctrl-C to all processes of a terminal, leave none and what can be gone on from.

    With Ctrl-C the exit code is 130, and nothing is said.
    """
    dst = tmp_path / "dst"
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        with run_shell(many, dst) as process:
            if number == signal.SIGKILL:
                process.kill()
            else:
                os.killpg(process.pid, number)
            _, err = process.communicate(timeout=120)
            assert process.returncode == code
            assert code < 0 or err == ""
        end = monotonic() + 60
        while not is_gone(process.pid):
            assert monotonic() < end
            sleep(0.05)
    summary = tsr.dask.convert(many, dst, client=cluster)
    assert 0 < summary.skipped < FILES - 1
    assert summary.converted + summary.skipped == FILES - 1
    tsr.convert(many, tmp_path / "serial", on_error="report")
    assert tree(dst) == tree(tmp_path / "serial")
