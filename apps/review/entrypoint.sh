#!/bin/sh
# Runs thermolang with its arguments. A secret may be in a file that NAME_FILE names, in place of the variable NAME.
set -eu
for name in PGPASSWORD THERMOLANG_STORE THERMOLANG_WEBHOOK_SECRET THERMOLANG_OIDC_SECRET THERMOLANG_SMTP_USER THERMOLANG_SMTP_PASSWORD; do
    file=$(printenv "${name}_FILE" || true)
    if [ -n "$file" ]; then
        value=$(cat -- "$file")
        export "$name=$value"
        unset "${name}_FILE"
    fi
done
exec thermolang "$@"
