/** Services and EndpointSlices → what this node has to forward, per service port. Pure. */
import type { EndpointSlice, Service, ServicePort } from '#api/types.generated.ts';
import {
  chooseEndpoints,
  collectEndpoints,
  type EndpointChoice,
  type EndpointState,
  portKey,
  type Topology,
} from './endpoints.ts';
import { type Cidr, type IpFamily, parseCidr, parseIp } from './ip.ts';

/** One port of one Service with all that decides its rules. */
export interface ServicePortState {
  namespace: string;
  name: string;
  /** `namespace/name:port`, or `namespace/name` for an unnamed port: in chain hashes and comments (ServicePortName.String). */
  id: string;
  /** Lower case, as iptables spells it: `tcp`, `udp`, `sctp`. */
  protocol: string;
  clusterIp: string;
  port: number;
  nodePort: number | undefined;
  externalIps: readonly string[];
  /** Ingress IPs of a load balancer that delivers to the VIP itself (`ipMode: VIP`). */
  loadBalancerIps: readonly string[];
  /** Empty: everyone may come. */
  sourceRanges: readonly Cidr[];
  /** Session affinity ClientIP with this timeout. */
  affinitySeconds: number | undefined;
  healthCheckNodePort: number | undefined;
  externalPolicyLocal: boolean;
  internalPolicyLocal: boolean;
  /** Reachable by something other than the cluster IP. */
  externallyAccessible: boolean;
  /** All endpoints, also those not usable now. */
  endpoints: readonly EndpointState[];
  chosen: EndpointChoice;
}

/** Sorted by id and protocol: equal input gives equal state, in whatever order the caches list it. */
export interface ServiceState {
  family: IpFamily;
  ports: readonly ServicePortState[];
}

export interface StateInput {
  services: readonly Service[];
  endpointSlices: readonly EndpointSlice[];
}

export interface StateOptions extends Topology {
  family?: IpFamily;
}

const serviceNameLabel = 'kubernetes.io/service-name';
const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
/** The API's default (core/v1 DefaultClientIPServiceAffinitySeconds). */
const defaultAffinitySeconds = 10_800;

/**
 * The state of one address family (default IPv4). Headless services, ExternalName, services of the other family alone and
 * services that name another proxy (label service.kubernetes.io/service-proxy-name) are left out.
 */
export function buildServiceState({ services, endpointSlices }: StateInput, options: StateOptions): ServiceState {
  const family = options.family ?? 'IPv4';
  const slices = slicesByService(endpointSlices);
  const ports = services.flatMap((service) => {
    const ofService = slices.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [];
    return servicePorts(service, ofService, family, options);
  });
  return { family, ports: ports.sort((a, b) => compare(a.id, b.id) || compare(a.protocol, b.protocol)) };
}

function slicesByService(endpointSlices: readonly EndpointSlice[]): Map<string, EndpointSlice[]> {
  const byService = new Map<string, EndpointSlice[]>();
  // Sorted, so that of two slices that tell different things about one address the same one wins each time.
  for (const slice of [...endpointSlices].sort((a, b) => compare(a.metadata.name, b.metadata.name))) {
    const service = slice.metadata.labels?.[serviceNameLabel];
    if (service === undefined || service === '') continue;
    const key = `${slice.metadata.namespace}/${service}`;
    const known = byService.get(key);
    if (known === undefined) byService.set(key, [slice]);
    else known.push(slice);
  }
  return byService;
}

function servicePorts(
  service: Service,
  slices: readonly EndpointSlice[],
  family: IpFamily,
  topology: Topology,
): ServicePortState[] {
  const { spec, metadata } = service;
  if (spec.type === 'ExternalName' || metadata.labels?.[proxyNameLabel] !== undefined) return [];
  const clusterIp = parseIp(clusterIpOf(service, family) ?? '');
  if (clusterIp === undefined || clusterIp.family !== family) return [];
  const endpoints = collectEndpoints(slices, family, topology.nodeName);
  return (spec.ports ?? []).map((port) => {
    const shared = sharedByPorts(service, family);
    const ofPort = endpoints.get(portKey(port.name ?? '', port.protocol ?? 'TCP')) ?? [];
    return servicePort(service, port, clusterIp.address, shared, ofPort, topology);
  });
}

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

function sharedByPorts({ spec, status }: Service, family: IpFamily): Shared {
  const ranges = (spec.loadBalancerSourceRanges ?? []).map(parseCidr).filter((cidr) => cidr?.family === family) as Cidr[];
  const mayBeExternal = spec.type === 'LoadBalancer' || spec.type === 'NodePort' || (spec.externalIPs ?? []).length > 0;
  const externalPolicyLocal = mayBeExternal && spec.externalTrafficPolicy === 'Local';
  const vips = (status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode === undefined || ipMode === 'VIP');
  return {
    externalIps: ofFamily(spec.externalIPs ?? [], family),
    loadBalancerIps: ofFamily(
      vips.map(({ ip }) => ip ?? ''),
      family,
    ),
    // A range of everything is the same as no range.
    sourceRanges: ranges.some(({ prefixLength }) => prefixLength === 0) ? [] : ranges,
    affinitySeconds:
      spec.sessionAffinity === 'ClientIP'
        ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds)
        : undefined,
    healthCheckNodePort: spec.type === 'LoadBalancer' && externalPolicyLocal ? positive(spec.healthCheckNodePort) : undefined,
    externalPolicyLocal,
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
  };
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
  const qualifiedName = `${namespace}/${metadata.name}`;
  const externallyAccessible =
    positive(nodePort) !== undefined || shared.loadBalancerIps.length > 0 || shared.externalIps.length > 0;
  const policy = {
    // Even under external policy Local, traffic from pods and from the node itself goes to all endpoints.
    usesClusterEndpoints: !shared.internalPolicyLocal || externallyAccessible,
    usesLocalEndpoints: shared.internalPolicyLocal || (shared.externalPolicyLocal && externallyAccessible),
  };
  return {
    ...shared,
    namespace,
    name: metadata.name,
    id: name === undefined || name === '' ? qualifiedName : `${qualifiedName}:${name}`,
    protocol: (protocol ?? 'TCP').toLowerCase(),
    clusterIp,
    port,
    nodePort: positive(nodePort),
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

function ofFamily(addresses: readonly string[], family: IpFamily): string[] {
  return addresses.flatMap((text) => {
    const ip = parseIp(text);
    return ip?.family === family ? [ip.address] : [];
  });
}

const positive = (port: number | undefined): number | undefined => (port === undefined || port === 0 ? undefined : port);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** How many local ready endpoints each service with a health check node port has, by `namespace/name`, with that port. */
export function healthCheckServices({ ports }: ServiceState): Map<string, { port: number; localEndpoints: number }> {
  const services = new Map<string, { port: number; ips: Set<string> }>();
  for (const { namespace, name, healthCheckNodePort, endpoints } of ports) {
    if (healthCheckNodePort === undefined) continue;
    const key = `${namespace}/${name}`;
    const entry = services.get(key) ?? { port: healthCheckNodePort, ips: new Set() };
    services.set(key, entry);
    // Counted by IP: one pod behind two ports is one endpoint.
    for (const { ip, local, ready } of endpoints) if (local && ready) entry.ips.add(ip);
  }
  return new Map([...services].map(([key, { port, ips }]) => [key, { port, localEndpoints: ips.size }]));
}
