/**
 * An index over Services, EndpointSlices and Namespaces, from which DNS names are answered. Informers keep it current; {@link
 * answer} reads it.
 */

import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import { serviceNameLabel } from '#api/service-labels.ts';
import type { EndpointSlice, Namespace, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import { type LeftOut, type LeftOutReporter, leftOut, unreadable } from '#client/left-out.ts';
import { clusterIps, type EndpointAddress, readyAddresses, serviceProblems } from './endpoint-addresses.ts';

/** What {@link answer} reads. All names are in lower case, as the API stores them. */
export interface ClusterNames {
  /** Whether every informer has completed its first list. Before that, a name that is not found may still exist. */
  readonly complete: boolean;
  /** Time of the last change, in seconds since the epoch. It is the serial number of the zone's SOA record. */
  readonly serial: number;
  /** Whether the namespace exists. */
  hasNamespace(name: string): boolean;
  /** The Service with this name; undefined when there is none. */
  service(namespace: string, name: string): Service | undefined;
  /** The ready endpoints of a Service. */
  endpoints(namespace: string, service: string): EndpointAddress[];
  /** The Service with this cluster IP; undefined when there is none. */
  serviceByIp(address: string): Service | undefined;
  /** The ready endpoints with this address. */
  endpointsByIp(address: string): EndpointAddress[];
}

/** The informers that {@link ClusterIndex} follows. */
export interface ClusterIndexDeps {
  services: Informer<Service>;
  endpointSlices: Informer<EndpointSlice>;
  namespaces: Informer<Namespace>;
  clock: Clock;
  /** Is told which objects give no names, and why. */
  leftOut: LeftOutReporter;
}

/** Keeps the index current from informer events, until {@link close} is called. */
export class ClusterIndex implements ClusterNames {
  readonly #deps: ClusterIndexDeps;
  readonly #servicesByIp = new Terms<Service>();
  /**
   * The ready addresses of each slice, by the Service that the slice belongs to. They are computed once per change of the slice.
   */
  readonly #slicesByService = new Terms<readonly EndpointAddress[]>();
  readonly #slicesByIp = new Terms<readonly EndpointAddress[]>();
  /** What could not be used of each object, by kind and key. */
  readonly #leftOut = new Map<string, readonly LeftOut[]>();
  /** Kind and key of the objects that could not be read at all. */
  readonly #unreadable = new Set<string>();
  readonly #unsubscribe: (() => void)[];
  #serial: number;

  constructor(deps: ClusterIndexDeps) {
    this.#deps = deps;
    this.#serial = this.#now();
    this.#unsubscribe = [
      this.#follow(deps.services, 'Service', [this.#servicesByIp], (key, service) => {
        this.#servicesByIp.put(key, service, clusterIps(service));
        return serviceProblems(service);
      }),
      this.#follow(deps.endpointSlices, 'EndpointSlice', [this.#slicesByService, this.#slicesByIp], (key, slice) => {
        const problems: string[] = [];
        const addresses = readyAddresses(slice, (reason) => problems.push(reason));
        this.#slicesByService.put(key, addresses, [serviceKey(slice)]);
        this.#slicesByIp.put(key, addresses, [...new Set(addresses.map(({ address }) => address))]);
        return problems;
      }),
      this.#follow(deps.namespaces, 'Namespace', [], () => []),
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
    return this.#unreadable.has(`Service ${namespace}/${name}`)
      ? undefined
      : this.#deps.services.cache.get(`${namespace}/${name}`);
  }

  endpoints(namespace: string, service: string): EndpointAddress[] {
    return this.#slicesByService.get(`${namespace}/${service}`).flat();
  }

  serviceByIp(address: string): Service | undefined {
    return this.#servicesByIp.get(address)[0];
  }

  endpointsByIp(address: string): EndpointAddress[] {
    return this.#slicesByIp
      .get(address)
      .flat()
      .filter((endpoint) => endpoint.address === address);
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #now(): number {
    return Math.floor(this.#deps.clock.now() / 1_000);
  }

  /**
   * @param index adds the object to the index and returns which parts of it could not be used. An object for which it throws gets
   * no names.
   */
  #follow<T extends KubeObject>(
    informer: Informer<T>,
    kind: string,
    indexes: readonly Terms<unknown>[],
    index: (key: string, object: T) => string[],
  ): () => void {
    const put = (object: T): void => {
      const key = keyOf(object);
      for (const one of indexes) one.delete(key);
      this.#note(`${kind} ${key}`, kind, object, () => index(key, object));
    };
    return informer.subscribe({
      added: put,
      updated: put,
      deleted: (object) => {
        for (const one of indexes) one.delete(keyOf(object));
        this.#note(`${kind} ${keyOf(object)}`, kind, object, () => []);
      },
    });
  }

  #note(id: string, kind: string, object: KubeObject, read: () => string[]): void {
    this.#serial = this.#now();
    let problems: string[];
    this.#unreadable.delete(id);
    try {
      problems = read();
    } catch (error) {
      this.#unreadable.add(id);
      problems = [unreadable(error)];
    }
    if (problems.length === 0 && !this.#leftOut.delete(id)) return;
    if (problems.length > 0)
      this.#leftOut.set(
        id,
        problems.map((reason) => leftOut(kind, object, reason)),
      );
    this.#deps.leftOut.report('cluster DNS', [...this.#leftOut.values()].flat());
  }
}

const serviceKey = (slice: EndpointSlice): string =>
  `${slice.metadata.namespace}/${slice.metadata.labels?.[serviceNameLabel] ?? ''}`;

/** A map from objects to values in which values are found by terms, such as the name of the Service. */
class Terms<V> {
  readonly #values = new Map<string, { value: V; terms: readonly string[] }>();
  readonly #keys = new Map<string, Set<string>>();

  put(key: string, value: V, terms: readonly string[]): void {
    this.delete(key);
    this.#values.set(key, { value, terms });
    for (const term of terms) {
      const keys = this.#keys.get(term);
      if (keys === undefined) this.#keys.set(term, new Set([key]));
      else keys.add(key);
    }
  }

  delete(key: string): void {
    const { terms = [] } = this.#values.get(key) ?? {};
    this.#values.delete(key);
    for (const term of terms) {
      const keys = this.#keys.get(term);
      keys?.delete(key);
      if (keys?.size === 0) this.#keys.delete(term);
    }
  }

  get(term: string): V[] {
    return [...(this.#keys.get(term) ?? [])].flatMap((key) => this.#values.get(key)?.value ?? []);
  }
}
