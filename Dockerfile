# Two images of one project: `airflow`, which AWS runs too, and `machine`, what stands in for AWS on one machine.
#   docker build --target airflow -t cdap:latest .
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DO_NOT_TRACK=1 SCARF_ANALYTICS=false GX_ANALYTICS_ENABLED=false DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False AIRFLOW__COSMOS__ENABLE_TELEMETRY=False
RUN groupadd --gid 1000 cdap && useradd --uid 1000 --gid cdap --create-home cdap
WORKDIR /opt/cdap

FROM base AS airflow
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY pyproject.toml README.md ./
COPY cdap cdap
COPY plugins plugins
COPY config config
COPY dags dags
COPY dbt_project dbt_project
COPY expectations expectations
COPY migrations migrations
# The project itself, without asking for its dependencies again.
RUN pip install --no-deps --editable . && chown -R cdap:cdap /opt/cdap
COPY docker/entrypoint.py /opt/entrypoint.py
USER cdap
ENV AIRFLOW_HOME=/opt/airflow \
    PYTHONPATH=/opt/cdap:/opt/cdap/plugins \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/cdap/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/cdap/plugins \
    AIRFLOW__CORE__EXECUTOR=LocalExecutor \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS=False \
    AIRFLOW__SECRETS__BACKEND=airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend \
    AIRFLOW__SECRETS__BACKEND_KWARGS='{"connections_prefix": "cdap/airflow/connections", "variables_prefix": "cdap/airflow/variables", "connections_lookup_pattern": "^(?!aws_default$)"}' \
    AIRFLOW_CONN_AWS_DEFAULT=aws://
# The models that follow from the sources' files, and the manifest that the DAGs are made from.
RUN cdap sources generate
USER root
RUN mkdir -p /opt/airflow && chown cdap:cdap /opt/airflow
USER cdap
ENTRYPOINT ["python", "/opt/entrypoint.py"]
CMD ["airflow", "version"]

FROM base AS machine
RUN pip install uv==0.13.9
COPY . .
# Servers' jars included, so that nothing is fetched when it runs.
RUN chown -R cdap:cdap /opt/cdap
USER cdap
ENV PATH=/opt/cdap/.venv/bin:$PATH LOCALCLOUD_STATE=/state/localcloud DEMO_STATE=/state/enterprise
RUN uv sync --all-packages --frozen --no-cache && localcloud fetch && cdap sources generate
CMD ["localcloud", "up", "--foreground"]
