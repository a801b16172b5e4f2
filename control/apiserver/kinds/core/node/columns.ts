/** Columns of Nodes. Source: upstream `pkg/printers/internalversion/printers.go`, printNode. */
import type { Node } from '#api/types.generated.ts';
import type { TableColumns } from '../../../registry/strategy.ts';
import { ageColumn, ageOf, column, nameColumn, wide } from '../../columns.ts';

const ROLE_PREFIX = 'node-role.kubernetes.io/';
const ROLE_LABEL = 'kubernetes.io/role';

/** The table of Nodes: its columns, and the row of one object at a given time (milliseconds since the epoch). */
export const nodeColumns: TableColumns<Node> = {
  columns: [
    nameColumn,
    column('Status', 'Whether the node is ready, and whether it takes new pods.'),
    column('Roles', "The node's roles, by its labels."),
    ageColumn,
    column('Version', 'The version of the kubelet.'),
    wide('Internal-IP', "The node's address inside the cluster."),
    wide('External-IP', "The node's address outside the cluster."),
    wide('OS-Image', 'The operating system.'),
    wide('Kernel-Version', 'The kernel.'),
    wide('Container-Runtime', 'The container runtime and its version.'),
  ],
  cells(node, nowMs) {
    const info = node.status?.nodeInfo;
    const kernel = info?.kernelVersion || '<unknown>';
    return [
      node.metadata.name,
      statusText(node),
      rolesText(node) || '<none>',
      ageOf(node, nowMs),
      info?.kubeletVersion ?? '',
      addressOf(node, 'InternalIP'),
      addressOf(node, 'ExternalIP'),
      info?.osImage || '<unknown>',
      info?.architecture ? `${kernel} (${info.architecture})` : kernel,
      info?.containerRuntimeVersion || '<unknown>',
    ];
  },
};

function statusText({ spec, status }: Node): string {
  const ready = status?.conditions?.findLast(({ type }) => type === 'Ready');
  const text = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

function rolesText({ metadata }: Node): string {
  const roles = Object.entries(metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX)) return key.slice(ROLE_PREFIX.length);
    return key === ROLE_LABEL ? value : [];
  });
  return [...new Set(roles.filter((role) => role !== ''))].sort().join(',');
}

function addressOf({ status }: Node, type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';
}
