"""The documentation as one site that opens offline: `./glass docs`.

Sphinx builds it with MyST-NB (Markdown and notebooks) and the theme furo. `modules.py` reads the package's docstrings
without importing it, `papers.py` collects the papers that they name, `markdown.py` writes pages of both, `links.py` leads
the links of the documents to pages of the site, `stage.py` lays everything out for Sphinx, and `build.py` runs it.
"""
