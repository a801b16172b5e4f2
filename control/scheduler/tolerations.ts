/** Taints and the pods that bear them. */
import type { Taint, Toleration } from '#api/types.generated.ts';

function tolerates(toleration: Toleration, taint: Pick<Taint, 'key' | 'value' | 'effect'>): boolean {
  if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
  if (toleration.key !== undefined && toleration.key !== '' && toleration.key !== taint.key) return false;
  const operator = toleration.operator ?? '';
  if (operator === 'Exists') return true;
  return (operator === '' || operator === 'Equal') && (toleration.value ?? '') === (taint.value ?? '');
}

export const toleratesTaint = (
  tolerations: readonly Toleration[] | undefined,
  taint: Pick<Taint, 'key' | 'value' | 'effect'>,
): boolean => (tolerations ?? []).some((toleration) => tolerates(toleration, taint));

/** The first taint that keeps pods away (NoSchedule, NoExecute) and that no toleration bears. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
): Taint | undefined {
  return (taints ?? []).find((taint) => keepsAway.has(taint.effect) && !toleratesTaint(tolerations, taint));
}

const keepsAway: ReadonlySet<string> = new Set(['NoSchedule', 'NoExecute']);
