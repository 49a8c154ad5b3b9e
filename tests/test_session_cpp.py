"""The C++ client: the programs of the framework's document, its unit tests, its packages."""

from __future__ import annotations

import os
import random
import re
import subprocess
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from session.errors import MessageError
from session.message import decode_response
from tests.session_cpp import (
    EXAMPLES,
    PATIENCE_MS,
    ROOT,
    SOURCES,
    CppError,
    a_client,
    build_programs,
    client_environment,
    configure,
    driver_of,
    install,
    make,
)
from tests.test_session_seed import BATCH_SERVER, FAILING_SERVER, HELLO_SERVER, MATRIX_SERVER

SEED = ROOT.parent / "shared" / "seed" / "seed-in-english.md"

MATMUL = """\
result shape: (4, 5)
result: FP32 (4, 5)
[[9, 9, 9, 9, 9],
 [9, 9, 9, 9, 9],
 [9, 9, 9, 9, 9],
 [9, 9, 9, 9, 9]]
"""
ONES = "ones: FP32 (2, 2)\n[[1, 1],\n [1, 1]]\n"


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build all programs."""
    return build_programs(tmp_path_factory)


def run_program(program: Path, folder: Path, server: str = "", *arguments: str) -> tuple[str, str]:
    """Run a client, which has to leave nothing behind; give what it prints on stdout and stderr."""
    here, module, workspace = folder / "build", folder / "python" / "module", folder / "workspace"
    here.mkdir()
    module.mkdir(parents=True)
    (module / "python_server.py").write_text(server)
    done = subprocess.run(
        [program, *arguments], cwd=here, env=client_environment(workspace), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert os.listdir(workspace / "python_session") == []
    return done.stdout, done.stderr


# ---------------------------------------------------------------- as printed


@pytest.mark.skipif(not SEED.exists(), reason="the framework's document is not beside the sources")
def test_examples_are_as_printed() -> None:
    """Every C++ program and fragment of the document stands in an example, line for line."""
    texts = {path.name: path.read_text() for path in EXAMPLES.glob("*.cpp")}
    examples = {name: text for name, text in texts.items() if "framework's document" in text}
    blocks = re.findall(r"```cpp\n(.*?)```", SEED.read_text(), re.DOTALL)
    found = set()
    for block in blocks:
        if block.startswith("PythonSession("):  # the list of methods
            continue
        where = [
            name
            for name, text in examples.items()
            if block in text or textwrap.indent(block, "    ") in text
        ]
        assert where, block
        found.update(where)
    assert found == set(examples)


def test_matmul(programs: Path, tmp_path: Path) -> None:
    """Example 1: a worker multiplies the matrices of a client."""
    assert run_program(programs / "matmul", tmp_path, MATRIX_SERVER) == (MATMUL, "")


def test_hello(programs: Path, tmp_path: Path) -> None:
    """Example 2: the default worker greets."""
    output = "Python said: Hello World\n"
    assert run_program(programs / "hello", tmp_path) == (output, "")


def test_hello_server(programs: Path, tmp_path: Path) -> None:
    """Its worker script greets as the default worker does."""
    script = tmp_path / "python_server.py"
    script.write_text(HELLO_SERVER)
    with a_client(driver_of(programs), tmp_path / "workspace", script) as session:
        session("start")
        assert session("fetch", PATIENCE_MS, "hello world") == "Hello World"


def test_default_worker(programs: Path, tmp_path: Path) -> None:
    """The README's example prints what its comments say."""
    output = "Hello World\n(4, 5) 9\n"
    assert run_program(programs / "default_worker", tmp_path) == (output, "")


def test_asynchronous(programs: Path, tmp_path: Path) -> None:
    """The asynchronous example: another thread waits for the result."""
    output = "result: FP32 (2, 2)\n[[6, 6],\n [6, 6]]\n"
    assert run_program(programs / "asynchronous", tmp_path, MATRIX_SERVER) == (output, "")


def test_many_tensors(programs: Path, tmp_path: Path) -> None:
    """The example of many tensors: as many results, of all dtypes."""
    output = "FP32 (2,)\n[1, 1]\nINT8 (1, 2)\n[[5, 6]]\nINT32 ()\n7\n"
    assert run_program(programs / "many_tensors", tmp_path, BATCH_SERVER) == (output, "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("kill", "the worker was killed by signal 9"),
        ("exit_unasked", "the worker exited with status 0"),
        ("hang", "the response to 'hang': did not come within 500 ms"),
        ("raise it", "ValueError: it"),
        ("forget_the_tensor", "it answered 'ok', no tensor"),
        ("unknown", "unknown command 'unknown'"),
    ],
)
def test_recovery(command: str, message: str, programs: Path, tmp_path: Path) -> None:
    """The recovery example: whatever failed, the next worker answers."""
    program = programs / ("recovery_hang" if command == "hang" else "recovery")
    stdout, stderr = run_program(program, tmp_path, FAILING_SERVER, command)
    assert stdout == "result: INT32 (3,)\n[1, 1, 1]\n"
    assert stderr.startswith("fetching the tensor failed: ")
    assert stderr.rstrip().endswith(message)


