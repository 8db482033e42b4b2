#!/usr/bin/env bash
# Adds what no dev container feature brings.
set -euo pipefail

# Python for `.ci/run` and for zig; the browser that `.ci/run` drives.
sudo apt-get update
sudo apt-get install --yes --no-install-recommends chromium python3-venv

# `func start` and the storage that it needs.
npm install --global azure-functions-core-tools@4 azurite

# `cargo xtask package`. The system's Python takes no packages; devcontainer.json has this one on PATH.
python3 -m venv ~/.zig
~/.zig/bin/pip install cargo-zigbuild ziglang
rustup target add x86_64-unknown-linux-musl
rustup component add clippy rustfmt
