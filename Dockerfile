# CellTransfer as an image. compose.yaml runs it with a database and a proxy; the guide "On a
# hospital's server" says how.

FROM python:3.11-slim AS build

COPY . /source
RUN python -m venv /opt/celltransfer \
    && /opt/celltransfer/bin/pip install --no-cache-dir "/source[formats,postgres]"


FROM python:3.11-slim

COPY --from=build /opt/celltransfer /opt/celltransfer

# All that is kept lies in /data. The rest may be read-only, but for /tmp.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin celltransfer \
    && install --directory --owner=10001 --group=10001 --mode=700 /data \
    && install --directory /app/.streamlit
ENV PATH="/opt/celltransfer/bin:$PATH" \
    HOME=/tmp \
    CELLTRANSFER_HOME=/data \
    NUMBA_CACHE_DIR=/tmp/numba \
    PYTHONDONTWRITEBYTECODE=1

USER 10001:10001
WORKDIR /app
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from http.client import HTTPConnection as To; app = To('localhost', 8501, timeout=4); app.request('GET', '/_stcore/health'); exit(app.getresponse().status != 200)"]
CMD ["celltransfer", "app", "--no-browser", "--address", "0.0.0.0", "--port", "8501"]
