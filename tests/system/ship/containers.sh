#!/usr/bin/env bash
# What `docker compose up` has started is bought from, stopped and started, updated under load, sent back, backed up
# and restored. Run while the services of compose.yaml and compose.override.yaml are up; needs bash and Python only.
# COMPOSE and DOCKER name other programs than `docker compose` and `docker`.
set -euo pipefail
cd "$(dirname "$0")/../../.."
export COMPOSE=${COMPOSE:-docker compose} DOCKER=${DOCKER:-docker}
export no_proxy="localhost,${no_proxy:-${NO_PROXY:-}}" # for curl: the shop is on this machine
read -ra compose <<<"$COMPOSE"
shop=http://localhost:${PORT:-8080}
sandbox=http://localhost:${SANDBOX_PORT:-8420}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

step() { echo "== $* [${SECONDS}s]"; }
fail() { echo "containers: $*" >&2; exit 1; }
orders() { "${compose[@]}" exec -T postgres psql -XAt -U kopeck kopeck -c "SELECT count(*) FROM orders_order WHERE status = 'paid'"; }
pictures() { "${compose[@]}" exec -T web find /data/media -type f | wc -l; }
under_load() { # under_load COMMAND ...: its status is kept in $status; no request may fail meanwhile
    local answers=$work/answers
    mkfifo "$work/open"
    python3 tests/system/ship/load.py "$shop" <"$work/open" >"$answers" &
    local load=$!
    exec 9>"$work/open"
    status=0
    "$@" || status=$?
    exec 9>&-
    wait "$load" || { cat "$answers" >&2; fail "requests were lost"; }
    rm "$work/open"
    cat "$answers"
}

step "a paid order through Caddy"
# `up --wait` comes back when Caddy was started, a moment before it listens.
ready() { curl -s -o "$work/ready" -w '%{http_code}' --retry 20 --retry-delay 1 --retry-connrefused "$shop/readyz"; }
[ "$(ready)" = 200 ] || fail "/readyz: $(cat "$work/ready" || "${compose[@]}" logs --tail 20 caddy)"
deploy/smoke.py "$shop" --sandbox "$sandbox"
for page in / /admin/login/ /api/v1/docs; do # the image has what its pages name
    files=$(curl -sf "$shop$page" | grep -oE '(href|src)="/static/[^"]+"' | cut -d'"' -f2) || fail "$page names no files"
    for file in $files; do
        curl -sf -o /dev/null "$shop$file" || fail "$page names $file, which is not there"
    done
done
for path in /metrics /metrics/ //metrics /%6Detrics /METRICS; do
    code=$(curl -s -o "$work/answer" -w '%{http_code}' --path-as-is "$shop$path")
    [ "$code" = 404 ] || fail "$path answers $code through Caddy"
done

# All of the load comes from one address.
if [ -e .env ]; then cp .env "$work/env"; fi
restore_env() { if [ -e "$work/env" ]; then cp "$work/env" .env; else rm -f .env; fi; }
trap 'restore_env; rm -rf "$work"' EXIT
printf '\nBUDGET_VISITOR=0\nBUDGET_ADDRESS=0\n' >>.env

step "stopped and started again, it still has everything"
before=$(orders)
had=$(pictures)
"${compose[@]}" down --timeout 10
"${compose[@]}" up -d --wait --wait-timeout 180 --no-build
[ "$(ready)" = 200 ] || fail "/readyz after the start: $(cat "$work/ready")"
[ "$(orders)" = "$before" ] || fail "there were $before paid orders, and there are $(orders)"
deploy/smoke.py "$shop" --sandbox "$sandbox"

step "an update under load loses nothing"
"$DOCKER" tag "$("$DOCKER" inspect --format '{{.Image}}' "$("${compose[@]}" ps -q web)")" kopeck:next
under_load deploy/update kopeck:next
[ "$status" = 0 ] || fail "the update ended with $status"
grep -qx IMAGE=kopeck:next .env || fail "the update is not in .env"

step "an update whose migrations fail replaces nothing"
read -ra build <<<"${BUILD:-$DOCKER build}"
cat >"$work/Dockerfile" <<X
FROM kopeck:next
USER root
RUN printf 'import sys; sys.exit("broken on purpose")\n' >/app/kopeck/ops/prepare.py
USER 10001:10001
X
"${build[@]}" -q -t kopeck:broken -f "$work/Dockerfile" "$work"
runs=$("${compose[@]}" ps -q web web2 worker | sort)
! deploy/update kopeck:broken || fail "failed migrations were called a good update"
[ "$("${compose[@]}" ps -q web web2 worker | sort)" = "$runs" ] || fail "something was replaced"

step "an update that does not get ready goes back, and nobody notices"
cat >"$work/Dockerfile" <<X
FROM kopeck:next
USER root
RUN printf 'raise SystemExit("broken on purpose")\n' >/app/kopeck/wsgi.py
USER 10001:10001
X
"${build[@]}" -q -t kopeck:broken -f "$work/Dockerfile" "$work"
under_load env READY_SECONDS=25 deploy/update kopeck:broken
[ "$status" != 0 ] || fail "a broken image was called a good update"
grep -qx IMAGE=kopeck:next .env || fail "the broken image was kept in .env"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$shop/readyz")" = 200 ] || fail "the shop is not ready after going back"

step "and back to the image before"
deploy/update --back
[ "$(curl -s -o /dev/null -w '%{http_code}' "$shop/readyz")" = 200 ] || fail "the shop is not ready after going back"

step "a backup brings back what was lost"
before=$(orders)
deploy/backup "$work/backup.tar"
"${compose[@]}" exec -T web test -e /data/last-backup || fail "the backup was not noted, so /metrics calls it missing"
"${compose[@]}" exec -T postgres psql -Xq -U kopeck kopeck -c "TRUNCATE orders_order CASCADE"
"${compose[@]}" exec -T web sh -c 'rm -r /data/media'
[ "$(orders)" = 0 ] || fail "the orders should be gone for this"
! deploy/restore "$work/backup.tar" || fail "it was restored over a database with tables in it, unasked"
deploy/restore "$work/backup.tar" --replace
[ "$(orders)" = "$before" ] || fail "there were $before paid orders, and the backup brought $(orders)"
[ "$(pictures)" = "$had" ] || fail "there were $had pictures, and the backup brought $(pictures)"
deploy/smoke.py "$shop" --sandbox "$sandbox"
step "all of it holds"
