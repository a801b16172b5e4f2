/** Which events may help pods that DynamicResources has rejected. Pure. Source: its EventsToRegister in upstream. */
import { claimNameOf } from '#api/dra/pod-claims.ts';
import { sameJson } from '#api/meta.ts';
import type { QueueingHint } from '../cluster-event.ts';

const yes = (): boolean => true;

/** The hints of DynamicResources. */
export const deviceHints: QueueingHint = {
  nodeAdded: yes,
  nodeUpdated: ({ changes }) => changes.has('labels') || changes.has('allocatable'),
  deviceClassChanged: yes,
  resourceSliceChanged: yes,
  resourceClaimChanged({ claim, previous }, pod) {
    // Its devices may be just what the pod needs.
    if (previous?.status?.allocation !== undefined && claim.status?.allocation === undefined) return true;
    const isUsed =
      claim.metadata.namespace === pod.metadata.namespace &&
      (pod.spec.resourceClaims ?? []).some((entry) => {
        const named = claimNameOf(pod, entry);
        return named.kind === 'named' && named.name === claim.metadata.name;
      });
    return isUsed && (previous === undefined || !sameJson(claim.status ?? {}, previous.status ?? {}));
  },
};
