/**
 * `Webhook`: another server is asked whether a request is allowed, with a SubjectAccessReview, if all match conditions are true.
 *
 * Source: apiserver `plugin/pkg/authorizer/webhook`, `pkg/authorization/cel`; kubernetes.io, Webhook Mode.
 */
import * as types from '#api/cel/types.ts';
import { errorText } from '#api/error-text.ts';
import type { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from '#api/types.generated.ts';
import { AnswerCache } from '#client/answer-cache.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { HttpTransportOptions } from '#client/http-transport.ts';
import { askOutside, OutsideError, type OutsideRequest } from '#client/outside-request.ts';
import { type Expression, ExpressionCompiler, ExpressionError } from '../../expressions/expression.ts';
import { type AuthorizationAttributes, type Authorizer, type Decision, noOpinion } from '../authorization.ts';

/** The flags `--authorization-webhook-*`, or one entry of an AuthorizationConfiguration. */
export interface WebhookSettings {
  name: string;
  /** Of the kubeconfig file: the URL is where the review goes, path and all. */
  config: Omit<HttpTransportOptions, 'clock' | 'tokenFile' | 'clientCertificate'>;
  version: 'v1' | 'v1beta1';
  /** 0: answers are not remembered. */
  authorizedMs: number;
  unauthorizedMs: number;
  timeoutMs: number;
  /** What it means when it cannot be asked. */
  onFailure: 'NoOpinion' | 'Deny';
  /** About `request`: all must be true, else it is not asked. */
  matchConditions: readonly Expression[];
}

/** What a webhook authorizer needs of the server. */
export interface WebhookDeps {
  clock: Clock;
  random: () => number;
  ask?: typeof askOutside;
}

/** Upstream's: five times in all, 0.5 s after the first, 1.5 times as long after each, and a fifth more by chance. */
const backoff = { firstMs: 500, factor: 1.5, jitter: 0.2, steps: 5 };
/** Questions beyond this size are not cached: the client chooses their size and could fill the memory. */
const maxControlled = 10_000;

/** An authorizer that asks a server outside of the cluster by SubjectAccessReview, and keeps its answers a while. */
export function webhookAuthorizer(settings: WebhookSettings, { clock, random, ask = askOutside }: WebhookDeps): Authorizer {
  const { authorizedMs, unauthorizedMs, onFailure } = settings;
  const cache = new AnswerCache<Partial<SubjectAccessReviewStatus>>(clock, ({ allowed }) =>
    allowed === true ? authorizedMs : unauthorizedMs,
  );
  const failed = (error: string): Decision => ({ ...noOpinion(), denied: onFailure === 'Deny', error });
  return {
    async authorize(attributes) {
      const spec = specOf(attributes);
      try {
        if (!matches(settings.matchConditions, spec)) return noOpinion();
        const review = (): Promise<Partial<SubjectAccessReviewStatus>> => asked(settings, spec, { clock, random, ask });
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

/** @throws ExpressionError when none is false, and one has no value */
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

/** @throws OutsideError when the last of several tries has failed */
async function asked(
  { config, version, timeoutMs }: WebhookSettings,
  spec: SubjectAccessReviewSpec,
  { clock, random, ask }: Required<WebhookDeps>,
): Promise<Partial<SubjectAccessReviewStatus>> {
  const apiVersion = `authorization.k8s.io/${version}`;
  const { groups, ...others } = spec;
  const body = JSON.stringify({
    kind: 'SubjectAccessReview',
    apiVersion,
    metadata: { creationTimestamp: null },
    spec: version === 'v1' ? spec : { ...others, group: groups },
    status: { allowed: false },
  });
  const headers = {
    'content-type': 'application/json',
    ...(config.token === undefined ? {} : { authorization: `Bearer ${config.token}` }),
  };
  const { ca, cert, key, tlsServerName, insecureSkipTlsVerify } = config;
  const tls = { ca, cert, key, tlsServerName, insecureSkipTlsVerify };
  const request: OutsideRequest = { url: config.server, method: 'POST', headers, body, timeoutMs, ...tls };
  let waitMs = backoff.firstMs;
  for (let step = 1; ; step++) {
    try {
      return statusIn(await ask(request), apiVersion);
    } catch (error) {
      if (!(error instanceof OutsideError) || !error.mayRetry || step >= backoff.steps) throw error;
    }
    await sleep(clock, waitMs * (1 + random() * backoff.jitter));
    waitMs *= backoff.factor;
  }
}

/** @throws OutsideError where the answer is no SubjectAccessReview */
function statusIn(text: string, apiVersion: string): Partial<SubjectAccessReviewStatus> {
  let review: { kind?: unknown; apiVersion?: unknown; status?: unknown } | null;
  try {
    review = JSON.parse(text) as typeof review;
  } catch (error) {
    throw new OutsideError("the webhook's answer is not JSON", false, { cause: error });
  }
  if (review?.kind !== 'SubjectAccessReview' || review.apiVersion !== apiVersion)
    throw new OutsideError(`the webhook's answer is no SubjectAccessReview of ${apiVersion}`, false);
  const { status = {} } = review;
  if (typeof status !== 'object' || status === null) throw new OutsideError("the webhook's answer has no status", false);
  return status;
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
