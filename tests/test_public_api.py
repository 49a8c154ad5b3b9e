"""The public door: its names, its types marker, and what it costs to open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tech_renaissance
import tsr

PUBLIC = [
    "ClosedFileError", "Comparison", "ConversionError", "ConversionWarning", "Explanation",
    "FormatError", "Header", "MissingExtraError", "Repair", "TSRError", "TensorFile",
    "TensorInfo", "TensorWriter", "UnsupportedError", "build_header", "compare", "convert",
    "create", "dask", "dumps", "dumps_into", "explain", "get_cmake_dir", "get_include", "load",
    "loads", "open", "open_memmap", "parse_header", "read_header", "repair", "save", "scan",
    "torch", "validate",
]  # fmt: skip


def modules_after(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and list what it imported."""
    script = f"import sys; {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    return set(done.stdout.decode().split())


def test_public_names() -> None:
    """`__all__` is this list, sorted, and every name leads somewhere."""
    assert tsr.__all__ == PUBLIC == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(tsr, name) is getattr(tsr, name)
        assert name in dir(tsr)
    assert callable(tsr.convert)


def test_unknown_names() -> None:
    """What is not there is an AttributeError, as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tsr.nonsense


def test_functions_stay_functions() -> None:
    """Importing the modules behind them in any order leaves these functions callable."""
    script = (
        "import tsr.converters.registry, tsr.diagnosis.repairing, tsr.diagnosis.explanation, tsr; "
        "assert callable(tsr.convert) and callable(tsr.repair) and callable(tsr.explain)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_typed() -> None:
    """The marker for type checkers ships beside the code."""
    assert Path(tsr.__file__).with_name("py.typed").exists()


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        pytest.param("import tsr", set(), id="import"),
        pytest.param("import tech_renaissance", set(), id="import-seed-names"),
        pytest.param("import session", set(), id="import-session"),
        pytest.param("from tech_renaissance import TechRenaissanceServer", set(), id="worker"),
        pytest.param("import session; session.PythonSession()", set(), id="client"),
        pytest.param(
            "import tsr; tsr.read_header, tsr.validate, tsr.explain, tsr.repair", set(), id="header"
        ),
        pytest.param("import tsr; tsr.Explanation, tsr.Repair", set(), id="diagnosis"),
        pytest.param("import tsr; tsr.scan", set(), id="scan"),
        pytest.param("import tsr; tsr.get_include, tsr.get_cmake_dir", set(), id="cpp"),
        pytest.param("import tsr; tsr.load, tsr.save, tsr.open_memmap", {"numpy"}, id="arrays"),
    ],
)
def test_imports_are_lazy(code: str, allowed: set[str]) -> None:
    """A package loads when something needs it, not before."""
    heavy = {
        "numpy", "torch", "construct", "safetensors", "h5py", "rich", "hypothesis", "fsspec",
        "dask", "xarray", "pandas", "pyarrow",
    }  # fmt: skip
    assert modules_after(code) & heavy == allowed


def test_seed_names() -> None:
    """The module under the framework's name offers what the framework imports from it."""
    assert tech_renaissance.__all__ == [
        "PythonSession", "TSRError", "TechRenaissanceServer", "export_tsr", "import_tsr",
    ]  # fmt: skip
    assert tech_renaissance.TSRError is tsr.TSRError
    import session

    assert tech_renaissance.PythonSession is session.PythonSession
    assert tech_renaissance.TechRenaissanceServer is session.TechRenaissanceServer
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tech_renaissance.nonsense


def test_session_names() -> None:
    """The session's public names are these, and every one leads somewhere."""
    import session

    assert session.__all__ == sorted(session.__all__) == [
        "MessageError", "Progress", "PythonSession", "SessionBusy", "SessionError",
        "SessionTimeout", "TechRenaissanceServer", "WorkerDied", "WorkerError",
        "WorkerStartError",
    ]  # fmt: skip
    for name in session.__all__:
        assert getattr(session, name).__name__ == name
        assert name in dir(session)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = session.nonsense


def test_testing_names() -> None:
    """The public strategies are these, and nothing imports them on its own."""
    from tsr import testing

    assert testing.__all__ == sorted(testing.__all__) == [
        "arrays", "corruptions", "encoded_arrays", "files", "headers", "shapes",
    ]  # fmt: skip
    for name in testing.__all__:
        assert getattr(testing, name).__name__ == name
    assert "testing" not in tsr.__all__
