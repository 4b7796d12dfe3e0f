"""Settings that follow from other settings, whether those come from settings.py, -s or a spider."""

import re
import secrets
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings, get_settings_priority

from rfinews import __version__, metrics, watching
from rfinews.downloader import mirror_base
from rfinews.items import FIELDS
from rfinews.monitors import Limits
from rfinews.output import SCHEME
from rfinews.store import check_url

_NUMBERS: dict[str, type[int] | type[float]] = {
    "RFINEWS_RETRY_BACKOFF": float,
    "RFINEWS_RETRY_AFTER_MAX": float,
    "RFINEWS_REFUSALS_MAX": int,
    "RFINEWS_RECHECK_HOURS": float,
    "RFINEWS_ROTATE_ITEMS": int,
    "RFINEWS_MONITOR_CRAWLS": int,
    **dict.fromkeys((f"RFINEWS_MONITOR_{name.upper()}" for name in Limits._fields), float),
    "RFINEWS_FLEET_LEASE": float,
}
MIRROR_HANDLER = "rfinews.downloader.MirrorDownloadHandler"


def user_agent(contact: str | None) -> str:
    """What the crawler calls itself; `contact` is a web or mail address of whoever runs it.

    Raises ValueError, one line for the user, for a contact that has no place in a header.

    >>> user_agent("https://example.org/crawler").partition("/")[2].partition(" ")[2]
    '(+https://example.org/crawler)'
    """
    name = f"rfinews/{__version__}"
    if not contact:
        return name
    if not re.fullmatch(r"[!-'*-~]+", contact):
        raise ValueError(
            "RFINEWS_CONTACT must be a web or mail address, ASCII, without blanks or parentheses, "
            f"not {contact!r}"
        )
    return f"{name} (+{contact})"


def check_settings(settings: BaseSettings) -> None:
    """Raise ValueError, one line for the user, for a setting of the project's own that is malformed."""
    user_agent(settings["RFINEWS_CONTACT"])
    if settings["RFINEWS_MIRROR"]:
        mirror_base(settings["RFINEWS_MIRROR"])
    if settings["RFINEWS_COMPRESS"] not in (None, "", "gz"):
        raise ValueError(f"RFINEWS_COMPRESS must be gz, not {settings['RFINEWS_COMPRESS']!r}")
    if settings["RFINEWS_STORE"]:
        check_url(settings["RFINEWS_STORE"])
    if not settings["RFINEWS_DATA_DIR"]:
        raise ValueError("RFINEWS_DATA_DIR must be a directory, not empty")
    for name, read in _NUMBERS.items():
        try:
            read(settings[name])
        except ValueError:
            kind = "a whole number" if read is int else "a number"
            raise ValueError(f"{name} must be {kind}, not {settings[name]!r}") from None
    if settings.getint("RFINEWS_ROTATE_ITEMS") < 1:
        raise ValueError("RFINEWS_ROTATE_ITEMS must be at least 1")
    if settings.getfloat("RFINEWS_FLEET_LEASE") < 1:
        raise ValueError("RFINEWS_FLEET_LEASE must be at least 1")
    if settings["RFINEWS_REDIS_URL"]:
        check_redis(settings["RFINEWS_REDIS_URL"])
    watching.check_settings(settings)
    metrics.check_settings(settings)


def check_redis(url: str) -> None:
    """Raise ValueError, one line for the user, unless a fleet can be had at `url`."""
    if find_spec("redis") is None or find_spec("scrapy_redis") is None:
        raise ValueError("RFINEWS_REDIS_URL needs more packages: pip install 'rfinews[fleet]'")
    from rfinews.fleet import client  # noqa: PLC0415 - not without need

    try:
        client(url)
    except ValueError as error:
        raise ValueError(
            f"RFINEWS_REDIS_URL must be redis://HOST:PORT/NUMBER, rediss://… or unix://…: {error}"
        ) from None


def new_crawl_id(spider: str, job: str | None) -> str:
    """Return ``<spider>-<YYYYMMDD>T<HHMMSS>Z-<Scrapyd job id, or 8 hex digits>`` (CONTRACT section 5).

    >>> new_crawl_id("feedx", "6487ec79947edab326d6db28a2d86511e8247444")[-41:]
    '-6487ec79947edab326d6db28a2d86511e8247444'
    """
    job = re.sub(r"[^\w-]", "_", job) if job else secrets.token_hex(4)
    return f"{spider}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{job}"


def share(settings: BaseSettings) -> None:
    """Put the components of a fleet's worker in the place of a crawl's own."""
    for kind, module, name in (
        ("EXTENSIONS", "known", "KnownArticles"),
        ("EXTENSIONS", "crawl_log", "CrawlLog"),
        ("DOWNLOADER_MIDDLEWARES", "middlewares", "RetryMiddleware"),
    ):
        settings[kind][f"rfinews.worker.{name}"] = settings[kind].pop(f"rfinews.{module}.{name}")
    settings["EXTENSIONS"]["rfinews.worker.Worker"] = -1  # the others need it
    settings.set("SCHEDULER", "rfinews.worker.Scheduler", "addon")
    settings.set("DOWNLOADER", "rfinews.worker.Downloader", "addon")


class RfinewsAddon:
    """Composes Scrapy's settings from the project's own. ValueError for one that is malformed."""

    def __init__(self, crawl_id: str, *, can_share: bool = False) -> None:
        self.crawl_id = crawl_id
        self.can_share = can_share

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        job = getattr(crawler.spider, "_job", None)
        can_share = getattr(crawler.spider, "can_share", False)  # there is none in `scrapy shell`
        return cls(new_crawl_id(crawler.spidercls.name, job), can_share=can_share)

    def update_settings(self, settings: BaseSettings) -> None:
        check_settings(settings)
        settings.set("USER_AGENT", user_agent(settings["RFINEWS_CONTACT"]), "addon")
        if settings["RFINEWS_MIRROR"]:
            settings["DOWNLOAD_HANDLERS"]["http"] = MIRROR_HANDLER
            settings["DOWNLOAD_HANDLERS"]["https"] = MIRROR_HANDLER
            settings.set("HTTPPROXY_ENABLED", False, "addon")  # it is the mirror's way, not ours
        settings.set("RFINEWS_CRAWL_ID", self.crawl_id, "addon")
        if self.can_share and settings["RFINEWS_REDIS_URL"]:
            share(settings)
        settings.set("FEED_EXPORT_FIELDS", list(FIELDS), "addon")
        settings.set(
            "FEEDS",
            {self.feed_uri(settings): self.feed_options(settings), **settings.getdict("FEEDS")},
            max(get_settings_priority("addon"), settings.getpriority("FEEDS") or 0),
        )

    def feed_uri(self, settings: BaseSettings) -> str:
        """Where `ArticlesStorage` puts the crawl's own articles, beside which come -o and FEEDS."""
        directory = Path(settings["RFINEWS_DATA_DIR"]).absolute() / "articles"
        base = str(directory / self.crawl_id).replace("%", "%%")
        return f"{SCHEME}:{base}#%(batch_id)d"

    def feed_options(self, settings: BaseSettings) -> dict[str, object]:
        return {
            "format": "jsonlines",
            "batch_item_count": settings.getint("RFINEWS_ROTATE_ITEMS"),
            "store_empty": False,
        }
