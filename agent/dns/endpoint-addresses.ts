/**
 * Reads the addresses and ports out of EndpointSlices and Services. Any client may write these objects, so each field is checked
 * before use. Pure.
 */
import { serviceNameLabel } from '#api/service-labels.ts';
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { canonicalAddress, dashed, isAddress, isDnsName } from './address.ts';

/** One ready address behind a Service. */
export interface EndpointAddress {
  address: string;
  /** The hostname of the endpoint; without one, the address with dashes (as CoreDNS names endpoints). */
  hostname: string;
  service: string;
  namespace: string;
  ports: readonly EndpointPort[];
}
/** One named port of a slice. */
export interface EndpointPort {
  name: string;
  protocol: string;
  port: number;
}

/** The cluster IPs that a Service's name resolves to. Empty for a headless Service. */
export function clusterIps({ spec }: Service): readonly string[] {
  const all = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return all.filter(isAddress).map(canonicalAddress);
}

/** The reasons why a Service cannot be answered as it is written. Empty when it can. */
export function serviceProblems({ spec }: Service): string[] {
  const texts = [...(spec?.clusterIPs ?? []), ...(spec?.clusterIP === undefined ? [] : [spec.clusterIP])];
  const bad = texts.filter((text) => text !== '' && text !== 'None' && !isAddress(text));
  const target = spec?.type === 'ExternalName' ? (spec.externalName ?? '') : '';
  // Port names are compared in lower case, because DNS ignores case.
  const ports = (spec?.ports ?? []).filter(
    ({ port, name, protocol }) => !isRecordPort(port) || !isText(name) || !isText(protocol),
  );
  return [
    ...ports.map(({ port }) => `spec.ports: ${JSON.stringify(port)} is no port of a name`),
    ...bad.map((text) => `spec.clusterIPs: ${JSON.stringify(text)} is no IP address`),
    ...(target === '' || isDnsName(target) || isAddress(target)
      ? []
      : [`spec.externalName: ${JSON.stringify(target)} is no name that DNS can hold`]),
  ];
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string';

/** Whether the value fits the port field of an SRV record: 16 bits (RFC 2782). */
export const isRecordPort = (port: unknown): port is number =>
  Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535;

/**
 * The ready addresses of a slice. An absent `ready` counts as ready (EndpointSlice API). The writer of the slice has applied
 * publishNotReadyAddresses already. `problem` is told of each address that cannot be used.
 */
export function readyAddresses(slice: EndpointSlice, problem: (reason: string) => void): EndpointAddress[] {
  if (slice.addressType === 'FQDN') return [];
  const ports = (slice.ports ?? []).flatMap(({ name, protocol, port }, index) => {
    if (port === undefined) return [];
    if (isRecordPort(port)) return [{ name: name ?? '', protocol: protocol ?? 'TCP', port }];
    problem(`ports[${index}].port: ${port} is no port number`);
    return [];
  });
  const { namespace = '', labels } = slice.metadata;
  const service = labels?.[serviceNameLabel] ?? '';
  return (slice.endpoints ?? []).flatMap(({ addresses, conditions, hostname }, index) => {
    if (conditions?.ready === false) return [];
    const named = hostname !== undefined && hostname !== '';
    // A hostname must be one label: one with dots would be a name at another place of the zone.
    const isLabel = named && isDnsName(hostname) && !hostname.includes('.');
    if (named && !isLabel) problem(`endpoints[${index}].hostname: ${JSON.stringify(hostname)} is no label`);
    return (addresses ?? []).flatMap((text) => {
      if (!isAddress(text)) {
        problem(`endpoints[${index}].addresses: ${JSON.stringify(text)} is no IP address`);
        return [];
      }
      const address = canonicalAddress(text);
      return [{ address, hostname: isLabel ? hostname : dashed(address), service, namespace, ports }];
    });
  });
}
