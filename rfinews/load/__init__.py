"""JSON Lines into databases (``scrapy load``).

`records` reads lines and refuses bad ones, `tables` says which rows a record becomes, `sqlite`,
`postgres` and `duck` write them, `parquet` writes files beside a DuckDB database, `search` finds
words, `targets` knows which is which.
"""
