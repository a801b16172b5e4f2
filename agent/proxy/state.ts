/** Turns Services and EndpointSlices into the state that this node must forward, per service port. Pure. */

import { type Cidr, type IpFamily, parseCidrSloppy, parseIpSloppy } from '#api/ip.ts';
import { headlessLabel, serviceNameLabel } from '#api/service-labels.ts';
import type { EndpointSlice, Service, ServicePort } from '#api/types.generated.ts';
import { type LeftOut, leftOut, readEach } from '#client/left-out.ts';
import {
  chooseEndpoints,
  collectEndpoints,
  type EndpointChoice,
  type EndpointState,
  portKey,
  type Topology,
} from './endpoints.ts';
import { isPort } from './port.ts';

/** One port of one Service, with everything that decides its rules. */
export interface ServicePortState {
  namespace: string;
  name: string;
  /**
   * `namespace/name:port`, or `namespace/name` for an unnamed port. Hashes of chains and comments use it (upstream's
   * ServicePortName.String).
   */
  id: string;
  /** The protocol in lower case, as iptables spells it: `tcp`, `udp`, `sctp`. */
  protocol: string;
  clusterIp: string;
  port: number;
  nodePort: number | undefined;
  externalIps: readonly string[];
  /** Ingress IPs of a load balancer that delivers packets with the VIP as destination (`ipMode: VIP`). */
  loadBalancerIps: readonly string[];
  /** The client ranges that the load balancer's IP accepts. Empty: all clients. */
  sourceRanges: readonly Cidr[];
  /** Timeout of session affinity ClientIP, in seconds; undefined: no affinity. */
  affinitySeconds: number | undefined;
  healthCheckNodePort: number | undefined;
  externalPolicyLocal: boolean;
  internalPolicyLocal: boolean;
  /** Whether a node port, an external IP or a load balancer's IP reaches the port. */
  externallyAccessible: boolean;
  /** All endpoints, also those that are not used now. */
  endpoints: readonly EndpointState[];
  chosen: EndpointChoice;
}

/**
 * The state of one address family. Ports are sorted by id and protocol, so the state does not depend on the order of the caches.
 */
export interface ServiceState {
  family: IpFamily;
  ports: readonly ServicePortState[];
  /** The objects, or parts of objects, that give no rules. All other parts are in `ports`. */
  leftOut: readonly LeftOut[];
  /** How `ports` came from the ports of the state before, where that is known. */
  delta?: PortsDelta;
}

/** The difference between two lists of ports. */
export interface PortsDelta {
  since: readonly ServicePortState[];
  /** Ports of `since` that are not in the list any more. A port that has changed is in both lists, as two objects. */
  gone: readonly ServicePortState[];
  fresh: readonly ServicePortState[];
}

/** The difference to the ports that somebody has seen last. The time that it takes does not depend on their number if that was the state before. */
export function portsDelta({ ports, delta }: ServiceState, since: readonly ServicePortState[]): Omit<PortsDelta, 'since'> {
  if (ports === since) return { gone: [], fresh: [] };
  if (delta?.since === since) return delta;
  const was = new Set(since);
  const is = new Set(ports);
  return { gone: since.filter((port) => !is.has(port)), fresh: ports.filter((port) => !was.has(port)) };
}

/** The objects that the state is made from. */
export interface StateInput {
  services: readonly Service[];
  endpointSlices: readonly EndpointSlice[];
}

/** What the state depends on besides the objects. */
export interface StateOptions extends Topology {
  family?: IpFamily;
}

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
/** The API's default, in seconds (core/v1 DefaultClientIPServiceAffinitySeconds). */
const defaultAffinitySeconds = 10_800;

/**
 * The state of one address family (default IPv4). These are ignored: headless services, ExternalName, services of the other
 * family only, services that name another proxy (label service.kubernetes.io/service-proxy-name), and slices of headless
 * services. Objects are not trusted: a value that does not fit into a rule is left out and reported in `leftOut`. Pure.
 */
