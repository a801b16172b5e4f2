/** Which handler serves a resource request. */
import { ownValue } from '#api/own-value.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { failure } from '#api/status.ts';
import type { TransportResponse } from '#client/transport.ts';
import type { KindCatalog } from '../catalog.ts';
import { handleDelete, handleDeleteCollection } from './delete-handlers.ts';
import type { Exchange, RestKind, ServedSubresource, SubresourceHandler } from './exchange.ts';
import { handleGet, handleList, handleWatch } from './read-handlers.ts';
import type { RequestInfo } from './request-info.ts';
import { handleCreate, handlePatch, handleUpdate } from './write-handlers.ts';

/** The resource that the path names; undefined: none (as upstream, the answer is 404 in plain text). */
export function findResource(catalog: ResourceCatalog, info: RequestInfo): Resource | undefined {
  const resource = catalog.find(info.group, info.version, info.resource);
  if (resource === undefined) return undefined;
  // A path such as /api/v1/namespaces/x counts as a request in namespace x, although namespaces are not namespaced.
  if (!resource.namespaced && info.namespace !== '' && resource.plural !== 'namespaces') return undefined;
  // Without a namespace, namespaced objects can only be listed and watched (a POST gets its own error later).
  if (resource.namespaced && info.namespace === '' && info.name !== '' && info.verb !== 'watch') return undefined;
  if (info.subresource !== '' && !resource.subresources.some(({ name }) => name === info.subresource)) return undefined;
  return resource;
}

/** A subresource whose requests are passed on to a kubelet, a pod or a service. */
export type ConnectedSubresource = Required<Pick<ServedSubresource, 'connect' | 'carries'>>;

/** The connect that the path names; undefined: the request is answered by this server. */
export function findConnect(catalog: KindCatalog<RestKind>, info: RequestInfo): ConnectedSubresource | undefined {
  const resource = info.subresource === '' ? undefined : findResource(catalog.resources, info);
  if (resource === undefined) return undefined;
  const { connect, carries = resource } = ownValue(catalog.kind(resource).subresources, info.subresource) ?? {};
  return connect === undefined ? undefined : { connect, carries };
}

/** go-restful's error for a path that exists, with a method that does not. */
export const methodNotAllowed = () =>
  failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});

/** Calls the handler of the request's verb. @throws ApiError 405, and what the handler throws */
export async function handleResource(exchange: Exchange): Promise<TransportResponse> {
  const { info, resource, warnings, annotations } = exchange;
  if (resource.deprecation !== undefined) {
    warnings.add(resource.deprecation);
    annotations.add('k8s.io/deprecated', 'true');
  }
  if (info.subresource !== '') return await handleSubresource(exchange);
  if (!resource.verbs.includes(info.verb)) throw methodNotAllowed();
  switch (info.verb) {
    case 'get':
      return await handleGet(exchange);
    case 'list':
      return await handleList(exchange);
    case 'watch':
      return await handleWatch(exchange);
    case 'create':
      if (info.name !== '') throw methodNotAllowed();
      return await handleCreate(exchange);
    case 'update':
      if (info.name === '') throw methodNotAllowed();
      return await handleUpdate(exchange, '');
    case 'patch':
      if (info.name === '') throw methodNotAllowed();
      return await handlePatch(exchange, '');
    case 'delete':
      return await handleDelete(exchange);
    case 'deletecollection':
      if (resource.namespaced && info.namespace === '') throw methodNotAllowed();
      return await handleDeleteCollection(exchange);
    default:
      throw methodNotAllowed();
  }
}

async function handleSubresource(exchange: Exchange): Promise<TransportResponse> {
  const { info, resource, parts } = exchange;
  const { handlers = {} } = ownValue(parts.catalog.kind(resource).subresources, info.subresource) ?? {};
  const handler = ownValue(handlers as Readonly<Record<string, SubresourceHandler>>, info.verb);
  if (handler === undefined) throw methodNotAllowed();
  return await handler(exchange);
}
