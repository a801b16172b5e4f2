/** What an EndpointSlice and a Service tell the DNS: objects of the API, of which nothing is taken for granted. Pure. */
import type { EndpointSlice, Service } from '#api/types.generated.ts';
import { canonicalAddress, dashed, isAddress, isDnsName } from './address.ts';

/** One ready address behind a Service. */
export interface EndpointAddress {
  address: string;
  /** The endpoint's own, else its address with dashes (as CoreDNS names endpoints). */
  hostname: string;
  service: string;
  namespace: string;
  ports: readonly EndpointPort[];
}
export interface EndpointPort {
  name: string;
  protocol: string;
  port: number;
}

export const serviceNameLabel = 'kubernetes.io/service-name';

/** The addresses a Service answers with itself: none for a headless one. */
export function clusterIps({ spec }: Service): readonly string[] {
  const all = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return all.filter(isAddress).map(canonicalAddress);
}

/** What keeps a Service from being answered as it says; empty: nothing. */
export function serviceProblems({ spec }: Service): string[] {
  const texts = [...(spec?.clusterIPs ?? []), ...(spec?.clusterIP === undefined ? [] : [spec.clusterIP])];
  const bad = texts.filter((text) => text !== '' && text !== 'None' && !isAddress(text));
  const target = spec?.type === 'ExternalName' ? (spec.externalName ?? '') : '';
  // Names are compared in lower case, by whoever asks for a port.
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

/** A record's port is 16 bits wide. */
export const isRecordPort = (port: unknown): port is number =>
  Number.isInteger(port) && Number(port) >= 0 && Number(port) <= 65_535;

/** An absent `ready` counts as ready (EndpointSlice API); publishNotReadyAddresses has been applied by whoever wrote it. */
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
    // One label: a name with dots would stand elsewhere in the tree.
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
