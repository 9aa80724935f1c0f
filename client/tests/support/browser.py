"""A person with a browser: follows the forms of an identity provider until there is none."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin

import requests

FORM = re.compile(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
# A device code, its confirmation, the login and the consent.
MOST_FORMS = 6


def enter_code(address: str, account: str) -> None:
    """Open the address of a device authorization, and log in; the password is the account's name."""
    browser = requests.Session()
    page = browser.get(address, timeout=20)
    for _ in range(MOST_FORMS):
        form = FORM.search(page.text)
        if form is None:
            break
        fields = {name: html.unescape(value) for name, value in re.findall(r'name="([^"]+)"\s+value="([^"]*)"', form[2])}
        fields.pop("abort", None)
        if 'name="login"' in form[2]:
            fields |= {"login": account, "password": account}
        page = browser.post(urljoin(page.url, html.unescape(form[1])), data=fields, timeout=20)
    page.raise_for_status()
