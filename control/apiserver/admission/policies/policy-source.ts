/**
 * The policies of one kind with the bindings that put them into use.
 *
 * Source: apiserver `pkg/admission/plugin/policy/generic/policy_source.go`.
 */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId } from '#api/resources.ts';
import type { MatchResources, ParamKind, ParamRef } from '#api/types.generated.ts';
import type { AdmissionContext } from '../plugin.ts';

/** What policies of both kinds have. */
export interface Policy extends KubeObject {
  spec: {
    failurePolicy?: string | undefined;
    matchConstraints?: MatchResources | undefined;
    paramKind?: ParamKind | undefined;
  };
}

/** What bindings of both kinds have. */
export interface Binding extends KubeObject {
  spec: { policyName?: string | undefined; paramRef?: ParamRef | undefined; matchResources?: MatchResources | undefined };
}

/** A policy that is in use. */
export interface PolicyInUse<P extends Policy, B extends Binding> {
  policy: P;
  /** At least one; by name. */
  bindings: readonly B[];
}

/** Reads them with each request, so that a policy is in force once its creation has been answered. */
export class PolicySource<P extends Policy, B extends Binding> {
  readonly #policies: ResourceId;
  readonly #bindings: ResourceId;
  #seen: { policies: readonly KubeObject[]; bindings: readonly KubeObject[]; inUse: readonly PolicyInUse<P, B>[] } | undefined;

  /** @param policies the kind of the policies @param bindings the kind of their bindings */
  constructor(policies: ResourceId, bindings: ResourceId) {
    this.#policies = policies;
    this.#bindings = bindings;
  }

  /** The policies that are in use, by name. */
  async inUse({ list }: Pick<AdmissionContext, 'list'>): Promise<readonly PolicyInUse<P, B>[]> {
    const bindings = await list(this.#bindings);
    if (bindings.length === 0) return [];
    const policies = await list(this.#policies);
    if (this.#seen?.policies !== policies || this.#seen.bindings !== bindings)
      this.#seen = { policies, bindings, inUse: joined(policies as readonly P[], bindings as readonly B[]) };
    return this.#seen.inUse;
  }
}

function joined<P extends Policy, B extends Binding>(policies: readonly P[], bindings: readonly B[]): PolicyInUse<P, B>[] {
  const byPolicy = Map.groupBy(bindings, ({ spec }) => spec.policyName ?? '');
  return policies.flatMap((policy) => {
    const own = byPolicy.get(policy.metadata.name);
    return own === undefined ? [] : [{ policy, bindings: own }];
  });
}
