/** Finds the endpoints of a service port, and chooses those to which this node may send. Pure. */
import { type IpFamily, joinHostPort, parseIpSloppy } from '#api/ip.ts';
import type { EndpointSlice } from '#api/types.generated.ts';
import { type LeftOut, leftOut, readEach } from '#client/left-out.ts';
import { isPort } from './port.ts';

/** One address and port behind a service port. */
export interface EndpointState {
  ip: string;
  port: number;
  /** `ip:port`, the identity of an endpoint within its service port. */
  address: string;
  /** Whether the endpoint runs on this node. */
  local: boolean;
  /** Ready and not terminating (or published although not ready). */
  ready: boolean;
  /** Ready or not, able to serve: true for a terminating pod that still passes its readiness probe (`conditions.serving`). */
  serving: boolean;
  terminating: boolean;
  zoneHints: readonly string[];
  nodeHints: readonly string[];
}

/** The traffic policies of a service port. */
export interface TrafficPolicy {
  usesClusterEndpoints: boolean;
  usesLocalEndpoints: boolean;
}

/** The node for which the choice is made. */
export interface Topology {
  nodeName: string;
  /** The node's label `topology.kubernetes.io/zone`. */
  zone?: string | undefined;
}

/** The endpoints that a service port uses. */
export interface EndpointChoice {
  /** Used under traffic policy Cluster. */
  cluster: readonly EndpointState[];
  /** Used under traffic policy Local. */
  local: readonly EndpointState[];
  /** The endpoints of both lists that the policies in force need. */
  reachable: readonly EndpointState[];
  /** Whether any node has a usable endpoint. */
  any: boolean;
}

/** Identifies a port of a service in its slices: port name and protocol. */
export const portKey = (portName: string, protocol: string): string => `${portName}/${protocol}`;

/**
 * Limit of the endpoints of one service, over all ports; further ones are left out. One slice may hold 1000 endpoints and 20,000
 * ports, and their product is more than a node can hold.
 */
const maxEndpointsPerService = 100_000;

/** The endpoints that {@link collectEndpoints} looks for. */
export interface EndpointSelection {
  family: IpFamily;
  nodeName: string;
  /** The {@link portKey}s of the service. Other ports in its slices are ignored. */
  portKeys: ReadonlySet<string>;
  /** Called for slices, ports and addresses that cannot be used. */
  onLeftOut(one: LeftOut): void;
}

/**
 * The endpoints of one service, by {@link portKey}, sorted by address. When two endpoints have the same address (a pod's IP was
 * reused while the former pod terminates), the one that is not terminating counts.
 */
export function collectEndpoints(slices: readonly EndpointSlice[], selection: EndpointSelection): Map<string, EndpointState[]> {
  const found = new Map<string, Map<string, EndpointState>>();
  const room = { left: maxEndpointsPerService };
  const states = readEach('EndpointSlice', slices, selection.onLeftOut, (slice) => readSlice(slice, selection, room));
  for (const [key, state] of states) {
    const byAddress = found.get(key) ?? new Map<string, EndpointState>();
    found.set(key, byAddress);
    if (!byAddress.has(state.address) || !state.terminating) byAddress.set(state.address, state);
  }
  return new Map(
    [...found].map(([key, byAddress]) => [key, [...byAddress.values()].sort((a, b) => (a.address < b.address ? -1 : 1))]),
  );
}

function readSlice(
  slice: EndpointSlice,
  { family, nodeName, portKeys, onLeftOut }: EndpointSelection,
  room: { left: number },
): [portKey: string, EndpointState][] {
  if (slice.addressType !== family) return [];
  const problem = (reason: string): void => onLeftOut(leftOut('EndpointSlice', slice, reason));
  const ports = (slice.ports ?? []).flatMap(({ name, protocol, port }, index) => {
    const key = portKey(name ?? '', protocol ?? 'TCP');
    // A port without a number means all ports. A Service cannot forward to that.
    if (port === undefined || port === 0 || !portKeys.has(key)) return [];
    if (isPort(port)) return [{ key, port }];
    problem(`ports[${index}].port: ${port} is no port number`);
    return [];
  });
  const endpoints = ports.length === 0 ? [] : [...endpointsOf(slice, nodeName, problem)];
  return ports.flatMap(({ key, port }): [string, EndpointState][] => {
    if (endpoints.length > room.left) {
      problem(`its service has more than ${maxEndpointsPerService} endpoints`);
      return [];
    }
    room.left -= endpoints.length;
    return endpoints.map((endpoint) => [key, { ...endpoint, port, address: joinHostPort(endpoint.ip, port) }]);
  });
}

function* endpointsOf(
  slice: EndpointSlice,
  nodeName: string,
  problem: (reason: string) => void,
): Generator<Omit<EndpointState, 'port' | 'address'>> {
  for (const [index, { addresses, conditions, hints, nodeName: endpointNode }] of (slice.endpoints ?? []).entries()) {
    // Kubernetes gives each endpoint one address. When there are several, upstream's proxy uses the first.
    const [address] = addresses ?? [];
    const ip = parseIpSloppy(address ?? '');
    if (ip === undefined || ip.family !== slice.addressType) {
      problem(`endpoints[${index}].addresses[0]: ${JSON.stringify(address ?? '')} is no ${slice.addressType} address`);
      continue;
    }
    yield {
      ip: ip.text,
      local: endpointNode !== undefined && endpointNode === nodeName,
      ready: conditions?.ready ?? true,
      serving: conditions?.serving ?? true,
      terminating: conditions?.terminating ?? false,
      zoneHints: (hints?.forZones ?? []).map(({ name }) => name),
      nodeHints: (hints?.forNodes ?? []).map(({ name }) => name),
    };
  }
}

const lastResort = (endpoint: EndpointState): boolean => endpoint.serving && endpoint.terminating;

/**
 * Chooses endpoints by KEP-1669 (serving terminating endpoints as a last resort), KEP-2433 and KEP-3015 (topology hints). Ready
 * endpoints come first. They are limited to this node or zone when every ready endpoint has such hints and one of them is for
 * this node or zone. Pure.
 */
export function chooseEndpoints(all: readonly EndpointState[], policy: TrafficPolicy, topology: Topology): EndpointChoice {
  const ready = all.filter((endpoint) => endpoint.ready);
  const anywhere = ready.length > 0 ? ready : all.filter(lastResort);
  const cluster = policy.usesClusterEndpoints ? preferNear(anywhere, topology) : [];
  const localReady = ready.filter(({ local }) => local);
  const localUsable = localReady.length > 0 ? localReady : all.filter((endpoint) => endpoint.local && lastResort(endpoint));
  const local = policy.usesLocalEndpoints ? localUsable : [];
  const reachable = [...new Set([...cluster, ...local])].sort((a, b) => (a.address < b.address ? -1 : 1));
  return { cluster, local, reachable, any: anywhere.length > 0 };
}

function preferNear(endpoints: readonly EndpointState[], { nodeName, zone }: Topology): readonly EndpointState[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  const hintedHere = (hints: (endpoint: EndpointState) => readonly string[], here: string): EndpointState[] =>
    ready.length > 0 && ready.every((endpoint) => hints(endpoint).length > 0)
      ? ready.filter((endpoint) => hints(endpoint).includes(here))
      : [];
  const sameNode = hintedHere(({ nodeHints }) => nodeHints, nodeName);
  if (sameNode.length > 0) return sameNode;
  const sameZone = hintedHere(({ zoneHints }) => zoneHints, zone ?? '');
  return sameZone.length > 0 ? sameZone : endpoints;
}
