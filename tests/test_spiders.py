"""Real crawls of the bundled mirror, compared field by field with the records expected of them.

`fixtures/README.md` says which article proves what.
"""

import json
from pathlib import Path

import pytest
from scrapy.settings import Settings
from scrapy.spiderloader import SpiderLoader

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
OUTCOMES = json.loads((FIXTURES / "expected" / "outcomes.json").read_text(encoding="utf-8"))
# Not the same from crawl to crawl.
VARYING = {"crawled_at", "crawl_id"}
CRAWLS = {
    "feedx": ("feedx", {}),
    "feedx-follow": ("feedx", {"follow": "1"}),
    "feedx-best-follow": (
        "feedx",
        {"feed": "https://feedx.best/rss/rfi.xml", "follow": "1"},
    ),
    "feedx-run": ("feedx", {"feed": "https://feedx.run/rss/rfi.xml"}),
    "archive": ("archive", {"path": str(FIXTURES / "archive")}),
}


def expected(name):
    lines = (FIXTURES / "expected" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return by_revision(map(json.loads, lines))


def by_revision(records):
    return {
        (record["canonical_url"], record["revision"]): {
            field: value for field, value in record.items() if field not in VARYING
        }
        for record in records
    }


@pytest.fixture(params=CRAWLS)
def crawled(request, crawl, mirror):
    spider, arguments = CRAWLS[request.param]
    return request.param, crawl(spider, arguments, mirror=mirror)


def test_every_record_and_outcome_is_as_expected(crawled):
    name, result = crawled
    assert result.status == 0, result.stderr
    records = by_revision(result.records)
    assert len(records) == len(result.records)
    wanted = expected(name)
    assert records.keys() == wanted.keys()
    for key, record in wanted.items():
        assert records[key] == record
    outcomes = {row["url"]: row["outcome"] for row in result.outcomes}
    assert len(outcomes) == len(result.outcomes)
    assert outcomes == OUTCOMES[name]


def test_the_next_feed_is_asked_when_one_cannot_be_had(crawl, mirror):
    feeds = "https://feedx.top/rss/rfi.xml,https://feedx.run/rss/rfi.xml"
    result = crawl("feedx", {"feed": feeds}, mirror=mirror)
    assert result.status == 0
    assert by_revision(result.records) == expected("feedx-run")
    (failed,) = [row for row in result.outcomes if row["url"] == "https://feedx.top/rss/rfi.xml"]
    assert failed["outcome"] == "http_404"


def test_a_feed_of_summaries_gives_no_article_without_its_pages(crawl, mirror):
    result = crawl("feedx", {"feed": "https://www.rfi.fr/fr/rss"}, mirror=mirror)
    assert all(record["article_body"] == "" for record in result.records)
    assert all(record["images"] or record["audios"] for record in result.records)


def test_compressed_output_is_the_same(crawl, mirror):
    result = crawl("feedx", settings={"RFINEWS_COMPRESS": "gz"}, mirror=mirror)
    assert [path.suffix for path in result.files if "jsonl.gz" in path.name] == [".gz"]
    assert by_revision(result.records) == expected("feedx")


@pytest.mark.parametrize(
    "name", SpiderLoader(Settings({"SPIDER_MODULES": ["rfinews.spiders"]})).list()
)
def test_every_spider_declares_what_it_takes(name):
    spider = SpiderLoader(Settings({"SPIDER_MODULES": ["rfinews.spiders"]})).load(name)
    assert spider.arguments
    assert all(argument.takes for argument in spider.arguments.values())
