/**
 * Kinds of which nothing is stored: a client creates an object and reads the answer. Upstream calls them virtual resources.
 *
 * Source: kubernetes `pkg/registry/{authentication,authorization}`, `pkg/registry/core/pod/storage` (LegacyBindingREST).
 */
import type { ReviewResource } from '#api/review-resources.ts';
import { methodNotSupported } from '#api/status.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { Exchange } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';

/** A request for such a kind: it has no row in the catalog of resources. */
export type CreateOnlyExchange = Omit<Exchange, 'resource'>;

/** Such a kind, as its room declares it. */
export interface CreateOnlyKind {
  /** Its row of `api/review-resources.ts`. */
  resource: ReviewResource;
  /** Answers a POST. @throws ApiError */
  create(exchange: CreateOnlyExchange): Promise<TransportResponse>;
}

/** The kind that the path names; undefined: none of them. */
export const findCreateOnly = (
  kinds: readonly CreateOnlyKind[],
  { group, version, resource: plural, namespace }: RequestInfo,
): CreateOnlyKind | undefined =>
  kinds.find(
    ({ resource }) =>
      resource.group === group &&
      resource.version === version &&
      resource.plural === plural &&
      resource.namespaced === (namespace !== ''),
  );

/** @throws ApiError 405 for anything but POST, and whatever {@link CreateOnlyKind.create} throws */
export async function handleCreateOnly(
  { resource, create }: CreateOnlyKind,
  exchange: CreateOnlyExchange,
): Promise<TransportResponse> {
  const { verb } = exchange.info;
  if (verb !== 'create') throw methodNotSupported({ group: resource.group, name: resource.plural }, verb);
  return await create(exchange);
}
