"""(a) Finding an article's text: rfinews beside the extractors that others would use.

Each gets what is natural to it: rfinews a feed's payload or a page with its address; the others a
whole HTML document, for a payload one with the title in ``title`` and ``h1`` and the payload in
``article``, which is the form that suits them best. All get text that is decoded already.

Quality is text F1. Text is reduced line by line to its letters and digits (NFKC, case-folded) and
compared as a multiset of pairs of neighbouring characters, so layout, punctuation, the order and
the joining of paragraphs do not count. To be found: chapô and body. Headline, date, byline,
captions, copyright and column are nobody's loss: they may be there or not. A document without
text (a video alone) is left out. The figure is the mean over the documents.

newspaper4k reads Chinese only with jieba (its extra ``zh``); without that it takes it for English. It
must not fetch pictures to look at their size.

Speed is documents a second of CPU time, imports and a first round for warming up not counted. For
rfinews that is every field, the plain text and the HTML; sanitising comes on a line of its own.
"""

import importlib.util
import random
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from time import process_time

import lxml.html
import readability  # type: ignore[import-untyped]
import trafilatura

from rfinews.items import Article, article_at
from rfinews.markup import sanitize
from rfinews.parsers.archive import read_document
from rfinews.parsers.feedx import read_payload
from rfinews.parsers.rfi import read_page
from tests.benchmarks import corpus
from tests.benchmarks.measure import ratio, table

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it tells that its language tools are not installed
    import newspaper  # type: ignore[import-untyped]

SAMPLED, OWN_PAGES = 300, 60


@dataclass(frozen=True, kw_only=True)
class Document:
    """A payload (`html` wraps it) or, if that is `None`, a page."""

    url: str
    edition: str
    title: str
    payload: str | None
    html: str
    wanted: tuple[str, ...] = ()
    """Chapô and paragraphs, empty if nobody has checked them."""
    allowed: tuple[str, ...] = ()


def payload_documents(samples: Path, sampled: int) -> Iterator[Document]:
    """Yield the real documents that have checked answers, and so many others."""
    gold = corpus.gold_answers(samples)
    texts = dict(corpus.sample_documents(samples))
    others = random.Random(2).sample(sorted(texts.keys() - gold.keys()), sampled)
    for name in (*gold, *others):
        document = read_document(texts[name])
        title = escape(document.title)
        answer = gold.get(name, {})
        accepted = answer.get("accept", {})
        blocks = answer.get("blocks", [])
        optional = {blocks[number] for number in accepted.get("optional_blocks", ())}
        yield Document(
            url=document.url,
            edition="cn",
            title=document.title,
            payload=document.payload,
            html=f'<!DOCTYPE html><html lang="zh-Hans"><head><meta charset="utf-8"><title>{title}'
            f"</title></head><body><article><h1>{title}</h1>{document.payload}</article></body></html>",
            wanted=(
                *filter(None, [answer.get("description")]),
                *(block for block in blocks if block not in optional),
            ),
            allowed=(document.title, *optional, *_around(answer)),
        )


def _around(answer: dict[str, object]) -> Iterator[str]:
    for name in ("headline", "column", "copyright_notice"):
        if answer.get(name):
            yield str(answer[name])
    yield from answer.get("authors", ())  # type: ignore[misc]


def page_documents(samples: Path | None, own: int) -> Iterator[Document]:
    """Yield pages that tell the checked answers and so many stories in three languages."""
    stories = []
    if samples:
        answers = corpus.gold_answers(samples).values()
        stories += [corpus.told_by_gold(number, answer) for number, answer in enumerate(answers)]
    stories += [corpus.story(number, tuple(corpus.VOICES)[number % 3]) for number in range(own)]
    for told in stories:
        yield Document(
            url=told.url,
            edition=told.edition,
            title=told.headline,
            payload=None,
            html=corpus.page(told),
            wanted=(*filter(None, [told.chapo]), *told.blocks) if told.blocks else (),
            allowed=tuple(
                filter(
                    None,
                    (
                        told.headline,
                        f"{told.headline} - RFI",
                        told.section,
                        told.shown,
                        told.author,
                        told.copyright,
                        told.topics[0],
                        "© RFI",
                        corpus.VOICES[told.edition].labels[0],
                    ),
                )
            ),
        )


# ---------------------------------------------------------------------------------------- contenders


