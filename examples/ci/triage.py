"""Greets an issue. The URL it talks to adds the credential."""

import json
import os
import urllib.request

issue = "{GITHUB_API}/repos/{REPO}/issues/{ISSUE}".format(**os.environ)
title = json.load(urllib.request.urlopen(issue))["title"]
if os.environ["LOG_LEVEL"] == "debug":
    print("read", issue)
body = json.dumps({"body": "Thank you! We look into “%s”." % title}).encode()
print(urllib.request.urlopen(urllib.request.Request(issue + "/comments", body)).status)
