#!/usr/bin/env bash
# Makes altair.zip, the query page: the build of the npm package altair-static and its license.
set -euo pipefail
cd "$(dirname "$0")"
out=$PWD/altair.zip
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
npm pack --silent altair-static@8.5.9 >/dev/null
tar xzf altair-static-8.5.9.tgz
rm -f "$out"
(cd package/build/dist && zip -q -9 -X -r "$out" .)
(cd package && zip -q -9 -X "$out" LICENSE)
