# Two stages: the first builds a virtual environment from uv.lock, the second holds Python and that environment.
# For a reproducible base give the images' digests: --build-arg PYTHON_IMAGE=python@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm
ARG UV_IMAGE=ghcr.io/astral-sh/uv:0.13.9

FROM ${UV_IMAGE} AS uv

FROM ${PYTHON_IMAGE} AS build
RUN command -v tini-static || { apt-get update && apt-get install --yes --no-install-recommends tini; }
# The hot path is compiled by mypyc, which takes a fifth off the cost of an event; --build-arg COMPILED=0 leaves it Python.
ARG COMPILED=1
RUN [ "$COMPILED" = 0 ] || command -v gcc || { apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev; }
COPY --from=uv /uv /usr/local/bin/uv
ENV HATCH_BUILD_HOOK_ENABLE_MYPYC=${COMPILED} \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/tray-stream
WORKDIR /src
# What changes seldom comes first: without a change of the lock this layer stays.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --all-extras --no-install-project
COPY README.md LICENSE tray_stream.py ./
COPY schemas schemas
COPY stream stream
# The build backend has done its work after the first of these, and goes with the second.
RUN uv sync --locked --no-dev --all-extras --no-editable
RUN uv sync --locked --no-dev --no-group build --all-extras --no-editable

FROM ${PYTHON_IMAGE} AS final
# Process 1 of a container gets no signal that it has no handler for, and Python has none in its first moments: an init
# passes SIGTERM on from the start, and reaps.
COPY --from=build /usr/bin/tini-static /usr/bin/tini
# The base has no bytecode of the standard library; without it every start and every health check compiles it again.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash -x '/(site|dist)-packages/|/(test|idlelib|lib2to3)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/tray-stream /opt/tray-stream
# Nothing is written to the root file system, so that it can be read-only. The address is the default of http.listen:
# the settings file and TRAY_HTTP__LISTEN come before it.
ENV PATH=/opt/tray-stream/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRAY_DEFAULT_LISTEN=0.0.0.0:9464
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="tray-stream" \
      org.opencontainers.image.description="Streams Segment events from Kafka to tray workflows" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.licenses="Apache-2.0"
# stream.toml is looked for here.
WORKDIR /etc/tray-stream
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["tray-stream", "healthcheck"]
ENTRYPOINT ["tini", "-s", "--", "tray-stream"]
CMD ["run"]
