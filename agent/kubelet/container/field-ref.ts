/**
 * The downward API: a pod's own fields and a container's resources as text. Pure.
 *
 * Source: kubernetes.io "Downward API"; upstream `pkg/fieldpath`, `pkg/api/v1/resource`.
 */

import { goEscapes } from '#api/go-escapes.ts';
import { ownValue } from '#api/own-value.ts';
import { amount } from '#api/pod/requests.ts';
import type { Container, Pod, ResourceFieldSelector } from '#api/types.generated.ts';

/** What the node knows about the pod that its spec does not say. */
export interface PodFacts {
  nodeName: string;
  hostIps: readonly string[];
  podIps: readonly string[];
  /** The node's allocatable, for limits that are not set. */
  allocatable: Readonly<Record<string, string | number>>;
}

/** Lines of `key="value"`, sorted, as volume files of labels and annotations hold them. */
export const formatMap = (map: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join('\n');

/** Quotes as Go's `strconv.Quote` does: JSON escapes characters that cannot be printed in another way. */
function quote(text: string): string {
  const quoted = text.replace(/["\\]|(?! )[\p{C}\p{Z}]/gu, (character) => goEscapes[character] ?? codeEscape(character));
  return `"${quoted}"`;
}

function codeEscape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = (digits: number): string => code.toString(16).padStart(digits, '0');
  if (code < 0x20 || code === 0x7f) return `\\x${hex(2)}`;
  return code > 0xffff ? `\\U${hex(8)}` : `\\u${hex(4)}`;
}

/** The value of a field of the pod, as text. Pure. @throws Error `unsupported fieldPath: …` */
export function fieldValue(pod: Pod, path: string, facts: PodFacts): string {
  const subscript = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (subscript !== null)
    return ownValue(subscript[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations, subscript[2] ?? '') ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'metadata.labels':
      return formatMap(pod.metadata.labels);
    case 'metadata.annotations':
      return formatMap(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? facts.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.hostIP':
      return facts.hostIps[0] ?? '';
    case 'status.hostIPs':
      return facts.hostIps.join(',');
    case 'status.podIP':
      return facts.podIps[0] ?? '';
    case 'status.podIPs':
      return facts.podIps.join(',');
    default:
      throw new Error(`unsupported fieldPath: ${path}`);
  }
}

/** A request or limit divided by the divisor, rounded up; an unset limit is what the node can give. */
export function resourceFieldValue(container: Container, { resource, divisor }: ResourceFieldSelector, facts: PodFacts): string {
  const [list, ...rest] = resource.split('.');
  const name = rest.join('.');
  const { requests, limits } = container.resources ?? {};
  const quantity =
    list === 'limits'
      ? (ownValue(limits, name) ?? ownValue(facts.allocatable, name))
      : (ownValue(requests, name) ?? ownValue(limits, name));
  const by = amount('cpu', divisor);
  return `${Math.ceil(amount('cpu', quantity) / (by === 0 ? 1000 : by))}`;
}
