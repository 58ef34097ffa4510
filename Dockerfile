# guard as an image. The first stage compiles guard's data plane, the second installs it, both with pip and the first with a
# compiler; the last has neither, no build tool, and needs no shell.
#
#   docker build -t guard .
#   make image                     the same with buildah, on a base made here, from no registry
#
# BASE is any image with Python 3.11 or newer, as `python3` and with `venv`, on glibc with libstdc++ (the wheels are manylinux).
# COMPILER is the same with a C compiler and Python's headers.
ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG COMPILER=docker.io/library/python:3.11-bookworm

FROM ${COMPILER} AS compile
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
ENV GUARD_COMPILE=yes
RUN ["python3", "-m", "venv", "/compile"]
COPY requirements/compile.lock /requirements/
RUN ["/compile/bin/pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", "/requirements/compile.lock"]
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY requirements/build_hook.py requirements/machine_code.py requirements/
COPY policies/tumour-triage.yaml policies/
COPY guard guard
RUN ["/compile/bin/pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheel", "."]

FROM ${BASE} AS install
# For whoever has a mirror of the index, or a folder of wheels; nothing of it reaches the image.
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# pip has an environment of its own, so that guard's has none.
RUN ["python3", "-m", "venv", "/pip"]
RUN ["python3", "-m", "venv", "--without-pip", "/opt/guard"]
COPY requirements/runtime.lock /requirements/
RUN ["/pip/bin/pip", "--python", "/opt/guard/bin/python3", "install", "--quiet", "--require-hashes", \
     "--only-binary", ":all:", "-r", "/requirements/runtime.lock"]
COPY --from=compile /wheel /wheel
RUN ["/pip/bin/pip", "--python", "/opt/guard/bin/python3", "install", "--quiet", "--no-deps", "--no-index", \
     "--find-links", "/wheel", "guard-sidecar"]
# Byte code is made here, because the file system may be read-only there; never held against the times of files, which copies change.
RUN ["/opt/guard/bin/python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", "/opt/guard"]
RUN ["python3", "-c", "import os; os.mkdir('/state')"]

# The model server of the demo, for trying it out: docker build --target demo-model .
FROM install AS demo-model
ARG PIP_INDEX_URL
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
COPY requirements/demo.lock /requirements/
RUN ["/pip/bin/pip", "--python", "/opt/guard/bin/python3", "install", "--quiet", "--require-hashes", \
     "--only-binary", ":all:", "-r", "/requirements/demo.lock"]
USER 65532:65532
ENV PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["/opt/guard/bin/python3", "-m", "guard.kit.demo_model"]
CMD ["--port", "8080"]

FROM ${BASE} AS guard
ARG VERSION=unknown
ARG REVISION=unknown
ARG BASE
LABEL org.opencontainers.image.title="guard" \
      org.opencontainers.image.description="The sidecar that makes any model server safe to operate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# Some bases come without their library compiled, and a process that may not write would compile it at each start.
RUN ["python3", "-c", "import compileall, sysconfig; compileall.compile_dir(sysconfig.get_path('stdlib'), quiet=2)"]
COPY --from=install /opt/guard /opt/guard
# A base without a library that a wheel needs fails here, and not when a policy has rules.
RUN ["/opt/guard/bin/python3", "-c", "import cel_expr_python.cel, httptools, jiter, jsonschema_rs, orjson, pydantic, uvloop, yaml"]
# What survives a restart; guard's own where no volume is mounted over it.
COPY --from=install --chown=65532:65532 /state /var/lib/guard
# PYDANTIC_DISABLE_PLUGINS: no package may hook itself into the validators. HOME: a user id without an entry has none.
ENV PATH=/opt/guard/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/guard \
    PYDANTIC_DISABLE_PLUGINS=__all__ \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONNOUSERSITE=1 \
    PYTHONSAFEPATH=1
USER 65532:65532
WORKDIR /var/lib/guard
EXPOSE 8900 8902
STOPSIGNAL SIGTERM
# Whether the process answers. Whether traffic should come is /readyz. With another ops port, give another check.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["/opt/guard/bin/python3", "-I", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8902, timeout=2); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["/opt/guard/bin/guard"]
CMD ["serve", "/etc/guard/policy/policy.yaml"]
