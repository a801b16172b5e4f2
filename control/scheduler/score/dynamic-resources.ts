/** Prefers nodes where claims get earlier alternatives of what they ask for. Source: KEP-4816; upstream `plugins/dynamicresources` (computeScore). */
import type { AllocationResult, DraResourceClaim } from '#api/types.generated.ts';
import { normalise, type ScorePlugin } from '../framework.ts';

/** The most alternatives that a request may have (the API's limit). */
const maxAlternatives = 8;

/** The score DynamicResources. */
export const dynamicResourcesScore = (weight: number): ScorePlugin => ({
  name: 'DynamicResources',
  weight,
  score(pod, feasible, { devices }) {
    const attempt = devices.attempts.get(pod);
    if (attempt === undefined) return undefined;
    return feasible.map(({ name }) => {
      const allocations = attempt.allocations.get(name) ?? [];
      let next = 0;
      return attempt.claims.reduce((sum, claim) => sum + scoreOf(claim, claim.status?.allocation ?? allocations[next++]), 0);
    });
  },
  normalise: (raw) => normalise(raw, false),
});

function scoreOf({ spec }: DraResourceClaim, allocation: AllocationResult | undefined): number {
  const got = new Set((allocation?.devices?.results ?? []).map(({ request }) => request));
  let score = 0;
  for (const { name, firstAvailable = [] } of spec.devices?.requests ?? [])
    for (const [index, alternative] of firstAvailable.entries())
      if (got.has(`${name}/${alternative.name}`)) score += maxAlternatives - index;
  return score;
}
