"""Visitors share one browser context after the other, and meet nothing of each other."""

import pytest

from sandbox_testing.chromium import visitor

pytestmark = pytest.mark.browser


def test_a_visitor_finds_neither_cookies_nor_pages_nor_routes_of_the_one_before(browser, shop):
    with visitor(browser) as first:
        first.route("**/*", lambda route: route.fulfill(body="mine", content_type="text/html"))
        page = first.new_page()
        page.goto(shop)
        assert page.content().count("mine") == 1
        page.evaluate("document.cookie = 'who=first; max-age=3600'")
        assert [cookie["value"] for cookie in first.cookies()] == ["first"]
    with visitor(browser) as second:
        assert second.cookies() == []
        assert page.is_closed()
        page = second.new_page()
        page.goto(shop)
        assert "mine" not in page.content()
        assert page.evaluate("document.cookie") == ""


def test_a_visitor_of_another_kind_has_a_context_of_its_own(browser):
    with visitor(browser) as one, visitor(browser, java_script_enabled=False) as other:
        assert one != other
