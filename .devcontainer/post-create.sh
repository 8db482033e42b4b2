#!/usr/bin/env bash
# Installs what no dev container feature provides.
set -euo pipefail

# Python for `.ci/run` and zig, and the browser for `.ci/run`.
sudo apt-get update
sudo apt-get install --yes --no-install-recommends chromium python3-venv

# `func start` and its storage.
npm install --global azure-functions-core-tools@4 azurite

# For `cargo xtask package`. Debian's Python refuses packages; devcontainer.json puts this environment on PATH.
python3 -m venv ~/.zig
~/.zig/bin/pip install cargo-zigbuild ziglang
rustup target add x86_64-unknown-linux-musl
rustup component add clippy rustfmt
