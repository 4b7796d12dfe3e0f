"""6,119 real documents: not a paragraph lost, no boilerplate left, the hand-checked answers met."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rfinews.markup import mend
from rfinews.parsers.archive import read_document
from tests.oracle import letters, text

# What stands in a payload beside the article. The first three go with all their text; players'
# titles and captions are told by their classes.
BESIDE = re.compile(
    r"<figcaption.*?</figcaption>"
    r"|<div class=\"m-em-video__title.*?</div>"
    r"|<p class=\"m-em-audio__show-infos.*?</p>"
    r"|<div class=\"m-block-ad__label.*?</div>"
    r"|<div>分享 :</div>"
    r"|<br><hr><div>获取更多RSS.*?</div>",
    re.DOTALL,
)
BOILERPLATE = re.compile(
    r"获取更多RSS|feedx\.|继续浏览后续|举报广告|^广告$|^分享 ?:?$|^Array$|o-self-promo|m-interstitial"
    r"|<script|<svg|<style|<button|\.a\{fill",
    re.MULTILINE,
)
FROM_WHERE = {"source", "url", "feed_url", "crawled_at", "crawl_id"}


def documents(samples: Path) -> dict[str, str]:
    found = {}
    for archive in sorted(samples.glob("*.jsonl.gz")):
        with gzip.open(archive, "rt", encoding="utf-8") as rows:
            found |= {f"{archive.stem}/{row['name']}": row["text"] for row in map(json.loads, rows)}
    for path in [samples / "seed.md", *sorted((samples / "archive-2021-2024").iterdir())]:
        found[path.name] = path.read_text(encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory, samples):
    """All documents as files, and the records that `scrapy crawl archive` makes of them."""
    folder = tmp_path_factory.mktemp("samples")
    texts = documents(samples)
    (folder / "documents").mkdir()
    for number, content in enumerate(texts.values()):
        (folder / "documents" / f"{number:05}.md").write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "scrapy", "crawl", "archive"]
    command += ["-a", f"path={folder / 'documents'}", "-s", f"RFINEWS_DATA_DIR={folder / 'data'}"]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    (lines,) = (
        p for p in (folder / "data" / "articles").glob("*.jsonl") if "outcomes" not in p.name
    )
    records = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    return texts, lines, records


def test_one_record_an_article(archive):
    texts, _, records = archive
    addresses = {read_document(content).url for content in texts.values()}
    assert len({record["canonical_url"] for record in records}) == len(records) == len(addresses)


def test_not_a_letter_lost_or_added(archive):
    """Letters and digits of description and body are those of the raw payload, read by html5lib."""
    texts, _, records = archive
    by_address = {record["url"]: record for record in records}
    different = []
    for name, content in texts.items():
        document = read_document(content)
        record = by_address[document.url]
        raw = letters(text(BESIDE.sub("", mend(document.payload))))
        raw = re.sub(r"^\d{12}(?:Array)?", "", raw)
        notice = letters(record["copyright_notice"] or "")
        raw = raw.replace(notice, "", 1) if notice else raw
        if raw != letters((record["description"] or "") + record["article_body"]):
            different.append(name)
    assert different == []


def test_no_boilerplate_is_left(archive):
    _, _, records = archive
    dirty = [
        (record["url"], found[0])
        for record in records
        for value in (record["article_body"], record["article_body_html"], record["headline"])
        if (found := BOILERPLATE.search(value))
    ]
    assert dirty == []


def test_hand_checked_answers(archive, samples):
    _, lines, _ = archive
    score = subprocess.run(
        [sys.executable, str(samples / "score.py"), str(samples / "gold.jsonl"), str(lines)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rates = dict(re.findall(r"^(\w+) +([\d.]+)%", score.stdout, re.MULTILINE))
    assert rates
    assert {name: rate for name, rate in rates.items() if float(rate) < 99} == {}
    (f1,) = re.findall(r"block_f1=([\d.]+)", score.stdout)
    assert float(f1) >= 0.999


def test_a_feed_of_the_same_documents_gives_the_same_records(archive, crawl, serve):
    """Every twentieth document, served as a feed through the mirror."""
    texts, _, records = archive
    chosen = [read_document(content) for content in list(texts.values())[::20]]
    items = "".join(
        f"<item><title>{escaped(d.title)}</title><link>{escaped(d.url)}</link>"
        f"<description>{escaped(d.payload)}</description>"
        f"<pubDate>{rfc822(d.feed_date)}</pubDate></item>"
        for d in chosen
    )
    feed = f'<?xml version="1.0"?><rss version="2.0"><channel>{items}</channel></rss>'
    server = serve({"feedx.net/rss/rfi.xml": feed.encode()})
    result = crawl("feedx", mirror=server)
    assert result.status == 0, result.stderr
    archived = {record["canonical_url"]: record for record in records}
    assert len(result.records) == len({d.url for d in chosen})
    for record in result.records:
        same = archived[record["canonical_url"]]
        assert {n: v for n, v in record.items() if n not in FROM_WHERE} == {
            n: v for n, v in same.items() if n not in FROM_WHERE
        }


def escaped(content: str) -> str:
    return content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def rfc822(date: str | None) -> str:
    from datetime import datetime
    from email.utils import format_datetime

    return format_datetime(datetime.fromisoformat(date or ""))
