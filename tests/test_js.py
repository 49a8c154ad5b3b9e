"""JavaScript beside the decoder: numbers as text, statistics, fields, resemblances, colours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

import tsr
from spec.conformance.vectors import cases
from tsr.cli.viewing import palette
from tsr.diagnosis.resemblance import resemblance
from tsr.dtypes import ANNOUNCED, TSR4_BY_CODE, V1_BY_CODE
from tsr.page.tables import layout_tables
from tsr.viewing.statistics import summarize

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def node(code: str, data: Any) -> Any:
    """Run statements that import from the package's modules; they `answer` from the `data`."""
    program = (
        "import { readFileSync } from 'node:fs';\n"
        "const data = JSON.parse(readFileSync(0, 'utf-8'));\n"
        "const bytesOf = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));\n"
        "const answer = (found) => process.stdout.write(JSON.stringify(found));\n" + code
    )
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program],
        input=json.dumps(data), capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


NUMBERS = """
const { Numbers } = await import('./tsr/js/numbers.mjs');
answer(data.map(([dtype, hex]) => {
  const numbers = new Numbers({ dtype, elements: bytesOf(hex) });
  return Array.from(numbers.values, (_, at) => [numbers.text(at), numbers.hex(at)]);
}));
"""


def digits(text: str) -> int:
    """Count the digits that matter in a number."""
    return len(re.sub(r"\D", "", text.lower().split("e")[0]).strip("0"))


def test_numbers_round_trip_in_the_fewest_digits() -> None:
    """Text gives the same bits when it is read back, and has no digit more than numpy's."""
    powers = np.arange(255, dtype=np.uint32) << 23
    chance = np.random.default_rng(1).integers(0, 2**32, 3000, np.uint32)
    single = np.concatenate([powers, powers[1:] - 1, powers + 1, chance]).view(np.float32)
    half = np.arange(65536, dtype=np.uint16)[::3].view(np.float16)
    arrays: list[NDArray[Any]] = [half, single]
    found = node(NUMBERS, [[array.dtype.name, array.tobytes().hex()] for array in arrays])
    for array, texts in zip(arrays, found, strict=True):
        for value, (text, bits) in zip(array, texts, strict=True):
            assert int(bits, 16) == int.from_bytes(value.tobytes(), "little")
            assert len(bits) == 2 + 2 * array.dtype.itemsize
            if np.isnan(value):
                assert text == "NaN"
                continue
            assert array.dtype.type(text).tobytes() == value.tobytes()
            if np.isfinite(value):
                assert digits(text) <= digits(np.format_float_scientific(value))


STEPS = """
const { inflating } = await import('./tsr/js/inflate.mjs');
const steps = inflating(bytesOf(data.stream), BigInt(data.size));
let [step, count] = [steps.next(), 1];
for (; !step.done; count++) step = steps.next();
answer({ steps: count, size: step.value.length, zeros: step.value.every((byte) => !byte) });
"""


def test_a_block_that_holds_much_is_inflated_in_steps() -> None:
    """However much a few bytes of one block stand for, a page can do other things meanwhile."""
    size = 4 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9)  # makes one block of so much
    stream = packer.compress(bytes(size)) + packer.flush()
    found = node(STEPS, {"stream": stream.hex(), "size": size})
    assert found["size"] == size
    assert found["zeros"]
    assert found["steps"] > 2 * 4  # of half a MiB, and as many for the checksum


LAYOUT_STEPS = """
const { decoding } = await import('./tsr/js/tsr.mjs');
const steps = decoding(bytesOf(data));
let count = 0;
try {
  while (!steps.next().done) count++;
} catch (error) {
  answer([error.clause, count]);
}
"""


def test_a_directory_is_read_in_steps() -> None:
    """However many tensors a file has, a page can do other things while it reads of them."""
    data = tsr.dumps([np.ones(1, np.int8)] * 5000, format="tsr4", compress=True)
    directory = data[: 128 + 64 * 5000]
    # The last entry is wrong, so that no payload is looked at.
    broken = directory[:-64] + b"\xff" + data[len(directory) - 63 :]
    assert node(LAYOUT_STEPS, broken.hex()) == ["T4-DTYPE-1", 4]


WHILE_READING = """
const { sampledFile } = await import('./tsr/page/files.mjs');
const bytes = bytesOf(data);
const tensors = Array(20_000).fill({});
let [turns, done] = [0, false];
const reading = Promise.resolve(sampledFile('x', bytes, { size: bytes.length, tensors }, {}));
reading.then(() => { done = true; });
for (; !done; turns++) await new Promise((resolve) => setTimeout(resolve));
answer([turns, (await reading).tensors.length]);
"""


