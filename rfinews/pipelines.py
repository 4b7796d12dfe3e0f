"""What happens to an article between the spider and the file. Each pipeline is one rule."""

import importlib.resources
from typing import Self

import jsonschema_rs
import orjson
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider, DropItem

from rfinews import dates
from rfinews.items import Article, as_record
from rfinews.known import KnownArticles
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
    """Lets each content of an article pass once, ever: what is known drops, what differs is updated.

    `rfinews.revisions.judge` is the rule.
    """

    def __init__(self, known: KnownArticles) -> None:
        self.known = known

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        known = crawler.get_extension(KnownArticles)
        assert known is not None
        return cls(known)

    def process_item(self, item: Article) -> Article:
        is_again = item.id in self.known.exporting
        try:
            verdict = self.known.judge(item)
        except CloseSpider:
            raise DropArticle("unfetched", "the store cannot be used") from None
        if verdict.revision is None:
            if is_again:
                raise DropArticle("duplicate", item.canonical_url)
            raise DropArticle("unchanged", verdict.reason)
        item.revision, item.change = verdict.revision, verdict.change
        return item
