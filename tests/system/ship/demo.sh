#!/usr/bin/env bash
# The demo in one container, from the image kopeck-demo (docker build --target demo -t kopeck-demo .): it is bought in, it
# refuses what would break it, and it begins anew. Three to four minutes, most of them waiting. DOCKER names another
# program than `docker`, NETWORK other words than those that publish its port.
set -euo pipefail
cd "$(dirname "$0")/../../.."
docker=${DOCKER:-docker} demo=http://localhost:18080
export no_proxy="localhost,${no_proxy:-${NO_PROXY:-}}" # for curl: the demo is on this machine
read -ra network <<<"${NETWORK:--p 18080:18080}"
trap '"$docker" rm -f kopeck-demo >/dev/null 2>&1 || true' EXIT

step() { echo "== $* [${SECONDS}s]"; }
fail() { "$docker" logs kopeck-demo || true; echo "demo: $*" >&2; exit 1; }
status() { curl -s -o /dev/null -w '%{http_code}' "$@" || true; }
charges() { curl -s "$demo/stripe/_sandbox/ledger" | grep -o '"ch_[^"]*"' | sort -u | wc -l; }
wait_until() { # wait_until SECONDS COMMAND ...
    for _ in $(seq "$1"); do
        if "${@:2}"; then return; fi
        sleep 1
    done
    fail "it never came to pass: ${*:2}"
}
is_ready() { [ "$(status "$demo/readyz")" = 200 ]; }
is_new() { is_ready && [ "$(charges)" = 0 ]; }
# Inside, for there the whole of its Stripe is at hand.
buy() { "$docker" exec -i kopeck-demo python - "$demo" --sandbox http://127.0.0.1:18420 <deploy/smoke.py; }

step "bought in"
"$docker" run -d --name kopeck-demo --read-only --tmpfs /tmp --cap-drop ALL "${network[@]}" \
    -e PORT=18080 -e SANDBOX_PORT=18420 -e DEMO_RESET="$(date -u -d '+3 minutes' +%H:%M)" kopeck-demo
wait_until 90 is_ready
buy
[ "$(charges)" -gt 0 ] || fail "nothing was paid"

step "looked at, not changed"
[ "$(status -X POST "$demo/stripe/_sandbox/reset")" = 403 ] || fail "anybody can reset its Stripe"
[ "$(status -u sk_test_kopeckSandboxSandboxSandbox: "$demo/stripe/v1/charges")" = 403 ] || fail "a secret key is taken"
[ "$(status "$demo/admin/login/")" = 200 ] || fail "there is no log-in"

step "begun anew"
wait_until 300 is_new
buy

step "no key is taken"
! "$docker" run --rm "${network[@]}" -e STRIPE_SECRET_KEY=sk_test_1 -e STRIPE_PUBLISHABLE_KEY=pk_test_1 kopeck-demo ||
    fail "it started with keys"
step "all of it holds"
