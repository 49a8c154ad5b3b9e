"""Files -> one HTML page that shows them, and those that are dropped onto it, without a network.

`build_page` gives the page as text, `write_page` writes it: a file that is whole or absent. What a
file holds and what is wrong with it is found by the JavaScript decoder in ``tsr/js``, in the page.
Raises `OSError` for what cannot be read or written, and `FormatError` for what is no regular file.
"""

from tsr.page.build import EMBED_MAX, build_page, write_page

__all__ = ["EMBED_MAX", "build_page", "write_page"]
