# One image for web, worker and migrate, and for the local Stripe to play with. What each runs: compose.yaml.
# And the shop to try, whole in one container: docker build --target demo -t kopeck-demo . (docs/demo.md)
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv --without-pip /opt/venv
COPY requirements-image.txt /tmp/
RUN pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: --requirement /tmp/requirements-image.txt
WORKDIR /app
COPY manage.py ./
COPY kopeck kopeck
COPY kopeck_local kopeck_local
COPY sandbox/stripe_sandbox stripe_sandbox
# The names under which static files may be kept for ever, and their compressed copies. Nothing is contacted.
RUN SECRET_KEY=build STRIPE_SANDBOX=1 DATABASE_URL=postgresql://127.0.0.1:1/none STATIC_ROOT=/app/static \
    /opt/venv/bin/python manage.py collectstatic --noinput \
 && /opt/venv/bin/python -m compileall -q /app/kopeck /app/kopeck_local /app/stripe_sandbox
# Nothing reads these while it runs: sources of translations, tests, maps of scripts, and what was just collected.
RUN find /opt/venv -name '*.po' -delete \
 && find /app/static \( -name '*.map' -o -name '*.map.gz' \) -delete \
 && find /opt/venv -depth -type d -path '*/site-packages/*' \( -name static -o -name tests \) -exec rm -r {} +

# PostgreSQL besides.
FROM build AS build-demo
COPY requirements.txt /tmp/
RUN pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: --requirement /tmp/requirements.txt

FROM python:3.13-slim AS shop
ARG VERSION=0.1.0 REVISION=unknown
LABEL org.opencontainers.image.title="Kopeck" \
      org.opencontainers.image.description="A self-hosted Stripe shop in Django, with a local Stripe in the box." \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
RUN groupadd --gid 10001 kopeck \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kopeck \
 && install -d -o kopeck -g kopeck -m 0755 /data /secrets
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
# /data: pictures and keys. /secrets: what the first start makes for shop and database. All else is read-only.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8000 DATA_DIR=/data STATIC_ROOT=/app/static
USER 10001:10001
VOLUME ["/data", "/secrets"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["/app/kopeck/ops/ready.sh"]
CMD ["python", "-m", "kopeck.ops.serve"]

FROM shop AS demo
LABEL org.opencontainers.image.title="Kopeck, to try" \
      org.opencontainers.image.description="A shop with its own Stripe, for anybody to try; it begins anew every night."
COPY --from=build-demo /opt/venv /opt/venv
ENV PORT=8080 STATIC_ROOT=/app/static
EXPOSE 8080
CMD ["python", "-m", "kopeck_local.demo"]

# What is built where nothing else is asked for.
FROM shop
