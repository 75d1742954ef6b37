# One image for the API, the workers and the one-shot jobs: `docker build -t laurel .`

FROM python:3.12-slim-bookworm AS build
RUN python -m venv /opt/laurel
ENV PATH=/opt/laurel/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements-server.lock .
RUN pip install --require-hashes --requirement requirements-server.lock
COPY . .
RUN pip install --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
# The libraries that lay out certificates; the third keeps their fonts small.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home laurel \
    # A new volume takes over the owner of the folder that it is mounted on.
    && install --directory --owner=laurel --mode=0700 /var/lib/laurel/keys
COPY --from=build /opt/laurel /opt/laurel
COPY --from=build /src/examples /opt/laurel/share/laurel/examples
ENV PATH=/opt/laurel/bin:$PATH PYTHONUNBUFFERED=1 LAUREL_LOG_FORMAT=json
USER laurel
WORKDIR /tmp
STOPSIGNAL SIGTERM
ENTRYPOINT ["laurel"]
CMD ["api", "--host", "0.0.0.0"]
