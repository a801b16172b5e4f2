/** Metrics of the resource claim controller, with upstream's names. Source: kubernetes `pkg/controller/resourceclaim/metrics`. */
import { Counter, Gauge, type Metric } from 'prom-client';
import { podClaimAnnotation } from '#api/dra/pod-claims.ts';
import type { DraResourceClaim, ResourceClaimSpec } from '#api/types.generated.ts';

const extendedAnnotation = 'resource.kubernetes.io/extended-resource-claim';

/** Metrics of the resource claim controller. */
export class ResourceClaimMetrics {
  readonly #creates = new Counter({
    name: 'resourceclaim_controller_creates_total',
    help: 'Number of ResourceClaims creation requests, categorized by creation status and admin access',
    labelNames: ['status', 'admin_access'],
    registers: [],
  });
  #claims: () => readonly DraResourceClaim[] = () => [];
  readonly metrics: readonly Metric[];

  constructor() {
    const claims = (): readonly DraResourceClaim[] => this.#claims();
    this.metrics = [
      this.#creates,
      new Gauge({
        name: 'resourceclaim_controller_resource_claims',
        help: "Number of ResourceClaims, categorized by allocation status, admin access, and source. Source can be 'resource_claim_template' (created from a template), 'extended_resource' (extended resources), or empty (manually created by a user).",
        labelNames: ['allocated', 'admin_access', 'source'],
        registers: [],
        collect() {
          this.reset();
          for (const claim of claims()) {
            const allocated = String(claim.status?.allocation !== undefined);
            this.inc({ allocated, admin_access: adminAccess(claim.spec), source: sourceOf(claim) });
          }
        },
      }),
    ];
  }

  /** Sets the claims that are counted at each scrape. */
  count(claims: () => readonly DraResourceClaim[]): void {
    this.#claims = claims;
  }

  created(status: 'success' | 'failure', spec: ResourceClaimSpec): void {
    this.#creates.inc({ status, admin_access: adminAccess(spec) });
  }
}

const adminAccess = ({ devices }: ResourceClaimSpec): string =>
  String((devices?.requests ?? []).some(({ exactly }) => exactly?.adminAccess === true));

function sourceOf({ metadata }: DraResourceClaim): string {
  const { annotations = {} } = metadata;
  if (annotations[extendedAnnotation] === 'true') return 'extended_resource';
  return (annotations[podClaimAnnotation] ?? '') === '' ? '' : 'resource_claim_template';
}
