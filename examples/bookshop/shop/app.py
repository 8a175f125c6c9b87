"""The shop on the web: a page, a JSON API and a health check."""

from __future__ import annotations

import os
from http import HTTPStatus

import psycopg
import redis
from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from shop import books, forms
from shop.cache import Cache

shop = Blueprint("shop", __name__)


def create_app(database_url: str | None = None, redis_url: str | None = None) -> Flask:
    """Make the app; without arguments it takes its addresses from the environment."""
    app = Flask(__name__)
    app.config["DATABASE_URL"] = database_url or os.environ["DATABASE_URL"]
    app.extensions["cache"] = Cache(redis_url or os.environ["REDIS_URL"])
    app.register_blueprint(shop)
    return app


def connect() -> books.Connection:
    return books.connect(current_app.config["DATABASE_URL"])


def cache() -> Cache:
    known: Cache = current_app.extensions["cache"]
    return known


def find(query: str) -> tuple[list[books.Book], bool]:
    def ask() -> list[books.Book]:
        with connect() as connection:
            return books.find(connection, query)

    return cache().remember(query, ask)


def add(typed: dict[str, str], problems: dict[str, str]) -> int | None:
    """Add the book unless there are problems; one that is found here joins them."""
    if problems:
        return None
    with connect() as connection:
        added = books.add(connection, forms.book(typed))
    if added is None:
        problems["title"] = "this book is on the shelf already"
    cache().forget()
    return added


def page(typed: dict[str, str], problems: dict[str, str]) -> str:
    query = forms.clean(request.args.get("q", ""))
    found, remembered = find(query)
    return render_template(
        "index.html",
        books=found,
        at_most=books.AT_MOST,
        query=query,
        remembered=remembered,
        added=request.args.get("added", type=int),
        typed=typed,
        problems=problems,
    )


@shop.before_request
def refuse_forms_of_other_sites() -> None:
    if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        abort(HTTPStatus.FORBIDDEN)


@shop.get("/")
def index() -> ResponseReturnValue:
    return page({}, {})


@shop.post("/")
def add_from_page() -> ResponseReturnValue:
    typed, problems = forms.read(request.form)
    added = add(typed, problems)
    if added is None:
        return page(typed, problems), HTTPStatus.UNPROCESSABLE_ENTITY
    return redirect(url_for("shop.index", added=added, _anchor=f"book-{added}"), HTTPStatus.SEE_OTHER)


@shop.get("/api/books")
def list_books() -> ResponseReturnValue:
    found, remembered = find(forms.clean(request.args.get("q", "")))
    return {"books": found}, {"X-Cache": "hit" if remembered else "miss"}


@shop.post("/api/books")
def add_book() -> ResponseReturnValue:
    body = request.get_json()
    typed, problems = forms.read(body if isinstance(body, dict) else {})
    added = add(typed, problems)
    if added is None:
        return {"problems": problems}, HTTPStatus.UNPROCESSABLE_ENTITY
    return {"id": added, **forms.book(typed)}, HTTPStatus.CREATED


@shop.get("/health")
def health() -> ResponseReturnValue:
    """Say whether both services answer."""
    try:
        with connect() as connection:
            connection.execute("SELECT FROM books LIMIT 1")
        cache().redis.ping()
    except (psycopg.Error, redis.RedisError) as error:
        return {"status": "failing", "error": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE
    return {"status": "ok"}
