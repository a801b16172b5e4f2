/** What the cluster's names are made of, indexed for look-ups: kept current by informers, read by {@link answer}. */

import type { KubeObject } from '#api/meta.ts';
import { keyOf } from '#api/meta.ts';
import type { EndpointSlice, Namespace, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { Informer } from '#client/informer.ts';
import { type LeftOut, type LeftOutReporter, leftOut, unreadable } from '#client/left-out.ts';
import { clusterIps, type EndpointAddress, readyAddresses, serviceNameLabel, serviceProblems } from './endpoint-addresses.ts';

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
  /** Told of objects of which no names can be made. */
  leftOut: LeftOutReporter;
}

/** Follows the informers until {@link close}. */
export class ClusterIndex implements ClusterNames {
  readonly #deps: ClusterIndexDeps;
  readonly #servicesByIp = new Terms<Service>();
  /** Each slice's ready addresses, read once, by its service. */
  readonly #slicesByService = new Terms<readonly EndpointAddress[]>();
  readonly #slicesByIp = new Terms<readonly EndpointAddress[]>();
  /** What could not be read, by kind and key. */
  readonly #leftOut = new Map<string, readonly LeftOut[]>();
  /** Of those, the objects of which nothing can be told, as kind and key. */
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

  /** @param index reads the object into the index; says what of it could not be used. An object that cannot be read has no names. */
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

/** A value per object, found by the terms that belong to it. */
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
