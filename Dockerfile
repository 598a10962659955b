# syntax=docker/dockerfile:1
# One image for every process of CLAW.AI; the command decides which one it is.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
COPY requirements.lock /build/
# The lock has the hash of every file, so pip needs no resolver.
RUN python -m venv /opt/clawai \
    && /opt/clawai/bin/pip install --no-cache-dir --no-deps --require-hashes -r /build/requirements.lock

FROM python:3.11-slim-bookworm
ENV PATH=/opt/clawai/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CLAWAI_DATA_DIR=/var/lib/clawai \
    CLAWAI_LOG_FORMAT=json
RUN useradd --system --uid 10001 --home-dir /var/lib/clawai clawai \
    && install -d -o clawai -g clawai -m 0700 /var/lib/clawai
COPY --from=build /opt/clawai /opt/clawai
COPY . /srv/clawai
WORKDIR /srv/clawai
USER 10001
EXPOSE 8000
CMD ["uvicorn", "clawai.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--ws-max-size", "65536", "--ws-ping-interval", "15", "--no-server-header", \
     "--timeout-graceful-shutdown", "25"]
