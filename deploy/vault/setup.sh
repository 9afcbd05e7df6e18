#!/bin/sh
# Gives the gate a login of its own at Vault or OpenBao: a policy that reads the catalogue's paths and nothing else, and
# an AppRole with it. Run it again whenever the catalogue has changed; it never prints a secret.
#
#   VAULT_ADDR=... VAULT_TOKEN=... deploy/vault/setup.sh --dir config/vault --catalogue config/credentials.yaml
#
# VAULT_TOKEN is a platform administrator's, of whom the gate never has anything. Options:
#   --dir DIR          where role-id, which is no secret, and secret-id (mode 0600) are written
#   --catalogue FILE   the gate's credentials.yaml
#   --name NAME        of the policy and of the role; `tollgate` if not said
#   --rotate           replace a secret id that is still good, and end the old one
#   --print-policy     print the policy and do nothing
set -eu
umask 077

dir='' catalogue='' name=tollgate rotate=no print_policy=no

fail() {
    printf 'setup.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

while [ $# -gt 0 ]; do
    case $1 in
    --dir) dir=${2:?} && shift 2 ;;
    --catalogue) catalogue=${2:?} && shift 2 ;;
    --name) name=${2:?} && shift 2 ;;
    --rotate) rotate=yes && shift ;;
    --print-policy) print_policy=yes && shift ;;
    *) fail "$1 is no option; see the head of this script" 2 ;;
    esac
done
[ -n "$catalogue" ] || fail "--catalogue FILE is missing" 2
[ -r "$catalogue" ] || fail "$catalogue cannot be read" 2

# The API paths of the catalogue, one a line: each `vault: {kv2: MOUNT, path: PATH, ...}`, on one line or on several.
# An entry that it cannot read ends the script: a path that is missing would be found out by a refused call.
paths() {
    sed -e 's/^[[:space:]]*#.*//' -e 's/[[:space:]]#.*//' "$1" | tr '{},' '\n\n\n' | awk '
        function bare(text) { gsub(/["\047[:space:]]/, "", text); return text }
        { key = bare(substr($0, 1, index($0, ":") - 1)); value = bare(substr($0, index($0, ":") + 1)) }
        key == "vault" { asked++; mount = path = "" }
        key == "kv2" { mount = value }
        key == "path" { path = value }
        mount != "" && path != "" { print mount "/data/" path; told++; mount = path = "" }
        END { exit asked != told }
    '
}

paths=$(paths "$catalogue") || fail "$catalogue has an entry of a form that this script cannot read: write it as {kv2: ..., path: ...}"
[ -n "$paths" ] || fail "$catalogue takes nothing from Vault"

policy() {
    printf '%s\n' "$paths" | sort -u | while IFS= read -r path; do
        printf 'path "%s" { capabilities = ["read"] }\n' "$path"
    done
    printf 'path "auth/token/lookup-self" { capabilities = ["read"] }\n'
    printf 'path "auth/token/renew-self" { capabilities = ["update"] }\n'
    printf 'path "auth/token/revoke-self" { capabilities = ["update"] }\n'
}

if [ $print_policy = yes ]; then
    policy
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

policy | "$cli" policy write "$name" - >/dev/null
"$cli" auth list -format=json | grep -q '"approle/"' || "$cli" auth enable approle >/dev/null
role=auth/approle/role/$name
"$cli" write "$role" token_policies="$name" token_no_default_policy=true token_ttl=20m token_type=service >/dev/null
"$cli" read -field=role_id "$role/role-id" | keep role-id 644

# The secret id goes through standard input, because others can see a command's arguments.
is_good() {
    [ -s "$dir/secret-id" ] && "$cli" write "$role/secret-id/lookup" secret_id=- <"$dir/secret-id" 2>/dev/null | grep -q secret_id_accessor
}

if is_good && [ $rotate = no ]; then
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

printf 'policy and role %s: %s path(s) of %s\n' "$name" "$(printf '%s\n' "$paths" | sort -u | wc -l | tr -d ' ')" "$catalogue"
printf 'role id: %s\nsecret id: %s%s\n' "$dir/role-id" "$dir/secret-id" "$kept"
