/** What `nodes/<id>/proxy` leads to. Source: kubernetes `pkg/registry/core/node/strategy.go`, ResourceLocation. */
import { badRequest } from '#api/status.ts';
import { proxyableAddress } from '../../../proxy/address.ts';
import type { ConnectTools } from '../../../proxy/connect.ts';
import { kubeletOf, type Location, splitSchemeNamePort } from '../../../proxy/location.ts';
import type { RequestInfo } from '../../../rest/request-info.ts';

/** Where requests to `nodes/<id>/proxy` go. @throws ApiError 404 for an unknown node, 400 for a malformed id */
export async function nodeLocation(
  { name: id }: RequestInfo,
  { registry, resolve, addressTypes }: ConnectTools,
): Promise<Location> {
  const parts = splitSchemeNamePort(id);
  if (parts === undefined) throw badRequest(`invalid node request ${JSON.stringify(id)}`);
  const { hostname, port } = await kubeletOf(registry, parts.name, addressTypes);
  const address = await proxyableAddress(hostname, resolve);
  if (parts.port === '' || parts.port === port) return { scheme: 'https', address, hostname, port, kubelet: true };
  return { scheme: parts.scheme || 'http', address, hostname, port: parts.port, kubelet: false };
}
