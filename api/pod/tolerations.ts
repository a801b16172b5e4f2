/**
 * Taints and the pods that tolerate them. Pure; scheduler, taint eviction, node lifecycle and kubelet all ask here.
 *
 * Source: core/v1 `toleration.go` (ToleratesTaint), component-helpers `scheduling/corev1/helpers.go`.
 */
import type { Taint, Toleration } from '../types.generated.ts';

export type TaintEffect = 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';

/** What of a taint decides: its time does not. */
export type TaintKey = Pick<Taint, 'key' | 'value' | 'effect'>;

/**
 * Whether one toleration covers a taint. An empty effect covers every effect, an empty key every key. The operators `Gt` and `Lt`
 * cover nothing: they stand behind a feature gate that is off in 1.36.
 */
export function tolerates({ key = '', operator = '', value = '', effect = '' }: Toleration, taint: TaintKey): boolean {
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return (operator === '' || operator === 'Equal') && value === (taint.value ?? '');
}

/** The first toleration that covers the taint: its `tolerationSeconds` is what counts. */
export const tolerationOf = (tolerations: readonly Toleration[] | undefined, taint: TaintKey): Toleration | undefined =>
  tolerations?.find((toleration) => tolerates(toleration, taint));

/** The first taint with one of these effects that no toleration covers. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: ReadonlySet<string>,
): Taint | undefined {
  return taints?.find((taint) => effects.has(taint.effect) && tolerationOf(tolerations, taint) === undefined);
}

/** Effects that keep new pods off a node. */
export const schedulingEffects: ReadonlySet<string> = new Set<TaintEffect>(['NoSchedule', 'NoExecute']);
/** The effect that also drives running pods away. */
export const executionEffects: ReadonlySet<string> = new Set<TaintEffect>(['NoExecute']);
