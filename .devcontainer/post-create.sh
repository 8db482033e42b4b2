#!/usr/bin/env bash
# Adds what no dev container feature brings.
set -euo pipefail

# `func start` and the storage that it needs.
npm install --global azure-functions-core-tools@4 azurite

# `cargo xtask package`.
pip install --user cargo-zigbuild ziglang
rustup target add x86_64-unknown-linux-musl
rustup component add clippy rustfmt

# The browser that `.ci/run` drives.
sudo apt-get update
sudo apt-get install --yes --no-install-recommends chromium
