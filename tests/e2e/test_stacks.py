"""Stacks from Debian packages: whoever the user inside is, the toolchain compiles and runs a program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import engines
from tests.e2e import checkouts
from tests.e2e.checkouts import Checkout

pytestmark = [pytest.mark.docker, pytest.mark.network]

# Java, Rust and Elixir are left out: their packages are several times as large, and they are made in the same way.
PROJECT = """\
name = "{name}"
images = "debian"

[apps.pages]
stack = ["ruby", "php"]
dir = "pages"
setup = ["gem build --quiet --output $HOME/twice.gem twice.gemspec", "gem install --local $HOME/twice.gem"]
run = "ruby hello.rb && php hello.php && exec sleep infinity"
ready = {{ log = "^hello from php: 42$" }}

[apps.native]
stack = ["c", "go"]
dir = "native"
setup = ["cmake -S . -B $HOME/build && cmake --build $HOME/build", "go build -o $HOME/hello ."]
run = "$HOME/build/hello && $HOME/hello && exec sleep infinity"
ready = {{ log = "^hello from go: 42$" }}
"""
FILES = {
    "native/go.mod": "module example.org/hello\n\ngo 1.24\n",
    "native/main.go": """\
package main

// int twice(int n) { return 2 * n; }
import "C"
import "fmt"

func main() { fmt.Println("hello from go:", C.twice(21)) }
""",
    "pages/hello.rb": 'require "twice"\nputs "hello from ruby: #{twice(21)}"\n',
    "pages/hello.php": '<?php echo "hello from php: ", 2 * 21, PHP_EOL;\n',
    "pages/composer.json": '{"autoload": {"psr-4": {"Shop\\\\": "src/"}}}\n',
    "pages/src/Twice.php": "<?php namespace Shop; class Twice { static function of($n) { return 2 * $n; } }\n",
    "pages/twice.gemspec": """\
Gem::Specification.new do |gem|
  gem.name, gem.version, gem.summary, gem.authors = "twice", "1", "Doubles", ["devenv"]
  gem.files, gem.extensions = Dir["ext/*"], ["ext/extconf.rb"]
end
""",
    "pages/ext/extconf.rb": 'require "mkmf"\ncreate_makefile("twice")\n',
    "pages/ext/twice.c": """\
#include <ruby.h>
static VALUE twice(VALUE self, VALUE n) { return INT2NUM(2 * NUM2INT(n)); }
void Init_twice(void) { rb_define_global_function("twice", twice, 1); }
""",
    "native/CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.20)
project(hello C CXX)
add_executable(hello source/hello.cpp source/twice.c)
""",
    "native/source/hello.cpp": """\
#include <iostream>
extern "C" int twice(int);
int main() { std::cout << "hello from c and c++: " << twice(21) << std::endl; }
""",
    "native/source/twice.c": "int twice(int n) { return 2 * n; }\n",
}
# Each runs in a folder of the stranger's own that holds the app's files and is their home: no cache is there yet.
PROGRAMS = {
    "go": ("native", "go build -o hello . && ./hello && go env GOPATH", "hello from go: 42\n/home/dev/go\n"),
    "ruby": (
        "pages",
        "gem build --quiet twice.gemspec >&2 && gem install --local --install-dir gems twice-1.gem >&2"
        " && GEM_PATH=$PWD/gems ruby hello.rb && bundle --version >&2",
        "hello from ruby: 42\n",
    ),
    "php": (
        "pages",
        "composer install --quiet && php -r 'require \"vendor/autoload.php\"; echo Shop\\Twice::of(21), PHP_EOL;'",
        "42\n",
    ),
    "c": ("native", "cmake -S . -B build >&2 && cmake --build build >&2 && build/hello", "hello from c and c++: 42\n"),
}


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A project whose apps have each printed what they have built; tests leave it up."""
    engines.require()
    folder = tmp_path_factory.mktemp("stacks")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with checkouts.small(folder, text=PROJECT) as checkout:
        checkout.run("up", "-d")
        yield checkout


def test_each_app_builds_its_program_and_runs_it(up: Checkout) -> None:
    assert {row["unit"] for row in up.run("status", "--json").data["rows"]} == {"pages", "native"}
    assert up.run("exec", "pages", "ruby", "hello.rb").out == "hello from ruby: 42\n"
    both = up.run("exec", "native", "--", "sh", "-c", "$HOME/build/hello && $HOME/hello").out
    assert both == "hello from c and c++: 42\nhello from go: 42\n"


@pytest.mark.parametrize("stack", PROGRAMS)
def test_a_user_whom_the_image_does_not_know_compiles_and_runs_a_program(up: Checkout, stack: str) -> None:
    app, program, printed = PROGRAMS[stack]
    script = f"set -e; cp -r . /tmp/{stack}; cd /tmp/{stack}; export HOME=$PWD; {program}"
    ran = up.docker("exec", "--user", "4321:4321", f"{up.name}-{app}-1", "sh", "-c", script)
    assert ran == printed
