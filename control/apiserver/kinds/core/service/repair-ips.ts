/**
 * Makes the IPAddress objects match the cluster IPs of Services.
 *
 *   Service with the IP ──▶ IPAddress with a reference to it       right
 *   Service with the IP ──▶ none, or one that refers elsewhere     written anew for the Service
 *   two Services with one IP                                       told: only one can have it
 *   none                ◀── IPAddress of the allocator             given back, once it is too old to be of a Service still being written
 *
 * Source: upstream `pkg/registry/core/service/ipallocator/controller/repairip.go`.
 */
import { familyOf, parseIp } from '#api/ip.ts';
import type { IPAddress, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { unreadable } from '#client/left-out.ts';
import type { Store } from '#control/store/store.ts';
import type { StoredObjects } from '../../../registry/strategy.ts';
import type { ServerLog } from '../../../serving/server-log.ts';
import type { ClusterIps } from './cluster-ips.ts';
import { hasOurLabels, type IpAddresses, isOurs, refersTo, refersToService, type TakenIp } from './ip-addresses.ts';

/** Longer than any request: by then its Service was written, or never will be. */
const createGraceMs = 60_000;
/** Time in which a create that failed because of its name releases the address that it had allocated. */
const revertGraceMs = 5_000;

const serviceKey = (namespace: string, name: string): string => `/registry/services/specs/${namespace}/${name}`;

/** The dependencies of {@link IpRepair}. */
export interface IpRepairDeps {
  store: Store;
  clock: Clock;
  log: ServerLog;
  addresses: IpAddresses;
  ips: ClusterIps;
  events: EventRecorder | undefined;
}

/**
 * Makes the stored IPAddresses and the cluster IPs of services agree. Source: upstream
 * `pkg/registry/core/service/ipallocator/controller/repairip.go`.
 */
export class IpRepair {
  readonly #deps: IpRepairDeps;

  constructor(deps: IpRepairDeps) {
    this.#deps = deps;
  }

  /** @throws StoreError */
  async run(stored: () => Promise<StoredObjects<Service>>): Promise<void> {
    const byIp = new Map((await this.#deps.addresses.list()).map((taken) => [taken.ip, taken]));
    const { objects: services } = await stored();
    const byName = new Map(services.map((service) => [`${service.metadata.namespace}/${service.metadata.name}`, service]));
    const isInRange = await this.#deps.ips.withinRanges();
    await Promise.all(services.map((service) => this.#repairService(service, byIp, byName, isInRange)));
    for (const taken of byIp.values()) await this.#repairAddress(taken, byName);
    await this.#deps.ips.look();
  }

  async #repairService(
    service: Service,
    byIp: ReadonlyMap<string, TakenIp>,
    byName: ReadonlyMap<string, Service>,
    isInRange: (ip: string) => boolean,
  ): Promise<void> {
    for (const ip of this.#ipsOf(service)) {
      if (parseIp(ip) === undefined) {
        this.#warn(service, 'ClusterIPNotValid', `Cluster IP ${ip} is not a valid IP; please recreate Service`);
      } else if (!isInRange(ip)) {
        const what = `Cluster IP [${familyOf(ip)}]: ${ip} is not within any configured Service CIDR; please recreate service`;
        this.#warn(service, 'ClusterIPOutOfRange', what);
      } else {
        const taken = byIp.get(ip);
        if (taken === undefined || !isRight(taken, service)) await this.#repairIp(service, ip, byName);
      }
    }
  }

  #ipsOf(service: Service): string[] {
    try {
      return this.#deps.ips.heldBy(service);
    } catch (error) {
      this.#warn(service, 'UnknownError', `Unable to read the cluster IPs: ${unreadable(error)}`);
      return [];
    }
  }

  /** Reads the address again, because the list may be older than the service. */
  async #repairIp(service: Service, ip: string, byName: ReadonlyMap<string, Service>): Promise<void> {
    const { addresses, store } = this.#deps;
    const taken = await addresses.get(ip);
    if (taken !== undefined && isRight(taken, service)) return;
    const { namespace = '', name } = service.metadata;
    const { entry } = await store.get(serviceKey(namespace, name));
    // The service was changed or deleted meanwhile, perhaps with its address. The next round sees the new state.
    if (entry === undefined || String(entry.modRevision) !== service.metadata.resourceVersion) return;
    if (taken === undefined) {
      this.#warn(service, 'ClusterIPNotAllocated', `Cluster IP [${familyOf(ip)}]: ${ip} is not allocated; repairing`);
      await addresses.create(ip, service);
      return;
    }
    const { object } = taken;
    if (object !== undefined && refersToService(object) && !refersTo(object, service)) {
      const { parentRef } = object.spec;
      const other = byName.get(`${parentRef.namespace}/${parentRef.name}`);
      if (other !== undefined && this.#ipsOf(other).includes(ip)) {
        const what = `Cluster IP [${familyOf(ip)}]:${ip} was assigned to multiple services; please recreate service`;
        this.#warn(service, 'ClusterIPAlreadyAllocated', what);
        return;
      }
    }
    if (!refersTo(object, service)) {
      const what = `the ClusterIP [${familyOf(ip)}]: ${ip} for Service ${namespace}/${name} has a wrong reference; repairing`;
      this.#warn(service, 'ClusterIPNotAllocated', what);
    }
    await addresses.reassign(taken, service);
  }

  /** Removes an address that no Service uses. */
  async #repairAddress(taken: TakenIp, byName: ReadonlyMap<string, Service>): Promise<void> {
    const { object, ip } = taken;
    if (object === undefined || !isOurs(object)) return;
    const { addresses, store } = this.#deps;
    if (!refersToService(object)) {
      const what = `IPAddress ${ip} appears to have been modified, not referencing a Service: cleaning up`;
      if (await addresses.remove(taken)) this.#warn(object, 'IPAddressNotAllocated', what);
      return;
    }
    const { namespace = '', name } = object.spec.parentRef;
    const service = byName.get(`${namespace}/${name}`);
    if (service !== undefined && this.#ipsOf(service).includes(ip)) return;
    const ageMs = this.#ageMs(object);
    const graceMs = service === undefined || service.spec.type === 'ExternalName' ? createGraceMs : revertGraceMs;
    if (ageMs <= graceMs) return;
    // The list does not contain services that cannot be decoded, and their addresses are unknown. So check the store.
    const { entry } = await store.get(serviceKey(namespace, name));
    if (String(entry?.modRevision) !== String(service?.metadata.resourceVersion)) return;
    const isLeaked = service === undefined;
    const reason = isLeaked ? 'IPAddressNotAllocated' : 'IPAddressWrongReference';
    const what = isLeaked ? 'appears to have leaked: cleaning up' : 'has a wrong reference; cleaning up';
    if (await addresses.remove(taken)) this.#warn(object, reason, `IPAddress: ${ip} for Service ${namespace}/${name} ${what}`);
  }

  /** The age of an address in ms. One without a creation time counts as old. */
  #ageMs({ metadata }: IPAddress): number {
    const createdMs = Date.parse(metadata.creationTimestamp ?? '');
    return Number.isNaN(createdMs) ? Number.POSITIVE_INFINITY : this.#deps.clock.now() - createdMs;
  }

  #warn(object: Service | IPAddress, reason: string, message: string): void {
    const { namespace, name } = object.metadata;
    this.#deps.log.warn({ object: namespace === undefined ? name : `${namespace}/${name}` }, message);
    this.#deps.events?.event(object, 'Warning', reason, message);
  }
}

const isRight = ({ object }: TakenIp, service: Service): boolean =>
  object !== undefined && refersTo(object, service) && hasOurLabels(object);