def test_with_the_session(programs: Path, tmp_path: Path) -> None:
    """The build option ON."""
    assert run_program(programs / "build_option", tmp_path) == (f"with the session\n{ONES}", "")


def test_without_the_session(programs: Path, tmp_path: Path) -> None:
    """The build option OFF, in a project of its own: nothing of the session is there."""
    build = tmp_path / "build"
    configure(SOURCES, build, "-DTR_BUILD_PYTHON_SESSION=OFF", "-DTR_BUILD_EXAMPLES=ON")
    make(build)
    program = build / "examples" / "build_option"
    assert subprocess.check_output([program], text=True) == f"without the session\n{ONES}"
    assert not (build / "examples" / "hello").exists()
    symbols = subprocess.check_output(["nm", build / "libtech_renaissance.a"], text=True)
    assert "Tensor" in symbols
    assert "PythonSession" not in symbols
    prefix = tmp_path / "prefix"
    install(build, prefix)
    assert list(prefix.rglob("tensor.h"))
    assert not list(prefix.rglob("python_session.h"))


# ---------------------------------------------------------------- messages

_MESSAGES = [
    b'{"command": "matmul", "result": "ok", "message": "", "id": "ab-1", "tensors": ["r", "s"]}',
    b'{"cmd": "echo", "params": "a, b"}',
    b'{"cmd":"say","params":"say "hi" and C:\\q"}',
    b'{"result": "\\ud83d\\ude00 \\ud83d \\u0041\\n", "x": [1.5e-3, {"a": [null, true]}]}',
    b'{"result": "gr\xc3\xb6\xc3\x9fe \xf0\x9f\x98\x80", "y": -Infinity, "z": {}, "w": []}',
]
# What stands in messages, and what should not.
_PIECES = [
    *(bytes([byte]) for byte in b'{}[]",:\\/ \t\n\x00\x1f\x7f0-.eE+utnfN\xff\xc3\xed\xa0'),
    *(
        b'"result"',
        b'"params":"',
        b"null",
        b"NaN",
        b"-1e5",
        b"\\u",
        b"\\ud800",
        b"[[",
        b"{}",
        b'""',
    ),
]


def mutated(chance: random.Random) -> bytes:
    """Change one of the messages in a few places."""
    data = chance.choice(_MESSAGES)
    for _ in range(chance.randrange(4)):
        start = chance.randrange(len(data) + 1)
        end = min(start + chance.randrange(3), len(data))
        piece = chance.choice([*_PIECES, data[start : start + 9]])
        data = data[:start] + piece + data[end:]
    return data


def test_messages_are_read_as_in_python(programs: Path, tmp_path: Path) -> None:
    """Both languages take the same responses, refuse the same, and find the same in them."""
    chance = random.Random(7)
    taken = 0
    with a_client(driver_of(programs), tmp_path, "default") as session:
        for _ in range(4000):
            data = mutated(chance)
            try:
                response = decode_response(data)
            except MessageError:
                expected = None
            else:
                taken += 1
                texts = [*response[:3], response.id, *response.tensors]
                lines = [text.replace("\\", "\\\\").replace("\n", "\\n") for text in texts]
                lines = [line.replace("\r", "\\r") for line in lines]
                expected = "\n".join([*lines, "original" if response.is_original else "ours"])
            found = None
            with suppress(CppError):
                found = session("decode", data.hex())
            assert found == expected, data
    assert 1000 < taken < 3000


# ---------------------------------------------------------------- the library


def test_units(programs: Path, tmp_path: Path) -> None:
    """Messages and tensors, by the unit tests in C++."""
    tests = programs / "session" / "tests" / "session_unit_tests"
    if not tests.exists():
        pytest.skip("there is no doctest")
    done = subprocess.run([tests], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Status: SUCCESS!" in done.stdout


def test_installed(programs: Path, tmp_path: Path) -> None:
    """`find_package(tech_renaissance)` finds what was installed, and an example builds with it."""
    prefix, project = tmp_path / "prefix", tmp_path / "project"
    install(programs, prefix)
    project.mkdir()
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\n"
        "project(consumer LANGUAGES CXX)\n"
        "find_package(tech_renaissance 0.1 REQUIRED)\n"
        f'add_executable(hello "{EXAMPLES}/hello.cpp")\n'
        "target_link_libraries(hello PRIVATE tech_renaissance::tech_renaissance)\n"
    )
    configure(project, tmp_path / "made", f"-DCMAKE_PREFIX_PATH={prefix}")
    make(tmp_path / "made")
    output = "Python said: Hello World\n"
    assert run_program(tmp_path / "made" / "hello", tmp_path) == (output, "")


def test_public_headers() -> None:
    """Public headers include those of the standard library and each other, none of the system."""
    allowed = {
        *("array", "cstddef", "cstdint", "functional", "future", "initializer_list", "iostream"),
        *("memory", "optional", "stdexcept", "string", "system_error", "type_traits", "vector"),
    }
    for header in (ROOT / "session" / "include").rglob("*.h"):
        assert set(re.findall(r"#include <(.*)>", header.read_text())) <= allowed
