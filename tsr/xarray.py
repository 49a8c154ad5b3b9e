"""A backend of xarray: ``xarray.open_dataset("x.tsr", engine="tsr")``. The extra ``xarray``.

A file, a folder with a ``tensors.json`` or a URL goes in, a `Dataset` comes out whose variables
read what is asked of them when it is asked: pieces of what is mapped, whole tensors of what is
compressed, ranges of what lies behind a URL. It can be pickled, and so be used by the workers of
dask. Raises `FormatError` for what is no valid file, `ConversionError` for names that do not go
with it, `UnsupportedError` for dimensions that do not, and `OSError` for what cannot be opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from tsr.converters import folder
from tsr.converters.names import SUFFIX
from tsr.converters.sidecar import Named
from tsr.converters.stage import staged
from tsr.converters.tensor import Tensor
from tsr.converters.tree import Options
from tsr.errors import UnsupportedError
from tsr.extras import require
from tsr.lazy_tensor import Held, LazyTensor, Opener, manager_of
from tsr.remote import basename, is_url, local_path, refuse_options
from tsr.source import is_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray
    from xarray.backends import BackendEntrypoint
    from xarray.core import indexing

else:
    xarray = require("xarray", "xarray", "the engine tsr of xarray")
    from xarray.backends import BackendEntrypoint
    from xarray.core import indexing

__all__ = ["TsrBackendEntrypoint"]

# What the only tensor of a file is called, and what each of several is called after.
_NAME = "tensor"

_TSR4_DIMENSIONS = ("N", "H", "W", "C")


class TsrBackendEntrypoint(BackendEntrypoint):
    """Opens ``.tsr`` files for xarray, by the name ``tsr``."""

    description = "Open .tsr files, and folders of them with a tensors.json"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj", "drop_variables", "names", "dims", "strict", "verify",
        "storage_options",
    )  # fmt: skip

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        names: str | os.PathLike[str] | None = None,
        dims: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        strict: bool = True,
        verify: bool = True,
        storage_options: Mapping[str, Any] | None = None,
    ) -> xarray.Dataset:
        """Open a file of either format, or a folder of tensors.

        Parameters
        ----------
        filename_or_obj : path, URL, file object or bytes-like
            A folder is one of this machine, with a ``tensors.json``. What is no path is held open
            by the dataset, which then cannot be pickled.
        drop_variables : str or iterable of str, optional
            Variables that are left out.
        names : path or URL, optional
            The names of the tensors of a TSR4 file, as ``tsr convert --names`` writes them. They
            give the variables their names and shapes, and the dataset its attributes, as a
            ``tensors.json`` does. Without names a variable is ``tensor``, several are
            ``tensor_0`` and so on.
        dims : sequence of str, or mapping of str to such, optional
            The names of the dimensions, of all variables or by variable. By default they are
            ``dim_0`` and so on, of a TSR4 file N, H, W and C; of several variables each has its
            own, with its name before them, since nobody said which of them go together.
        strict : bool, default True
            As for `tsr.open`.
        verify : bool, default True
            As for `tsr.open`: the checksum of a TSR4 tensor is verified when a process first uses
            the tensor, for which all of it is read.
        storage_options : mapping, optional
            As for `tsr.open`.

        Returns
        -------
        xarray.Dataset
        """
        dropped = {drop_variables} if isinstance(drop_variables, str) else set(drop_variables or ())
        found = _find(filename_or_obj, names, strict, verify, storage_options)
        managers = {id(array.files): array.files for array in found.tensors.values()}
        close = partial(_close, list(managers.values()))
        try:
            dataset = _make_dataset(found, dims, dropped)
        except BaseException:
            close()
            raise
        dataset.set_close(close)
        return dataset

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell by a path's suffix, or by the ``tensors.json`` of a folder."""
        if not is_path(filename_or_obj):
            return False
        path = _located(filename_or_obj)
        if is_url(path):
            return basename(path).lower().endswith(SUFFIX)
        return path.lower().endswith(SUFFIX) or folder.is_folder(path)


@dataclass
class _Found:
    # What a dataset is made of.
    tensors: dict[str, LazyTensor]
    attributes: dict[str, Any]
    is_tsr4: bool


