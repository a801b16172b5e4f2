/** The type of the checks of the Pod Security Standards, and shared helpers. Pure. */
import type {
  Container,
  EphemeralContainer,
  ObjectMeta,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
} from '#api/types.generated.ts';
import type { Level } from './policy.ts';

/** A pod, or the template of one. */
export interface PodLike {
  metadata: ObjectMeta | undefined;
  spec: PodSpec;
}

/** Why a pod is not allowed: the reason, and the parts of the pod. */
export interface Violation {
  reason: string;
  detail: string;
}

/** Undefined: the pod is allowed. */
export type CheckPod = (pod: PodLike) => Violation | undefined;

/** One check with its different versions. */
export interface Check {
  /** Upstream's name. Violations come in the order of the names, those of `baseline` first. */
  id: string;
  level: Exclude<Level, 'privileged'>;
  /** In ascending order: the minor version from which the check applies, and the baseline checks that it replaces. */
  versions: readonly { since: number; check: CheckPod; overrides?: readonly string[] }[];
}

type AnyContainer = Container | EphemeralContainer;

/** Init containers, containers, ephemeral containers. */
export const allContainers = ({ spec }: PodLike): AnyContainer[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  ...(spec.ephemeralContainers ?? []),
];

/** A list of names as upstream prints it: each in quotes, with commas. */
export const quoted = (items: Iterable<string>): string => [...items].map((one) => `"${one}"`).join(', ');

/** `one` for a count of 1, else `many`. */
export const plural = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many);

/** `container "a"`, `containers "a", "b"`. */
export const containersText = (names: readonly string[]): string => `${plural(names.length, 'container')} ${quoted(names)}`;

/** The names of the containers that satisfy the condition. */
export const containersWith = (
  pod: PodLike,
  holds: (context: SecurityContext | undefined, container: AnyContainer) => boolean,
): string[] =>
  allContainers(pod)
    .filter((container) => holds(container.securityContext, container))
    .map(({ name }) => name);

/** `pod and container "a"`: where a forbidden value is set, in the pod's security context and in those of containers. '' if nowhere. */
export function settersText(isBadPod: boolean, badContainers: readonly string[]): string {
  return [...(isBadPod ? ['pod'] : []), ...(badContainers.length > 0 ? [containersText(badContainers)] : [])].join(' and ');
}

/** The set values of one field in the security contexts of the pod and its containers. */
export function fieldValues<
  K extends keyof PodSecurityContext & keyof SecurityContext,
  V extends SecurityContext[K] & PodSecurityContext[K],
>(pod: PodLike, field: K): { ofPod: NonNullable<V> | undefined; ofContainers: { name: string; value: NonNullable<V> }[] } {
  return {
    ofPod: pod.spec.securityContext?.[field] as NonNullable<V> | undefined,
    ofContainers: allContainers(pod).flatMap(({ name, securityContext }) => {
      const value = securityContext?.[field] as NonNullable<V> | undefined;
      return value === undefined ? [] : [{ name, value }];
    }),
  };
}

/** The different items, sorted. */
export const sorted = (items: Iterable<string>): string[] => [...new Set(items)].sort();

/** Whether the pod has its own user namespace, in which root has no privileges outside (KEP-127). */
export const hasUserNamespace = ({ spec }: PodLike): boolean => spec.hostUsers === false;

/** Whether the pod's OS is Windows, for which Linux's fields cannot be set. */
export const isForWindows = ({ spec }: PodLike): boolean => spec.os?.name === 'windows';
