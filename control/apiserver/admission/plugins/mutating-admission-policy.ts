/**
 * MutatingAdmissionPolicy: policies in CEL that change objects, evaluated in this server.
 *
 * Source: apiserver `pkg/admission/plugin/policy/mutating/dispatcher.go`, `policy/generic/policy_dispatcher.go`; kubernetes.io, Mutating
 * Admission Policy.
 */

import type { Compiled } from '#api/cel/admission-environments.ts';
import { stringifyExact } from '#api/int64.ts';
import { type KubeObject, sameJson } from '#api/meta.ts';
import { ApiError } from '#api/status.ts';
import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Mutation } from '#api/types.generated.ts';
import { OutOfBudgetError, policyBudget, RequestAccess, RequestEvaluation } from '../admission-cel.ts';
import { admissionRequest, namespaceOf, type Shown, typed } from '../admission-request.ts';
import { type AdmissionAttributes, type AdmissionContext, type AdmissionPlugin, admissionForbidden } from '../plugin.ts';
import { compiledMutatingPolicy } from '../policies/compiled-policy.ts';
import { isExemptFromPolicies } from '../policies/exempt.ts';
import { MutationError } from '../policies/mutation-values.ts';
import { appliedTo, patchedBy } from '../policies/mutations.ts';
import { namespaceObject } from '../policies/namespace-object.ts';
import { asConfigurationError, paramResource, paramsOf } from '../policies/params.ts';
import { silentPolicyMetrics } from '../policies/policy-metrics.ts';
import { type PolicyInUse, PolicySource } from '../policies/policy-source.ts';
import { meetsConditions } from '../webhooks/match-conditions.ts';
import { shownBack, shownToPolicy } from '../webhooks/webhook-matching.ts';
import type { PolicyDeps } from './validating-admission-policy.ts';

type Policy = MutatingAdmissionPolicy;
type Binding = MutatingAdmissionPolicyBinding;

/** One evaluation of a policy: for one binding and one parameter. */
interface Invocation {
  policy: Policy;
  binding: Binding;
  shown: Shown;
  params: KubeObject | null;
}

/** The failure of a policy. */
interface Failure {
  policy: Policy;
  binding: Binding | undefined;
  message: string;
  reason: string | undefined;
}

/** The state of one request for reinvocation. */
interface Round {
  /** Whether a policy has changed the object. */
  hasChanged: boolean;
  /** After the policies of the first round. */
  output: string;
  /** Evaluations with the reinvocationPolicy IfNeeded. */
  again: Set<string>;
  /** The evaluations to repeat in the second round. */
  toRepeat: Set<string>;
}

/** Changes objects by policies with bindings. @throws (its methods) ApiError 403 if one fails, unless its failurePolicy is Ignore */
export function mutatingAdmissionPolicy(deps: PolicyDeps): AdmissionPlugin {
  const source = new PolicySource<Policy, Binding>(
    'mutatingadmissionpolicies.admissionregistration.k8s.io',
    'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
  );
  const rounds = new WeakMap<AdmissionAttributes, Round>();
  return {
    name: 'MutatingAdmissionPolicy',
    handles: (operation) => operation === 'create' || operation === 'update',
    async mutate(attributes, context) {
      if (isExemptFromPolicies(attributes) || attributes.object === undefined) return;
      const policies = await source.inUse(context);
      if (policies.length === 0) return;
      const dispatch = new Dispatch(deps, attributes, context);
      for (const policy of policies) await dispatch.choose(policy);
      const first = rounds.get(attributes);
      const round: Round = first ?? { hasChanged: false, output: '', again: new Set(), toRepeat: new Set() };
      // Plugins of this server have changed the object since, so all evaluations with IfNeeded are repeated.
      if (first !== undefined && stringifyExact(attributes.object) !== first.output) repeatAll(first);
      await dispatch.run(round, first !== undefined);
      round.output = stringifyExact(attributes.object);
      rounds.set(attributes, round);
      dispatch.finish();
    },
    changedByOthers: (attributes) => rounds.get(attributes)?.hasChanged === true,
  };
}

function repeatAll(round: Round): void {
  for (const key of round.again) round.toRepeat.add(key);
  round.again.clear();
}

/** One request on its way through all policies. */
class Dispatch {
  readonly #deps: PolicyDeps;
  readonly #attributes: AdmissionAttributes;
  readonly #context: AdmissionContext;
  readonly #access: RequestAccess;
  readonly #invocations: Invocation[] = [];
  readonly #failures: Failure[] = [];

  constructor(deps: PolicyDeps, attributes: AdmissionAttributes, context: AdmissionContext) {
    this.#deps = deps;
    this.#attributes = attributes;
    this.#context = context;
    this.#access = new RequestAccess(attributes.user, deps.authorizer);
  }

