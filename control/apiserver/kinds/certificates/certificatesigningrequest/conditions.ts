/**
 * Conditions of certificate signing requests: which endpoint may write which. Source: upstream
 * `pkg/registry/certificates/certificates/strategy.go`.
 */
import { rfc3339 } from '#api/meta.ts';
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '#api/types.generated.ts';

type Conditions = readonly CertificateSigningRequestCondition[];

/** The conditions of the request; an empty list where it has none yet. */
export const conditionsOf = ({ status }: CertificateSigningRequest): Conditions => status?.conditions ?? [];

/**
 * Keeps the stored conditions of this type, in place, if the update has the same number of them: a signer that read the request
 * before it was approved then does not fail because of other times and texts. If the number differs, validation refuses the
 * update.
 */
export function keepConditions(object: CertificateSigningRequest, old: CertificateSigningRequest, type: string): void {
  const stored = conditionsOf(old).filter((condition) => condition.type === type);
  const conditions = object.status?.conditions ?? [];
  if (conditions.filter((condition) => condition.type === type).length !== stored.length) return;
  let next = 0;
  for (const [index, condition] of conditions.entries()) {
    const kept = condition.type === type ? stored[next++] : undefined;
    if (kept !== undefined) conditions[index] = { ...kept };
  }
}

/** Fills in the times that the client did not give, in place. A condition that keeps its status keeps its lastTransitionTime. */
export function completeTimes(object: CertificateSigningRequest, old: CertificateSigningRequest, nowMs: number): void {
  const now = rfc3339(nowMs);
  const earlier = new Map<string, string>();
  for (const { type, status, lastTransitionTime } of conditionsOf(old)) {
    const key = JSON.stringify([type, status]);
    if (lastTransitionTime !== undefined && !earlier.has(key)) earlier.set(key, lastTransitionTime);
  }
  for (const condition of conditionsOf(object)) {
    condition.lastUpdateTime ??= now;
    condition.lastTransitionTime ??= earlier.get(JSON.stringify([condition.type, condition.status])) ?? now;
  }
}
