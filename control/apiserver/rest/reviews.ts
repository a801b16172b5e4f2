/**
 * Kinds that are only created, and answered at once: SelfSubjectReview, access reviews, TokenReview. Nothing is stored.
 *
 * Source: kubernetes `pkg/registry/authorization`, `pkg/registry/authentication`.
 */

import type { JsonObject } from '#api/json.ts';
import { type KubeObject, rfc3339 } from '#api/meta.ts';
import type { ReviewResource } from '#api/review-resources.ts';
import { badRequest, invalid, methodNotSupported } from '#api/status.ts';
import type { SelfSubjectRulesReview, TokenReview } from '#api/types.generated.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { UserInfo } from '../registry/strategy.ts';
import { type AccessReview, decideReview, validateAccessReview } from './access-reviews.ts';
import { admitted } from './admitted.ts';
import { type Exchange, writeContext } from './exchange.ts';
import { objectResponse } from './responses.ts';
import { readObject } from './write-handlers.ts';

type ReviewExchange = Omit<Exchange, 'resource'>;

/** Answers a review. @throws ApiError 405 for anything but POST */
export async function handleReview(exchange: ReviewExchange, resource: ReviewResource): Promise<TransportResponse> {
  const { info, accepted, pretty } = exchange;
  if (info.verb !== 'create') throw methodNotSupported({ group: resource.group, name: resource.plural }, info.verb);
  const expected = { apiVersion: `${resource.group}/${resource.version}`, kind: resource.kind, type: resource.schema };
  const asked = (await readObject(exchange as Exchange, expected, 'CreateOptions')) as unknown as JsonObject;
  const context = writeContext(exchange as Exchange, 'CreateOptions');
  checkAccessReview(asked, info.namespace);
  await (await admitted(exchange, resource, asked as unknown as KubeObject, context)).validate();
  const status = await answers[resource.kind]?.(exchange, asked);
  const answer: JsonObject = { ...asked, status: status as JsonObject };
  // Upstream's answer does not repeat what was asked.
  if (resource.kind === 'SelfSubjectRulesReview') answer['spec'] = {};
  if (resource.kind === 'SelfSubjectReview') answer['metadata'] = { creationTimestamp: rfc3339(exchange.parts.clock.now()) };
  return objectResponse(201, answer, accepted.format, pretty);
}

/** @throws ApiError 422 */
function checkAccessReview(asked: JsonObject, namespace: string): void {
  const { kind, metadata, spec } = asked as unknown as AccessReview;
  if (!kind.endsWith('AccessReview')) return;
  const errors = validateAccessReview({ kind, metadata: metadata ?? {}, spec: spec ?? {} }, namespace);
  if (errors.length > 0) throw invalid({ group: 'authorization.k8s.io', name: kind }, '', errors);
}

const answers: Readonly<Record<string, (exchange: ReviewExchange, asked: JsonObject) => Promise<object>>> = {
  SelfSubjectReview: async ({ user }) => ({ userInfo: wireUser(user) }),
  TokenReview: reviewToken,
  SelfSubjectAccessReview: reviewAccess,
  SubjectAccessReview: reviewAccess,
  LocalSubjectAccessReview: reviewAccess,
  SelfSubjectRulesReview: async ({ parts, user }, asked) => {
    const namespace = (asked as unknown as SelfSubjectRulesReview).spec?.namespace ?? '';
    if (namespace === '') throw badRequest('no namespace on request');
    return await parts.authorizer.rules(user, namespace);
  },
};

async function reviewAccess({ parts, user }: ReviewExchange, asked: JsonObject): Promise<object> {
  const { kind, spec } = asked as unknown as AccessReview;
  return await decideReview(parts.authorizer, kind === 'SelfSubjectAccessReview' ? user : subjectOf(spec), spec);
}

const subjectOf = (spec: AccessReview['spec']): UserInfo => ({
  name: spec.user ?? '',
  uid: spec.uid,
  groups: spec.groups ?? [],
  extra: spec.extra ?? {},
});

async function reviewToken({ parts }: ReviewExchange, asked: JsonObject): Promise<object> {
  const { spec } = asked as unknown as TokenReview;
  if ((spec?.token ?? '') === '') throw badRequest('token is required for TokenReview in authentication');
  const verdict = await parts.authentication.review(spec.token ?? '', spec.audiences ?? []);
  if ('error' in verdict) return { user: {}, error: verdict.error };
  const { user, audiences } = verdict;
  return { authenticated: true, user: wireUser(user), ...(audiences.length === 0 ? {} : { audiences: [...audiences] }) };
}

function wireUser({ name, uid, groups, extra }: UserInfo): JsonObject {
  return {
    username: name,
    ...(uid === undefined ? {} : { uid }),
    ...(groups.length === 0 ? {} : { groups: [...groups] }),
    ...(Object.keys(extra).length === 0
      ? {}
      : { extra: Object.fromEntries(Object.entries(extra).map(([key, list]) => [key, [...list]])) }),
  };
}
