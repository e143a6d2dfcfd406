"""The results page: Markdown and figures made from result files, so that no number is typed by hand."""
