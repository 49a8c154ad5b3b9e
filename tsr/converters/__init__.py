"""Other formats <-> ``.tsr``: `convert`, and what a package needs that adds a format.

A module for a format (`Format`) reads a file as a `Document`, a tree of named `Tensor` s, and
writes one; `convert` makes what one format holds fit the other. The formats' own libraries are
imported when a file of theirs is met.
"""

from tsr.converters.conversion import Conversion, convert
from tsr.converters.registry import Format, Holds
from tsr.converters.tensor import Tensor
from tsr.converters.tree import Document, Options

__all__ = ["Conversion", "Document", "Format", "Holds", "Options", "Tensor", "convert"]
