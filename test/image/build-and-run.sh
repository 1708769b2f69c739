#!/usr/bin/env bash
# Builds the image from the real Dockerfile with buildah, where there is neither a container engine nor a registry of
# images: the base images are made here, under the names that the Dockerfile gives, of Debian's packages and the Node of
# node_modules. Then starts it as its user on a read-only root, and runs the tests of the rendered pod with it. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
export BUILDAH_ISOLATION=chroot
policy="$work/policy.json"
printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$policy"
buildah() { command buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" "$@"; }
trap 'buildah umount --all >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
megabytes() { du --summarize --apparent-size --block-size=1000000 "$@" | cut -f 1; }

commit_base() { # name, tree, settings
  local name=$1 tree=$2 container
  shift 2
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$tree" / >/dev/null
  buildah config --env PATH=/usr/local/bin:/usr/bin:/bin "$@" "$container"
  buildah commit --quiet --signature-policy "$policy" --rm "$container" "$name" >/dev/null
}

node=$(readlink -f node_modules/.bin/node)
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")

make_builder() { # A shell and npm, which reaches the registry of packages as this machine does.
  local tree=$work/builder authorities=/etc/ssl/certs/ca-certificates.crt
  install -D "$node" "$tree/usr/bin/node"
  mkdir -p "$tree/usr/lib/node_modules" "$tree/usr/etc" "$tree/root"
  cp -r "$npm" "$tree/usr/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$tree/usr/bin/npm"
  [ ! -f "$HOME/.npmrc" ] || cp "$HOME/.npmrc" "$tree/root/.npmrc"
  [ ! -f /usr/etc/npmrc ] || cp /usr/etc/npmrc "$tree/usr/etc/npmrc"
  install -D "$authorities" "$tree$authorities"
  commit_base docker.io/library/node:24-bookworm-slim "$tree" --env NODE_EXTRA_CA_CERTS=$authorities
}

make_runtime() { # Libraries, certificates and somebody to run as; no shell, as in distroless.
  local tree=$work/runtime
  rm -rf "$tree"/{bin,sbin,usr/bin,usr/sbin,usr/share/doc,usr/share/locale}
  install -D "$node" "$tree/nodejs/bin/node"
  printf 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$tree/etc/passwd"
  commit_base gcr.io/distroless/nodejs24-debian12:nonroot "$tree" --user 65532
}

# Starts the image as its user on a read-only root, with a journal and tokens; prints the milliseconds until it listens.
start_up() { # settings
  local began log=$work/log
  rm -rf "$work/state" "$log"
  mkdir "$work/state"
  printf '{"ci":"token"}' >"$work/state/tokens.json"
  chown -R 65532:65532 "$work/state"
  began=$(milliseconds)
  unshare --mount sh -c '
    mount --bind "$1" "$1" && mount --bind "$2" "$1/mnt" && mount --bind /dev "$1/dev" && mount -o remount,bind,ro "$1" "$1"
    root=$1 command=$3; shift 3; exec env -i PATH="$PATH" "$@" chroot --userspec=65532:65532 "$root" $command
  ' sh "$root" "$work/state" "$command" NODE_COMPILE_CACHE=/app/.compile-cache API_ADDRESS=http://127.0.0.1:1 API_TOKEN=token \
    HOST=127.0.0.1 PORT=0 ADMIN_PORT=0 TOKENS_PATH=/mnt/tokens.json JOURNAL_URL=sqlite:/mnt/journal.db \
    JOURNAL_RESERVE=32MiB "$@" >"$log" &
  local pid=$!
  until grep --quiet --no-messages gateway.started "$log"; do
    kill -0 "$pid" || { cat "$log"; return 1; }
    sleep 0.01
  done
  echo "$(($(milliseconds) - began))"
  kill "$pid"
  wait "$pid"
}

mmdebstrap --quiet --variant=extract --include=ca-certificates,coreutils,dash,findutils,libc6,libgcc-s1,libstdc++6 bookworm "$work/builder"
cp -r "$work/builder" "$work/runtime"
make_builder
make_runtime
began=$(milliseconds)
buildah bud --quiet --pull-never --network host --signature-policy "$policy" \
  --build-arg VERSION="$("$node" --print 'require("./package.json").version')" --tag gateway . >"$work/build.log" 2>&1 ||
  { cat "$work/build.log"; exit 1; }
echo "image: built in $((($(milliseconds) - began) / 1000)) s"

container=$(buildah from --pull-never --signature-policy "$policy" gateway)
root=$(buildah mount "$container")
echo "image: $(megabytes "$root") MB, of them $(megabytes "$root/nodejs") MB Node and $(megabytes "$root/app") MB program, its dependencies and its compile cache"
buildah inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}{{println}}' gateway
if find "$root" -xdev -path "$root/app/*" \( -user 65532 -o -perm -o+w \) -not -type l | grep .; then
  echo 'the user of the image could write the files above'
  exit 1
fi

# Everything in the image that is neither Debian's nor Node's. A package of npm may bring its own tests.
(cd "$root" && find app -not -type d | sort) >"$work/files"
echo 'image: its files, and the packages in node_modules'
grep --invert-match --extended-regexp '^app/(node_modules|\.compile-cache)/' "$work/files" | sed 's/^/  /'
(cd "$root/app/node_modules" && find . -mindepth 1 -maxdepth 2 \( -path './@*/*' -o -path './[^@.]*' -not -path './*/*' \) | sort | sed 's/^\./  app\/node_modules/')
unwanted='embedded-brigade|brigadier|/ajv/|^app/(src|packages)/.*(\.test\.ts$|/(suite|fixtures|test)/)|^app/(test|bench|docs|scripts|examples)/'
if grep --extended-regexp "$unwanted" "$work/files"; then
  echo 'the files above have no place in the image'
  exit 1
fi

command=$(buildah inspect --type image --format '{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}{{range .OCIv1.Config.Cmd}}{{.}}{{end}}' gateway)
mkdir -p "$root/mnt" "$root/dev"
for run in 1 2 3; do
  warm=$(start_up)
  cold=$(start_up NODE_DISABLE_COMPILE_CACHE=1)
  echo "start-up $run: $warm ms, without the compile cache $cold ms"
done

# Commands that need the embedded Brigade say that the image does not contain it, and exit with 69.
for development in 'dev' 'brigade --data /mnt/data --root-password-path /mnt/password'; do
  code=0
  # shellcheck disable=SC2086
  env -i PATH="$PATH" chroot --userspec=65532:65532 "$root" ${command% *} $development 2>"$work/errors" || code=$?
  echo "image: ${development%% *} exits with $code: $(cat "$work/errors")"
  if [ "$code" != 69 ] || ! grep --quiet 'the image does not contain' "$work/errors"; then exit 1; fi
done

IMAGE_ROOT=$root "$node" --test test/chart/running-pod.test.ts
