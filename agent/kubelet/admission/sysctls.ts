/**
 * Which kernel parameters a pod may set: those that belong to its own namespaces and touch no other pod. Pure.
 *
 * Source: kubernetes.io "Using sysctls in a Kubernetes Cluster"; upstream `pkg/kubelet/sysctl` (list, reason, messages).
 */
import type { Pod } from '#api/types.generated.ts';
import type { Rejection } from './rejection.ts';

const safe = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
]);

/** `net/ipv4/x` is another way to write `net.ipv4.x`; a name that begins with dots may have slashes of its own. */
export function sysctlName(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  return separator === '/' ? name.replace(/[./]/g, (one) => (one === '/' ? '.' : '/')) : name;
}

/** @returns why a sysctl of the pod is forbidden; undefined when all are allowed */
export function forbiddenSysctl({ spec }: Pod): Rejection | undefined {
  for (const { name } of spec.securityContext?.sysctls ?? []) {
    const why = problem(sysctlName(name), spec);
    if (why !== undefined) return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${why}` };
  }
  return undefined;
}

function problem(name: string, { hostNetwork, hostIPC }: Pod['spec']): string | undefined {
  const quoted = JSON.stringify(name);
  if (!safe.has(name)) return `${quoted} not allowlisted`;
  if (name.startsWith('net.')) return hostNetwork === true ? `${quoted} not allowed with host Net enabled` : undefined;
  return hostIPC === true ? `${quoted} not allowed with host IPC enabled` : undefined;
}
