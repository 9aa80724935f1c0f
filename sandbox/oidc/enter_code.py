"""Logs in at the sandbox's OpenID provider and confirms the code of a program, as a person does in a browser.

Arguments: the address that the program showed, and the account, which is also its password.
"""

import sys
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests

# The code, its confirmation, the login: more pages mean that something was refused.
MAX_FORMS = 6


class Form(HTMLParser):
    """The first form of a page: where it goes, and its fields."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields = None, {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attrs.get("action", "")
        elif tag in ("input", "button") and attrs.get("name") and attrs["name"] != "abort":
            self.fields[attrs["name"]] = attrs.get("value", "")


def main(address, account):
    session = requests.Session()
    page = session.get(address, timeout=10)
    for _ in range(MAX_FORMS):
        page.raise_for_status()
        form = Form(page.text)
        if form.action is None:
            return
        known = {"login": account, "password": account}
        fields = {**form.fields, **{name: value for name, value in known.items() if name in form.fields}}
        page = session.post(urljoin(page.url, form.action), data=fields, timeout=10)
    sys.exit(f"still a form at {page.url}:\n{page.text}")


main(*sys.argv[1:])