export function buildServiceState({ services, endpointSlices }: StateInput, options: StateOptions): ServiceState {
  const leftOut: LeftOut[] = [];
  const slices = slicesByService(endpointSlices, (one) => void leftOut.push(one));
  const states = services.map((service) => {
    const ofService = slices.get(`${service.metadata?.namespace}/${service.metadata?.name}`) ?? [];
    return serviceState(service, ofService, options);
  });
  const ports = states.flatMap((one) => one.ports);
  return {
    family: options.family ?? 'IPv4',
    ports: ports.sort(comparePorts),
    leftOut: [...leftOut, ...states.flatMap((one) => one.leftOut)],
  };
}

/** The ports of one service, and what of the service and its slices gives no rules. Pure. */
export function serviceState(
  service: Service,
  slices: readonly EndpointSlice[],
  options: StateOptions,
): Pick<ServiceState, 'ports' | 'leftOut'> {
  const leftOut: LeftOut[] = [];
  const onLeftOut = (one: LeftOut): void => void leftOut.push(one);
  // When two slices disagree about an address, the same one wins every time.
  const sorted =
    slices.length < 2 ? slices : slices.toSorted((a, b) => compare(String(a.metadata.name), String(b.metadata.name)));
  const context = { family: options.family ?? 'IPv4', topology: options, onLeftOut };
  const ports = readEach('Service', [service], onLeftOut, (one) => servicePorts(one, sorted, context));
  return { ports, leftOut };
}

/** Identifies a port of a Service in its family: a chain, an owner of elements, a port that was refused. */
export const servicePortKey = ({ id, protocol }: Pick<ServicePortState, 'id' | 'protocol'>): string => `${id}/${protocol}`;

/** The order of ports in a state. */
export const comparePorts = (a: ServicePortState, b: ServicePortState): number =>
  compare(a.id, b.id) || compare(a.protocol, b.protocol);

function slicesByService(
  endpointSlices: readonly EndpointSlice[],
  onLeftOut: (one: LeftOut) => void,
): Map<string, EndpointSlice[]> {
  const named = readEach('EndpointSlice', endpointSlices, onLeftOut, (slice) => {
    const key = serviceOf(slice);
    return key === undefined ? [] : [{ slice, key }];
  });
  const groups = Map.groupBy(named, ({ key }) => key);
  return new Map(Array.from(groups, ([key, group]) => [key, group.map(({ slice }) => slice)]));
}

/** The service of a slice, `namespace/name`; undefined when the slice is not for proxies. @throws TypeError when it cannot be read */
export function serviceOf({ metadata: { labels, namespace } }: EndpointSlice): string | undefined {
  const service = labels?.[serviceNameLabel] ?? '';
  return service !== '' && labels?.[headlessLabel] === undefined ? `${namespace}/${service}` : undefined;
}

interface ServiceContext {
  family: IpFamily;
  topology: Topology;
  onLeftOut(one: LeftOut): void;
}

function servicePorts(
  service: Service,
  slices: readonly EndpointSlice[],
  { family, topology, onLeftOut }: ServiceContext,
): ServicePortState[] {
  const { spec, metadata } = service;
  if (spec.type === 'ExternalName' || metadata.labels?.[proxyNameLabel] !== undefined) return [];
  const problem = (reason: string): void => onLeftOut(leftOut('Service', service, reason));
  const clusterIpText = clusterIpOf(service, family);
  if (clusterIpText === undefined) return [];
  const clusterIp = parseIpSloppy(clusterIpText);
  if (clusterIp === undefined) problem(`spec.clusterIP: ${JSON.stringify(clusterIpText)} is no IP address`);
  if (clusterIp === undefined || clusterIp.family !== family) return [];
  const seen = new Set<string>();
  const usable = (spec.ports ?? []).filter((port, index) => {
    const why = unusableReason(service, port, seen);
    if (why !== undefined) problem(`spec.ports[${index}].${why}`);
    else if ((port.nodePort ?? 0) !== 0 && !isPort(port.nodePort))
      problem(`spec.ports[${index}].nodePort: ${port.nodePort} is no port number`);
    return why === undefined;
  });
  const shared = limited(sharedByPorts(service, family, problem), usable.length, problem);
  const portKeys = new Set(usable.map((port) => portKey(port.name ?? '', port.protocol ?? 'TCP')));
  const endpoints = collectEndpoints(slices, { family, nodeName: topology.nodeName, portKeys, onLeftOut });
  return usable.map((port) => {
    const ofPort = endpoints.get(portKey(port.name ?? '', port.protocol ?? 'TCP')) ?? [];
    return servicePort(service, port, clusterIp.text, shared, ofPort, topology);
  });
}

