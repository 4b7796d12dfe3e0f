"""What `scrapyd-deploy` runs to build the egg; the metadata stands in pyproject.toml."""

from setuptools import setup

setup()
