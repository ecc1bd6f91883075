# One image for every process; the command says which one it is.
FROM python:3.12-slim

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY orchestrator orchestrator
COPY workers workers
RUN pip install --no-cache-dir --constraint constraints.txt '.[alerts,api,archive,dashboard,operations,otel]' \
    && useradd --create-home --uid 10001 orchestrator

USER orchestrator
WORKDIR /home/orchestrator
RUN mkdir books
COPY specs specs

CMD ["celery", "-A", "workers", "worker", "-Q", "default", "-l", "INFO"]
