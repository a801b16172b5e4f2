/**
 * ValidatingAdmissionPolicy: policies in CEL, evaluated in this server.
 *
 * Source: apiserver `pkg/admission/plugin/policy/validating/dispatcher.go`; kubernetes.io, Validating Admission Policy.
 */
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { ApiError } from '#api/status.ts';
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from '#api/types.generated.ts';
import type { Authorizer } from '../../authorization/authorization.ts';
import { RequestAccess } from '../admission-cel.ts';
import { type AdmissionRequest, admissionRequest, namespaceOf, type Shown } from '../admission-request.ts';
import { type AdmissionAttributes, type AdmissionContext, type AdmissionPlugin, admissionForbidden } from '../plugin.ts';
import { isExemptFromPolicies } from '../policies/exempt.ts';
import { namespaceObject } from '../policies/namespace-object.ts';
import { asConfigurationError, paramResource, paramsOf } from '../policies/params.ts';
import { type PolicyMetrics, silentPolicyMetrics } from '../policies/policy-metrics.ts';
import { type PolicyInUse, PolicySource } from '../policies/policy-source.ts';
import { evaluateValidatingPolicy, type PolicyDecision, type PolicyVerdict } from '../policies/validating-policy.ts';
import { shownToPolicy, type Versions } from '../webhooks/webhook-matching.ts';

/** What the plugins of policies need. */
export interface PolicyDeps {
  authorizer: Authorizer | undefined;
  /** Absent: there are no parameters. */
  catalog: ResourceCatalog | undefined;
  /** Absent: only the version of the request is known. */
  versions: Versions | undefined;
  /** Absent: nothing is counted. */
  metrics?: PolicyMetrics | undefined;
}

type Policy = ValidatingAdmissionPolicy;
type Binding = ValidatingAdmissionPolicyBinding;

/** Why a request is refused. */
interface Refusal {
  policy: string;
  /** Undefined: the policy itself is at fault. */
  binding: string | undefined;
  message: string;
  reason: string | undefined;
}

const codes: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 };
const maxAnnotationBytes = 10 * 1024;
const failureKey = 'validation.policy.admission.k8s.io/validation_failure';

