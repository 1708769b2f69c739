# The base images are named by tag, because their digests could not be looked up.
FROM --platform=$BUILDPLATFORM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Without the package.json of the embedded Brigade, npm installs none of its dependencies.
COPY packages/brigade-api/package.json packages/brigade-api/
# All dependencies are JavaScript, the same for every platform.
RUN npm ci --omit=dev --omit=optional --ignore-scripts
# Types and source maps are nearly half of the dependencies, and nothing here reads them.
RUN find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.[cm]ts' \) -delete

FROM gcr.io/distroless/nodejs24-debian12:nonroot AS program
ENV NODE_ENV=production NODE_COMPILE_CACHE=/app/.compile-cache
# With more arenas, or with large buffers in them, glibc keeps what a burst took.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=131072
COPY LICENSE package.json bin.js /app/
COPY src /app/src
# npm links it: under node_modules itself Node runs no TypeScript.
COPY packages /app/packages
COPY --from=dependencies /app/node_modules /app/node_modules

# Runs the program once with its options, which the cache depends on, so that Node fills its compile cache. A container with a read-only root cannot write it later.
FROM program AS warm
USER 0
COPY image/warm-up.mjs /warm-up.mjs
RUN ["/nodejs/bin/node", "--max-semi-space-size=8", "--disable-sigusr1", "/warm-up.mjs"]

FROM program
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="brigade-acr-gateway" \
      org.opencontainers.image.description="Receives the events of Azure Container Registry and delivers them to the event bus of Brigade 2." \
      org.opencontainers.image.source="https://github.com/brigadecore/brigade-acr-gateway" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=warm --chown=0:0 /app/.compile-cache /app/.compile-cache
USER 65532:65532
# Comes after USER: WORKDIR would otherwise create the folder for the user of the build.
WORKDIR /app
EXPOSE 8080 8081
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=8", "--disable-sigusr1", "/app/bin.js"]
CMD ["serve"]
