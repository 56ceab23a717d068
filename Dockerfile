# syntax=docker/dockerfile:1
# Two stages: the first builds a virtual environment from uv.lock, the second holds Python and that environment.
# For a reproducible base give the images' digests: --build-arg PYTHON_IMAGE=python@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13.9

FROM ${UV_IMAGE} AS uv

FROM ${PYTHON_IMAGE} AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/tray-stream
WORKDIR /src
# What changes seldom comes first: without a change of the lock this layer stays.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --extra otel --no-install-project
COPY README.md LICENSE ./
COPY schemas schemas
COPY stream stream
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --locked --no-dev --extra otel --no-editable

FROM ${PYTHON_IMAGE} AS final
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="tray-stream" \
      org.opencontainers.image.description="Streams Segment events from Kafka to tray workflows" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/tray-stream /opt/tray-stream
# Nothing is written to the root file system, so that it can be read-only.
ENV PATH=/opt/tray-stream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRAY_HTTP__LISTEN=0.0.0.0:9464
# stream.toml is looked for here.
WORKDIR /etc/tray-stream
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 CMD ["tray-stream", "healthcheck"]
ENTRYPOINT ["tray-stream"]
CMD ["run"]