/** The protocols that Services may have. In lower case each is the name of an iptables match extension. */
const protocols: readonly string[] = ['TCP', 'UDP', 'SCTP'];
/** The characters that a rule's comment may have. Names that passed the API server's validation have only these. */
const plainText = /^[A-Za-z0-9][-A-Za-z0-9._/:]*$/;
/** Limit of an id's length. With the longest text around it, a comment stays below the kernel's 256 bytes. */
const maxIdLength = 200;

/** The reason why a port gives no rules, which begins with the field's name. Undefined when it can be used. */
function unusableReason(
  { metadata }: Service,
  { name, port, protocol = 'TCP' }: ServicePort,
  seen: Set<string>,
): string | undefined {
  const id = portId(metadata.namespace ?? '', metadata.name, name);
  if (!isPort(port)) return `port: ${port} is no port number`;
  if (!protocols.includes(protocol)) return `protocol: ${JSON.stringify(protocol)} is none of ${protocols.join(', ')}`;
  if (!plainText.test(id) || id.length > maxIdLength)
    return `name: ${JSON.stringify(id.slice(0, maxIdLength))} cannot stand in a rule`;
  // Chains are named by id and protocol, so two equal ports would write into the same chains.
  if (seen.has(portKey(id, protocol))) return `name: ${JSON.stringify(name ?? '')} occurs twice`;
  seen.add(portKey(id, protocol));
  return undefined;
}

const portId = (namespace: string, service: string, port: string | undefined): string =>
  port === undefined || port === '' ? `${namespace}/${service}` : `${namespace}/${service}:${port}`;

type Shared = Pick<
  ServicePortState,
  | 'externalIps'
  | 'loadBalancerIps'
  | 'sourceRanges'
  | 'affinitySeconds'
  | 'healthCheckNodePort'
  | 'externalPolicyLocal'
  | 'internalPolicyLocal'
>;

function sharedByPorts({ spec, status }: Service, family: IpFamily, problem: (reason: string) => void): Shared {
  const mayBeExternal = spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.externalIPs ?? []).length > 0;
  const externalPolicyLocal = mayBeExternal && spec.externalTrafficPolicy === 'Local';
  const vips = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode === undefined || ipMode === 'VIP');
  const ranges = sourceRanges(spec.loadBalancerSourceRanges ?? [], problem);
  return {
    externalIps: ofFamily(spec.externalIPs ?? [], family, 'spec.externalIPs', problem),
    // When the source ranges cannot be parsed, no client is admitted: admitting all would be unsafe.
    loadBalancerIps:
      ranges === 'unreadable'
        ? []
        : ofFamily(
            vips.map(({ ip }) => ip ?? ''),
            family,
            'status.loadBalancer.ingress',
            problem,
          ),
    // A range of all addresses is the same as no range.
    sourceRanges:
      ranges === 'unreadable' || ranges.some((range) => range.family === family && range.prefixLength === 0)
        ? []
        : ranges.filter((range) => range.family === family),
    affinitySeconds: spec.sessionAffinity === 'ClientIP' ? affinitySeconds(spec, problem) : undefined,
    healthCheckNodePort: spec.type === 'LoadBalancer' && externalPolicyLocal ? portOrNone(spec.healthCheckNodePort) : undefined,
    externalPolicyLocal,
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
  };
}

/**
 * Limit of the rules of one service for its external IPs, its load balancer's IPs and its source ranges each: every port has a rule
 * for each of them, and a service may have tens of thousands of both. Those beyond it are left out.
 */
const maxRulesPerService = 100_000;

/**
 * Cuts the lists so that the rules of all ports stay within the limit. A list with entries keeps at least one, because an empty list means
 * something else (for example all clients).
 */
function limited(shared: Shared, ports: number, problem: (reason: string) => void): Shared {
  const room = Math.max(1, Math.floor(maxRulesPerService / Math.max(1, ports)));
  const cut = <T>(list: readonly T[], path: string): readonly T[] => {
    if (list.length > room) problem(`${path}: with ${ports} ports, those beyond the first ${room} are left out`);
    return list.slice(0, room);
  };
  return {
    ...shared,
    externalIps: cut(shared.externalIps, 'spec.externalIPs'),
    loadBalancerIps: cut(shared.loadBalancerIps, 'status.loadBalancer.ingress'),
    sourceRanges: cut(shared.sourceRanges, 'spec.loadBalancerSourceRanges'),
  };
}