def test_files_of_many_tensors_are_taken_in_steps() -> None:
    """A page does other things while it takes the many tensors of a file that it has samples of."""
    data = tsr.dumps([np.ones(1, np.int8)] * 20_000, format="tsr4", compress=True)
    turns, count = node(WHILE_READING, data.hex())
    assert count == 20_000
    assert turns > 3


ABORTED = """
const { patiently } = await import('./tsr/js/steps.mjs');
let taken = 0;
const work = new AbortController();
function* steps() {
  for (const start = performance.now(); performance.now() - start < 2000; taken++) yield;
}
setTimeout(() => work.abort());
const ended = await patiently(steps(), work.signal).catch(({ name }) => name);
const before = taken;
await new Promise((resolve) => setTimeout(resolve, 30));
answer([ended, taken === before]);
"""


def test_steps_that_nobody_waits_for_are_not_taken() -> None:
    """Who chooses another tensor meanwhile does not wait for the one before."""
    assert node(ABORTED, None) == ["AbortError", True]


BOMBS = """
const { decoding } = await import('./tsr/js/tsr.mjs');
const { finish } = await import('./tsr/js/steps.mjs');
const { readFile } = await import('./tsr/page/files.mjs');
const { Memory } = await import('./tsr/page/memory.mjs');
const kept = (tensors) => tensors.map(({ elements }) => elements?.length ?? null);
const bytes = bytesOf(data.file);
const some = kept(finish(decoding(bytes, { keep: 5000 })).tensors);
let told;
try {
  finish(decoding(bytes, { most: 2000 }));
} catch (error) {
  told = `${error}`;
}
const { tensors } = await readFile('x', bytes, data.rules);
const dropped = [];
const memory = new Memory(20);
for (const name of ['a', 'b', 'c']) memory.hold({ drop: () => dropped.push(name) }, 9);
tensors[1].drop();
const again = (await tensors[1].load()).values.length;
answer({ some, told, all: kept(tensors.slice(2)), again, dropped, left: memory.left });
"""


def test_a_few_bytes_do_not_fill_the_memory() -> None:
    """Of what a compressed file stands for only so much is held; the rest is inflated again."""
    data = tsr.dumps([np.zeros(2048, np.int8)] * 4, format="tsr4", compress=True)
    rules = {"tables": layout_tables(), "clauses": {}}
    found = node(BOMBS, {"file": data.hex(), "rules": rules})
    assert found == {
        "some": [2048, 2048, None, None],
        "told": "RangeError: a tensor of more than 2000 bytes",
        "all": [2048, 2048],
        "again": 2048,
        "dropped": ["a"],
        "left": 2,
    }


SUMMARIES = """
const { Numbers } = await import('./tsr/js/numbers.mjs');
const { summarizing } = await import('./tsr/js/statistics.mjs');
const { finish } = await import('./tsr/js/steps.mjs');
answer(data.map(([dtype, hex]) => {
  const { values } = new Numbers({ dtype, elements: bytesOf(hex) });
  return finish(summarizing(values));
}));
"""


def arrays_to_summarize() -> list[NDArray[Any]]:
    """Make arrays whose statistics are easy to get wrong."""
    chance = np.random.default_rng(2)
    special = chance.standard_normal(500).astype(np.float32)
    special[::7], special[::11], special[::13], special[::5] = np.nan, np.inf, -np.inf, -0.0
    return [
        special,
        (chance.standard_normal(200_000) * 1e-3 + 1e4).astype(np.float32),
        np.full(70_000, 0.1, np.float32),
        np.array([3.4e38, -3.4e38, 1e-45], np.float32),
        np.array([], np.float32),
        np.array([np.nan, np.inf], np.float16),
        chance.standard_normal(999).astype(np.float16),
        np.arange(-128, 128, dtype=np.int8),
        chance.integers(-(2**31), 2**31, 5000, np.int32),
        np.array([2**31 - 1, -(2**31)], np.int32),
        np.array([5, 5, 5, 9], np.int32),
    ]


def test_statistics_are_those_of_the_package() -> None:
    """What the page finds in numbers is what `tsr.viewing.statistics` does, histograms included."""
    arrays = arrays_to_summarize()
    found = node(SUMMARIES, [[array.dtype.name, array.tobytes().hex()] for array in arrays])
    names = {
        "count": "count", "finite": "finite", "zeros": "zeros", "nans": "nans",
        "positiveInfinities": "positive_infinities", "negativeInfinities": "negative_infinities",
        "minimum": "minimum", "maximum": "maximum",
    }  # fmt: skip
    for array, summary in zip(arrays, found, strict=True):
        expected = summarize(array)
        for name, attribute in names.items():
            assert summary[name] == getattr(expected, attribute), (name, array)
        for name, value in (("mean", expected.mean), ("deviation", expected.std)):
            assert summary[name] == (None if value is None else pytest.approx(value, rel=1e-9))
        assert summary["histogram"]["counts"] == list(expected.counts)
        assert summary["histogram"]["edges"] == pytest.approx(expected.edges, rel=1e-12)
        finite = array[np.isfinite(array)].astype(np.float64)
        if 0 < array.size < 1 << 16:
            shares = np.percentile(finite, [2, 98]) if finite.size else []
            found_shares = [summary[name] for name in ("low", "high") if summary[name] is not None]
            assert found_shares == pytest.approx(shares)


