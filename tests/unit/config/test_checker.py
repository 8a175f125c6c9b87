from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from devenv.config import checker
validator, refusal = checker.load()
assert "pydantic_core.core_schema" not in sys.modules
assert validator({"type": "int"}).validate_python(3) == 3
try:
    validator({"type": "int"}).validate_python("x")
except refusal as error:
    assert error.errors()[0]["type"] == "int_parsing"
import pydantic
from pydantic_core import core_schema
assert core_schema.int_schema()["type"] == "int"
class Book(pydantic.BaseModel):
    title: str
assert Book.model_validate({"title": "Emma"}).title == "Emma"
assert checker.load() == (validator, refusal)
print("fine")
"""


def test_whoever_wants_pydantic_whole_still_gets_it_whole() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("fine\n", "")
