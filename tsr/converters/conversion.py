"""`convert`: a file of one format -> a file of another, or a folder of them.

Raises `ConversionError` for what the target cannot hold, `FormatError` for a broken ``.tsr``
file, `MissingExtraError` where the library for a format is missing, `UnsupportedError` for
options that make no sense and `OSError` for what cannot be opened or written.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from tsr.atomic import check_free
from tsr.converters import plan, registry, tsr4_file
from tsr.converters.arrange import arrange
from tsr.converters.parents import parents
from tsr.converters.registry import TSR4
from tsr.converters.sidecar import Named
from tsr.converters.tensor import BITS, NUMPY_DTYPES, Tensor
from tsr.converters.tree import Document, Options, rebuild, select, tensors
from tsr.dtypes import TSR4_TYPES, V1_TYPES, element_type
from tsr.errors import ConversionError, ConversionWarning, TSRError, UnsupportedError
from tsr.remote.urls import is_url, label, local_path, refuse_options
from tsr.source import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import DTypeLike

    from tsr.converters.plan import Job
    from tsr.dtypes import ElementType

    Progress: TypeAlias = Callable[[int, int, str], object]
    PathLike: TypeAlias = str | os.PathLike[str]

__all__ = [
    "Conversion",
    "convert",
    "convert_each",
    "convert_one",
    "make_options",
    "with_names",
]


@dataclass(frozen=True)
class Conversion:
    """What became of one source.

    Attributes
    ----------
    source : str
    destination : str or None
        The file or folder that was written; None if none was.
    tensors : int
        The tensors written.
    error : TSRError or OSError, optional
        Why nothing was written.
    warning : ConversionWarning, optional
        What was not kept.
    """

    source: str
    destination: str | None
    tensors: int
    error: TSRError | OSError | None = None
    warning: ConversionWarning | None = None

    def __repr__(self) -> str:
        # As dataclasses have it, but URLs without what is secret in them.
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        told = (f"{name}={_called(value)!r}" for name, value in values.items())
        return f"Conversion({', '.join(told)})"


def _called(place: Any) -> Any:
    return label(place) if is_url(place) else place


def convert(
    src: PathLike,
    dst: PathLike,
    *,
    to: str | None = None,
    cast: DTypeLike | Mapping[Any, DTypeLike] | None = None,
    lossy: bool = False,
    dataset: str | None = None,
    strict: bool = True,
    overwrite: bool = False,
    names: PathLike | None = None,
    compress: bool = False,
    durable: bool | None = None,
    on_error: Literal["raise", "report"] = "raise",
    progress: Progress | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> list[Conversion]:
    """Convert tensors between file formats, bit for bit.

    The formats go by suffix: ``.tsr``, ``.npy``, ``.npz``, ``.pt`` and ``.pth``,
    ``.safetensors``, ``.h5`` and ``.hdf5``, and those of installed packages that add some. A
    file with tensors by name becomes a folder of ``.tsr`` files with a ``tensors.json``, which
    keeps names, order, nesting and scalars, and which converts back into one file.

    A ``.tsr`` file is read whether it is of TSR v1 or of TSR4, and written as TSR v1 unless `to`
    says ``"tsr4"``. TSR4 holds several tensors in one file, but has no names and only shapes of
    four dimensions: what it does not keep goes to the file `names`, or is warned of. Without
    `names` its tensors are called ``"0"``, ``"1"`` and so on, and a single one has no name.

    A single tensor goes to a file for one array whatever it is called in its source and however
    deep it lies there: name and nesting are let go. So are kinds of containers that the target
    knows only one of: an OrderedDict becomes a dict.

    Parameters
    ----------
    src : path or URL
        A file; a folder of ``.tsr`` files; or a folder whose files are each to be converted,
        and those of the folders in it. The latter keep their places and change their suffix.
        Symbolic links to folders are errors there, for they are never followed. What is behind a
        URL, ``"s3://bucket/x.npy"``, is copied to the folder for temporary files first: of a
        folder, a few files at a time.
    dst : path or URL
        A file; a folder for tensors by name; or, where it exists as a folder or ends with a
        slash, a folder that gets the file with its name and its new suffix. It must not lie in a
        folder of tensors that is read, and neither must `names`.
    to : str, optional
        The suffix of the format to write, in any case and with its dot or without, where `dst`
        does not say it; ``".tsr"`` by default. ``"tsr4"`` writes a TSR4 file, whose suffix is
        ``.tsr`` as well.
    cast : dtype-like or mapping of dtype-like to dtype-like, optional
        ``"float32"``, ``"int8"`` or ``"int32"``, and for TSR4 ``"float16"``: convert to it what
        the target has no dtype for. A mapping from dtype to dtype converts exactly the dtypes it
        names; those that numpy lacks are ``"bfloat16"``, ``"float8_e4m3fn"`` and
        ``"float8_e5m2"``.
    lossy : bool, default False
        Let go what has no place in the target: values that `cast` would change, scalars,
        nesting (names are joined by dots), metadata, attributes; for TSR4, names and ranks
        without a warning.
    dataset : str, optional
        Take only the entry of the source with this name, keys joined by ``/``; of a TSR4 file
        without `names`, with this index. For a source that is a single array, its name in the
        target.
    strict : bool, default True
        False accepts ``.tsr`` files with set reserved fields, padding that is not 0 or bytes
        after the last payload.
    overwrite : bool, default False
        Replace what exists: a file, or a folder that holds nothing but the tensors that its
        ``tensors.json`` lists.
    names : path or URL, optional
        A JSON file that keeps what a TSR4 file cannot: names, order, nesting, kinds, scalars,
        metadata and the shapes as they were. It is written with a TSR4 file, and read with
        one, which has to hold the same tensors: it has their checksums. An error leaves both or
        neither, unless it strikes between the moments at which the two take their names, the TSR4
        file first.
    compress : bool, default False
        For TSR4: compress the tensors with zlib, several threads at once.
    durable : bool, optional
        As for `tsr.save`.
    on_error : {"raise", "report"}, default "raise"
        What to do about errors of single files once all files of a folder were tried: raise
        one `ConversionError` that lists them, or only leave them in the result.
    progress : callable, optional
        Called as ``progress(done, total, name)`` before each tensor, or each file of a folder,
        and after the last.
    storage_options : mapping, optional
        What the file systems of fsspec are made with, for the URLs among `src`, `dst` and
        `names`.

    Returns
    -------
    list of Conversion
        One for each file, or folder of tensors, that was converted.

    Raises
    ------
    ConversionError
        A file is broken or holds something that the target has no place for; the message
        says what, and which option would let it go. Nothing is written then.
    UnsupportedError
        An option makes no sense.
    OSError
        A file cannot be opened or written; `FileExistsError` without `overwrite`.

    Warns
    -----
    ConversionWarning
        A TSR4 file without `names` loses names, or ranks below 4. Warnings come once all is
        written: where they are errors, too.

    Notes
    -----
    Memory stays bounded however large the arrays are: they are mapped, or pass through a file
    without a name beside the destination. The exception is the ``.pt`` format before torch 1.6.

    A file behind a URL appears whole or not at all, and what it replaces stays until then. A
    folder of tensors gets its ``tensors.json`` last, without which it is none; one that is
    replaced stays until all of the new one is in the storage, and then gives way to it file by
    file: an error in that moment names the place where the rest of the new one is.

    Examples
    --------
    >>> tsr.convert("x.npy", "x.tsr")
    >>> tsr.convert("model.pt", "model/")
    >>> tsr.convert("model/", "model.safetensors")
    >>> tsr.convert("arrays/", "converted/", to=".npy")
    >>> tsr.convert("model.pt", "model.tsr", to="tsr4", names="model.json")
    >>> tsr.convert("model.tsr", "model.npz", names="model.json")
    """
    source, destination = _check_path("src", src), _check_path("dst", dst)
    given_names, names = names, None if names is None else _check_path("names", names)
    if on_error not in ("raise", "report"):
        raise UnsupportedError(f"on_error: got {on_error!r}, expected 'raise' or 'report'")
    to, options = make_options(to, cast, lossy, dataset, strict, overwrite, compress, durable)
    if any(map(is_url, (source, destination, names))):
        from tsr.converters.remote import Request, convert_remote

        request = Request(source, destination, names, to, options, storage_options)
        return _told(source, convert_remote(request, progress), on_error)
    if storage_options and not any(map(is_url, (src, dst, given_names))):
        refuse_options(storage_options)
    if plan.is_batch(source, destination):
        if names is not None:
            raise UnsupportedError(
                f"names: got {names!r}, and each file in {source} is converted by itself; expected "
                "one source"
            )
        jobs, errors = plan.plan_batch(source, destination, to)
        results = [Conversion(path, None, 0, error) for path, error in errors.items()]
        results += convert_each(jobs, options, progress)
    else:
        job = plan.plan_one(source, destination, to)
        if names is not None:
            job = with_names(job, names, overwrite)
        results = [convert_one(job, options, progress)]
    return _told(source, results, on_error)


def _told(source: str, results: list[Conversion], on_error: str) -> list[Conversion]:
    # Warnings and, if asked for, errors are told once all is written.
    for result in results:
        if result.warning is not None:
            warnings.warn(result.warning, stacklevel=3)
    if on_error == "raise":
        _raise_failures(source, results)
    return results


def make_options(
    to: str | None,
    cast: DTypeLike | Mapping[Any, DTypeLike] | None,
    lossy: bool,
    dataset: str | None,
    strict: bool,
    overwrite: bool,
    compress: bool,
    durable: bool | None,
) -> tuple[str | None, Options]:
    """Check what a caller asks for: the suffix to write, in one spelling, and all else.

    Raises
    ------
    UnsupportedError
        An option makes no sense.
    """
    to = _check_to(to)
    if not isinstance(dataset, (str, type(None))):
        raise UnsupportedError(f"dataset: got {dataset!r}, expected a str", given=dataset)
    if compress and to != TSR4:
        raise UnsupportedError("compress: got True, which only to='tsr4' takes (--to tsr4 --zlib)")
    types = TSR4_TYPES if to == TSR4 else V1_TYPES
    return to, Options(
        _check_cast(cast, types), lossy, dataset, strict, overwrite, compress, durable
    )


def _check_path(name: str, path: PathLike) -> str:
    try:
        decoded = os.fsdecode(path)
        if decoded and b"\0" not in os.fsencode(decoded):
            local = local_path(decoded) if is_url(decoded) else None
            return decoded if local is None else local
    except (TypeError, UnicodeError):
        pass
    raise UnsupportedError(f"{name}: got {path!r}, expected a path", given=path)


def _check_cast(cast: Any, types: tuple[ElementType, ...]) -> str | dict[str, str] | None:
    # The names of the dtypes.
    if cast is None:
        return None
    if isinstance(cast, Mapping):
        return {_dtype_name(key): _cast_name(value, types) for key, value in cast.items()}
    return _cast_name(cast, types)


def _cast_name(dtype: Any, types: tuple[ElementType, ...]) -> str:
    try:
        return element_type(dtype, types).name
    except UnsupportedError as error:
        if not error.allowed:
            raise  # what is no dtype at all
        wider = "; to='tsr4' (--to tsr4) takes float16, too" if types is V1_TYPES else ""
        raise UnsupportedError(
            f"cast: got {error.given}, expected one of {', '.join(error.allowed)}{wider}",
            given=error.given,
            allowed=error.allowed,
        ) from error


def _dtype_name(dtype: Any) -> str:
    if isinstance(dtype, str) and dtype in BITS:
        return dtype
    try:
        name = np.dtype(dtype).name if dtype is not None else None
    except Exception:  # numpy raises nearly anything over what is no dtype
        name = None
    if name not in NUMPY_DTYPES and name not in BITS:
        raise UnsupportedError(f"cast: not a dtype of numbers: got {dtype!r}", given=dtype)
    return str(name)


def _check_to(to: str | None) -> str | None:
    if to is None:
        return None
    if not isinstance(to, str):
        raise UnsupportedError(f"to: got {to!r}, expected a suffix", given=to)
    name = to.lower().removeprefix(".")
    if name == TSR4.lower():
        return TSR4
    suffix = f".{name}"
    if registry.find_format(suffix) is None:
        raise UnsupportedError(f"to: nothing writes {suffix} files", given=to)
    return suffix


def with_names(job: Job, names: str, overwrite: bool) -> Job:
    """Give the same job with a file that names what is in the TSR4 file."""
    _check_readable(job.source)
    reads, writes = job.reader is tsr4_file, job.writer is tsr4_file
    if reads and writes:
        raise UnsupportedError(
            "names: source and destination are both TSR4, and the order of the tensors stays; "
            "names of the one fit the other as they are"
        )
    if not reads and not writes:
        raise UnsupportedError(
            f"names: got {names!r}, and neither source nor destination is a TSR4 file; "
            "to='tsr4' (--to tsr4) writes one"
        )
    others = map(os.path.realpath, job.destinations())
    if plan.lies_in(names, job.source) or os.path.realpath(names) in others:
        raise ConversionError(
            "is one of the files of tensors, or lies among them; names need a file elsewhere",
            path=names,
        )
    if writes:
        check_free(names, overwrite)
        return replace(job, writer=Named(names))
    return replace(job, reader=Named(names))


def _check_readable(source: str) -> None:
    if not os.path.isdir(source):
        os.close(open_regular(source)[0])


def convert_each(
    jobs: list[Job], options: Options, progress: Progress | None = None
) -> list[Conversion]:
    """Convert one after the other; what one of them fails with does not stop the others."""
    results = []
    for done, job in enumerate(jobs):
        _report(progress, done, len(jobs), job.source)
        try:
            results.append(convert_one(job, options, None))
        except (TSRError, OSError) as error:
            results.append(Conversion(job.source, None, 0, error))
        except MemoryError:
            failure = ConversionError("out of memory", path=job.source)
            results.append(Conversion(job.source, None, 0, failure))
    _report(progress, len(jobs), len(jobs), "")
    return results


def convert_one(job: Job, options: Options, progress: Progress | None = None) -> Conversion:
    """Convert one file, or one folder of ``.tsr`` files."""
    try:
        return _convert_document(job, options, progress)
    except RecursionError as error:  # a format of another package may not count
        raise ConversionError("nested too deeply", path=job.source) from error


def _convert_document(job: Job, options: Options, progress: Progress | None) -> Conversion:
    _check_readable(job.source)
    options = replace(options, scratch=_existing_folder(job.file or job.folder or ""))
    with job.reader.read(job.source, options) as document:
        if options.dataset is not None:
            document = select(document, options.dataset)
        destination, writer, label = _target(job, document)
        plan.check_apart(job.source, destination)
        document = arrange(document, writer, label, options)
        warning = None
        if writer is tsr4_file and not options.lossy:
            warning = tsr4_file.find_loss(document)
        total = sum(1 for _ in tensors(document.tree))
        if progress is not None:
            document = _reporting(document, total, progress)
        if not os.path.isdir(destination):  # a folder checks for itself whether it may replace it
            check_free(destination, options.overwrite)
        with parents(destination, options.durable):
            writer.write(destination, document, options)
    _report(progress, total, total, "")
    return Conversion(job.source, destination, total, warning=warning)


def _target(job: Job, document: Document) -> tuple[str, registry.Format, str]:
    # What to write, with which format, and what errors call it.
    if job.folder is not None and not isinstance(document.tree, Tensor):
        return job.folder, registry.folder_format(), "a folder of .tsr files"
    if job.file is None:
        raise ConversionError(
            "a single array needs a file to go to: end the destination with .tsr, or with a / for "
            "a file in that folder",
            path=document.path,
        )
    return job.file, job.writer, job.suffix


def _existing_folder(path: str) -> str:
    # The folder that `path` is in, or the first above that is there.
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _reporting(document: Document, total: int, progress: Progress) -> Document:
    # The same document, which reports each tensor when it is loaded.
    numbers = iter(range(total))

    def watch(name: str, tensor: Tensor) -> Tensor:
        def load() -> Any:
            progress(next(numbers), total, name)
            return tensor.load()

        return replace(tensor, load=load)

    return replace(document, tree=rebuild(document.tree, watch))


def _report(progress: Progress | None, done: int, total: int, name: str) -> None:
    if progress is not None:
        progress(done, total, name)


def _raise_failures(source: str, results: list[Conversion]) -> None:
    failures = [result for result in results if result.error is not None]
    if failures:
        lines = "".join(f"\n  {result.error}" for result in failures)
        raise ConversionError(
            f"{len(failures)} of {len(results)} files were not converted:{lines}",
            path=_called(source),
        ) from failures[0].error
