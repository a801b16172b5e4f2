/** A pod's sandbox in CRI's terms. Pure. Source: upstream `pkg/kubelet/kuberuntime/kuberuntime_sandbox.go`. */

import type { DnsConfig, PodSandboxConfig, PortMapping, Protocol } from '#agent/runtime/runtime.ts';
import { isSidecar } from '#api/pod/containers.ts';
import type { Pod } from '#api/types.generated.ts';
import { sysctlName } from '../admission/sysctls.ts';
import { sandboxLabels } from './labels.ts';
import { sandboxSecurityContext } from './security.ts';

/** The inputs of a pod sandbox's configuration. `localSeccomp` gives the path of a profile on this node. */
export interface SandboxInputs {
  pod: Pod;
  attempt: number;
  hostname: string;
  dns: DnsConfig;
  logDirectory: string;
  cgroupParent: string;
  localSeccomp: (name: string) => string;
}

function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec.hostNetwork === true) return [];
  const containers = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  return containers.flatMap(({ ports = [] }) =>
    ports.map(({ containerPort, hostPort = 0, hostIP, protocol = 'TCP' }) => ({
      containerPort,
      hostPort,
      protocol: protocol as Protocol,
      ...(hostIP === undefined ? {} : { hostIp: hostIP }),
    })),
  );
}

/** The sandbox as CRI's RunPodSandbox takes it. Pure. */
export function sandboxConfig({
  pod,
  attempt,
  hostname,
  dns,
  logDirectory,
  cgroupParent,
  localSeccomp,
}: SandboxInputs): PodSandboxConfig {
  const { sysctls = [] } = pod.spec.securityContext ?? {};
  return {
    metadata: { name: pod.metadata.name, namespace: pod.metadata.namespace ?? '', uid: pod.metadata.uid, attempt },
    // A pod on the node's network has the node's name.
    ...(pod.spec.hostNetwork === true ? {} : { hostname }),
    logDirectory,
    dnsConfig: dns,
    portMappings: portMappings(pod),
    labels: sandboxLabels(pod),
    annotations: pod.metadata.annotations ?? {},
    linux: {
      cgroupParent,
      securityContext: sandboxSecurityContext(pod, localSeccomp),
      sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [sysctlName(name), value])),
    },
  };
}
