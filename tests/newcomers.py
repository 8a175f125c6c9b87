"""Projects that know nothing of devenv, as people have them, each with a page at `/` that says `hello`."""

from __future__ import annotations

from collections.abc import Mapping

Files = dict[str, str]

DJANGO: Files = {
    "requirements.txt": "Django>=5,<6\ndj-database-url==2.*\npsycopg[binary]>=3\n",
    ".env.example": "DATABASE_URL=postgres://shop:shop@localhost:5432/shop\nSECRET_KEY=not-a-secret\nDEBUG=1\n",
    "manage.py": """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
""",
    "site_/__init__.py": "",
    "site_/settings.py": """\
import os

import dj_database_url

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = os.environ.get("DEBUG") == "1"
ROOT_URLCONF = "site_.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": dj_database_url.config()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "site_/urls.py": """\
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path


def home(request):
    return HttpResponse(f"hello, {User.objects.count()} users")


urlpatterns = [path("", home)]
""",
}

FLASK: Files = {
    "pyproject.toml": """\
[project]
name = "notes"
version = "1"
requires-python = ">=3.11"
dependencies = ["flask>=3", "redis>=5"]
""",
    "notes/__init__.py": """\
import os

from flask import Flask
from redis import Redis


def create_app():
    app = Flask(__name__)
    store = Redis.from_url(os.environ["REDIS_URL"])

    @app.get("/")
    def home():
        return f"hello, visitor {store.incr('visits')}"

    return app
""",
}

EXPRESS: Files = {
    "package.json": """\
{
  "name": "api",
  "version": "1.0.0",
  "main": "server.js",
  "scripts": {"start": "node server.js"},
  "dependencies": {"express": "^4.19.0"}
}
""",
    "server.js": """\
const express = require("express");
const app = express();
app.get("/", (request, response) => response.send("hello from express"));
app.listen(process.env.PORT || 4000);
""",
}

VITE: Files = {
    "package.json": """\
{
  "name": "front",
  "private": true,
  "scripts": {"dev": "vite"},
  "devDependencies": {"vite": "^5.0.0"}
}
""",
    "index.html": "<!doctype html><title>front</title><p>hello from vite</p>\n",
}

NEXT: Files = {
    "package.json": """\
{
  "name": "front",
  "private": true,
  "scripts": {"dev": "next dev", "build": "next build", "start": "next start"},
  "dependencies": {"next": "file:stand-in"}
}
""",
    "package-lock.json": """\
{
  "name": "front",
  "lockfileVersion": 3,
  "requires": true,
  "packages": {
    "": {"name": "front", "dependencies": {"next": "file:stand-in"}},
    "node_modules/next": {"resolved": "stand-in", "link": true},
    "stand-in": {"name": "next", "version": "15.0.0", "bin": {"next": "next.js"}}
  }
}
""",
    # As Next.js is started, without the 300 MB of it.
    "stand-in/package.json": '{"name": "next", "version": "15.0.0", "bin": {"next": "next.js"}}\n',
    "stand-in/next.js": """\
#!/usr/bin/env node
const { parseArgs } = require("node:util");
const options = { hostname: { type: "string" }, port: { type: "string" } };
const { values, positionals } = parseArgs({ options, allowPositionals: true });
if (positionals[0] !== "dev") process.exit(1);
require("node:http")
  .createServer((request, response) => response.end("hello from next"))
  .listen(Number(values.port), values.hostname);
""",
    "app/page.js": "export default function Page() { return <p>hello from next</p>; }\n",
}

GO: Files = {
    "go.mod": "module example.org/hello\n\ngo 1.22\n",
    "main.go": """\
package main

import (
	"fmt"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello from go") })
	if err := http.ListenAndServe(":9090", nil); err != nil {
		panic(err)
	}
}
""",
}

MONOREPO: Files = {
    "README.md": "# Two apps\n",
    "apps/api/requirements.txt": "flask\n",
    "apps/api/app.py": """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "hello from the api"
""",
    "apps/site/package.json": '{"name": "site", "scripts": {"dev": "node --watch server.js"}}\n',
    "apps/site/server.js": """\
const http = require("http");
const api = "http://api:5000/";
http
  .createServer(async (request, response) => response.end(`site: ${await (await fetch(api)).text()}`))
  .listen(3000);
""",
}

ALL: Mapping[str, Files] = {
    "django": DJANGO,
    "flask": FLASK,
    "express": EXPRESS,
    "next": NEXT,
    "vite": VITE,
    "go": GO,
    "monorepo": MONOREPO,
}
