"""Spiders: discover, request, and yield what parsers return."""
