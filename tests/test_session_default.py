"""The worker that ``"default"`` names: what it says, and that it computes what torch does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from session import PythonSession, WorkerError
from session.arithmetic import COMMANDS

Array = NDArray[Any]

# What a worker takes milliseconds for may take this long on a machine that does much else.
PATIENCE_MS = 120_000

DTYPES = ["float32", "int8", "int32"]
PAIRS = list(product(DTYPES, DTYPES))

# Of each dtype what is special about it, and more elements than one vector of a processor has.
VALUES: dict[str, Array] = {
    "float32": np.array(
        [0.0, -0.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.0, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38,
         8388609.5, np.inf, -np.inf, np.nan, -np.nan, *np.linspace(-9, 9, 101)], np.float32,
    ),
    "int8": np.arange(-128, 128, dtype=np.int8),
    "int32": np.array(
        [-(2**31), 1 - 2**31, -46341, -129, -2, -1, 0, 1, 2, 3, 128, 46341, 2**24 + 1, 2**31 - 1],
        np.int32,
    ),
}  # fmt: skip

UNARY: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "abs": torch.abs,
    "negative": torch.negative,
    "ones_like": torch.ones_like,
    "reciprocal": torch.reciprocal,
    "relu": torch.relu,
    "round": torch.round,
    "sign": torch.sign,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "transpose": lambda x: x.transpose(0, 1),
    "zeros_like": torch.zeros_like,
}

# How far torch may be from the nearest float32: its processor's vectors round roots differently.
ROUNDING = {"sqrt": 2.0**-22}

# Kernel size, stride and padding are in the names.
CONVOLUTIONS: dict[str, tuple[Callable[..., torch.Tensor], int, int, int]] = {
    "conv_k1_s1_p0": (functional.conv2d, 1, 1, 0),
    "conv_k1_s2_p0": (functional.conv2d, 1, 2, 0),
    "conv_k3_s1_p0": (functional.conv2d, 3, 1, 0),
    "conv_k3_s1_p1": (functional.conv2d, 3, 1, 1),
    "conv_k3_s2_p1": (functional.conv2d, 3, 2, 1),
    "conv_k7_s2_p3": (functional.conv2d, 7, 2, 3),
    "tconv_k3_s1_p1": (functional.conv_transpose2d, 3, 1, 1),
    "tconv_k3_s2_p1": (functional.conv_transpose2d, 3, 2, 1),
}

SHAPES: list[tuple[int, ...]] = [
    (), (1,), (3,), (2, 3), (3, 2), (3, 3), (5, 3, 2), (5, 2, 3), (1, 2, 3), (4, 5, 2, 3),
    (4, 1, 3, 2), (0,), (0, 3), (3, 0), (5, 0, 3), (4, 0, 3, 2),
]  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PythonSession]:
    """Start the worker, for all tests."""
    with PythonSession(workspace=tmp_path_factory.mktemp("workspace")) as session:
        yield session


def ask(session: PythonSession, message: str, *arrays: Array) -> Any:
    """Ask for an array or text."""
    return session.submit(message, *arrays, timeout_ms=PATIENCE_MS).result()


def by_torch(function: Callable[..., torch.Tensor], *arrays: Array) -> Array | None:
    """Compute with torch; None where it refuses."""
    try:
        return function(*map(torch.from_numpy, arrays)).numpy()
    except (RuntimeError, IndexError):
        return None


def by_name(command: str, *arrays: Array) -> Array | None:
    """Compute as the worker does, without one; None where that is refused."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(COMMANDS[command].compute(*arrays))
    except (RuntimeError, IndexError, ValueError):
        return None


def assert_same(got: Any, expected: Array | None, rtol: float = 0) -> None:
    """Compare dtypes, shapes and bits, but for those of a NaN; None is a refusal."""
    if expected is None:
        assert got is None or got == "invalid"
        return
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(got, expected, rtol, atol=0)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(expected)[numbers])


def some(dtype: str, *shape: int, seed: int = 0) -> Array:
    """Make integers that float32 sums exactly; sums of int8 overflow."""
    return np.random.default_rng(seed).integers(-99, 100, shape).astype(dtype)


def test_commands() -> None:
    """Every command is tested here."""
    assert COMMANDS.keys() == {*UNARY, *CONVOLUTIONS, "add", "linear", "matmul"}


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("hello world", "Hello World"),
        ("HELLO wide world", "Hello Wide World"),
        ("hi bob", "Hi Bob"),
        ("hello", "Hello"),
        ("echo  What was   said", "What was   said"),
        ("Echo grüße, 数", "grüße, 数"),
        ("echo", ""),
    ],
)
def test_text(message: str, answer: str, session: PythonSession) -> None:
    """It greets in title case and repeats what it is told."""
    assert session.fetch_response(message, PATIENCE_MS) == answer


