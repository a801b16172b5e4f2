/** Questions about a pod's spec that several parts of the kubelet ask. Pure. */
import { findContainer } from '#api/pod/containers.ts';
import type { Container, Pod } from '#api/types.generated.ts';

/** `spec.containers{web}`: how events point at a container. */
export function fieldPath(pod: Pod, name: string): string {
  const kind = findContainer(pod, name)?.kind ?? 'container';
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
