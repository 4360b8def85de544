#!/usr/bin/env bash
# A real Elasticsearch node for tests, see opensearch.sh: the same commands and variables, with the
# jars of elasticsearch-pom.xml, or for version 8 of elasticsearch8-pom.xml. Versions that were run:
# 7.17.29, 8.19.21.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
SEARCH_PRODUCT=elasticsearch exec "$here/opensearch.sh" "$@"
