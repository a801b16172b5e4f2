/**
 * Taints and tolerations. The scheduler, taint eviction, the node lifecycle controller and the kubelet all use these functions.
 * Pure.
 *
 * Source: core/v1 `toleration.go` (ToleratesTaint), component-helpers `scheduling/corev1/helpers.go`.
 */
import type { Taint, Toleration } from '../types.generated.ts';

/** The effects of taints. */
export type TaintEffect = 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';

/** The fields of a taint that a toleration compares. */
export type TaintKey = Pick<Taint, 'key' | 'value' | 'effect'>;

/**
 * Whether one toleration tolerates a taint. An empty effect matches every effect, an empty key every key. The operators `Gt` and
 * `Lt` match nothing, because their feature gate is off in 1.36.
 */
export function tolerates({ key = '', operator = '', value = '', effect = '' }: Toleration, taint: TaintKey): boolean {
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return (operator === '' || operator === 'Equal') && value === (taint.value ?? '');
}

/**
 * Whether `wide` tolerates all that `narrow` tolerates, and for as long, though they are not equal. As upstream, a toleration of one value
 * covers only another one whose operator `Equal` is written.
 *
 * Source: kubernetes `pkg/util/tolerations/tolerations.go` (isSuperset).
 */
export function coversToleration(wide: Toleration, narrow: Toleration): boolean {
  const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = wide;
  if (key !== (narrow.key ?? '') && (key !== '' || operator !== 'Exists')) return false;
  if (effect !== '' && effect !== narrow.effect) return false;
  if (effect === 'NoExecute' && tolerationSeconds !== undefined)
    if (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > tolerationSeconds) return false;
  if (operator === 'Exists') return true;
  return (operator === '' || operator === 'Equal') && narrow.operator === 'Equal' && value === (narrow.value ?? '');
}

/** The first toleration that tolerates the taint. Its `tolerationSeconds` applies. */
export const tolerationOf = (tolerations: readonly Toleration[] | undefined, taint: TaintKey): Toleration | undefined =>
  tolerations?.find((toleration) => tolerates(toleration, taint));

/** The first taint with one of these effects that no toleration tolerates. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: ReadonlySet<string>,
): Taint | undefined {
  return taints?.find((taint) => effects.has(taint.effect) && tolerationOf(tolerations, taint) === undefined);
}

/** The effects that keep new pods off a node. */
export const schedulingEffects: ReadonlySet<string> = new Set<TaintEffect>(['NoSchedule', 'NoExecute']);
/** The effect that also evicts running pods. */
export const executionEffects: ReadonlySet<string> = new Set<TaintEffect>(['NoExecute']);
