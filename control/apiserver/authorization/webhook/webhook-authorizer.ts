/**
 * `Webhook`: another server decides by SubjectAccessReviews, for requests for which all match conditions are true.
 *
 * Source: apiserver `plugin/pkg/authorizer/webhook`, `pkg/authorization/cel`; kubernetes.io, Webhook Mode.
 */
import * as types from '#api/cel/types.ts';
import { errorText } from '#api/error-text.ts';
import type { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from '#api/types.generated.ts';
import { AnswerCache } from '#client/answer-cache.ts';
import type { HttpTransportOptions } from '#client/http-transport.ts';
import { OutsideError } from '#client/outside-request.ts';
import { askReview, type ReviewDeps } from '#client/review-webhook.ts';
import { type Expression, ExpressionCompiler, ExpressionError } from '../../expressions/expression.ts';
import { type AuthorizationAttributes, type Authorizer, type Decision, noOpinion } from '../authorization.ts';

/** The flags `--authorization-webhook-*`, or one entry of an AuthorizationConfiguration. */
export interface WebhookSettings {
  name: string;
  /** From the kubeconfig file. Reviews are sent to this URL, with its path. */
  config: Omit<HttpTransportOptions, 'clock' | 'tokenFile' | 'clientCertificate'>;
  version: 'v1' | 'v1beta1';
  /** 0: answers are not cached. */
  authorizedMs: number;
  unauthorizedMs: number;
  timeoutMs: number;
  /** The decision if the webhook cannot be reached. */
  onFailure: 'NoOpinion' | 'Deny';
  /** Conditions about `request`. The webhook is called only if all are true. */
  matchConditions: readonly Expression[];
}

/** Larger reviews are not cached: clients control their size and could fill the memory. */
const maxControlled = 10_000;

/** An authorizer that sends SubjectAccessReviews to a server outside the cluster, and caches its answers. */
export function webhookAuthorizer(settings: WebhookSettings, deps: ReviewDeps): Authorizer {
  const { authorizedMs, unauthorizedMs, onFailure } = settings;
  const cache = new AnswerCache<Partial<SubjectAccessReviewStatus>>(deps.clock, ({ allowed }) =>
    allowed === true ? authorizedMs : unauthorizedMs,
  );
  const failed = (error: string): Decision => ({ ...noOpinion(), denied: onFailure === 'Deny', error });
  return {
    async authorize(attributes) {
      const spec = specOf(attributes);
      try {
        if (!matches(settings.matchConditions, spec)) return noOpinion();
        const review = (): Promise<Partial<SubjectAccessReviewStatus>> => asked(settings, spec, deps);
        const status = isSmall(attributes) ? await cache.get(JSON.stringify(spec), review) : await review();
        const { allowed = false, denied = false, reason } = status;
        const text = typeof reason === 'string' ? reason : '';
        if (denied && allowed)
          return {
            allowed: false,
            denied: true,
            reason: text,
            error: 'webhook subject access review returned both allow and deny response',
          };
        return { allowed: allowed === true, denied: denied === true, reason: text };
      } catch (error) {
        if (error instanceof OutsideError || error instanceof ExpressionError) return failed(errorText(error));
        throw error;
      }
    },
    rules: () => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: true,
      evaluationError: 'webhook authorizer does not support user rule resolution',
    }),
  };
}

/** @throws ExpressionError if none is false, and one cannot be evaluated */
function matches(conditions: readonly Expression[], spec: SubjectAccessReviewSpec): boolean {
  const problems: string[] = [];
  for (const condition of conditions) {
    try {
      if (condition.evaluate(spec) === false) return false;
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      problems.push(`cel evaluation error: expression '${condition.source}' resulted in error: ${error.message}`);
    }
  }
  if (problems.length > 0) throw new ExpressionError(problems.length === 1 ? problems.join() : `[${problems.join(', ')}]`);
  return true;
}

function specOf(attributes: AuthorizationAttributes): SubjectAccessReviewSpec {
  const { user, verb, isResource, group, version, resource, subresource, namespace, name, path, fieldSelector = [] } = attributes;
  const extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]));
  const who = { user: user.name, uid: user.uid ?? '', groups: [...user.groups], extra };
  if (!isResource) return { ...who, nonResourceAttributes: { path, verb } };
  const requirements = fieldSelector.map(({ field, operator, value }) => ({
    key: field,
    operator: operator === '!=' ? 'NotIn' : 'In',
    values: [value],
  }));
  const selector = requirements.length === 0 ? {} : { fieldSelector: { requirements } };
  return { ...who, resourceAttributes: { namespace, verb, group, version, resource, subresource, name, ...selector } };
}

const isSmall = ({ namespace, verb, group, version, resource, subresource, name, path }: AuthorizationAttributes): boolean =>
  [namespace, verb, group, version, resource, subresource, name, path].join('').length < maxControlled;

/** @throws OutsideError if all attempts have failed */
async function asked(
  { config, version, timeoutMs }: WebhookSettings,
  spec: SubjectAccessReviewSpec,
  deps: ReviewDeps,
): Promise<Partial<SubjectAccessReviewStatus>> {
  const { groups, ...others } = spec;
  const object = {
    kind: 'SubjectAccessReview',
    apiVersion: `authorization.k8s.io/${version}`,
    metadata: { creationTimestamp: null },
    spec: version === 'v1' ? { ...spec } : { ...others, group: groups },
    status: { allowed: false },
  };
  return await askReview({ config, object, timeoutMs }, deps);
}

const struct = (name: string, fields: Readonly<Record<string, types.Type>>): types.Type =>
  types.structType(
    `kubernetes.${name}`,
    new Map(Object.entries(fields).map(([field, type]) => [field, { type, property: field }])),
  );
const texts = types.listType(types.stringType);
const requirement = struct('SelectorRequirement', { key: types.stringType, operator: types.stringType, values: texts });
const selector = (name: string): types.Type =>
  struct(name, { rawSelector: types.stringType, requirements: types.listType(requirement) });
const attribute = types.stringType;

/** For match conditions. */
export const reviewCompiler = new ExpressionCompiler(
  'request',
  struct('SubjectAccessReviewSpec', {
    resourceAttributes: struct('ResourceAttributes', {
      namespace: attribute,
      verb: attribute,
      group: attribute,
      version: attribute,
      resource: attribute,
      subresource: attribute,
      name: attribute,
      fieldSelector: selector('FieldSelectorAttributes'),
      labelSelector: selector('LabelSelectorAttributes'),
    }),
    nonResourceAttributes: struct('NonResourceAttributes', { path: attribute, verb: attribute }),
    user: attribute,
    groups: texts,
    extra: types.mapType(types.stringType, texts),
    uid: attribute,
  }),
);