/** Evaluates the policies that are in use. @throws (its methods) ApiError with the reason of the first validation that fails */
export function validatingAdmissionPolicy(deps: PolicyDeps): AdmissionPlugin {
  const source = new PolicySource<Policy, Binding>(
    'validatingadmissionpolicies.admissionregistration.k8s.io',
    'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  );
  return {
    name: 'ValidatingAdmissionPolicy',
    handles: () => true,
    async validate(attributes, context) {
      if (isExemptFromPolicies(attributes)) return;
      const policies = await source.inUse(context);
      if (policies.length === 0) return;
      const round = new Round(deps, attributes, context);
      for (const policy of policies) await round.ask(policy);
      round.finish();
    },
  };
}

/** One request on its way through all policies. */
class Round {
  readonly #deps: PolicyDeps;
  readonly #attributes: AdmissionAttributes;
  readonly #context: AdmissionContext;
  readonly #access: RequestAccess;
  readonly #metrics: PolicyMetrics;
  readonly #refusals: Refusal[] = [];
  #own: AdmissionRequest | undefined;
  #namespaceObject: ReturnType<typeof namespaceObject> | undefined;

  constructor(deps: PolicyDeps, attributes: AdmissionAttributes, context: AdmissionContext) {
    this.#deps = deps;
    this.#attributes = attributes;
    this.#context = context;
    this.#access = new RequestAccess(attributes.user, deps.authorizer);
    this.#metrics = deps.metrics ?? silentPolicyMetrics;
  }

  async ask({ policy, bindings }: PolicyInUse<Policy, Binding>): Promise<void> {
    let shown: Shown | undefined;
    let resource: ReturnType<typeof paramResource>;
    try {
      shown = await shownToPolicy(policy.spec.matchConstraints, this.#attributes, this.#context, this.#deps.versions);
      if (shown === undefined) return;
      resource = paramResource(policy.spec.paramKind, this.#deps.catalog);
    } catch (error) {
      this.#misconfigured(policy, undefined, `failed to configure policy: ${asConfigurationError(error).message}`);
      return;
    }
    const request = this.#requestAs(shown);
    const annotations = new Map<string, Set<string>>();
    for (const binding of bindings) {
      const params = await this.#paramsFor(policy, binding, resource);
      if (params === undefined || params.length === 0) continue;
      this.#namespaceObject ??= namespaceObject(this.#attributes, this.#context);
      const namespace = await this.#namespaceObject;
      for (const each of params) {
        const startMs = performance.now();
        const question = { request, access: this.#access, params: each, namespaceObject: namespace };
        const verdict = await evaluateValidatingPolicy(policy, question);
        this.#take(policy, binding, verdict, annotations, (performance.now() - startMs) / 1000);
      }
    }
    for (const [key, values] of annotations) this.#context.annotate(`${policy.metadata.name}/${key}`, [...values].join(', '));
  }

  /** Nothing changes the object meanwhile, so that all policies that see it as it was sent share what they are told. */
  #requestAs(shown: Shown): AdmissionRequest {
    if (shown.resource !== this.#attributes.resource) return admissionRequest(this.#attributes, shown, '');
    this.#own ??= admissionRequest(this.#attributes, shown, '');
    return this.#own;
  }

  /** Undefined: the binding is not for this request, or is at fault. */
  async #paramsFor(
    policy: Policy,
    binding: Binding,
    resource: ReturnType<typeof paramResource>,
  ): Promise<Awaited<ReturnType<typeof paramsOf>> | undefined> {
    const { matchResources, paramRef } = binding.spec;
    try {
      const matches = await shownToPolicy(matchResources, this.#attributes, this.#context, this.#deps.versions);
      if (matches === undefined) return undefined;
      return await paramsOf(resource, paramRef, namespaceOf(this.#attributes), this.#context);
    } catch (error) {
      this.#misconfigured(policy, binding, `failed to configure binding: ${asConfigurationError(error).message}`);
      return undefined;
    }
  }

  #misconfigured({ metadata, spec }: Policy, binding: Binding | undefined, message: string): void {
    if (spec.failurePolicy === 'Ignore') return;
    this.#refusals.push({ policy: metadata.name, binding: binding?.metadata.name, message, reason: undefined });
  }

  #take(
    policy: Policy,
    binding: Binding,
    { decisions, annotations }: PolicyVerdict,
    collected: Map<string, Set<string>>,
    seconds: number,
  ): void {
    const names = { policy: policy.metadata.name, binding: binding.metadata.name };
    for (const [index, decision] of decisions.entries()) {
      if (!decision.isAllowed) this.#enforce(names, binding, index, decision, seconds);
      else if (decision.isError) this.#metrics.observe('validating', names, errorType(decision), 'allow', seconds);
    }
    for (const annotation of annotations) {
      if ('error' in annotation) {
        this.#refusals.push({ ...names, message: annotation.error, reason: undefined });
        this.#metrics.observe('validating', names, errorType({ isError: true, message: annotation.error }), 'deny', seconds);
        continue;
      }
      const values = collected.get(annotation.key) ?? new Set();
      collected.set(annotation.key, values.add(cut(annotation.value)));
    }
  }

  #enforce(
    names: { policy: string; binding: string },
    { spec: { validationActions } }: Binding,
    index: number,
    decision: PolicyDecision,
    seconds: number,
  ): void {
    const { message, reason } = decision;
    const { policy, binding } = names;
    for (const action of validationActions) {
      if (action === 'Deny') this.#refusals.push({ policy, binding, message, reason });
      if (action === 'Warn')
        this.#context.warn(`Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${binding}': ${message}`);
      if (action === 'Audit') {
        const failure = { message, policy, binding, expressionIndex: index, validationActions };
        this.#context.annotate(failureKey, JSON.stringify([failure]));
      }
      this.#metrics.observe('validating', names, errorType(decision), action.toLowerCase(), seconds);
    }
  }

  /** @throws ApiError with the first refusal */
  finish(): void {
    const [first] = this.#refusals;
    if (first === undefined) return;
    const { policy, binding, message, reason = 'Invalid' } = first;
    const by = binding === undefined ? '' : ` with binding '${binding}'`;
    const text = `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`;
    const { status } = admissionForbidden(this.#attributes, text);
    throw new ApiError({
      ...status,
      reason,
      code: codes[reason] ?? 422,
      details: { ...status.details, causes: [{ message: text }] },
    });
  }
}

/** At most so many bytes, and no half of a character. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.length <= maxAnnotationBytes
    ? text
    : bytes
        .subarray(0, maxAnnotationBytes)
        .toString('utf8')
        .replace(/\uFFFD+$/, '');
}

/** As metrics name it. Source: apiserver `pkg/admission/plugin/policy/validating/errors.go`. */
function errorType({ isError, message }: Pick<PolicyDecision, 'isError' | 'message'>): string {
  if (!isError) return 'invalid_error';
  if (message.startsWith('compilation')) return 'compile_error';
  return message.startsWith('validation failed due to running out of cost budget') ? 'out_of_budget' : 'invalid_error';
}
