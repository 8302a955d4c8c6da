"""A page as a browser would see it, for the tests of everything that writes one."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Open tags, the text outside scripts and styles, every place that names a file."""

    def __init__(self, html: str):
        super().__init__()
        self.depth: list[str] = []
        self.tags: list[str] = []
        self.text, self.links = "", []
        self.feed(html)
        assert self.depth == [], "unbalanced tags"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "link", "path", "br", "input"):
            self.depth.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.depth.pop() == tag

    def handle_data(self, data):
        if self.depth and self.depth[-1] not in ("script", "style"):
            self.text += data
