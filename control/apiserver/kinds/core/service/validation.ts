/** Services. Source: upstream `pkg/apis/core/validation/validation.go`, validateService. */
import { isIP } from 'node:net';
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { validateLabels } from '#api/labels.ts';
import { isDns1123Label, isDns1123Subdomain, isQualifiedName } from '#api/names.ts';
import type { Service, ServicePort } from '#api/types.generated.ts';
import { validateCidr, validateEndpointIp, validateIp } from '../../../validation/ip.ts';
import { validatePortNumber, validatePortNumberOrName, validateProtocol } from '../../../validation/pod-spec/ports.ts';
import { validateClusterIps, validateClusterIpsUpdate, validateIpFamiliesUpdate } from './ip-validation.ts';
import { isExternallyAccessible, isHeadless, needsHealthCheckPort } from './shape.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const MAX_CLIENT_IP_SECONDS = 86_400;

/** Validates a service. @param old undefined on create */
export function validateService(service: Service, old: Service | undefined): FieldError[] {
  return [...(old === undefined ? [] : validateServiceUpdate(service, old)), ...validateSpec(service, old)];
}

function validateServiceUpdate(service: Service, old: Service): FieldError[] {
  const errors = [...validateClusterIpsUpdate(service, old), ...validateIpFamiliesUpdate(service, old)];
  const bothBalanced = old.spec.type === 'LoadBalancer' && service.spec.type === 'LoadBalancer';
  if (bothBalanced && old.spec.loadBalancerClass !== service.spec.loadBalancerClass) {
    errors.push(invalidValue('spec.loadBalancerClass', service.spec.loadBalancerClass, 'may not change once set'));
  }
  const bothChecked = needsHealthCheckPort(old) && needsHealthCheckPort(service);
  if (bothChecked && old.spec.healthCheckNodePort !== service.spec.healthCheckNodePort) {
    errors.push(forbiddenField('spec.healthCheckNodePort', 'field is immutable'));
  }
  return errors;
}

function validateSpec(service: Service, old: Service | undefined): FieldError[] {
  const { spec } = service;
  return [
    ...validateTopologyAnnotations(service),
    ...validateForType(service),
    ...validatePorts(service),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateSessionAffinity(service),
    ...validateClusterIps(service, old),
    ...validateExternalIps(service, old),
    ...validateChoice(spec.type, types, 'spec.type'),
    ...validatePortUniqueness(service),
    ...validateLoadBalancer(service, old),
    ...validateTrafficPolicies(service),
  ];
}

const topologyMode = 'service.kubernetes.io/topology-mode';
const topologyHints = 'service.kubernetes.io/topology-aware-hints';

/** The old and the new topology annotation must have the same value when both are set. */
function validateTopologyAnnotations({ metadata: { annotations = {} } }: Service): FieldError[] {
  const { [topologyMode]: mode, [topologyHints]: hints } = annotations;
  if (mode === undefined || hints === undefined || mode === hints) return [];
  const text = `must match annotations[${topologyHints}] when both are specified`;
  return [invalidValue(`metadata.annotations[${topologyMode}]`, mode, text)];
}

