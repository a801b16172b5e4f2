/** The ResourceClaims that are made for pods. Pure. Source: kubernetes `pkg/controller/resourceclaim/controller.go` (handleClaim). */
import { podClaimAnnotation } from '#api/dra/pod-claims.ts';
import type { New } from '#api/meta.ts';
import type { DraResourceClaim, Pod, PodResourceClaim, ResourceClaimTemplate } from '#api/types.generated.ts';

/** Limit of the base of a generated name: 63 characters minus a hyphen and 5 random characters. */
const maxBase = 57;

/** The claim of one entry of `spec.resourceClaims`. */
export function generatedClaim(pod: Pod, entry: PodResourceClaim, template: ResourceClaimTemplate): New<DraResourceClaim> {
  const { labels, annotations } = template.spec.metadata ?? {};
  return {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: {
      namespace: pod.metadata.namespace,
      generateName: baseName(pod.metadata.name, entry.name),
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name, uid: pod.metadata.uid, controller: true }],
      ...(labels === undefined ? {} : { labels }),
      annotations: { ...annotations, [podClaimAnnotation]: entry.name },
    },
    spec: template.spec.spec,
  };
}

/** The base of the claim's name. Both parts of a long name are shortened equally. */
function baseName(pod: string, entry: string): string {
  const whole = `${pod}-${entry}-`;
  if (whole.length <= maxBase) return whole;
  const share = (name: string): string => name.slice(0, Math.trunc((name.length * maxBase) / whole.length));
  return `${share(pod)}-${share(entry)}`;
}
