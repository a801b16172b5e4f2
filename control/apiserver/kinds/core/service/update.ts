/**
 * Updates fields of a Service that depend on its type, or that the server has filled in.
 *
 * Source: upstream `pkg/registry/core/service/{strategy.go,storage/storage.go}`.
 */
import type { Service } from '#api/types.generated.ts';
import { setServiceDefaults } from './defaults.ts';
import {
  allocatesNodePorts,
  isExternallyAccessible,
  needsClusterIp,
  needsHealthCheckPort,
  nodePortsOf,
  sameList,
} from './shape.ts';

/** Prepares a service for a write, in place. @param old undefined on create */
export function prepareService(service: Service, old: Service | undefined): void {
  if (old === undefined) {
    normalizeClusterIps(service, undefined);
    return;
  }
  // Copy the stored status, because defaults are set below.
  service.status = structuredClone(service.status);
  keepAllocated(service, old);
  normalizeClusterIps(service, old);
  dropTypeDependent(service, old);
  // Set defaults again: a changed type may need more fields.
  setServiceDefaults(service);
}

/** Keeps `clusterIP` and `clusterIPs[0]` equal. Old clients know only the first. */
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

/** Copies allocated values from the old service when the client has left them out, because it means to keep them. */
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

/** Clears fields that the new type cannot have, unless the client has changed them. */
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
  const oldPorts = new Set(nodePortsOf(old));
  if (mayNodePort(old) && !mayNodePort(service) && nodePortsOf(service).every((port) => oldPorts.has(port))) {
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