function validateChoice(value: string | undefined, supported: readonly string[], path: string): FieldError[] {
  if (value === undefined || value === '') return [required(path)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}

function validateForType(service: Service): FieldError[] {
  const { spec } = service;
  const errors: FieldError[] = [];
  if ((spec.ports ?? []).length === 0 && !isHeadless(service) && spec.type !== 'ExternalName')
    errors.push(required('spec.ports'));
  if ((spec.type === 'LoadBalancer' || spec.type === 'NodePort') && isHeadless(service)) {
    errors.push(invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`));
  }
  if (spec.type !== 'ExternalName') return errors;
  const text = 'may not be set for ExternalName services';
  if ((spec.clusterIPs ?? []).length > 0) errors.push(forbiddenField('spec.clusterIPs', text));
  if ((spec.ipFamilies ?? []).length > 0) errors.push(forbiddenField('spec.ipFamilies', text));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbiddenField('spec.ipFamilyPolicy', text));
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') return [...errors, required('spec.externalName')];
  return [...errors, ...isDns1123Subdomain(name).map((why) => invalidValue('spec.externalName', name, why))];
}

function validatePorts({ spec }: Service): FieldError[] {
  const names = new Set<string>();
  const ports = spec.ports ?? [];
  return ports.flatMap((port, index) => validatePort(port, ports.length > 1, names, `spec.ports[${index}]`));
}

function validatePort(
  { name = '', port, protocol, targetPort, appProtocol }: ServicePort,
  requireName: boolean,
  names: Set<string>,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (name !== '') {
    errors.push(...isDns1123Label(name).map((text) => invalidValue(`${path}.name`, name, text)));
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
  } else if (requireName) errors.push(required(`${path}.name`));
  errors.push(
    ...validatePortNumber(port ?? 0, `${path}.port`),
    ...validateProtocol(protocol, `${path}.protocol`),
    ...validatePortNumberOrName(targetPort, `${path}.targetPort`),
  );
  if (appProtocol === undefined) return errors;
  return [...errors, ...isQualifiedName(appProtocol).map((text) => invalidValue(`${path}.appProtocol`, appProtocol, text))];
}

function validatePortUniqueness({ spec }: Service): FieldError[] {
  const errors: FieldError[] = [];
  const ports = spec.ports ?? [];
  const [nodePorts, numbers] = [new Set<string>(), new Set<string>()];
  if (spec.type === 'ClusterIP') {
    ports.forEach(({ nodePort }, index) => {
      if (nodePort) errors.push(forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'"));
    });
  }
  ports.forEach(({ nodePort, protocol = '' }, index) => {
    if (!nodePort) return;
    if (nodePorts.has(`${protocol}/${nodePort}`)) errors.push(duplicate(`spec.ports[${index}].nodePort`, nodePort));
    nodePorts.add(`${protocol}/${nodePort}`);
  });
  ports.forEach(({ port, protocol = '' }, index) => {
    const key = `${protocol}/${port}`;
    // Upstream prints its own struct with only these two fields filled in.
    const shown = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
    if (numbers.has(key)) errors.push(duplicate(`spec.ports[${index}]`, shown));
    numbers.add(key);
  });
  return errors;
}

function validateSessionAffinity({ spec }: Service): FieldError[] {
  const { sessionAffinity: affinity, sessionAffinityConfig: config } = spec;
  const path = 'spec.sessionAffinityConfig';
  const errors = validateChoice(affinity, ['ClientIP', 'None'], 'spec.sessionAffinity');
  if (affinity === 'None' && config !== undefined)
    errors.push(forbiddenField(path, 'must not be set when session affinity is None'));
  if (affinity !== 'ClientIP') return errors;
  const text = 'when session affinity type is ClientIP';
  if (config === undefined) return [...errors, required(path, text)];
  if (config.clientIP === undefined) return [...errors, required(`${path}.clientIP`, text)];
  const seconds = config.clientIP.timeoutSeconds;
  if (seconds === undefined) return [...errors, required(`${path}.clientIP.timeoutSeconds`, text)];
  if (seconds > 0 && seconds <= MAX_CLIENT_IP_SECONDS) return errors;
  return [
    ...errors,
    invalidValue(`${path}.clientIP.timeoutSeconds`, seconds, `must be greater than 0 and less than ${MAX_CLIENT_IP_SECONDS}`),
  ];
}

function validateExternalIps({ spec }: Service, old: Service | undefined): FieldError[] {
  const accepted = new Set(old?.spec.externalIPs);
  return (spec.externalIPs ?? []).flatMap((ip, index) => {
    const path = `spec.externalIPs[${index}]`;
    const errors = validateIp(ip, path, accepted);
    return errors.length > 0 ? errors : validateEndpointIp(ip, path);
  });
}

const sourceRangesKey = 'service.beta.kubernetes.io/load-balancer-source-ranges';

/** Validates the annotation when the field is not set. An unchanged value is not validated again. */
function validateSourceRangesAnnotation({ metadata, spec }: Service, old: Service | undefined): FieldError[] {
  const value = metadata.annotations?.[sourceRangesKey];
  if (value === undefined || (spec.loadBalancerSourceRanges ?? []).length > 0) return [];
  const path = `metadata.annotations[${sourceRangesKey}]`;
  const errors = spec.type === 'LoadBalancer' ? [] : [forbiddenField(path, "may only be used when `type` is 'LoadBalancer'")];
  if (old?.metadata.annotations?.[sourceRangesKey] === value || value.trim() === '') return errors;
  return [...errors, ...value.split(',').flatMap((range) => validateCidr(range.trim(), path))];
}

function validateLoadBalancer(service: Service, old: Service | undefined): FieldError[] {
  const { spec } = service;
  const balanced = spec.type === 'LoadBalancer';
  const text = "may only be used when `type` is 'LoadBalancer'";
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const errors: FieldError[] = [];
  if (ranges.length > 0 && !balanced) errors.push(forbiddenField('spec.LoadBalancerSourceRanges', text));
  const known = new Set(old?.spec.loadBalancerSourceRanges?.map((range) => range.trim()));
  ranges.forEach((range, index) => errors.push(...validateCidr(range.trim(), `spec.LoadBalancerSourceRanges[${index}]`, known)));
  errors.push(...validateSourceRangesAnnotation(service, old));
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balanced)
    errors.push(forbiddenField('spec.allocateLoadBalancerNodePorts', text));
  const name = spec.loadBalancerClass;
  if (name === undefined) return errors;
  if (!balanced) return [...errors, forbiddenField('spec.loadBalancerClass', text)];
  return [...errors, ...isQualifiedName(name).map((why) => invalidValue('spec.loadBalancerClass', name, why))];
}

/** A missing health check node port is allocated after validation. */
function validateTrafficPolicies(service: Service): FieldError[] {
  const { spec } = service;
  const errors: FieldError[] = [];
  const external = spec.externalTrafficPolicy ?? '';
  if (isExternallyAccessible(service))
    errors.push(...validateChoice(external, ['Cluster', 'Local'], 'spec.externalTrafficPolicy'));
  else if (external !== '')
    errors.push(invalidValue('spec.externalTrafficPolicy', external, 'may only be set for externally-accessible services'));
  const port = spec.healthCheckNodePort;
  if (port && !needsHealthCheckPort(service)) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidValue('spec.healthCheckNodePort', port, text));
  } else if (port) errors.push(...validatePortNumber(port, 'spec.healthCheckNodePort'));
  const internal = spec.internalTrafficPolicy;
  if (internal !== undefined && internal !== 'Cluster' && internal !== 'Local')
    errors.push(notSupported('spec.internalTrafficPolicy', internal, ['Cluster', 'Local']));
  const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
  const distribution = spec.trafficDistribution;
  if (distribution === undefined || distributions.includes(distribution)) return errors;
  return [...errors, notSupported('spec.trafficDistribution', distribution, distributions)];
}

/**
 * Validates a written status: load balancer addresses and conditions. Source: upstream `pkg/apis/core/validation`
 * (ValidateServiceStatusUpdate).
 */
export function validateServiceStatus(service: Service, old: Service): FieldError[] {
  const errors: FieldError[] = [];
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const path = 'status.loadBalancer.ingress';
  if (service.spec.type !== 'LoadBalancer') {
    return ingress.length === 0
      ? errors
      : [...errors, forbiddenField(path, "may only be used when `spec.type` is 'LoadBalancer'")];
  }
  const known = new Set((old.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip || []));
  ingress.forEach(({ ip, ipMode, hostname }, index) => {
    const at = `${path}[${index}]`;
    if (ip) errors.push(...validateIp(ip, `${at}.ip`, known));
    if (ipMode === undefined) {
      if (ip) errors.push(required(`${at}.ipMode`, 'must be specified when `ip` is set'));
    } else if (!ip) errors.push(forbiddenField(`${at}.ipMode`, 'may not be specified when `ip` is not set'));
    else if (ipMode !== 'Proxy' && ipMode !== 'VIP') errors.push(notSupported(`${at}.ipMode`, ipMode, ['Proxy', 'VIP']));
    if (!hostname) return;
    errors.push(...isDns1123Subdomain(hostname).map((text) => invalidValue(`${at}.hostname`, hostname, text)));
    if (isIpText(hostname)) errors.push(invalidValue(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'));
  });
  return errors;
}

/** Leniently, as upstream's ParseIPSloppy: leading zeros are decimal. */
const isIpText = (text: string): boolean => isIP(text.replaceAll(/(^|\.)0+(?=\d)/g, '$1')) !== 0;
