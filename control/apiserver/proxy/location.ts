/**
 * What `<kind>/<id>/proxy` leads to; an id is `name`, `name:port` or `scheme:name:port`. The rooms of the kinds that can be proxied to look
 * it up.
 *
 * Source: kubernetes `pkg/kubelet/client`, apimachinery `pkg/util/net/port_split.go`.
 */
import type { Agent } from 'node:https';
import { isIPv6 } from 'node:net';
import { failure } from '#api/status.ts';
import type { Node } from '#api/types.generated.ts';
import type { Registry } from '../registry/registry.ts';

/** The server behind a proxied object. */
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
  /** An aggregated server's connections, which it shares among requests. Absent: each request has a connection of its own. */
  pool?: Agent;
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
const kubeadmTypes = ['InternalIP', 'ExternalIP', 'Hostname'];

/**
 * The address and port of a node's kubelet, from the Node's status.
 * @param addressTypes `--kubelet-preferred-address-types`; the registry carries none, so whoever knows the flag passes it
 * @throws ApiError 404 without such a node; 500 without an address
 */
export async function kubeletOf(
  registry: Registry,
  nodeName: string,
  addressTypes: readonly string[] = kubeadmTypes,
): Promise<{ hostname: string; port: string }> {
  const { status } = (await registry.get(registry.resource('nodes'), { name: nodeName })).object as Node;
  const addresses = status?.addresses ?? [];
  const address = addressTypes.map((type) => addresses.find((one) => one.type === type)).find((one) => one !== undefined);
  if (address === undefined) {
    const known = addresses.map((one) => `{${one.type} ${one.address}}`).join(' ');
    throw failure(500, '', `no preferred addresses found; known addresses: [${known}]`);
  }
  return { hostname: address.address, port: String(status?.daemonEndpoints?.kubeletEndpoint?.Port || 10250) };
}
