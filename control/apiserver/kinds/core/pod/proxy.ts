/** What `pods/<id>/proxy` leads to. Source: kubernetes `pkg/registry/core/pod/strategy.go`, ResourceLocation. */
import { badRequest } from '#api/status.ts';
import type { Pod } from '#api/types.generated.ts';
import { isGlobalUnicast } from '../../../proxy/address.ts';
import type { ConnectTools } from '../../../proxy/connect.ts';
import { type Location, splitSchemeNamePort } from '../../../proxy/location.ts';
import type { RequestInfo } from '../../../rest/request-info.ts';

/**
 * Where requests to `pods/<id>/proxy` go. Without a port: to the first port that a container declares.
 * @throws ApiError 404 for an unknown pod, 400 for a malformed id
 */
export async function podLocation({ namespace, name: id }: RequestInfo, { registry }: ConnectTools): Promise<Location> {
  const parts = splitSchemeNamePort(id);
  if (parts === undefined) throw badRequest(`invalid pod request ${JSON.stringify(id)}`);
  const { spec, status } = (await registry.get(registry.resource('pods'), { namespace, name: parts.name })).object as Pod;
  const declared = (spec?.containers ?? []).find(({ ports }) => (ports ?? []).length > 0)?.ports?.[0]?.containerPort;
  const address = status?.podIPs?.[0]?.ip ?? status?.podIP ?? '';
  if (!isGlobalUnicast(address)) throw badRequest('address not allowed');
  return {
    scheme: parts.scheme || 'http',
    address,
    hostname: address,
    port: parts.port === '' && declared !== undefined ? String(declared) : parts.port,
    kubelet: false,
  };
}