  /** Computes the evaluations of a policy, before anything is changed. */
  async choose({ policy, bindings }: PolicyInUse<Policy, Binding>): Promise<void> {
    const { versions, catalog } = this.#deps;
    const { matchConstraints, paramKind } = policy.spec;
    let shown: Shown | undefined;
    let resource: ReturnType<typeof paramResource>;
    try {
      shown = await shownToPolicy(matchConstraints, this.#attributes, this.#context, versions);
      if (shown === undefined) return;
      resource = paramResource(paramKind, catalog);
    } catch (error) {
      this.#fail(policy, undefined, `failed to configure policy: ${asConfigurationError(error).message}`);
      return;
    }
    for (const binding of bindings) {
      const { matchResources, paramRef } = binding.spec;
      try {
        if ((await shownToPolicy(matchResources, this.#attributes, this.#context, versions)) === undefined) continue;
        const params = await paramsOf(resource, paramRef, namespaceOf(this.#attributes), this.#context);
        for (const each of params) this.#invocations.push({ policy, binding, shown, params: each });
      } catch (error) {
        this.#fail(policy, binding, `failed to configure binding: ${asConfigurationError(error).message}`);
      }
    }
  }

  async run(round: Round, isRepeated: boolean): Promise<void> {
    if (this.#invocations.length === 0) return;
    const namespace = await namespaceObject(this.#attributes, this.#context);
    for (const invocation of this.#invocations) {
      if (!(await this.#matches(invocation))) continue;
      const { policy, binding, params } = invocation;
      const key = [policy, binding, params]
        .map((one) => `${one?.metadata.namespace ?? ''}/${one?.metadata.name ?? ''}`)
        .join(' ');
      if (isRepeated && !round.toRepeat.has(key)) continue;
      if (await this.#mutate(invocation, namespace)) {
        round.hasChanged = true;
        repeatAll(round);
      }
      if (policy.spec.reinvocationPolicy === 'IfNeeded') round.again.add(key);
    }
  }

  async #matches({ policy, binding, shown, params }: Invocation): Promise<boolean> {
    const { matchConditions = [], paramKind, failurePolicy } = policy.spec;
    if (matchConditions.length === 0) return true;
    const asked = { request: admissionRequest(this.#attributes, shown, ''), access: this.#access };
    const { matches, problem } = await meetsConditions(matchConditions, paramKind === undefined ? asked : { ...asked, params });
    if (matches === undefined && failurePolicy !== 'Ignore') this.#fail(policy, binding, problem, 'Invalid');
    return matches === true;
  }

  /** @returns whether the object has changed */
  async #mutate(invocation: Invocation, namespace: object | null): Promise<boolean> {
    const { policy, binding } = invocation;
    const { variables, mutations } = compiledMutatingPolicy(policy);
    const names = { policy: policy.metadata.name, binding: binding.metadata.name };
    const metrics = this.#deps.metrics ?? silentPolicyMetrics;
    let hasChanged = false;
    for (const [index, compiled] of mutations.entries()) {
      const startMs = performance.now();
      const seconds = (): number => (performance.now() - startMs) / 1000;
      try {
        const mutation = policy.spec.mutations?.[index] as Mutation;
        const { request, before } = this.#current(invocation);
        const bindings = { params: invocation.params, namespaceObject: namespace, variables };
        const evaluation = new RequestEvaluation(request, this.#access, bindings, policyBudget);
        if (this.#put(await mutated(before, mutation, compiled, evaluation), invocation)) hasChanged = true;
        metrics.observe('mutating', names, 'no_error', 'allow', seconds());
      } catch (error) {
        if (!(error instanceof MutationError || error instanceof OutOfBudgetError || error instanceof ApiError)) throw error;
        metrics.observe('mutating', names, errorType(error.message), 'deny', seconds());
        if (error instanceof ApiError) throw error;
        this.#fail(policy, binding, error.message, 'Invalid');
      }
    }
    return hasChanged;
  }

  /** The current request, with its object in the version for the policy. */
  #current({ shown }: Invocation): { request: ReturnType<typeof admissionRequest>; before: KubeObject } {
    const request = admissionRequest(this.#attributes, shown, '');
    return { request, before: request.object as KubeObject };
  }

  /** Changes the object of the request in place. @returns whether it is another one now */
  #put(after: KubeObject, { shown }: Invocation): boolean {
    const object = this.#attributes.object as KubeObject;
    const result = shownBack(typed(after, shown.kind), shown, this.#attributes, this.#deps.versions);
    if (sameJson(result, object)) return false;
    for (const key of Object.keys(object)) delete (object as unknown as Record<string, unknown>)[key];
    Object.assign(object, result);
    return true;
  }

  #fail(policy: Policy, binding: Binding | undefined, message: string, reason?: string): void {
    if (policy.spec.failurePolicy !== 'Ignore') this.#failures.push({ policy, binding, message, reason });
  }

  /** @throws ApiError that names all failures */
  finish(): void {
    const texts = this.#failures.map(({ policy, binding, message }) =>
      binding === undefined
        ? `policy ${JSON.stringify(policy.metadata.name)} denied request: ${message}`
        : `policy '${policy.metadata.name}' with binding '${binding.metadata.name}' denied request: ${message}`,
    );
    const [first] = this.#failures;
    if (first === undefined) return;
    const { status } = admissionForbidden(this.#attributes, '');
    throw new ApiError({
      ...status,
      message: texts[0],
      reason: first.reason ?? status.reason,
      details: { ...status.details, causes: texts.map((message) => ({ message })) },
    });
  }
}

/** @throws MutationError @throws OutOfBudgetError @throws ApiError */
async function mutated(
  before: KubeObject,
  { patchType }: Mutation,
  compiled: Compiled,
  evaluation: RequestEvaluation,
): Promise<KubeObject> {
  if (compiled.program === undefined) throw new MutationError(compiled.problem);
  const { value, problem } = await evaluation.evaluate(compiled);
  if (problem !== undefined) throw new MutationError(problem);
  return patchType === 'JSONPatch' ? patchedBy(before, value) : appliedTo(before, value);
}

/** The label value for metrics. Source: apiserver `pkg/admission/plugin/policy/mutating/errors.go`. */
function errorType(message: string): string {
  if (message.startsWith('compilation')) return 'compile_error';
  return message.startsWith('validation failed due to running out of cost budget') ? 'out_of_budget' : 'invalid_error';
}
