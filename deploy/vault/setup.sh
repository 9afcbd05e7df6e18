#!/bin/sh
# Gives the gate a login of its own at Vault or OpenBao: a policy that allows what the catalogue needs and nothing else,
# as `tollgate credential policy` prints it, and an AppRole with it. Run it again whenever the catalogue has changed; it
# never prints a secret.
#
#   VAULT_ADDR=... VAULT_TOKEN=... deploy/vault/setup.sh --dir config/vault --config config/tollgate.yaml
#
# VAULT_TOKEN is a platform administrator's, of whom the gate never has anything. TOLLGATE names the program if it is not
# on PATH. Options:
#   --dir DIR          where role-id, which is no secret, and secret-id (mode 0600) are written
#   --config FILE      the gate's tollgate.yaml
#   --name NAME        of the policy and of the role; `tollgate` if not said
#   --rotate           replace a secret id that is still good, and end the old one
#   --wrap             leave the secret id at the server: wrapped-secret-id (mode 0600) is written in place of secret-id,
#                      a token for which the gate gets it, once and within 15 minutes; with --rotate all others end
#   --print-policy     print the policy and do nothing
set -eu
umask 077

dir='' config='' name=tollgate rotate=no wrap=no print_policy=no

fail() {
    printf 'setup.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
    --dir) dir=${2:?} && shift 2 ;;
    --config) config=${2:?} && shift 2 ;;
    --name) name=${2:?} && shift 2 ;;
    --rotate) rotate=yes && shift ;;
    --wrap) wrap=yes && shift ;;
    --print-policy) print_policy=yes && shift ;;
    *) fail "$1 is no option; see the head of this script" 2 ;;
    esac
done
[ -n "$config" ] || fail "--config FILE is missing" 2
tollgate=${TOLLGATE:-tollgate}
command -v "$tollgate" >/dev/null || fail "tollgate is not on PATH; TOLLGATE can name it"
policy=$("$tollgate" credential policy --config "$config") || {
    [ -z "$policy" ] || printf '%s\n' "$policy" >&2
    fail "there is no policy for these settings"
}

if [ $print_policy = yes ]; then
    printf '%s\n' "$policy"
    exit 0
fi

[ -n "$dir" ] || fail "--dir DIR is missing" 2
for cli in "${VAULT_CLI:-}" bao vault; do
    [ -n "$cli" ] && command -v "$cli" >/dev/null && break
    cli=''
done
[ -n "$cli" ] || fail "neither bao nor vault is on PATH; VAULT_CLI can name one"
# The gate may be another user: it must come to these files, and read all but the secret id, which is handed to it.
(umask 022 && mkdir -p "$dir")

# Into the file at once or not at all, with the mode that it is to have.
keep() { # NAME MODE
    cat >"$dir/.$1.new"
    [ -s "$dir/.$1.new" ] || fail "the server gave no $1"
    chmod "$2" "$dir/.$1.new"
    mv "$dir/.$1.new" "$dir/$1"
}

printf '%s\n' "$policy" | "$cli" policy write "$name" - >/dev/null
"$cli" auth list -format=json | grep -q '"approle/"' || "$cli" auth enable approle >/dev/null
role=auth/approle/role/$name
"$cli" write "$role" token_policies="$name" token_no_default_policy=true token_ttl=20m token_type=service >/dev/null
"$cli" read -field=role_id "$role/role-id" | keep role-id 644

# The secret id goes through standard input, because others can see a command's arguments.
is_good() {
    [ -s "$dir/secret-id" ] && "$cli" write "$role/secret-id/lookup" secret_id=- <"$dir/secret-id" 2>/dev/null | grep -q secret_id_accessor
}

others() {
    "$cli" list -format=json "$role/secret-id" 2>/dev/null | grep -o '[0-9a-f-]\{36\}' || true
}

if [ $wrap = yes ]; then
    before=$(others)
    "$cli" write -f -wrap-ttl=15m -field=wrapping_token "$role/secret-id" | keep wrapped-secret-id 600
    [ $rotate = yes ] || before=''
    for accessor in $before; do
        "$cli" write "$role/secret-id-accessor/destroy" secret_id_accessor="$accessor" >/dev/null
    done
    kept=''
elif is_good && [ $rotate = no ]; then
    kept=' (as it was)'
else
    old=''
    if is_good; then old=$dir/.secret-id.old && cp "$dir/secret-id" "$old"; fi
    "$cli" write -f -field=secret_id "$role/secret-id" | keep secret-id 600
    if [ -n "$old" ]; then
        "$cli" write "$role/secret-id/destroy" secret_id=- <"$old" >/dev/null
        rm "$old"
    fi
    kept=''
fi

printf 'policy and role %s for %s\n' "$name" "$config"
secret_id=$dir/secret-id
[ $wrap = no ] || secret_id=$dir/wrapped-secret-id
printf 'role id: %s\nsecret id: %s%s\n' "$dir/role-id" "$secret_id" "$kept"
