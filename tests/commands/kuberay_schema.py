"""What a RayJob may hold, as a closed JSON schema: every field of KubeRay's own types (`ray.io/v1`, in 2025), and of
Kubernetes' pods those that are written here."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
WHOLE: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
ANY: Schema = {}
WORDS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
"""Words to words, as annotations and Ray's start parameters are: a number must be in quotes."""
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
QUANTITY: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|[KMGT]i?)?$"}


def block(required: str = "", **fields: Schema) -> Schema:
    return {
        "type": "object",
        "properties": fields,
        "required": required.split(),
        "additionalProperties": False,
    }


def listed(each: Schema) -> Schema:
    return {"type": "array", "items": each, "minItems": 1}


AMOUNTS: Schema = {"type": "object", "additionalProperties": QUANTITY}
SECRET = block("secretKeyRef", secretKeyRef=block("name key", name=NAME, key=TEXT))
CONTAINER = block(
    "name image",
    name=NAME,
    image=TEXT,
    command=listed(TEXT),
    env=listed(block("name valueFrom", name=TEXT, valueFrom=SECRET)),
    resources=block(requests=AMOUNTS, limits=AMOUNTS),
    restartPolicy={"const": "Always"},
    startupProbe=block(
        "httpGet",
        httpGet=block("path port", path=TEXT, port={"type": "integer", "minimum": 1, "maximum": 65535}),
        periodSeconds=WHOLE,
        failureThreshold=WHOLE,
    ),
    volumeMounts=listed(block("name mountPath", name=NAME, mountPath=TEXT)),
)
VOLUME = block(
    "name",
    name=NAME,
    emptyDir=block(medium={"enum": ["", "Memory"]}),
    persistentVolumeClaim=block("claimName", claimName=NAME, readOnly=FLAG),
)
POD = block(
    "spec",
    metadata=ANY,
    spec=block(
        "containers", initContainers=listed(CONTAINER), containers=listed(CONTAINER), volumes=listed(VOLUME)
    ),
)
HEAD = block(
    "rayStartParams template",
    serviceType=TEXT,
    headService=ANY,
    enableIngress=FLAG,
    rayStartParams=WORDS,
    template=POD,
)
WORKERS = block(
    "groupName minReplicas maxReplicas rayStartParams template",
    groupName=NAME,
    replicas=WHOLE,
    minReplicas=WHOLE,
    maxReplicas=WHOLE,
    numOfHosts=WHOLE,
    rayStartParams=WORDS,
    template=POD,
    scaleStrategy=ANY,
)
CLUSTER = block(
    "headGroupSpec",
    headGroupSpec=HEAD,
    workerGroupSpecs=listed(WORKERS),
    rayVersion=TEXT,
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=ANY,
    headServiceAnnotations=WORDS,
    suspend=FLAG,
)
RAYJOB = block(
    "apiVersion kind metadata spec",
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayJob"},
    metadata=block(
        # What Kubernetes appends to a generated name is five characters, KubeRay more for its pods.
        generateName={"type": "string", "pattern": "^[a-z0-9][-a-z0-9]*-$", "maxLength": 58}
    ),
    spec=block(
        "rayClusterSpec",
        activeDeadlineSeconds=WHOLE,
        backoffLimit=WHOLE,
        rayClusterSpec=CLUSTER,
        submitterPodTemplate=ANY,
        metadata=WORDS,
        clusterSelector=WORDS,
        submitterConfig=block(backoffLimit=WHOLE),
        managedBy=TEXT,
        deletionStrategy=ANY,
        entrypoint=TEXT,
        runtimeEnvYAML=TEXT,
        jobId=TEXT,
        submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode"]},
        entrypointResources=TEXT,
        entrypointNumCpus={"type": "number"},
        entrypointNumGpus={"type": "number"},
        ttlSecondsAfterFinished=WHOLE,
        shutdownAfterJobFinishes=FLAG,
        suspend=FLAG,
        schedule=TEXT,
    ),
)
