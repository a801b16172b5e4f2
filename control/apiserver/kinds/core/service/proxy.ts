/** Finds the target of `services/<id>/proxy`. Source: kubernetes `pkg/registry/core/service/storage/storage.go`, ResourceLocation. */
import { badRequest, isNotFound, serviceUnavailable } from '#api/status.ts';
import type { EndpointAddress, Endpoints, Pod, Service } from '#api/types.generated.ts';
import { isGlobalUnicast } from '../../../proxy/address.ts';
import type { ConnectTools } from '../../../proxy/connect.ts';
import { type Location, splitSchemeNamePort } from '../../../proxy/location.ts';
import type { Registry } from '../../../registry/registry.ts';
import type { RequestInfo } from '../../../rest/request-info.ts';

/**
 * A random endpoint of the service. The port is the service's, by number or name.
 * @throws ApiError 503 when there is no such port or no endpoint
 */
export async function serviceLocation(
  { namespace, name: id }: RequestInfo,
  { registry, random }: ConnectTools,
): Promise<Location> {
  const parts = splitSchemeNamePort(id);
  if (parts === undefined) throw badRequest(`invalid service request ${JSON.stringify(id)}`);
  const { name } = parts;
  let portName = parts.port;
  if (/^[+-]?\d+$/.test(portName)) {
    const service = (await registry.get(registry.resource('services'), { namespace, name })).object as Service;
    const found = service.spec?.ports?.find(({ port }) => port === Number(portName));
    if (found === undefined)
      throw serviceUnavailable(`no service port ${Number(portName)} found for service ${JSON.stringify(name)}`);
    portName = found.name ?? '';
  }
  const { subsets = [] } = (await registry.get(registry.resource('endpoints'), { namespace, name })).object as Endpoints;
  if (subsets.length === 0) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  for (const subset of rotated(subsets, random)) {
    const port = subset.ports?.find((one) => (one.name ?? '') === portName);
    if (port === undefined) continue;
    for (const endpoint of rotated(subset.addresses ?? [], random)) {
      if (!(await isPod(registry, namespace, endpoint))) continue;
      const address = endpoint.ip;
      return { scheme: parts.scheme || 'http', address, hostname: address, port: String(port.port), kubelet: false };
    }
  }
  throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(id)}`);
}

/** Users may write Endpoints, so an address is used only if it belongs to a pod of the namespace. */
async function isPod(registry: Registry, namespace: string, { ip, targetRef }: EndpointAddress): Promise<boolean> {
  if (targetRef?.name === undefined || targetRef.namespace !== namespace || !isGlobalUnicast(ip)) return false;
  try {
    const { status } = (await registry.get(registry.resource('pods'), { namespace, name: targetRef.name })).object as Pod;
    return status?.podIPs?.some((one) => one.ip === ip) === true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function rotated<Item>(items: readonly Item[], random: () => number): Item[] {
  const start = Math.floor(random() * items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
