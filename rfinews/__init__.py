"""rfinews: crawls RFI's news and leaves one JSON Lines record for each article."""

__version__ = "0.1.0"
