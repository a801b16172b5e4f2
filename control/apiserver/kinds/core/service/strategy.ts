/**
 * What is special to Services: the fields that depend on the type, and what allocators fill in.
 *
 * Source: upstream `pkg/registry/core/service/{strategy.go,storage/storage.go}`, `pkg/apis/core/v1/defaults.go`.
 */
import type { Service } from '#api/types.generated.ts';
import type { Strategy } from '../../../registry/strategy.ts';
import { ipWarnings } from '../../../validation/ip.ts';
import type { StrategyDeps } from '../../deps.ts';
import { serviceTable } from '../../table/network.ts';
import {
  allocatesNodePorts,
  isExternallyAccessible,
  isHeadless,
  needsClusterIp,
  needsHealthCheckPort,
  nodePortsOf,
  sameList,
} from './shape.ts';
import { validateService, validateServiceStatusUpdate, validateServiceUpdate } from './validation.ts';

const CLIENT_IP_SECONDS = 10_800;
const HINTS_ANNOTATION = 'service.kubernetes.io/topology-aware-hints';
const MODE_ANNOTATION = 'service.kubernetes.io/topology-mode';

export const serviceStrategy = (deps: Pick<StrategyDeps, 'services'>): Strategy<Service> => ({
  allowCreateOnUpdate: true,
  setDefaults,
  prepareForCreate(service) {
    service.status = { loadBalancer: {} };
    service.spec ??= {};
    normalizeClusterIps(service, undefined);
  },
  prepareForUpdate(service, old, _context, subresource) {
    if (subresource === 'status') {
      service.spec = old.spec;
      return;
    }
    service.status = structuredClone(old.status);
    keepAllocated(service, old);
    normalizeClusterIps(service, old);
    dropTypeDependent(service, old);
    // What the new type needs may only now be missing.
    setDefaults(service);
  },
  validate: validateService,
  validateUpdate: (service, old, subresource) =>
    subresource === 'status' ? validateServiceStatusUpdate(service, old) : validateServiceUpdate(service, old),
  warnings: serviceWarnings,
  allocate: (service, old, dryRun) => deps.services.allocate(service, old, dryRun),
  committed: (service, old, revision) => deps.services.committed(service, old, revision),
  release: (service, revision) => deps.services.release(service, revision),
  repair: (stored) => deps.services.repair(stored),
  selectableFields: ['spec.clusterIP', 'spec.type'],
  fields: ({ spec }) => ({ 'spec.clusterIP': spec.clusterIP ?? '', 'spec.type': spec.type ?? '' }),
  table: serviceTable,
});

function setDefaults(service: Service): void {
  service.spec ??= {};
  const { spec } = service;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: CLIENT_IP_SECONDS } };
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (isExternallyAccessible(service)) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'ExternalName') delete spec.internalTrafficPolicy;
  else if (['ClusterIP', 'NodePort', 'LoadBalancer'].includes(spec.type)) spec.internalTrafficPolicy ??= 'Cluster';
  service.status ??= {};
  service.status.loadBalancer ??= {};
  if (spec.type !== 'LoadBalancer') return;
  spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status.loadBalancer.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
}

/** `clusterIP` and `clusterIPs[0]` are the same; old clients know only the first. */
function normalizeClusterIps({ spec }: Service, old: Service | undefined): void {
  if (old === undefined) {
    if (spec.clusterIP && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  const before = old.spec;
  if ((before.clusterIPs ?? []).length > 0 && (spec.clusterIPs ?? []).length === 0 && before.clusterIP === spec.clusterIP) {
    spec.clusterIPs = before.clusterIPs;
  }
  if (before.clusterIP === spec.clusterIP || !sameList(before.clusterIPs, spec.clusterIPs)) return;
  if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
  else delete spec.clusterIPs;
}

/** A client that sends back a service without what was allocated for it means to keep it. */
function keepAllocated(service: Service, old: Service): void {
  const { spec } = service;
  const before = old.spec;
  if (needsClusterIp(old) && needsClusterIp(service)) {
    spec.clusterIP ||= before.clusterIP;
    if ((spec.clusterIPs ?? []).length === 0 && (before.clusterIPs ?? []).length > 0) spec.clusterIPs = before.clusterIPs;
  }
  if (allocatesNodePorts(old) && allocatesNodePorts(service)) {
    const now = new Set(nodePortsOf(service));
    const used = new Set(nodePortsOf(old).filter((port) => now.has(port)));
    const byName = new Map((before.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]));
    for (const port of spec.ports ?? []) {
      const known = byName.get(port.name ?? '');
      if (!port.nodePort && known && !used.has(known)) port.nodePort = known;
    }
  }
  if (needsHealthCheckPort(old) && needsHealthCheckPort(service)) spec.healthCheckNodePort ||= before.healthCheckNodePort;
}

/** Clears what the old type had and the new cannot have, where the client did not set it anew. */
function dropTypeDependent(service: Service, old: Service): void {
  const { spec } = service;
  const before = old.spec;
  const [wasBalanced, isBalanced] = [before.type === 'LoadBalancer', spec.type === 'LoadBalancer'];
  if (needsClusterIp(old) && !needsClusterIp(service)) {
    if ((before.clusterIP ?? '') === (spec.clusterIP ?? '') && sameList(before.clusterIPs, spec.clusterIPs)) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (sameList(before.ipFamilies, spec.ipFamilies)) delete spec.ipFamilies;
    if (before.ipFamilyPolicy === spec.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  }
  if (mayNodePort(old) && !mayNodePort(service) && nodePortsOf(service).every((port) => nodePortsOf(old).includes(port))) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (needsHealthCheckPort(old) && !needsHealthCheckPort(service) && before.healthCheckNodePort === spec.healthCheckNodePort) {
    delete spec.healthCheckNodePort;
  }
  if (wasBalanced && !isBalanced) {
    if (before.allocateLoadBalancerNodePorts === spec.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts;
    if (before.loadBalancerClass === spec.loadBalancerClass) delete spec.loadBalancerClass;
  }
  const wasExternal = isExternallyAccessible(old) && !isExternallyAccessible(service);
  if (wasExternal && before.externalTrafficPolicy === spec.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  if (!isBalanced) service.status = { ...service.status, loadBalancer: {} };
}

const mayNodePort = ({ spec }: Service): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';

function serviceWarnings(service: Service): string[] {
  const { spec, metadata } = service;
  const headless = spec.type === 'ClusterIP' && spec.clusterIP === 'None';
  const external = (spec.externalIPs ?? []).length > 0;
  const warnings: string[] = [];
  if (metadata.annotations?.[HINTS_ANNOTATION] !== undefined) {
    warnings.push(`annotation ${HINTS_ANNOTATION} is deprecated, please use ${MODE_ANNOTATION} instead`);
  }
  if (!isHeadless(service))
    spec.clusterIPs?.forEach((ip, index) => warnings.push(...ipWarnings(ip, `spec.clusterIPs[${index}]`)));
  if (headless) {
    if (spec.loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services');
    if (external) warnings.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services');
  }
  spec.externalIPs?.forEach((ip, index) => warnings.push(...ipWarnings(ip, `spec.externalIPs[${index}]`)));
  if (external && !headless && spec.type !== 'ExternalName') {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  }
  if (spec.type === 'ExternalName' && external) warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (spec.type !== 'ExternalName' && spec.externalName)
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  if (spec.trafficDistribution === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  }
  return warnings;
}
