"""The handbook: Markdown in `en` and `zh_CN`; `python -m tests.handbook` renders it into `html`."""
