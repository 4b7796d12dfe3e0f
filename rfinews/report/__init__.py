"""What crawls left behind as one page to look at each morning (``scrapy report``).

`reading` takes files apart and counts what it cannot read, `summary` adds it up in memory that does
not grow with the articles, `judgement` says what is well and what is not, `charts` and `page` show
it; `html` makes sure that nothing a file says becomes markup.
"""
