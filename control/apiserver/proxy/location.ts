/**
 * What `nodes/<id>/proxy`, `pods/<id>/proxy` and `services/<id>/proxy` lead to; an id is `name`, `name:port` or `scheme:name:port`.
 *
 * Source: kubernetes `pkg/registry/core/{node,pod}/strategy.go`, `pkg/registry/core/service/storage/storage.go` (ResourceLocation),
 * apimachinery `pkg/util/net/port_split.go`.
 */
import { isIPv6 } from 'node:net';
import { badRequest, failure, isNotFound, serviceUnavailable } from '#api/status.ts';
import type { EndpointAddress, Endpoints, Node, Pod, Service } from '#api/types.generated.ts';
import type { Registry } from '../registry/registry.ts';
import { isGlobalUnicast, proxyableAddress, type Resolve } from './address.ts';

export interface Location {
  scheme: 'http' | 'https';
  /** What is connected to. */
  address: string;
  /** The name that a certificate is verified against: a host name, or the address. */
  hostname: string;
  /** As asked for: not checked, it may be no number. Empty: the scheme's own. */
  port: string;
  /** A kubelet's own port: only there the API server says who it is. */
  kubelet: boolean;
}

interface Id {
  scheme: '' | 'http' | 'https';
  name: string;
  port: string;
}

/** undefined when it is none. Pure. */
export function splitSchemeNamePort(id: string): Id | undefined {
  const parts = id.split(':');
  if (parts.length > 3) return undefined;
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts];
  if (name === '' || (scheme !== '' && scheme !== 'http' && scheme !== 'https')) return undefined;
  return { scheme, name, port };
}

/** `10.0.0.1:80`, `[fd00::1]:80`, or without the port where there is none. */
export function hostPort({ address, port }: Pick<Location, 'address' | 'port'>): string {
  const host = isIPv6(address) ? `[${address}]` : address;
  return port === '' ? host : `${host}:${port}`;
}

/** kubeadm's `--kubelet-preferred-address-types`. */
const addressTypes = ['InternalIP', 'ExternalIP', 'Hostname'];

/** A node's kubelet, as its status tells. @throws ApiError */
export async function kubeletOf(registry: Registry, nodeName: string): Promise<{ hostname: string; port: string }> {
  const { status } = (await registry.get(registry.resource('nodes'), { name: nodeName })).object as Node;
  const addresses = status?.addresses ?? [];
  const address = addressTypes.map((type) => addresses.find((one) => one.type === type)).find((one) => one !== undefined);
  if (address === undefined) {
    const known = addresses.map((one) => `{${one.type} ${one.address}}`).join(' ');
    throw failure(500, '', `no preferred addresses found; known addresses: [${known}]`);
  }
  return { hostname: address.address, port: String(status?.daemonEndpoints?.kubeletEndpoint?.Port || 10250) };
}

/** @throws ApiError */
export async function nodeLocation(registry: Registry, id: string, resolve: Resolve): Promise<Location> {
  const parts = splitSchemeNamePort(id);
  if (parts === undefined) throw badRequest(`invalid node request ${JSON.stringify(id)}`);
  const { hostname, port } = await kubeletOf(registry, parts.name);
  const address = await proxyableAddress(hostname, resolve);
  if (parts.port === '' || parts.port === port) return { scheme: 'https', address, hostname, port, kubelet: true };
  return { scheme: parts.scheme || 'http', address, hostname, port: parts.port, kubelet: false };
}

/** Without a port: the first one that a container declares. @throws ApiError */
export async function podLocation(registry: Registry, namespace: string, id: string): Promise<Location> {
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

/**
 * A pod behind the service, chosen at random. The port is the service's, by number or name.
 * @throws ApiError 503 where there is no such port, or nobody behind it
 */
export async function serviceLocation(
  registry: Registry,
  namespace: string,
  id: string,
  random: () => number,
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

/** Anybody may write Endpoints: only what a pod of the namespace has for its address counts. */
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
