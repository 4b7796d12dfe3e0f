"""A loaded SQLite database as pages to read, in Datasette (``scrapy browse``).

`server` opens the database read-only and listens on loopback, `plugin` adds this project's pages and
headers to Datasette, `queries` is the SQL behind them, `differences` compares revisions.
"""
