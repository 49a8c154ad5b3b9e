"""The session layer: a Python worker driven over a directory of ``.tsr`` files.

Its client and worker come with a later release; the package has no public name yet.
"""

__all__: list[str] = []
