"""Stock Scrapy that downloads pages and throws them away: ``scrapy runspider … -a urls=FILE``."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from scrapy import Request, Spider
from scrapy.http import Response


class DiscardSpider(Spider):
    """Asks for each address in a file. ``-a first=URL``: asks for that one first, and its callback
    for all others.
    """

    name = "discard"

    def __init__(self, urls: str, first: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.urls = urls
        self.first = first

    async def start(self) -> AsyncIterator[Request]:
        if self.first:
            yield Request(self.first, callback=self.parse_first, dont_filter=True)
            return
        for request in self.requests():
            yield request

    def parse_first(self, response: Response) -> Iterator[Request]:
        yield from self.requests()

    def requests(self) -> Iterator[Request]:
        with Path(self.urls).open(encoding="utf-8") as lines:
            for line in lines:
                yield Request(line.strip(), dont_filter=True)

    def parse(self, response: Response) -> None:
        pass