FIELDS = """
const { entryFields, formatOf, headerFields } = await import('./tsr/js/anatomy.mjs');
answer(data.files.map((hex) => {
  const bytes = bytesOf(hex);
  const fields = headerFields(bytes, data.tables);
  const count = formatOf(bytes) === 'tsr4' ? Math.ceil((bytes.length - 128) / 64) : 0;
  for (let index = 0; index < Math.min(count, 2); index++) {
    fields.push(...entryFields(bytes, data.tables, index));
  }
  return fields;
}));
"""


def test_fields_cover_what_is_there() -> None:
    """The fields of whole, cut and broken files follow each other up to where the file ends."""
    whole = [case.data for case in cases()][::17]
    files = [data[:size] for data in whole[:6] for size in range(0, 150, 7)] + whole
    found = node(FIELDS, {"files": [data.hex() for data in files], "tables": layout_tables()})
    for data, fields in zip(files, found, strict=True):
        end = 0
        for field in fields:
            assert field["offset"] == end
            end += field["size"]
            assert field["meaning"]
            assert field["value"]
        header = 128 if data[:4] == b"TSR4" else 64
        assert end >= min(len(data), header)
        assert end <= len(data)


def test_meanings() -> None:
    """Values are those that the Python package reads, and their meaning is said."""
    data = tsr.dumps(np.zeros((3, 4), np.int8))
    [fields] = node(FIELDS, {"files": [data.hex()], "tables": layout_tables()})
    said = {field["name"]: (field["value"], field["meaning"]) for field in fields}
    assert said["magic"] == ("54 53 52 21, in ASCII TSR!", "A file of TSR version 1.")
    assert said["dtype"] == ("2", "The element type: INT8.")
    assert said["dims[3]"][0] == "4"
    assert said["total_elements"] == ("12", "12 elements: the product of dims.")
    assert said["reserved_3"] == ("0", "Reserved: zeros.")


@pytest.mark.parametrize("kind", ["v1", "tsr4"])
def test_element_types_are_those_of_the_package(kind: Literal["v1", "tsr4"]) -> None:
    """The page calls each code of an element type what the package does, announced ones too."""
    data = tsr.dumps(np.zeros((1, 1, 1, 1), np.int8), format=kind)
    at = 16 if kind == "v1" else 128
    files = [data[:at] + bytes([code]) + data[at + 1 :] for code in range(256)]
    found = node(FIELDS, {"files": [data.hex() for data in files], "tables": layout_tables()})
    types = V1_BY_CODE if kind == "v1" else TSR4_BY_CODE
    for code, fields in enumerate(found):
        said, *_ = [field["meaning"] for field in fields if field["name"].endswith("dtype")]
        if code in types:
            assert said.rstrip(".").split(": ")[1].split(", ")[0] == types[code].label
        elif kind == "v1" and code in ANNOUNCED:
            assert said == f"{ANNOUNCED[code]}, which was announced for later versions."
        else:
            assert said == "No element type."


RESEMBLANCES = """
const { resemblance } = await import('./tsr/js/resemblance.mjs');
answer(data.map((hex) => resemblance(bytesOf(hex))));
"""


def a_zip(member: bytes) -> bytes:
    """Make the beginning of a zip archive with a member of this name."""
    return b"PK\3\4" + bytes(22) + len(member).to_bytes(2, "little") + bytes(2) + member + b"..."


LOOKS = [
    b"", b"T", b"TSR", b"TSR5 and more", b"!RST" + bytes(60), b"4RST" + bytes(60), bytes(5000),
    bytes(70),
    b"\x93NUMPY\1\0", b"\x89HDF\r\n\x1a\n", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.x",
    b"\x80\4\x95", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9", b"\4\x22\x4d\x18",
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"MM\0*", b"%PDF-1.7", b"\x7fELF",
    b"GGUF", b"PAR1", b"ARROW1", b"SQLite format 3\0", b"MATLAB 5.0 MAT-file",
    b"version https://git-lfs.github.com/spec/v1", b"PK\5\6", a_zip(b"arr_0.npy"),
    a_zip(b"model/data.pkl"), a_zip(b"model/version"), a_zip(b"word/document.xml"),
    bytes(257) + b"ustar", (40).to_bytes(8, "little") + b'{"a":', bytes(8) + b'{"a":',
    b'{"a": 1}', b"[1, 2]", b"{broken", b"[" + b'"x", ' * 2000, b"<!DOCTYPE html>", b" <html>",
    "Grüße\n".encode(), b"a\x01b", b"\xff\xfea\0", b"12" * 2047 + "€".encode(),
    b"\0\1TSR!\1\0", b"\x80\0\0TSR4", b"\xc3\x28 \x00",
]  # fmt: skip