function sourceRanges(texts: readonly string[], problem: (reason: string) => void): readonly Cidr[] | 'unreadable' {
  const ranges = texts.flatMap((text, index) => {
    // Surrounding white space is allowed, because upstream's validation allows it.
    const cidr = typeof text === 'string' ? parseCidrSloppy(text.trim()) : undefined;
    if (cidr === undefined) problem(`spec.loadBalancerSourceRanges[${index}]: ${JSON.stringify(text)} is no range of addresses`);
    return cidr ?? [];
  });
  return texts.length > 0 && ranges.length === 0 ? 'unreadable' : ranges;
}

/** The API's maximum, in seconds (core/v1 MaxClientIPServiceAffinitySeconds). */
const maxAffinitySeconds = 86_400;

function affinitySeconds({ sessionAffinityConfig: config }: Service['spec'], problem: (reason: string) => void): number {
  const seconds = config?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds;
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= maxAffinitySeconds) return seconds;
  problem(`spec.sessionAffinityConfig.clientIP.timeoutSeconds: ${seconds} is not from 1 to ${maxAffinitySeconds}`);
  return defaultAffinitySeconds;
}

function servicePort(
  { metadata }: Service,
  { name, port, nodePort, protocol }: ServicePort,
  clusterIp: string,
  shared: Shared,
  endpoints: readonly EndpointState[],
  topology: Topology,
): ServicePortState {
  const namespace = metadata.namespace ?? '';
  const externallyAccessible =
    portOrNone(nodePort) !== undefined || shared.loadBalancerIps.length > 0 || shared.externalIps.length > 0;
  const policy = {
    // Even under external policy Local, traffic from pods and from the node itself goes to all endpoints.
    usesClusterEndpoints: !shared.internalPolicyLocal || externallyAccessible,
    usesLocalEndpoints: shared.internalPolicyLocal || (shared.externalPolicyLocal && externallyAccessible),
  };
  return {
    ...shared,
    namespace,
    name: metadata.name,
    id: portId(namespace, metadata.name, name),
    protocol: (protocol ?? 'TCP').toLowerCase(),
    clusterIp,
    port,
    nodePort: portOrNone(nodePort),
    externallyAccessible,
    endpoints,
    chosen: chooseEndpoints(endpoints, policy, topology),
  };
}

function clusterIpOf({ spec }: Service, family: IpFamily): string | undefined {
  if (spec.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None') return undefined;
  const families = spec.ipFamilies ?? [];
  return families.length === 0 ? spec.clusterIP : (spec.clusterIPs ?? [spec.clusterIP])[families.indexOf(family)];
}

function ofFamily(addresses: readonly string[], family: IpFamily, path: string, problem: (reason: string) => void): string[] {
  return addresses.flatMap((text, index) => {
    const ip = parseIpSloppy(text);
    if (ip === undefined && text !== '') problem(`${path}[${index}]: ${JSON.stringify(text)} is no IP address`);
    return ip?.family === family ? [ip.text] : [];
  });
}

const portOrNone = (port: number | undefined): number | undefined => (isPort(port) ? port : undefined);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The number of local ready endpoints of each service with a health check node port, by `namespace/name`, with that port. Pure.
 */
export function healthCheckServices({ ports }: ServiceState): Map<string, { port: number; localEndpoints: number }> {
  const services = new Map<string, { port: number; ips: Set<string> }>();
  for (const { namespace, name, healthCheckNodePort, endpoints } of ports) {
    if (healthCheckNodePort === undefined) continue;
    const key = `${namespace}/${name}`;
    const entry = services.get(key) ?? { port: healthCheckNodePort, ips: new Set() };
    services.set(key, entry);
    // Endpoints are counted by IP: a pod behind two ports counts once.
    for (const { ip, local, ready } of endpoints) if (local && ready) entry.ips.add(ip);
  }
  return new Map([...services].map(([key, { port, ips }]) => [key, { port, localEndpoints: ips.size }]));
}
