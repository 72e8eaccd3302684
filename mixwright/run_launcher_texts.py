"""The texts of the files that start a run on several machines; `@NAME@` is filled in by `mixwright.run_launchers`."""

from __future__ import annotations

import re
from collections.abc import Mapping

NODE = r"""#!/usr/bin/env bash
# One of @nodes@ node(s) of a run of @spec@: starts the servers of its models here. Node 0 runs Mixwright once the
# servers of all nodes answer, and gives it what stands behind this script's name; the others go when it is done.
#   NODE_RANK=0, 1, ...          this node's number
#   NODE_HOSTS="host0 host1"     addresses of all nodes, node 0 first
#   SERVERS_WAIT_S=@patience@          how long node 0 waits for servers; then it goes on with those that answer
#   BEACON_PORT=@beacon@             port of node 0 by which the others see that the run goes on, every
#   BEACON_EVERY_S=5             seconds
@ray_says@set -euo pipefail
cd "$(dirname "$0")"/@root@
rank="${NODE_RANK:-0}"
read -r -a hosts <<<"${NODE_HOSTS:-127.0.0.1}"
beacon="${BEACON_PORT:-@beacon@}"
logs=@here@/logs/node-"$rank"
mkdir -p "$logs"
servers=()

# Ends the servers, and returns when they are gone: their ports and GPUs are free for whoever comes next.
stop() {
  for pid in ${servers[@]+"${servers[@]}"}; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for pid in ${servers[@]+"${servers[@]}"}; do
    for _ in {1..100}; do
      kill -0 -- "-$pid" 2>/dev/null || break
      sleep 0.1 || true
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
}
trap stop EXIT

# serve NAME GPUS COMMAND...: a server in a session of its own, so that it ends with this script and not before.
serve() {
  if [ -n "$2" ]; then export CUDA_VISIBLE_DEVICES="$2"; fi
  setsid "${@:3}" >"$logs/$1.log" 2>&1 &
  servers+=("$!")
}

reach() {
  python3 -c 'import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(sys.argv[1], timeout=5)' \
    "$1" >/dev/null 2>&1
}

@ray_starts@@serve@

if [ "$rank" != 0 ]; then
  trap : INT
  deadline=$((SECONDS + @patience@))
  until reach "http://${hosts[0]}:$beacon/"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "node 0 is not there" >&2; exit 2; }
    sleep 1 || true
  done
  misses=0
  while [ "$misses" -lt 3 ]; do
    sleep "${BEACON_EVERY_S:-5}" || true
    if reach "http://${hosts[0]}:$beacon/"; then misses=0; else misses=$((misses + 1)); fi
  done
  exit 0
fi

# Tells the other nodes that the run goes on: an empty folder over HTTP.
empty="$(mktemp -d)"
setsid python3 -m http.server "$beacon" --directory "$empty" >/dev/null 2>&1 &
servers+=("$!")

deadline=$((SECONDS + ${SERVERS_WAIT_S:-@patience@}))
for host in "${hosts[@]}"; do
  for port in @ports@; do
    until reach "http://$host:$port/health" || [ "$SECONDS" -ge "$deadline" ]; do
      for pid in "${servers[@]}"; do
        kill -0 "$pid" 2>/dev/null || { echo "a server of node 0 has ended; see $logs" >&2; exit 2; }
      done
      sleep 2
    done
  done
done

@before_run@
# An interrupt is Mixwright's to hear; it keeps what was answered.
trap : INT TERM
status=0
mixwright run @arguments@ \
  @at@"$@" || status=$?
# A short run must not end before the others have seen that it began.
[ "${#hosts[@]}" -eq 1 ] || sleep 3
exit "$status"
"""

SLURM = """#!/usr/bin/env bash
#SBATCH --job-name=mixwright-@name@
#SBATCH --nodes=@nodes@
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=@gpus@
#SBATCH --exclusive
#SBATCH --output=%x-%j.log
#SBATCH --signal=INT@300
# Submit from the project root, on storage that all nodes share: sbatch @here@/job.slurm. Five minutes before its time is
# up the run stops cleanly; submitted again it goes on.
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:-.}"
NODE_HOSTS=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tr '\\n' ' ')
export NODE_HOSTS
# The signal goes to the tasks themselves: `srun` passes no single interrupt on, and in the background it hears none.
exec srun --kill-on-bad-exit=1 bash -c 'NODE_RANK="$SLURM_NODEID" exec bash "$0"' @node@
"""

SKYPILOT = """# A run of @spec@ on @nodes@ node(s): from the project root, sky launch @here@/sky.yaml
# The store is on node 0's disk, in the project's folder there: fetch it before the cluster goes.
name: mixwright-@name@
num_nodes: @nodes@
workdir: .
@resources@@secrets@setup: |
  pip install 'mixwright[openai]' vllm
run: |
  export NODE_RANK="$SKYPILOT_NODE_RANK" NODE_HOSTS="$(echo "$SKYPILOT_NODE_IPS" | tr '\\n' ' ')"
  bash @node@
"""

