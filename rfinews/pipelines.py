"""What happens to an article between the spider and the file. Each pipeline is one rule."""

import importlib.resources
from typing import Self

import jsonschema_rs
import orjson
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from rfinews import dates
from rfinews.items import Article, as_record
from rfinews.markup import content_hash, sanitize


class DropArticle(DropItem):
    """Raised by a pipeline; `outcome` (CONTRACT section 5) and `detail` go to the crawl's outcomes."""

    def __init__(self, outcome: str, detail: str | None = None) -> None:
        super().__init__(f"{outcome}: {detail}" if detail else outcome, log_level="DEBUG")
        self.outcome = outcome
        self.detail = detail


class CleanMarkupPipeline:
    """Sanitises the HTML and stamps the article: what leaves is known from here on."""

    def __init__(self, crawl_id: str) -> None:
        self.crawl_id = crawl_id

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        return cls(crawler.settings["RFINEWS_CRAWL_ID"])

    def process_item(self, item: Article) -> Article:
        item.article_body_html = sanitize(item.article_body_html)
        item.content_hash = content_hash(item.headline, item.description, item.article_body)
        item.crawled_at = item.crawled_at or dates.now()
        item.crawl_id = self.crawl_id
        return item


class ValidatePipeline:
    """Lets nothing pass that the published JSON Schema would refuse."""

    def __init__(self) -> None:
        schema = importlib.resources.files("rfinews") / "schemas" / "article-v1.json"
        self.validator = jsonschema_rs.Draft202012Validator(orjson.loads(schema.read_bytes()))

    def process_item(self, item: Article) -> Article:
        record = as_record(item)
        if not self.validator.is_valid(record):
            error = next(self.validator.iter_errors(record))
            where = ".".join(map(str, error.instance_path)) or "record"
            raise DropArticle("invalid", f"{where}: {error.message[:200]}")
        return item


class DuplicatesPipeline:
    """Lets each content of an article pass once in a crawl; a newer one is its next revision.

    A second record for a canonical URL is an update when its text differs and its feed date is
    later (an archive holds such); everything else is a duplicate.
    """

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, str, str | None]] = {}

    def process_item(self, item: Article) -> Article:
        known = self.seen.get(item.id)
        if known is not None:
            revision, content, feed_date = known
            if item.content_hash == content or (item.feed_date or "") <= (feed_date or ""):
                raise DropArticle("duplicate", item.canonical_url)
            item.revision, item.change = revision + 1, "update"
        self.seen[item.id] = (item.revision, item.content_hash, item.feed_date)
        return item
