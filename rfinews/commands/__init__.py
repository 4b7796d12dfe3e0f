"""Commands of ``scrapy`` in this project: argument parsing and printing."""
