"""Text in, typed data out: no Scrapy, no network, no files."""
