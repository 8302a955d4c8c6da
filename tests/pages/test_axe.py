"""axe-core finds nothing serious in the pages, light and dark. The documentation's pages are in tests/site."""

import pytest

from glassformer.lens.look.page import write_page

from ..axe import script, serious
from ..lens.look.test_page import looked
from .test_phone import reported


def drawn(folder):
    return write_page(looked(), "a", "b", folder / "look.html")


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("make", [drawn, reported], ids=["look", "report"])
def test_nothing_serious_is_found(make, dark, tmp_path):
    script()
    assert not serious(make(tmp_path), tmp_path, dark)


@pytest.mark.slow
def test_what_is_wrong_is_found(tmp_path):
    page = tmp_path / "page.html"
    text = '<html lang="en"><title>x</title><body><main><h1>x</h1><img src="data:,"></main></body></html>'
    page.write_text("<!doctype html>" + text)
    assert [(impact, rule) for impact, rule, *_ in serious(page, tmp_path)] == [("critical", "image-alt")]