def _article(document: Document) -> Article:
    if document.payload is None:
        return read_page(document.html, document.url)
    return read_payload(article_at(document.url), document.title, document.payload)


def by_rfinews(document: Document) -> str:
    article = _article(document)
    return f"{article.description or ''}\n{article.article_body}"


def by_rfinews_sanitised(document: Document) -> str:
    article = _article(document)
    article.article_body_html = sanitize(article.article_body_html)
    return f"{article.description or ''}\n{article.article_body}"


def by_trafilatura(document: Document) -> str:
    return trafilatura.extract(document.html) or ""


def by_trafilatura_fast(document: Document) -> str:
    return trafilatura.extract(document.html, fast=True) or ""


def by_newspaper(document: Document) -> str:
    chinese = "zh" if importlib.util.find_spec("jieba") else "en"
    language = chinese if document.edition == "cn" else document.edition
    article = newspaper.Article(document.url, language=language, fetch_images=False)
    article.download(input_html=document.html)
    article.parse()
    return str(article.text)


def by_readability(document: Document) -> str:
    """Its answer is HTML; lxml's text of that, a line for each piece, is the least that follows."""
    summary = readability.Document(document.html).summary(html_partial=True)
    return "\n".join(lxml.html.fromstring(summary).itertext())


CONTENDERS: dict[str, Callable[[Document], str]] = {
    "rfinews": by_rfinews,
    "rfinews, sanitised too": by_rfinews_sanitised,
    "trafilatura": by_trafilatura,
    "trafilatura, fast=True": by_trafilatura_fast,
    "newspaper4k": by_newspaper,
    "readability-lxml": by_readability,
}


# ---------------------------------------------------------------------------------------- measuring


def pairs(texts: Iterable[str]) -> Counter[str]:
    """Count the pairs of neighbouring letters and digits, line by line.

    >>> sorted(pairs(["A b-1", "b1"]).items())
    [('ab', 1), ('b1', 2)]
    """
    counts: Counter[str] = Counter()
    for text in texts:
        for line in unicodedata.normalize("NFKC", text).casefold().splitlines():
            kept = "".join(filter(str.isalnum, line))
            counts.update(map("".join, pairwise(kept)))
    return counts


def f1(found: str, document: Document) -> float:
    """Text F1, 0 to 1; see the top of this file."""
    got, wanted = pairs([found]), pairs(document.wanted)
    hits = (got & wanted).total()
    wrong = (got - wanted - pairs(document.allowed)).total()
    missed = (wanted - got).total()
    return 2 * hits / (2 * hits + wrong + missed)


class Extraction:
    """One kind of documents, all contenders: `run` once a round, then `report`."""

    def __init__(self, kind: str, documents: Iterable[Document]) -> None:
        self.kind = kind
        self.documents = list(documents)
        checked = [document for document in self.documents if document.wanted]
        self.checked = len(checked)
        self.quality = {
            name: fmean(f1(extract(document), document) for document in checked)
            for name, extract in CONTENDERS.items()
        }
        self.seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}

    def run(self) -> None:
        for name, extract in CONTENDERS.items():
            started = process_time()
            for document in self.documents:
                extract(document)
            self.seconds[name].append(process_time() - started)

    def report(self) -> str:
        number = len(self.documents)
        size = fmean(len((d.payload or d.html).encode()) for d in self.documents)
        rows = [
            (
                name,
                f"{self.quality[name]:.4f}",
                f"{number / median(seconds):,.0f}",
                f"{1000 * median(seconds) / number:.2f}",
                "" if name == "rfinews" else f"{ratio(seconds, self.seconds['rfinews']):.1f}",
            )
            for name, seconds in self.seconds.items()
        ]
        head = (
            f"{self.kind}: {number} of {size / 1000:.1f} kB, {self.checked} checked",
            "text F1",
            "documents/s",
            "ms CPU",
            "× rfinews' time",
        )
        others = [name for name in CONTENDERS if not name.startswith("rfinews")]
        fastest = min(ratio(self.seconds[name], self.seconds["rfinews"]) for name in others)
        best = max(others, key=self.quality.__getitem__)
        verdict = (
            f"Best other F1 {self.quality[best]:.4f} ({best}), rfinews {self.quality['rfinews']:.4f}; "
            f"the fastest other takes {fastest:.1f} × as long (goal 10)."
        )
        return f"{table(head, rows)}\n\n{verdict}"
