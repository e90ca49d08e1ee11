# .ci/run also tests with this version. All stages but the last run on the platform that builds, for whatever platform the
# image is: the bundle is the same on all of them, and the last stage runs no command.
FROM --platform=$BUILDPLATFORM node:24.21.0-trixie-slim AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM base AS build
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY plugins ./plugins
COPY routes ./routes
COPY ui ./ui
COPY scripts/build.mjs scripts/vendor-ui.mjs ./scripts/
RUN npm run build

FROM base AS dependencies
# `amd64` or `arm64`, from the builder.
ARG TARGETARCH
# No script of a package is run: packages bring their binaries along, and npm takes those for the image's processor.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --cpu="$(echo "$TARGETARCH" | sed s/amd64/x64/)"
COPY scripts/slim-modules.mjs ./scripts/
COPY --from=build /app/dist ./dist
RUN node scripts/slim-modules.mjs && mkdir /data

FROM --platform=$TARGETPLATFORM node:24.21.0-trixie-slim
# Given by --build-arg: where the source is, and which commit of it this is.
ARG SOURCE=""
ARG REVISION=""
LABEL org.opencontainers.image.title="lastcall" \
      org.opencontainers.image.description="Background tasks over HTTP with live progress, durable from the 202 on, and a shutdown that drops nothing." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.revision="$REVISION"
ENV NODE_ENV=production \
    TASK_STORE_URL=sqlite:/data/tasks.db
WORKDIR /app
# The only folder that is written to. A volume that is mounted here takes over its owner.
COPY --from=dependencies --chown=1000:1000 /data /data
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER 1000:1000
EXPOSE 3000
# node is process 1 and receives SIGTERM itself. No HEALTHCHECK: Kubernetes has its own probes.
CMD ["node", "dist/src/server.js"]