@pytest.mark.parametrize("command", ["frobnicate", "__class__", "conv2d"])
def test_unknown_command(command: str, session: PythonSession) -> None:
    """What it does not know is the client's error, and it serves on."""
    with pytest.raises(WorkerError, match=f"unknown command '{command}'"):
        ask(session, command)
    assert ask(session, "echo on") == "on"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("command", UNARY)
def test_unary(command: str, dtype: str, session: PythonSession) -> None:
    """Functions of one array give what torch gives, through a session."""
    values = VALUES[dtype].reshape(2, -1)
    expected = by_torch(UNARY[command], values)
    assert_same(ask(session, command, values), expected, ROUNDING.get(command, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_sqrt(dtype: str) -> None:
    """A root is the float32 that is nearest."""
    with np.errstate(invalid="ignore"):
        expected = np.sqrt(VALUES[dtype].astype(np.float32).astype(np.float64))
    assert_same(by_name("sqrt", VALUES[dtype]), expected.astype(np.float32))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("command", UNARY)
def test_unary_shapes(command: str, dtype: str) -> None:
    """They do so for any shape, or refuse it where torch does."""
    for shape in SHAPES:
        values = some(dtype, *shape)
        expected = by_torch(UNARY[command], values)
        assert_same(by_name(command, values), expected, ROUNDING.get(command, 0))


@pytest.mark.parametrize("dtypes", PAIRS, ids="-".join)
def test_add(dtypes: tuple[str, str], session: PythonSession) -> None:
    """A sum has torch's dtype and values, integers wrap around."""
    a, b = (VALUES[dtype] for dtype in dtypes)
    a, b = a[:, None], b[::-1].copy()
    assert_same(ask(session, "add", a, b), by_torch(torch.add, a, b))


@pytest.mark.parametrize("dtypes", PAIRS, ids="-".join)
@pytest.mark.parametrize("command", ["add", "matmul"])
def test_binary_shapes(command: str, dtypes: tuple[str, str]) -> None:
    """Shapes and dtypes that do not fit are refused where torch refuses them."""
    function = torch.add if command == "add" else torch.matmul
    for left, right in product(SHAPES, SHAPES):
        a, b = some(dtypes[0], *left), some(dtypes[1], *right, seed=1)
        expected = by_torch(function, a, b)
        if command == "matmul" and dtypes[0] != dtypes[1]:
            expected = None  # torch forgets to, for some that are empty
        assert_same(by_name(command, a, b), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matmul(dtype: str, session: PythonSession) -> None:
    """A product is torch's; one of integers wraps around."""
    a, b = some(dtype, 20, 30), some(dtype, 30, 10, seed=1)
    assert_same(ask(session, "matmul", a, b), by_torch(torch.matmul, a, b))


def test_matmul_rounds(session: PythonSession) -> None:
    """Where sums are rounded, only their last bits may differ."""
    random = np.random.default_rng(0)
    a = random.standard_normal((60, 300), np.float32)
    b = random.standard_normal((300, 50), np.float32)
    expected = torch.matmul(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(ask(session, "matmul", a, b), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear(dtype: str, session: PythonSession) -> None:
    """A layer is torch's, with its bias and without."""
    x, weight, bias = some(dtype, 4, 5, 6), some(dtype, 3, 6, seed=1), some(dtype, 3, seed=2)
    for arrays in ((x, weight), (x, weight, bias), (x, weight, bias[0:1].reshape(()))):
        assert_same(ask(session, "linear", *arrays), by_torch(functional.linear, *arrays))


@pytest.mark.parametrize("dtypes", PAIRS, ids="-".join)
def test_linear_shapes(dtypes: tuple[str, str]) -> None:
    """A layer without bias is refused where torch refuses it."""
    for left, right in product(SHAPES, SHAPES):
        x, weight = some(dtypes[0], *left), some(dtypes[1], *right, seed=1)
        assert_same(by_name("linear", x, weight), by_torch(functional.linear, x, weight))


@pytest.mark.parametrize("dtypes", PAIRS, ids="-".join)
def test_bias_shapes(dtypes: tuple[str, str]) -> None:
    """A bias that torch documents is added; any other is refused, or gives what torch gives."""
    documented = (), (3,)
    for shape, of_weight, of_bias in product(
        [(2,), (4, 2), (5, 4, 2), (4, 3), (0, 2), ()],
        [(3, 2), (2,), (1, 2), (0, 2), (2, 3, 2)],
        [*documented, (1,), (2,), (4,), (0,), (4, 3), (1, 3), (5, 4, 3), (4, 1), (20, 3)],
    ):
        x, weight = some(dtypes[0], *shape), some(dtypes[0], *of_weight, seed=1)
        bias = some(dtypes[1], *of_bias, seed=2)
        got = by_name("linear", x, weight, bias)
        expected = by_torch(functional.linear, x, weight, bias)
        is_documented = of_weight == (3, 2) and of_bias in documented
        if got is not None or (is_documented and dtypes[0] == dtypes[1]):
            assert_same(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("command", CONVOLUTIONS)
def test_convolution(command: str, dtype: str, session: PythonSession) -> None:
    """A convolution is torch's, with the stride and padding of its name; so is a refusal."""
    function, size, stride, padding = CONVOLUTIONS[command]
    channels = (3, 4) if function is functional.conv_transpose2d else (4, 3)
    x, kernel = some(dtype, 2, 3, 9, 8), some(dtype, *channels, size, size, seed=1)

    def convolve(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return function(x, kernel, stride=stride, padding=padding)

    for left, right in (
        (x, kernel), (x[0], kernel), (x, kernel.repeat(2, 2).repeat(2, 3)),
        (x[:, :2], kernel), (x[0, 0], kernel), (x, kernel[0]), (x, kernel.astype("float32")),
        (x[:0], kernel), (x[:, :, :1, :1], kernel),
    ):  # fmt: skip
        left = left.copy()
        assert_same(ask(session, command, left, right), by_torch(convolve, left, right))


def test_case_and_commas(session: PythonSession) -> None:
    """Names of commands have no case, and names of tensors may be joined by commas."""
    a, b = some("int8", 2, 3), some("int8", 2, 3, seed=1)
    session.send_tensor(a, "left")
    session.send_tensor(b, "right")
    np.testing.assert_array_equal(session.fetch_tensor("ADD left,right", PATIENCE_MS), a + b)


@pytest.mark.parametrize("command", COMMANDS)
def test_invalid_counts(command: str, session: PythonSession) -> None:
    """Too few tensors or too many cannot be computed, nor can tensors that are not there."""
    array = np.ones((1, 1, 7, 7), np.float32)
    for count in range(5):
        if count not in COMMANDS[command].counts:
            assert ask(session, command, *[array] * count) == "invalid"
    absent = " ".join("xyz"[: COMMANDS[command].counts[0]])
    assert ask(session, f"{command} {absent}") == "invalid"
    assert isinstance(ask(session, "relu", array), np.ndarray)


def test_invalid_tensor(session: PythonSession) -> None:
    """A file that is no tensor cannot be computed."""
    Path(session.session_dir, "a.tsr").write_bytes(b"TSR?")
    assert ask(session, "relu a") == "invalid"


def test_too_large_a_result(session: PythonSession) -> None:
    """A result that memory has no room for is the client's error, and the worker serves on."""
    row = np.ones((1, 1 << 24), np.int8)
    with pytest.raises(WorkerError, match="MemoryError"):
        ask(session, "add", row, row.T)
    assert ask(session, "echo on") == "on"


MODULES = """\
import sys
from session.default_worker import DefaultWorker

class Worker(DefaultWorker):
    def main_logic(self, command, parameters):
        if command == "modules":
            self.write_response("", " ".join(sorted({"numpy", "torch"} & sys.modules.keys())))
            return True
        return super().main_logic(command, parameters)

Worker().run(sys.argv[1])
"""


def test_imports(tmp_path: Path) -> None:
    """With the first tensor numpy comes in, torch with the first convolution."""
    script = tmp_path / "worker.py"
    script.write_text(MODULES)
    image = np.ones((1, 1, 3, 3), np.float32)
    with PythonSession(script, workspace=tmp_path) as session:
        assert ask(session, "hello") == "Hello"
        assert ask(session, "modules") == ""
        np.testing.assert_array_equal(ask(session, "round", image), image)
        assert ask(session, "modules") == "numpy"
        np.testing.assert_array_equal(ask(session, "conv_k3_s1_p0", image, image), [[[[9]]]])
        assert ask(session, "modules") == "numpy torch"


def test_without_torch(tmp_path: Path) -> None:
    """Where torch is not installed, only convolutions are an error, which says what to install."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\nsys.modules['torch'] = None\nfrom session.default_worker import main\nmain()\n"
    )
    image = np.ones((1, 1, 3, 3), np.float32)
    with PythonSession(script, workspace=tmp_path) as session:
        with pytest.raises(WorkerError, match=r"MissingExtraError: .*tsr-codec\[torch\]"):
            ask(session, "conv_k3_s1_p0", image, image)
        np.testing.assert_array_equal(ask(session, "square", image), image)


def test_current_folder_has_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules in the current folder do not take the place of the worker's own."""
    for name in ("json.py", "session.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with PythonSession(quiet_mode=True, workspace=tmp_path / "workspace") as session:
        assert session.fetch_response("hello world") == "Hello World"
