"""Which variables lead an agent to the proxy, and where their prefixes lead."""

import pytest

from orchprof.watch.proxy import base_urls


def test_what_is_not_set_leads_to_its_vendor():
    urls = base_urls.upstreams({})
    assert urls["OPENAI_BASE_URL"] == "https://api.openai.com/v1"
    assert urls["ANTHROPIC_BASE_URL"] == "https://api.anthropic.com"
    assert urls["GOOGLE_GEMINI_BASE_URL"] == "https://generativelanguage.googleapis.com"
    assert "AZURE_OPENAI_ENDPOINT" not in urls


def test_what_is_set_leads_where_it_led():
    given = {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1/",
        "AZURE_OPENAI_ENDPOINT": "https://x",
        "GROQ_API_BASE": "http://g",
    }
    urls = base_urls.upstreams({**given, "SITE_URL": "http://site", "ANTHROPIC_BASE_URL": ""})
    assert urls["OPENAI_BASE_URL"] == "http://127.0.0.1:9/v1"
    assert (urls["AZURE_OPENAI_ENDPOINT"], urls["GROQ_API_BASE"]) == ("https://x", "http://g")
    assert urls["ANTHROPIC_BASE_URL"] == "https://api.anthropic.com"
    assert "SITE_URL" not in urls


@pytest.mark.parametrize(
    "url", ["unix:///run/x", "https://user:key@host/v1", "http://h/v1?key=k", "http://h:x/", "host"]
)
def test_what_no_path_can_be_put_after_is_left_alone(url):
    assert "OPENAI_BASE_URL" not in base_urls.changes({"OPENAI_BASE_URL": url}, 5)


def test_the_agent_is_led_to_its_own_prefix():
    changes = base_urls.changes({}, 5)
    assert changes["OPENAI_BASE_URL"] == "http://127.0.0.1:5/openai-base-url"
    assert "NO_PROXY" not in changes


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ({}, "127.0.0.1"),
        ({"NO_PROXY": "a,b"}, "a,b,127.0.0.1"),
        ({"no_proxy": "c", "NO_PROXY": "d"}, "c,127.0.0.1"),
    ],
)
def test_a_forward_proxy_does_not_get_between(given, listed):
    changes = base_urls.changes({"http_proxy": "http://proxy:3128", **given}, 5)
    assert (changes["NO_PROXY"], changes["no_proxy"]) == (listed, listed)


@pytest.mark.parametrize(
    ("url", "path", "asked"),
    [
        ("https://api.openai.com/v1", "/responses?a=1", "/v1/responses?a=1"),
        ("https://api.openai.com/v1", "/v1/responses", "/v1/responses"),
        ("https://api.anthropic.com", "/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("https://api.anthropic.com", "/messages", "/v1/messages"),
        ("https://api.anthropic.com", "/api/hello", "/api/hello"),
        ("http://127.0.0.1:9/gateway/anthropic", "/v1/messages", "/gateway/anthropic/v1/messages"),
        ("http://127.0.0.1:9", "", "/"),
    ],
)
def test_agents_disagree_about_the_version(url, path, asked):
    assert base_urls.target(url, path) == asked
