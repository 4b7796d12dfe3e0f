"""Every setting of the project; after each that departs from Scrapy: its default, and why we differ.

The `RFINEWS_*` settings may also be given as environment variables of the same name; `-s` wins.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from scrapy.utils.conf import closest_scrapy_cfg


def own(name: str, default: object) -> object:
    """A setting of the project's own, from the environment if it is there."""
    return os.environ.get(name) or default


# The project

BOT_NAME = "rfinews"  # default "scrapybot"
SPIDER_MODULES = ["rfinews.spiders"]
COMMANDS_MODULE = "rfinews.commands"
ADDONS = {"rfinews.addon.RfinewsAddon": 0}

# Settings of its own (README)

RFINEWS_DATA_DIR = own("RFINEWS_DATA_DIR", str(Path(closest_scrapy_cfg()).parent / "data"))
RFINEWS_MIRROR = own("RFINEWS_MIRROR", None)
RFINEWS_COMPRESS = own("RFINEWS_COMPRESS", None)
RFINEWS_CONTACT = own("RFINEWS_CONTACT", None)  # web or mail address, goes into the user agent
RFINEWS_FEEDX_FEEDS = own(  # in the order in which they are tried; comma-separated when one string
    "RFINEWS_FEEDX_FEEDS",
    [
        f"https://feedx.{domain}/rss/rfi.xml"
        for domain in ("net", "best", "run", "site", "top", "xyz", "co")
    ],
)
RFINEWS_ROTATE_ITEMS = own("RFINEWS_ROTATE_ITEMS", 10_000)  # articles in one file
RFINEWS_STORE = own("RFINEWS_STORE", None)  # postgresql://…: known articles of several machines
RFINEWS_RECHECK_HOURS = own("RFINEWS_RECHECK_HOURS", 48)  # age up to which pages are asked again
RFINEWS_RETRY_BACKOFF = own("RFINEWS_RETRY_BACKOFF", 2.0)  # seconds before the first retry
RFINEWS_RETRY_AFTER_MAX = own("RFINEWS_RETRY_AFTER_MAX", 600.0)  # seconds a host may ask for
RFINEWS_REFUSALS_MAX = own("RFINEWS_REFUSALS_MAX", 10)  # in a row, then a host is left alone
RFINEWS_REDIS_URL = own("RFINEWS_REDIS_URL", None)  # where several workers share a crawl
RFINEWS_FLEET_LEASE = own("RFINEWS_FLEET_LEASE", 30.0)  # seconds until a silent worker is dead
RFINEWS_MONITORS = own("RFINEWS_MONITORS", None)  # all, or names of rfinews/monitors.py
RFINEWS_MONITOR_CRAWLS = own("RFINEWS_MONITOR_CRAWLS", 100)  # that tell what is usual
RFINEWS_MONITOR_HOURS = own("RFINEWS_MONITOR_HOURS", 24.0)  # without news; age of a feed
RFINEWS_MONITOR_FALL = own("RFINEWS_MONITOR_FALL", 0.5)  # part of a feed's usual length
RFINEWS_MONITOR_REFUSED = own("RFINEWS_MONITOR_REFUSED", 0.1)  # share of pages not to be had
RFINEWS_MONITOR_UNPARSED = own("RFINEWS_MONITOR_UNPARSED", 0.1)  # share of pages without article
RFINEWS_MONITOR_FALLBACK = own("RFINEWS_MONITOR_FALLBACK", 0.1)  # share of pages of unknown layout
RFINEWS_MONITOR_FIELDS = own("RFINEWS_MONITOR_FIELDS", 0.2)  # less than a field's usual share
RFINEWS_MONITOR_WEBHOOK = own("RFINEWS_MONITOR_WEBHOOK", None)  # address to post to
RFINEWS_MONITOR_MAIL = own("RFINEWS_MONITOR_MAIL", None)  # addresses, commas between
RFINEWS_MONITOR_MAIL_FROM = own("RFINEWS_MONITOR_MAIL_FROM", None)  # rfinews@ this host
RFINEWS_MONITOR_SMTP = own("RFINEWS_MONITOR_SMTP", "smtp://localhost")  # where mail goes first
RFINEWS_METRICS_FILE = own("RFINEWS_METRICS_FILE", None)  # for Prometheus' node exporter
RFINEWS_METRICS_PUSH = own("RFINEWS_METRICS_PUSH", None)  # address of a Pushgateway

# Polite: who we are, what we may fetch, how fast