def _find(
    source: Any, names: Any, strict: bool, verify: bool, storage_options: Mapping[str, Any] | None
) -> _Found:
    if is_path(source):
        source = _located(source)
    if names is not None:
        if not isinstance(source, str):
            raise UnsupportedError("names: got some for what is no path", given=type(source))
        names = _located(names)
    if not is_url(source) and not is_url(names):
        refuse_options(storage_options)
    opener = Opener(source, strict, verify, storage_options)
    if names is not None:
        with staged(storage_options) as stage:
            return _read_tree(Named(stage.fetch(names) if is_url(names) else names), opener)
    if isinstance(source, str) and not is_url(source) and os.path.isdir(source):
        return _read_tree(folder, opener)
    # What is no path can neither be opened again nor hashed.
    files: Any = manager_of(opener) if is_path(source) else Held(opener("r"))
    with files.acquire_context() as file:
        count, format = len(file), file.format
    labels = [_NAME] if count == 1 else [f"{_NAME}_{index}" for index in range(count)]
    tensors = {label: LazyTensor(files, index, verify) for index, label in enumerate(labels)}
    return _Found(tensors, {}, format == "TSR4")


def _located(path: Any) -> str:
    # A path, or the URL of what is not on this machine.
    text = os.fsdecode(path)
    local = local_path(text) if is_url(text) else None
    return text if local is None else local


def _read_tree(reader: Any, opener: Opener) -> _Found:
    # What has names, and attributes beside the tensors.
    managers: dict[str, Any] = {}
    tensors: dict[str, LazyTensor] = {}
    attributes: dict[str, Any] = {}
    remote = is_url(opener.source)
    options = Options(strict=opener.strict, storage=opener.storage_options if remote else None)
    with reader.read(opener.source, options) as document:
        for name, leaf in _leaves(document.tree, ""):
            if not isinstance(leaf, Tensor):
                attributes[name] = leaf
                continue
            location = leaf.location
            assert location is not None  # noqa: S101 - both formats know it
            # Where the source is a URL, it is the only file, and errors call it otherwise.
            file = opener.source if remote else str(location.path)
            if file not in managers:
                managers[file] = manager_of(replace(opener, source=file))
            tensors[name] = LazyTensor(
                managers[file], location.place or 0, opener.verify, leaf.shape
            )
        # Which framework the tensors were written for is no attribute of theirs.
        text = {key: value for key, value in document.metadata.items() if key != "format"}
        return _Found(tensors, {**text, **attributes}, False)


def _close(managers: Iterable[Any]) -> None:
    for manager in managers:
        manager.close()


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    # Tensors and scalars, with the keys that lead to them joined by /.
    if isinstance(tree, dict):
        children: Iterable[tuple[Any, Any]] = tree.items()
    elif isinstance(tree, (list, tuple)):
        children = enumerate(tree)
    else:
        yield name or _NAME, tree
        return
    for key, child in children:
        yield from _leaves(child, f"{name}/{key}" if name else str(key))


def _make_dataset(found: _Found, dims: Any, dropped: set[str]) -> xarray.Dataset:
    by_name = dims if isinstance(dims, Mapping) else dict.fromkeys(found.tensors, dims)
    unknown = sorted(by_name.keys() - found.tensors.keys())
    if unknown:
        raise UnsupportedError(
            f"dims: got the variable {unknown[0]!r}, expected one of "
            f"{', '.join(list(found.tensors)[:10]) or 'none'}",
            given=unknown[0],
        )
    shown = {name: array for name, array in found.tensors.items() if name not in dropped}
    variables = {}
    for name, array in shown.items():
        given = by_name.get(name)
        if given is None:
            prefix = "" if len(shown) == 1 else f"{name}_"
            named = tuple(
                prefix + (_TSR4_DIMENSIONS[axis] if found.is_tsr4 else f"dim_{axis}")
                for axis in range(len(array.shape))
            )
        else:
            named = _checked_dimensions(given, name, array.shape)
        variables[name] = xarray.Variable(
            named, indexing.LazilyIndexedArray(array), encoding=_encoding(array, named)
        )
    return xarray.Dataset(variables, attrs=found.attributes)


def _checked_dimensions(given: Any, name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    # A dimension that comes twice is one that xarray takes, and fails over later.
    if isinstance(given, Sequence) and not isinstance(given, str):
        named = tuple(given)
        if len({each for each in named if isinstance(each, str)}) == len(named) == len(shape):
            return named
    raise UnsupportedError(
        f"dims: got {given!r}, expected {len(shape)} different names for the variable {name!r} of "
        f"the shape {shape}",
        given=given,
    )


def _encoding(array: LazyTensor, dims: tuple[str, ...]) -> dict[str, Any]:
    # A piece of a compressed tensor takes inflating all of it.
    if not array.compressed:
        return {}
    return {"preferred_chunks": dict(zip(dims, array.shape, strict=True))}
