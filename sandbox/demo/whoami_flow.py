"""Reads my notes, tries a colleague's, and asks Google who I am. An ordinary Metaflow flow: nothing here knows Namesake."""

import json

import google.auth
import google.auth.transport.requests
import requests
from google.api_core.exceptions import Forbidden
from google.cloud import storage
from metaflow import FlowSpec, Parameter, current, step


def who_am_i(tokeninfo):
    """The account that Google sees when this task calls it."""
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(google.auth.transport.requests.Request())
    answer = requests.get(tokeninfo, params={"access_token": credentials.token}, timeout=30)
    answer.raise_for_status()
    return answer.json()["email"]


def read(url):
    """What a file in Cloud Storage says, or that I may not read it."""
    bucket, _, name = url.removeprefix("gs://").partition("/")
    try:
        return "read: " + storage.Client().bucket(bucket).blob(name).download_as_text().strip()
    except Forbidden:
        return "refused"


class WhoamiFlow(FlowSpec):
    notes = Parameter("notes", required=True, help="gs:// URL of a file of mine")
    colleagues_notes = Parameter("colleagues-notes", required=True, help="gs:// URL of a colleague's file")
    tokeninfo = Parameter("tokeninfo", default="https://oauth2.googleapis.com/tokeninfo", help="Google's token check")

    @step
    def start(self):
        self.look_around()
        self.next(self.end)

    @step
    def end(self):
        self.look_around()

    def look_around(self):
        self.me = who_am_i(self.tokeninfo)
        self.mine = read(self.notes)
        self.theirs = read(self.colleagues_notes)
        print("WHOAMI", json.dumps({"step": current.step_name, "me": self.me, "mine": self.mine, "theirs": self.theirs}))


if __name__ == "__main__":
    WhoamiFlow()
