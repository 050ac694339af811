"""Reports for people: the HTML page of a build (`render_html`) and the supported-operator page (`operators`)."""

from edgekit.reports.html import render_html

__all__ = ["render_html"]
