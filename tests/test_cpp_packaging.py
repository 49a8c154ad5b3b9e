"""The C++ header as others embed it: from a wheel, from a prefix, with its sources, as one file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import tsr

ROOT = Path(__file__).parents[1]
HEADER = ROOT / "tsr" / "include" / "tsr" / "tsr.hpp"
CMAKE_DIR = ROOT / "tsr" / "share" / "cmake" / "tsr"
SHIPPED = {
    "tsr/include/tsr/tsr.hpp",
    "tsr/share/cmake/tsr/tsrConfig.cmake",
    "tsr/share/cmake/tsr/tsrConfigVersion.cmake",
}
# What ships beside Python and C++: the clauses, the decoder in JavaScript, the page.
WEB = {
    str(path.relative_to(ROOT))
    for path in (ROOT / "tsr").rglob("*")
    if path.suffix in (".json", ".mjs", ".html", ".css")
}

COMPILER = os.environ.get("CXX") or next(
    filter(None, map(shutil.which, ("g++", "clang++", "c++"))), ""
)


def cmake_version() -> tuple[int, ...]:
    """Ask the installed cmake for its version; empty without one."""
    if shutil.which("cmake") is None:
        return ()
    said = subprocess.run(["cmake", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:3]))


def has_zlib() -> bool:
    """Tell whether the compiler finds the headers of zlib."""
    return bool(COMPILER) and not subprocess.run(
        [COMPILER, "-E", "-x", "c++", "-"],
        input=b"#include <zlib.h>", capture_output=True, check=False,
    ).returncode  # fmt: skip


CMAKE = cmake_version()
needs_cmake = pytest.mark.skipif(not CMAKE, reason="cmake is not installed")
needs_ranges = pytest.mark.skipif(CMAKE < (3, 19), reason="cmake 3.19 has ranges of versions")
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C++ compiler is installed")
needs_zlib = pytest.mark.skipif(not has_zlib(), reason="the headers of zlib are not installed")
needs_hatchling = pytest.mark.skipif(
    find_spec("hatchling") is None, reason="hatchling, which the extra test has, is not installed"
)


def run(*command: str | Path, **environment: str) -> str:
    """Run a command that must succeed in the root of the sources, and give what it prints."""
    done = subprocess.run(
        [*command], capture_output=True, text=True, check=False, cwd=ROOT,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def configure(source: Path, *options: str) -> Path:
    """Configure a project that is outside the tree, without optimisation, and name its build."""
    build = source / "build"
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_CXX_COMPILER={COMPILER}",
        "-DCMAKE_CXX_FLAGS=-O0 -Wall -Wextra -Werror", *options)  # fmt: skip
    return build


def built(source: Path, *options: str) -> Path:
    """Build a project, and name its program."""
    build = configure(source, *options)
    run("cmake", "--build", build)
    return build / "embed"


def vector(format: str, name: str) -> bytes:
    """Take a valid file out of the test vectors."""
    vectors = json.loads((ROOT / "spec" / "vectors" / f"{format}.json").read_text())["vectors"]
    (found,) = [bytes.fromhex(item["hex"]) for item in vectors if item["id"] == name]
    return found


def check(program: Path, folder: Path, data: bytes) -> None:
    """See that the example tells what a file holds, copies it, and says why it takes no cut one."""
    whole, copy, cut = (folder / name for name in ("whole.tsr", "copy.tsr", "cut.tsr"))
    whole.write_bytes(data)
    with tsr.open(whole) as file:
        (array,) = file
        (info,) = file.infos
    said = run(program, whole, copy)
    assert said == f"FP32 {info.shape}\n"
    assert tsr.load(copy).shape == info.shape
    assert tsr.load(copy).tobytes() == array.tobytes()
    cut.write_bytes(data[:-1])
    with pytest.raises(tsr.FormatError) as error:
        tsr.load(cut)
    done = subprocess.run([program, cut, copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{error.value}\n")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the archive of the sources."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder)
    return folder


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and nothing else, in a folder whose name has a space."""
    (wheel,) = distributions.glob("*.whl")
    folder = tmp_path_factory.mktemp("with space") / "site packages"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-index", "--no-deps", "--target", folder, wheel)  # fmt: skip
    return folder


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Copy the example projects out of the tree."""
    return Path(shutil.copytree(ROOT / "tests" / "cpp" / "examples", tmp_path / "examples"))


@pytest.fixture
def float32() -> bytes:
    """Take a file of version 1 with float32 values of shape (2, 3)."""
    return vector("v1", "fp32-rank2")


@pytest.fixture
def compressed() -> bytes:
    """Take a compressed TSR4 file with the same values."""
    return vector("tsr4", "zlib-fp32")


def package_version() -> str:
    """Take the version out of pyproject.toml, the place that people edit."""
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_versions() -> None:
    """The macros of the header say the version of the package, and so does the C++ client."""
    macros = dict(re.findall(r"^#define TSR_VERSION_(\w+) +(\d+)$", HEADER.read_text(), re.M))
    assert [macros[part] for part in ("MAJOR", "MINOR", "PATCH")] == package_version().split(".")
    session = (ROOT / "session" / "cpp" / "CMakeLists.txt").read_text()
    assert f"project(tech_renaissance VERSION {package_version()} " in session


@needs_cmake
@pytest.mark.parametrize(
    ("request_", "error"),
    [
        pytest.param("", None, id="any"),
        pytest.param("0", None, id="major"),
        pytest.param("0.1", None, id="minor"),
        pytest.param("0.1.0;EXACT", None, id="exact"),
        pytest.param("0.1.1", "version: 0.1.0", id="later-patch"),
        pytest.param("0.0.9", "version: 0.1.0", id="earlier-minor"),
        pytest.param("0.2", "version: 0.1.0", id="later-minor"),
        pytest.param("1", "version: 0.1.0", id="later-major"),
        pytest.param("0.0.1...0.1", None, id="range", marks=needs_ranges),
        pytest.param(
            "0.0.1...<0.1", "version: 0.1.0", id="range-without-its-end", marks=needs_ranges
        ),
        pytest.param("COMPONENTS;zlib", "its component zlib needs zlib", id="zlib-missing"),
        pytest.param("OPTIONAL_COMPONENTS;zlib", None, id="zlib-optional"),
        pytest.param("COMPONENTS;lz4", "it has no component lz4, only zlib", id="no-component"),
        pytest.param("OPTIONAL_COMPONENTS;lz4", None, id="no-component-optional"),
    ],
)
def test_requests(request_: str, error: str | None, tmp_path: Path) -> None:
    """find_package takes the versions and components that it should, and says why not."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.15...3.31)\n"
        "project(request LANGUAGES NONE)\n"
        "find_package(tsr ${REQUEST} CONFIG REQUIRED)\n"
        'message("version: ${tsr_VERSION}")\n'
        "if(TARGET tsr::zlib OR NOT TARGET tsr::tsr)\n"
        '    message(FATAL_ERROR "wrong targets")\n'
        "endif()\n"
    )
    done = subprocess.run(
        ["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-Dtsr_DIR={CMAKE_DIR}",
         f"-DREQUEST={request_}", "-DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON", "--no-warn-unused-cli"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = " ".join(done.stderr.split())
    if error is None:
        assert (done.returncode, said) == (0, f"version: {package_version()}")
    else:
        assert done.returncode == 1
        assert error in said


@needs_hatchling
def test_files_of_the_wheel(distributions: Path) -> None:
    """The wheel has the header and its CMake package, as they are here, and none of the tests."""
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        for name in SHIPPED | WEB:
            assert wheel.read(name) == (ROOT / name).read_bytes()
    beside_python = {name for name in names if name.startswith("tsr/") and name[-3:] != ".py"}
    assert beside_python == {*SHIPPED, *WEB, "tsr/py.typed"}
    tops = {name.split("/")[0] for name in names}
    dist_info = f"tsr_codec-{package_version()}.dist-info"
    assert tops == {"tsr", "session", "tech_renaissance.py", dist_info}


@needs_hatchling
def test_files_of_the_source_archive(distributions: Path) -> None:
    """The archive of the sources has them too, and what builds and tests them."""
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*SHIPPED, *WEB, "CMakeLists.txt", "tests/cpp/CMakeLists.txt", "LICENSE"} <= names


@needs_hatchling
@needs_cmake
@needs_compiler
def test_wheel(
    installed: Path, examples: Path, tmp_path: Path, float32: bytes, compressed: bytes
) -> None:
    """A project finds the header of the wheel by what `tsr --cmake-dir` prints."""
    command = installed / "bin" / "tsr"
    said = run(command, "--include-dir", "--cmake-dir", PYTHONPATH=str(installed))
    include, cmake = said.splitlines()
    assert include == str(installed / "tsr" / "include")
    assert cmake == str(installed / "tsr" / "share" / "cmake" / "tsr")
    program = built(examples / "wheel", f"-Dtsr_DIR={cmake}")
    check(program, tmp_path, float32)
    if has_zlib():
        check(program, tmp_path, compressed)


@needs_cmake
@needs_compiler
def test_prefix(examples: Path, tmp_path: Path, float32: bytes) -> None:
    """`cmake --install` needs nothing built, and find_package searches the prefix."""
    build = tmp_path / "build"
    run("cmake", "-S", ROOT, "-B", build, f"-DCMAKE_CXX_COMPILER={COMPILER}")
    run("cmake", "--install", build, "--prefix", tmp_path / "prefix")
    files = {p.relative_to(tmp_path) for p in (tmp_path / "prefix").rglob("*") if p.is_file()}
    assert files == {Path("prefix", *Path(name).parts[1:]) for name in SHIPPED}
    (tmp_path / "prefix").rename(tmp_path / "moved")
    program = built(
        examples / "wheel",
        f"-DCMAKE_PREFIX_PATH={tmp_path / 'moved'}",
        "-DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON",
    )
    check(program, tmp_path, float32)


@needs_cmake
@needs_compiler
@needs_zlib
def test_subdirectory_with_zlib(examples: Path, tmp_path: Path, compressed: bytes) -> None:
    """A project takes in the sources, and reads what is compressed."""
    (examples / "source" / "third_party").mkdir()
    (examples / "source" / "third_party" / "tsr").symlink_to(ROOT)
    program = built(examples / "source", "-DTSR_WITH_ZLIB=ON")
    check(program, tmp_path, compressed)


@needs_cmake
@needs_compiler
def test_fetched(examples: Path) -> None:
    """FetchContent gives the target, and neither zlib nor anything to build or install."""
    build = configure(examples / "source", f"-DFETCHCONTENT_SOURCE_DIR_TSR={ROOT}")
    cache = (build / "CMakeCache.txt").read_text()
    options = set(re.findall(r"^(TSR_\w+|TR_\w+):BOOL=ON$", cache, re.MULTILINE))
    assert options == set()
    targets = run("cmake", "--build", build, "--target", "help")
    assert "embed" in targets
    assert "tsr" not in targets


@needs_compiler
def test_one_file(examples: Path, tmp_path: Path, float32: bytes) -> None:
    """The header alone, copied, is all that a compiler needs."""
    (tmp_path / "tsr").mkdir()
    shutil.copy(HEADER, tmp_path / "tsr")
    run(COMPILER, "-std=c++17", f"-I{tmp_path}", examples / "embed.cpp", "-o", tmp_path / "embed")
    check(tmp_path / "embed", tmp_path, float32)
