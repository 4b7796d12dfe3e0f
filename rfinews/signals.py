"""Signals of rfinews' own, sent through ``crawler.signals``."""

#: An address was found that the crawl must account for. Arguments: ``url`` (str),
#: ``feed`` (str or None: the feed or sitemap that names it).
address_discovered = object()

#: What became of a discovered address. Arguments: ``url`` (str), ``outcome`` (str, one of CONTRACT
#: section 5), ``detail`` (str or None).
address_settled = object()

#: Sent by `rfinews.crawl_log.CrawlLog`: every address is accounted for, and the manifest is about to be
#: written. Arguments: ``reason`` (str: its ``finish_reason``), ``notes`` (dict: what a receiver puts
#: there the manifest says, too).
crawl_ends = object()
