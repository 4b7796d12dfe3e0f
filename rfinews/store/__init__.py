"""Known articles, across crawls: what was exported, under which address, and when to look again.

The complete articles files are the truth and this is an index over them. Lost or damaged, it is
built again from the files; what stands in no file (when a page was last asked, where a short link
leads) is only saved work.

`index` is the store, `home` says what it asks of the database it lives in, `sqlite` and `postgres`
are the two there are, `chain` links the manifests of a data directory.
"""

from rfinews.store.home import StoreError
from rfinews.store.index import Answer, Completed, Seen, Store
from rfinews.store.sqlite import FILE

__all__ = ["FILE", "Answer", "Completed", "Seen", "Store", "StoreError", "check_url"]


def check_url(url: str) -> None:
    """Raise ValueError, one line for the user, unless a store can be had at `url`."""
    kind, has_one, _ = url.partition("://")
    if kind not in ("postgresql", "postgres") or not has_one:
        told = f", not {kind}://…" if has_one else ""  # without what may be a password
        raise ValueError(f"RFINEWS_STORE must be postgresql://USER@HOST:PORT/DATABASE{told}")
    try:
        from rfinews.store.postgres import read_url  # noqa: PLC0415 - its driver is an extra
    except ImportError:
        raise ValueError(
            "RFINEWS_STORE needs more packages: pip install 'rfinews[postgres]'"
        ) from None
    read_url(url)
