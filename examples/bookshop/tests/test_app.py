from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from shop.app import create_app

BOOK = {"title": "Persuasion", "author": "Jane Austen", "year": "1817", "price": "7,9", "stock": "2"}


def test_the_page_lists_the_shelf(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "40 books" in page
    assert "Alice&#39;s Adventures in Wonderland" in page
    assert "last copy" in page
    assert "sold out" in page


def test_the_page_searches(client: FlaskClient) -> None:
    page = client.get("/?q=wuthring").text
    assert "Wuthering Heights" in page
    assert "Moby-Dick" not in page


def test_the_page_says_when_nothing_was_found(client: FlaskClient) -> None:
    assert "Nothing like that" in client.get("/?q=zzzz").text


def test_a_book_added_on_the_page_is_shown_at_once(client: FlaskClient) -> None:
    client.get("/")
    page = client.post("/", data=BOOK, follow_redirects=True)
    assert page.request.path == "/"
    assert "41 books" in page.text
    assert "€ 7.90" in page.text


def test_a_mistake_keeps_what_was_typed_and_says_what_is_wrong(client: FlaskClient) -> None:
    response = client.post("/", data={**BOOK, "year": "long ago"})
    assert response.status_code == 422
    assert 'value="Persuasion"' in response.text
    assert "a year, such as 1925" in response.text
    assert "40 books" in response.text


def test_what_was_typed_is_text_on_the_page(client: FlaskClient) -> None:
    client.post("/", data={**BOOK, "title": "<script>alert(1)</script>"})
    assert "<script>" not in client.get("/?q=<script>alert").text


def test_a_form_of_another_site_is_refused(client: FlaskClient) -> None:
    assert client.post("/", data=BOOK, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_the_api_searches(client: FlaskClient) -> None:
    found = client.get("/api/books?q=moby+dik").json
    assert found == {
        "books": [
            {"id": 10, "title": "Moby-Dick", "author": "Herman Melville", "year": 1851, "price": "11.99", "stock": 6}
        ]
    }


def test_the_api_answers_from_the_cache_until_a_book_is_added(client: FlaskClient) -> None:
    def ask() -> tuple[str, int]:
        response = client.get("/api/books?q=jane+austen")
        assert response.json
        return response.headers["X-Cache"], len(response.json["books"])

    assert [ask(), ask()] == [("miss", 2), ("hit", 2)]
    assert client.post("/api/books", json=BOOK).status_code == 201
    assert [ask(), ask()] == [("miss", 3), ("hit", 3)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"title": " "}, "title"),
        ({"author": None}, "author"),
        ({"year": -1}, "year"),
        ({"price": "NaN"}, "price"),
        ({"price": "1.999"}, "price"),
        ({"stock": True}, "stock"),
        ({"title": "emma", "author": "Jane  austen"}, "title"),
    ],
)
def test_the_api_names_what_is_wrong(client: FlaskClient, change: dict[str, object], problem: str) -> None:
    response = client.post("/api/books", json={**BOOK, **change})
    assert response.status_code == 422
    assert response.json is not None
    assert list(response.json["problems"]) == [problem]


@pytest.mark.parametrize("text", ["nul \0", "half \ud83d", "\u202e", "long " * 1000])
def test_any_text_is_an_answer_and_never_a_failure(client: FlaskClient, text: str) -> None:
    assert client.post("/api/books", json={**BOOK, "title": text}).status_code in (201, 422)
    assert client.get("/api/books", query_string={"q": text.encode(errors="ignore")}).status_code == 200


def test_health_tells_which_service_is_away(client: FlaskClient, database_url: str) -> None:
    assert client.get("/health").json == {"status": "ok"}
    response = create_app(database_url, "redis://127.0.0.1:1/0").test_client().get("/health")
    assert response.status_code == 503
    assert response.json is not None
    assert "127.0.0.1:1" in response.json["error"]
