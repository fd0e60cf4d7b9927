#!/bin/bash
# no_payload.sh PROGRAM... -- COPY...: no PROGRAM holds the escape suite's payload; each COPY does, so
# the check is able to find it.
set -euo pipefail
mark='casemate escape suite: order'
is_copy=
for file; do
	if [ "$file" = -- ]; then
		is_copy=1
	elif grep -q -a "$mark" "$file"; then
		[ -n "$is_copy" ] || { echo "$file holds the payload"; exit 1; }
	else
		[ -z "$is_copy" ] || { echo "$file holds no payload: this check finds nothing"; exit 1; }
	fi
done
echo "$#: as they should be"
