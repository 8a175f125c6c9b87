"""The API: places for lunch, and how many want to go there."""

import os

from flask import Flask, abort, jsonify, request
from redis import Redis

PLACES = ("noodles", "pizza", "salad")

app = Flask(__name__)
votes = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@app.get("/health")
def health():
    votes.ping()
    return "", 204


@app.get("/places")
def places():
    counted = votes.hgetall("votes")
    return jsonify({place: int(counted.get(place, 0)) for place in PLACES})


@app.post("/votes")
def vote():
    place = (request.get_json(silent=True) or {}).get("place")
    if place not in PLACES:
        abort(400, f"one of {', '.join(PLACES)}")
    votes.hincrby("votes", place, 1)
    return places()
