/** What the cluster's names are made of, indexed for look-ups: kept current by informers, read by {@link answer}. */

import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { EndpointSlice, Namespace, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import { canonicalAddress, dashed } from './address.ts';

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

/** The state from which names are answered. Names in lower case, as the API keeps them. */
export interface ClusterNames {
  /** Whether everything has been read once; before that an absent name means nothing. */
  readonly complete: boolean;
  /** Seconds since the epoch of the last change: the zone's serial. */
  readonly serial: number;
  hasNamespace(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  endpoints(namespace: string, service: string): EndpointAddress[];
  serviceByIp(address: string): Service | undefined;
  endpointsByIp(address: string): EndpointAddress[];
}

export interface ClusterIndexDeps {
  services: Informer<Service>;
  endpointSlices: Informer<EndpointSlice>;
  namespaces: Informer<Namespace>;
  clock: Clock;
}

const serviceNameLabel = 'kubernetes.io/service-name';

/** Follows the informers until {@link close}. */
export class ClusterIndex implements ClusterNames {
  readonly #deps: ClusterIndexDeps;
  readonly #servicesByIp = new Terms<Service>((service) => [...clusterIps(service)].map(canonicalAddress));
  readonly #slicesByService = new Terms<EndpointSlice>((slice) => [serviceKey(slice)]);
  readonly #slicesByIp = new Terms<EndpointSlice>((slice) => readyAddresses(slice).map(({ address }) => address));
  readonly #unsubscribe: (() => void)[];
  #serial: number;

  constructor(deps: ClusterIndexDeps) {
    this.#deps = deps;
    this.#serial = this.#now();
    this.#unsubscribe = [
      this.#follow(deps.services, [this.#servicesByIp]),
      this.#follow(deps.endpointSlices, [this.#slicesByService, this.#slicesByIp]),
      this.#follow(deps.namespaces, []),
    ];
  }

  get complete(): boolean {
    return this.#deps.services.synced && this.#deps.endpointSlices.synced && this.#deps.namespaces.synced;
  }

  get serial(): number {
    return this.#serial;
  }

  hasNamespace(name: string): boolean {
    return this.#deps.namespaces.cache.get(name) !== undefined;
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#deps.services.cache.get(`${namespace}/${name}`);
  }

  endpoints(namespace: string, service: string): EndpointAddress[] {
    return this.#slicesByService.get(`${namespace}/${service}`).flatMap(readyAddresses);
  }

  serviceByIp(address: string): Service | undefined {
    return this.#servicesByIp.get(address)[0];
  }

  endpointsByIp(address: string): EndpointAddress[] {
    return this.#slicesByIp
      .get(address)
      .flatMap(readyAddresses)
      .filter((endpoint) => endpoint.address === address);
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #now(): number {
    return Math.floor(this.#deps.clock.now() / 1_000);
  }

  #follow<T extends KubeObject>(informer: Informer<T>, indexes: readonly Terms<T>[]): () => void {
    const put = (object: T): void => {
      for (const index of indexes) index.put(keyOf(object), object);
      this.#serial = this.#now();
    };
    return informer.subscribe({
      added: put,
      updated: put,
      deleted: (object) => {
        for (const index of indexes) index.delete(keyOf(object));
        this.#serial = this.#now();
      },
    });
  }
}

/** The addresses a Service answers with itself: none for a headless one. */
export function clusterIps({ spec }: Service): readonly string[] {
  const all = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return all.filter((address) => address !== 'None' && address !== '');
}

/** Slices are shared and never changed: what is read from one is read once, however often it is asked for. */
const readySeen = new WeakMap<EndpointSlice, readonly EndpointAddress[]>();

function readyAddresses(slice: EndpointSlice): readonly EndpointAddress[] {
  const seen = readySeen.get(slice) ?? readReadyAddresses(slice);
  readySeen.set(slice, seen);
  return seen;
}

/** An absent `ready` counts as ready (EndpointSlice API); publishNotReadyAddresses has been applied by whoever wrote it. */
function readReadyAddresses(slice: EndpointSlice): EndpointAddress[] {
  if (slice.addressType === 'FQDN') return [];
  const ports = (slice.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port }) =>
    port === undefined ? [] : [{ name, protocol, port }],
  );
  const { namespace = '', labels } = slice.metadata;
  const service = labels?.[serviceNameLabel] ?? '';
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses, hostname }) =>
      addresses
        .map(canonicalAddress)
        .map((address) => ({ address, hostname: hostname || dashed(address), service, namespace, ports })),
    );
}

const serviceKey = (slice: EndpointSlice): string =>
  `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;

/** Objects by the terms that are read from them. */
class Terms<T> {
  readonly #termsOf: (object: T) => readonly string[];
  readonly #objects = new Map<string, T>();
  readonly #keys = new Map<string, Set<string>>();

  constructor(termsOf: (object: T) => readonly string[]) {
    this.#termsOf = termsOf;
  }

  put(key: string, object: T): void {
    this.delete(key);
    this.#objects.set(key, object);
    for (const term of this.#termsOf(object)) {
      const keys = this.#keys.get(term);
      if (keys === undefined) this.#keys.set(term, new Set([key]));
      else keys.add(key);
    }
  }

  delete(key: string): void {
    const object = this.#objects.get(key);
    if (object === undefined) return;
    this.#objects.delete(key);
    for (const term of this.#termsOf(object)) {
      const keys = this.#keys.get(term);
      keys?.delete(key);
      if (keys?.size === 0) this.#keys.delete(term);
    }
  }

  get(term: string): T[] {
    return [...(this.#keys.get(term) ?? [])].flatMap((key) => this.#objects.get(key) ?? []);
  }
}
