"""Keys of compose files that nothing is carried over of, in words."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.importing.loss import Weight

Words = tuple[str, str, Weight]
TOLD: Mapping[str, Words] = {
    "annotations": ("they change nothing here", "", "harmless"),
    "attach": ("`devenv logs` shows every service", "", "harmless"),
    "container_name": ("devenv names containers after project and service", "", "harmless"),
    "develop": ("what changes do is said by `[[sync.rules]]`", "", "harmless"),
    "expose": ("containers reach each other at every port", "", "harmless"),
    "init": ("every container has one here", "", "harmless"),
    "labels": ("they change nothing here", "if a tool reads them, tell it in another way", "harmless"),
    "label_file": ("they change nothing here", "", "harmless"),
    "logging": ("the engine keeps logs, and `devenv logs` shows them", "", "harmless"),
    "pull_policy": ("images are pinned by `devenv.lock`", "", "harmless"),
    "stdin_open": ("`devenv shell` and `devenv exec` give a terminal", "", "harmless"),
    "tty": ("`devenv shell` and `devenv exec` give a terminal", "", "harmless"),
    "platform": ("images are pinned for the engine's own architecture", "name others in `platforms`", "changed"),
    "restart": ("devenv leaves what ended as it is, so that it is seen", "`devenv up` starts it again", "changed"),
    "stop_grace_period": ("services get 10 s to end", "", "changed"),
    "stop_signal": ("the image's own is used", "", "changed"),
}
"""Keys of which there is nothing to carry over, and why."""
OWN = "build a small image on top of it that does so, by `dockerfile`"
LOST: Mapping[str, tuple[str, str]] = {
    "cap_drop": ("no capability can be taken away", "leave it; the service may do more than it could"),
    "devices": ("devices of this machine cannot be given", "a mount of `/dev/…` may do, after `devenv trust`"),
    "dns": ("the engine's own resolver is used", "configure the engine"),
    "extra_hosts": ("further host names cannot be given", "use the service's name, or an address, where it is named"),
    "network_mode": ("every service is in the project's network", "reach the others by their names"),
    "read_only": ("the container's file system can be written to", "nothing, if it only was a safeguard"),
    "security_opt": ("the engine's own defaults are used", "nothing, if it only was a safeguard"),
    "shm_size": ("the engine gives 64 MB of shared memory", "tell the program to use less, or another folder"),
    "tmpfs": ("nothing is mounted in memory", "it is an ordinary folder of the container now"),
    "ulimits": ("the engine's own are used", "set them for the engine"),
    "volumes_from": ("volumes belong to one service", "name the folders in `volumes` or `mounts`"),
}
"""Keys that something should have been carried over of."""