# USER_AGENT is composed by the add-on: rfinews/<version> (+<RFINEWS_CONTACT>)
ROBOTSTXT_OBEY = True  # default False
ROBOTSTXT_USER_AGENT = "rfinews"  # default None: matches rules against the contact's words, too
DOWNLOAD_DELAY = 1  # default 0; one request a second to a host
CONCURRENT_REQUESTS_PER_DOMAIN = 1  # default 8
AUTOTHROTTLE_ENABLED = True  # default False; slower still where a server is slow
AUTOTHROTTLE_START_DELAY = 1  # default 5; ours starts at one request a second
RETRY_GIVE_UP_LOG_LEVEL = "WARNING"  # default "ERROR"; a counted outcome, not our failure
REDIRECT_MAX_TIMES = 5  # default 20; http, host, short link and path take four
DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    # default also has "Accept-Language: en", but we read what an address holds, in any language
}

# Closed: no way in for others, no way out of http(s)

TELNETCONSOLE_ENABLED = False  # default True; listens on a port
REMOTE_CONTROL_ENABLED = False  # default True; listens on a port and runs the code it is sent
DOWNLOAD_VERIFY_CERTIFICATES = True  # default False
DOWNLOAD_HANDLERS = {"data": None, "file": None, "ftp": None, "s3": None}  # default: all four
COOKIES_ENABLED = False  # default True; nothing here needs a session
REFERER_ENABLED = False  # default True; nobody needs to know where we found a link
METAREFRESH_ENABLED = False  # default True; searches every page for a redirect we would not trust

# In the feed's order: it is the newest first, and files read the same from one crawl to the next

SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"  # default LIFO

# With a JOBDIR: queues that survive a crawl that is killed

SCHEDULER_DISK_QUEUE = "scrapy.squeues.PickleFifoSQLiteQueue"  # default PickleLifoDiskQueue
SCHEDULER_START_DISK_QUEUE = "scrapy.squeues.PickleFifoSQLiteQueue"  # default PickleFifoDiskQueue

# Bounded: what an answer may cost

DOWNLOAD_MAXSIZE = 10 * 1024 * 1024  # default 1 GiB; pages have 0.1 MB; counts decompressed, too
DOWNLOAD_TIMEOUT = 60  # default 180
URLLENGTH_LIMIT = 8192  # default 2083; a Chinese character takes nine; servers stop at 8 kB
MEMUSAGE_LIMIT_MB = 2048  # default 0, none; a crawl takes 100, better to close than to be killed

# Fast: measured, see README

WARN_ON_GENERATOR_RETURN_VALUE = False  # default True; reads the callback's source at each page
CONCURRENT_ITEMS = 4  # default 100; so many tasks are started for each response
if find_spec("uvloop"):  # there is none for Windows
    ASYNCIO_EVENT_LOOP = "uvloop.Loop"  # default None, asyncio's own

# Components

DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,  # default 50
    "rfinews.middlewares.AddressMiddleware": 50,
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,  # default 100
    "rfinews.middlewares.RobotsTxtMiddleware": 100,
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,  # default 550
    "scrapy.downloadermiddlewares.redirect.RedirectMiddleware": None,  # default 600
    "rfinews.middlewares.RedirectMiddleware": 600,
    "rfinews.middlewares.RetryMiddleware": 800,  # the last that can keep a request back
}
SPIDER_MIDDLEWARES = {
    "scrapy.spidermiddlewares.depth.DepthMiddleware": None,  # default 900; no depth is ever read
    # default 1000; warns of `meta` copied by hand, at the cost of a generator around each callback
    "scrapy.spidermiddlewares.metacopy.MetaCopyDetectionMiddleware": None,
    # default 800; AddressMiddleware keeps to URLLENGTH_LIMIT and tells the errback
    "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware": None,
}
ITEM_PIPELINES = {
    "rfinews.pipelines.CleanMarkupPipeline": 100,
    "rfinews.pipelines.ValidatePipeline": 200,
    "rfinews.pipelines.DuplicatesPipeline": 300,
}
EXTENSIONS = {
    "rfinews.known.KnownArticles": 0,
    "rfinews.crawl_log.CrawlLog": 1,  # needs the former
    "rfinews.progress.Progress": 2,
    "rfinews.tally.Tally": 3,  # only if one of the next two is asked for
    "rfinews.watching.Watching": 4,
    "rfinews.metrics.Metrics": 5,
    "scrapy.extensions.logstats.LogStats": None,  # default 0; Progress says more
}
FEED_STORAGES = {
    "": "rfinews.output.AtomicFileFeedStorage",  # default: written in place
    "file": "rfinews.output.AtomicFileFeedStorage",  # ditto
    "rfinews": "rfinews.output.ArticlesStorage",  # not in Scrapy: the crawl's own articles
}
FEED_EXPORTERS = {
    "jsonl": "rfinews.output.JsonLinesExporter",  # default: eight times slower
    "jsonlines": "rfinews.output.JsonLinesExporter",  # ditto
}
FEED_EXPORT_ENCODING = "utf-8"  # default None: \uXXXX in JSON
FEED_STORE_EMPTY = False  # default True; a crawl without records leaves no file

LOG_LEVEL = "INFO"  # default "DEBUG"; costs 10 % of the crawl
