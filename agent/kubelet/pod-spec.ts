/** Questions about a pod's spec that several parts of the kubelet ask. Pure. */
import type { Container, EphemeralContainer, Pod } from '#api/types.generated.ts';

export type ContainerKind = 'init' | 'container' | 'ephemeral';

/** A sidecar: an init container that keeps running beside the pod's containers (KEP-753). */
export const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

export const initContainers = (pod: Pod): readonly Container[] => pod.spec.initContainers ?? [];
export const ephemeralContainers = (pod: Pod): readonly EphemeralContainer[] => pod.spec.ephemeralContainers ?? [];

export function* allContainers(pod: Pod): Generator<{ kind: ContainerKind; container: Container }> {
  for (const container of initContainers(pod)) yield { kind: 'init', container };
  for (const container of pod.spec.containers) yield { kind: 'container', container };
  for (const container of ephemeralContainers(pod)) yield { kind: 'ephemeral', container };
}

export const findSpec = (pod: Pod, name: string): { kind: ContainerKind; container: Container } | undefined => {
  for (const entry of allContainers(pod)) if (entry.container.name === name) return entry;
  return undefined;
};

/** `spec.containers{web}`: how events point at a container. */
export function fieldPath(pod: Pod, name: string): string {
  const kind = findSpec(pod, name)?.kind ?? 'container';
  const list = kind === 'init' ? 'initContainers' : kind === 'ephemeral' ? 'ephemeralContainers' : 'containers';
  return `spec.${list}{${name}}`;
}

/** `name_namespace(uid)`: how upstream's messages name a pod. */
export const formatPod = (pod: Pod): string => `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`;

/** The restart decision after an exit, by the container's own policy and rules (KEP-5307) and the pod's. */
export function shouldRestartAfterExit(pod: Pod, container: Container, exitCode: number): boolean {
  for (const rule of container.restartPolicyRules ?? []) {
    const values = rule.exitCodes?.values ?? [];
    const listed = values.includes(exitCode);
    const matches = rule.exitCodes?.operator === 'NotIn' ? !listed : listed;
    if (rule.exitCodes !== undefined && matches && rule.action === 'Restart') return true;
  }
  const policy = container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always';
  if (policy === 'Never') return false;
  return policy === 'Always' || exitCode !== 0;
}

/** Whether a container that is killed while running (failed probe, changed) comes back. */
export const restartsAfterKill = (pod: Pod, container: Container): boolean =>
  (container.restartPolicy ?? pod.spec.restartPolicy ?? 'Always') !== 'Never';

export const isTerminalPhase = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';
