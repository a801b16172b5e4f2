/** Warnings about valid but probably unintended fields of a Service. Source: upstream `pkg/api/service/warnings.go`. */
import type { Service } from '#api/types.generated.ts';
import { ipWarnings } from '../../../validation/ip.ts';
import { isHeadless } from './shape.ts';

const HINTS_ANNOTATION = 'service.kubernetes.io/topology-aware-hints';
const MODE_ANNOTATION = 'service.kubernetes.io/topology-mode';

/** The warnings for a service. */
export function serviceWarnings(service: Service): string[] {
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
