# .ci/run tests with this version too.
FROM node:24.21.0-trixie-slim AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

FROM base AS build
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY plugins ./plugins
COPY routes ./routes
COPY scripts/build.mjs ./scripts/
RUN npm run build

FROM base AS dependencies
# No script of a package is run: the SQLite driver brings its binaries along.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY scripts/slim-modules.mjs ./scripts/
COPY --from=build /app/dist ./dist
RUN node scripts/slim-modules.mjs

FROM node:24.21.0-trixie-slim
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
RUN install -d -o 1000 -g 1000 /data
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER 1000:1000
EXPOSE 3000
# node is process 1 and gets SIGTERM itself. Kubernetes asks for its health.
CMD ["node", "dist/src/server.js"]
