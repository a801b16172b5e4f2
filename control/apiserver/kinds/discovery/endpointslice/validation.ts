/** EndpointSlices. Source: upstream `pkg/apis/discovery/validation`. */
import { isIPv4, isIPv6 } from 'node:net';
import type { FieldError } from '#api/field-error.ts';
import { duplicate, invalidValue, notSupported, required, tooMany } from '#api/field-error.ts';
import { parseIp } from '#api/ip.ts';
import { validateLabels } from '#api/labels.ts';
import { isDns1123Label, isDns1123Subdomain, isValidLabelValue, nameIsDnsSubdomain } from '#api/names.ts';
import { validateImmutable } from '#api/object-meta.ts';
import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '#api/types.generated.ts';
import { validateEndpointIp, validateIp } from '../../../validation/ip.ts';
import { protocols, validateAppProtocol } from '../../../validation/pod-spec/ports.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';
import { submitted } from '../../../validation/submitted.ts';

const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_ENDPOINTS = 1000;
const MAX_HINTS = 8;
const MAX_TOPOLOGY = 16;
const addressTypes = ['FQDN', 'IPv4', 'IPv6'];

/** Endpoints that were stored before the rules became stricter may stay. */
export function validateEndpointSlice(slice: EndpointSlice, old: EndpointSlice | undefined): FieldError[] {
  const { addressType: type = '' } = submitted(slice);
  const errors: FieldError[] = [];
  if (type === '') errors.push(required('addressType'));
  else if (!addressTypes.includes(type)) errors.push(notSupported('addressType', type, addressTypes));
  errors.push(...validateSlicePorts(slice.ports ?? []));
  if (old === undefined || !semanticEqual(slice.endpoints, old.endpoints))
    errors.push(...validateSliceEndpoints(slice.endpoints ?? [], type));
  return old === undefined ? errors : [...errors, ...validateImmutable(slice.addressType, old.addressType, 'addressType')];
}

function validateSlicePorts(ports: readonly DiscoveryEndpointPort[]): FieldError[] {
  if (ports.length > MAX_PORTS) return [tooMany('ports', ports.length, MAX_PORTS)];
  const names = new Set<string>();
  return ports.flatMap(({ name = '', protocol, appProtocol }, index) => {
    const at = `ports[${index}]`;
    const errors = name === '' ? [] : isDns1123Label(name).map((text) => invalidValue(`${at}.name`, name, text));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (protocol === undefined) errors.push(required(`${at}.protocol`));
    else if (!protocols.includes(protocol)) errors.push(notSupported(`${at}.protocol`, protocol, protocols));
    return [...errors, ...validateAppProtocol(appProtocol, at)];
  });
}

function validateSliceEndpoints(endpoints: readonly Endpoint[], type: string): FieldError[] {
  if (endpoints.length > MAX_ENDPOINTS) return [tooMany('endpoints', endpoints.length, MAX_ENDPOINTS)];
  return endpoints.flatMap((endpoint, index) => {
    const at = `endpoints[${index}]`;
    const { addresses = [], nodeName, hostname, deprecatedTopology = {} } = submitted(endpoint);
    const errors: FieldError[] = [];
    if (addresses.length === 0) errors.push(required(`${at}.addresses`, 'must contain at least 1 address'));
    else if (addresses.length > MAX_ADDRESSES) errors.push(tooMany(`${at}.addresses`, addresses.length, MAX_ADDRESSES));
    addresses.forEach((address, one) => errors.push(...validateSliceAddress(address, type, `${at}.addresses`, one)));
    if (nodeName !== undefined)
      errors.push(...nameIsDnsSubdomain(nodeName, false).map((text) => invalidValue(`${at}.nodeName`, nodeName, text)));
    const topology = Object.keys(deprecatedTopology).length;
    if (topology > MAX_TOPOLOGY) errors.push(tooMany(`${at}.deprecatedTopology`, topology, MAX_TOPOLOGY));
    errors.push(...validateLabels(deprecatedTopology, `${at}.deprecatedTopology`));
    if (hostname !== undefined)
      errors.push(...isDns1123Label(hostname).map((text) => invalidValue(`${at}.hostname`, hostname, text)));
    return [...errors, ...validateHints(endpoint, `${at}.hints`)];
  });
}

function validateSliceAddress(address: string, type: string, listPath: string, index: number): FieldError[] {
  const at = `${listPath}[${index}]`;
  if (type === 'FQDN') return isDns1123Subdomain(address.replace(/\.$/, '')).map((text) => invalidValue(at, address, text));
  if (type !== 'IPv4' && type !== 'IPv6') return [];
  const errors = validateIp(address, at);
  if (errors.length > 0) return errors;
  const canonical = parseIp(address)?.text;
  if (type === 'IPv6' && canonical !== address) {
    return [invalidValue(at, address, `must be in canonical form (${JSON.stringify(canonical)})`)];
  }
  const isType = type === 'IPv4' ? isIPv4 : isIPv6;
  return [
    ...(isType(address) ? [] : [invalidValue(listPath, address, `must be an ${type} address`)]),
    ...validateEndpointIp(address, at),
  ];
}

function validateHints({ hints }: Endpoint, path: string): FieldError[] {
  const zones = hints?.forZones ?? [];
  const nodes = hints?.forNodes ?? [];
  if (zones.length > MAX_HINTS) return [tooMany(`${path}.forZones`, zones.length, MAX_HINTS)];
  const errors = validateHintNames(zones, isValidLabelValue, `${path}.forZones`);
  if (nodes.length > MAX_HINTS) return [...errors, tooMany(`${path}.forNodes`, nodes.length, MAX_HINTS)];
  return [...errors, ...validateHintNames(nodes, isDns1123Subdomain, `${path}.forNodes`)];
}

function validateHintNames(hints: readonly { name: string }[], check: (name: string) => string[], path: string): FieldError[] {
  const seen = new Set<string>();
  return hints.flatMap(({ name = '' }: { name?: string }, index) => {
    const isAgain = seen.has(name);
    seen.add(name);
    return [
      ...(isAgain ? [duplicate(`${path}[${index}].name`, name)] : []),
      ...check(name).map((text) => invalidValue(`${path}[${index}].name`, name, text)),
    ];
  });
}