def test_resemblances_are_those_of_the_package() -> None:
    """A file that is no TSR looks the same to the page as to `tsr explain`."""
    found = node(RESEMBLANCES, [data.hex() for data in LOOKS])
    assert found == [resemblance(data).description for data in LOOKS]


PICTURE = """
const { planeOf, wholeGrid } = await import('./tsr/page/planes.mjs');
const { raster } = await import('./tsr/page/raster.mjs');
const { MARKED, sequential } = await import('./tsr/page/colours.mjs');
const shape = [2, 1000, 777];
const values = new Float32Array(2 * 1000 * 777);
for (const [at, value] of data.strange) values[at] = value ?? NaN;
const tensor = { shape, grid: wholeGrid(shape), numbers: { dtype: 'float32', values } };
const colours = { table: sequential(), low: 0, high: 1 };
const [wide, high] = [50, 40];
const pixels = raster(planeOf(tensor, [1]), data.part, wide, high, colours);
answer(Array.from({ length: wide * high }, (_, at) => [...pixels.subarray(4 * at, 4 * at + 3)])
  .flatMap((pixel, at) => (`${pixel}` === `${MARKED.nan}` ? [at] : [])));
"""


@pytest.mark.parametrize(("top", "left", "rows", "columns"), [(0, 0, 1000, 777), (3, 20, 901, 301)])
def test_what_is_no_number_shows_through(top: int, left: int, rows: int, columns: int) -> None:
    """A NaN is seen, however many elements its pixel stands for, and in no other pixel."""
    places = np.random.default_rng(3).integers(0, 1000 * 777, 50)
    part = {"top": top, "left": left, "rows": rows, "columns": columns}
    strange = [[int(777_000 + place), None] for place in places] + [[5, None]]
    found = node(PICTURE, {"strange": strange, "part": part})
    down = np.searchsorted(np.arange(1, 41) * rows // 40, places // 777 - top, side="right")
    right = np.searchsorted(np.arange(1, 51) * columns // 50, places % 777 - left, side="right")
    inside = (places // 777 >= top) & (down < 40) & (places % 777 >= left) & (right < 50)
    assert found == sorted(set((down * 50 + right)[inside].tolist()))


COLOURS = """
const { MARKED, diverging, sequential } = await import('./tsr/page/colours.mjs');
answer({ scales: [sequential(), diverging()].map((table) => [...table]), marked: MARKED });
"""


def oklab(colours: NDArray[Any]) -> NDArray[Any]:
    """Convert colours of sRGB, 0 to 255, to OKLab, where distance is difference as it is seen."""
    part = colours / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.asarray(np.cbrt(linear @ cones.T) @ lab.T)


def test_colours_are_uniform() -> None:
    """Equal steps along a scale look equal, lightness tells more from less, 0 is in the middle."""
    found = [np.array(table, float).reshape(256, 3) for table in node(COLOURS, None)["scales"]]
    for colours in (found[0], found[1][:127], found[1][129:]):
        seen = oklab(colours)
        steps = np.linalg.norm(seen[8:] - seen[:-8], axis=1)
        assert steps.max() < 1.25 * steps.min()  # bytes are rounded
    lightness = oklab(found[0])[:, 0]
    assert (np.diff(lightness[::4]) > 0).all()
    two_sided = oklab(found[1])[:, 0]
    assert 126 <= two_sided.argmax() <= 129
    assert (np.diff(two_sided[:128:4]) > 0).all()
    assert (np.diff(two_sided[128::4]) < 0).all()


def test_colours_are_those_of_the_terminal() -> None:
    """`tsr view` and the page show a number in the same colour, and mark what is none alike."""
    found = node(COLOURS, None)
    assert found["marked"] == {
        "nan": list(palette.NAN),
        "positive": list(palette.ABOVE),
        "negative": list(palette.BELOW),
    }
    places = np.linspace(0.0, 1.0, 256)
    for table, diverging in zip(found["scales"], (False, True), strict=True):
        seen = oklab(np.array(table, float).reshape(256, 3))
        here = oklab(palette.colors(places, diverging).astype(float))
        assert np.linalg.norm(seen - here, axis=1).max() < 0.015  # none can tell them apart
