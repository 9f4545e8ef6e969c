"""The handbook: Markdown in `en` and `zh_CN`, rendered to `html` by tests.tools.handbook."""
