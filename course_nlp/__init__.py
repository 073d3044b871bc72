"""Helpers of the course: small, tested functions that the lessons build and then import."""

__version__ = "0.1.0"