RAYJOB = """# A run of @spec@ on @nodes@ worker(s) of KubeRay: kubectl create -f @here@/rayjob.yaml
# Ray starts the pods and tells where they are; the requests go to the servers in them over HTTP. Needs Kubernetes 1.29
# (servers are init containers that stay), KubeRay 1.2, and:
#   a claim @claim@ with the project, this file's folder in it
#   the image @image@, with mixwright and ray
@needs_secret@apiVersion: ray.io/v1
kind: RayJob
metadata:
  generateName: mixwright-@label@-
spec:
  entrypoint: @entrypoint@
  shutdownAfterJobFinishes: true
  backoffLimit: 2
  rayClusterSpec:
    headGroupSpec:
      rayStartParams:
        num-cpus: "0"
      template:
        spec:
          containers:
            - name: ray-head
              image: @image@
@env@              resources:
                requests: { cpu: "4", memory: 16Gi }
              volumeMounts:
                - { name: project, mountPath: @mount@ }
          volumes:
            - name: project
              persistentVolumeClaim: { claimName: @claim@ }
    workerGroupSpecs:
      - groupName: servers
        replicas: @nodes@
        minReplicas: @nodes@
        maxReplicas: @nodes@
        rayStartParams:
          resources: '"{\\"serving\\": 1}"'
        template:
          spec:
@sidecars@            containers:
              - name: ray-worker
                image: @image@
@worker_env@                resources:
                  requests: { cpu: "1", memory: 4Gi }
@worker_mounts@            volumes:
@worker_volumes@              - name: cache
                emptyDir: {}
              - name: shm
                emptyDir: { medium: Memory }
"""

RAY_RUN = r"""#!/usr/bin/env bash
# What @here@/rayjob.yaml runs on the head: asks Ray where the pods with servers are, and runs Mixwright with
# their addresses and with what stands behind this script's name.
set -euo pipefail
cd "$(dirname "$0")"/@root@
hosts=()

# All pods with servers, of those that Ray knows now.
look() {
  read -r -a hosts < <(python3 - <<'PYTHON'
import ray

ray.init(address="auto", log_to_driver=False)
print(*[n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("serving")])
PYTHON
  )
}

until look && [ "${#hosts[@]}" -ge @wanted@ ]; do sleep 5; done

@before_run@
exec mixwright run @arguments@ \
  @at@"$@"
"""

AT = r"""# at PORT...: the addresses of a model on all nodes.
at() {
  local all=() host port
  for host in "${hosts[@]}"; do for port in "$@"; do all+=("http://$host:$port/v1"); done; done
  (IFS=,; printf '%s' "${all[*]}")
}
"""

RAY_SAYS = """#   RAY_PORT=6379                port of node 0 by which Ray's nodes find each other
"""

RAY_STARTS = r"""# A worker of the run on each node asks the servers beside it; Ray carries what they are to ask.
export RAY_USAGE_STATS_ENABLED=0
address() { python3 -c 'import socket, sys; print(socket.gethostbyname(sys.argv[1]))' "$1"; }
head="$(address "${hosts[0]}")"
ray="$head:${RAY_PORT:-6379}"
if [ "$rank" = 0 ]; then
  serve ray '' ray start --head --block --node-ip-address="$head" --port="${ray##*:}" --include-dashboard=false
else
  # Again until node 0 has begun.
  serve ray '' bash -c 'until "$@"; do sleep 2; done' join \
    ray start --block --node-ip-address="$(address "${hosts[rank]}")" --address="$ray"
fi

"""

RAY_WAITS = r"""until ray status --address="$ray" >/dev/null 2>&1; do
  [ "$SECONDS" -lt "$deadline" ] || { echo "Ray does not start; see $logs" >&2; exit 2; }
  sleep 2
done
"""

WORKER_MOUNTS = """                volumeMounts:
                  - { name: project, mountPath: @mount@ }
"""

WORKER_VOLUMES = """              - name: project
                persistentVolumeClaim: { claimName: @claim@ }
"""

SIDECAR = """              - name: @name@
                image: @server_image@
                restartPolicy: Always
                command: @command@
@env@                startupProbe:
                  httpGet: { path: /health, port: @port@ }
                  periodSeconds: 5
                  failureThreshold: 720
                volumeMounts:
                  - { name: cache, mountPath: /root/.cache }
                  - { name: shm, mountPath: /dev/shm }
@resources@"""


def filled(text: str, values: Mapping[str, object]) -> str:
    """The text with each `@NAME@` of `values` in its place; other words between two `@` stay."""
    return re.sub(r"@(\w+)@", lambda found: str(values.get(found[1], found[0])), text)
