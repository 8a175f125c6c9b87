"""The shape of the user's `config.toml`."""

from __future__ import annotations

from devenv.config import shape
from devenv.config.shape import Key, Shape

_TEXT = shape.text()
_PORT = shape.integer("a port from 1 to 65535", least=1, most=65535)

FILE = shape.table(
    "Settings of one machine and user",
    {
        "engine": Key(_TEXT, "Address of the container engine; default: it is searched for"),
        "debian": Key(
            shape.table(
                "Where Debian packages come from",
                {
                    "mirror": Key(_TEXT, "Address of a Debian mirror, as apt has it; default: the host's apt sources"),
                    "security_mirror": Key(_TEXT, "The same for the security archive"),
                    "snapshot": Key(_TEXT, "Address of a snapshot archive, tried last"),
                },
            ),
            "Where Debian packages come from",
        ),
        "registry": Key(
            shape.table(
                "Where images of registries come from, and where built ones are shared",
                {
                    "mirror": Key(_TEXT, "Address of a registry to ask in place of Docker Hub"),
                    "images": Key(_TEXT, "The team's repository for built images, for `devenv push` and `pull`"),
                },
            ),
            "Where images of registries come from, and where built ones are shared",
        ),
        "proxy": Key(
            shape.table(
                "The proxy for downloads and containers; default: the host's variables",
                {
                    "http": Key(_TEXT, "As `HTTP_PROXY`"),
                    "https": Key(_TEXT, "As `HTTPS_PROXY`"),
                    "no_proxy": Key(_TEXT, "As `NO_PROXY`"),
                },
            ),
            "The proxy for downloads and containers; default: the host's variables",
        ),
        "ca_certificates": Key(
            shape.several(_TEXT, "a list of strings"), "PEM files with CA certificates to trust besides the usual"
        ),
        "user": Key(_TEXT, "User and group that apps run as, such as `1000:1000`; default: your own"),
        "cache": Key(_TEXT, "Folder for what can be fetched or made again"),
        "state": Key(_TEXT, "Folder for locks, logs, and the ledger of checkouts"),
        "watch": Key(
            Shape({"type": "bool", "strict": True}, "`true` or `false`", {"type": "boolean"}),
            "Whether changes of files have consequences, such as setup, where the engine shares files; default: true",
        ),
        "secrets": Key(
            shape.table(
                "Where the secrets that projects ask for come from",
                {
                    "command": Key(
                        shape.one_or_several(_TEXT, "a string or a list of strings", before=("/bin/sh", "-c")),
                        "Prints the value of a secret, `{name}`; a string is given to `sh -c`",
                    )
                },
            ),
            "Where the secrets that projects ask for come from",
        ),
        "entry": Key(
            shape.table(
                "The proxy behind `devenv names`",
                {
                    "http": Key(_PORT, "Its port; default: 80, or another one where that is taken"),
                    "https": Key(_PORT, "The same for HTTPS; default: 443, or another one"),
                    "images": Key(shape.choice("registry", "debian"), "Where its image comes from"),
                },
            ),
            "The proxy behind `devenv names`",
        ),
    },
)
