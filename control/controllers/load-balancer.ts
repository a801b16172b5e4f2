/**
 * Service controller for clusters without a cloud: gives Services of type LoadBalancer addresses of a configured pool.
 *
 * The network must route the addresses of the pool to the nodes, whose proxies accept them. Services with a `loadBalancerClass` are left to
 * other controllers.
 *
 * Owns: -.  Watches: Service.  Writes: Service/status (with the finalizer).
 * Source: cloud-provider `controllers/service/controller.go` (order, events, finalizer); KEP-1860 (ipMode).
 */
import { errorText } from '#api/error-text.ts';
import { addressBits, type Cidr, containsIp, type IpFamily, ipAddress, mustParseCidr, parseIp } from '#api/ip.ts';
import { keyOf, sameJson } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { type LeftOut, type LeftOutReporter, leftOut as leftOutObject } from '#client/left-out.ts';

const finalizer = 'service.kubernetes.io/load-balancer-cleanup';
/** Retry interval of a Service that found no free address. It also retries when an address is released. */
const retryMs = 30_000;
/** Limit of addresses that are tried. A larger network cannot be full. */
const maxTried = 65_536;

/** Makes the controller. @param pool networks: `10.200.0.128/28` */
export function loadBalancerController({ client, caches, events, leftOut }: ControllerDeps, pool: readonly string[]): Controller {
  const networks = pool.map(mustParseCidr);
  /** Allocated addresses that may not be in the cache yet, by key of the Service. */
  const given = new Map<string, readonly string[]>();
  /** Keys that wait for an address. */
  const waiting = new Set<string>();

  const patch = async (service: Service, body: object): Promise<void> => {
    const { namespace, name } = service.metadata;
    await client
      .resource('services')
      .patch({ namespace, name }, { type: 'merge', body: body as never }, { subresource: 'status' });
  };

  /** Removes the address and the finalizer. */
  const cleanUp = async (service: Service, key: string): Promise<void> => {
    if (service.metadata.finalizers?.includes(finalizer) !== true) return;
    events.event(service, 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer');
    const finalizers = service.metadata.finalizers.filter((one) => one !== finalizer);
    const { resourceVersion } = service.metadata;
    try {
      await patch(service, { metadata: { finalizers, resourceVersion }, status: { loadBalancer: { ingress: null } } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    given.delete(key);
    events.event(service, 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer');
  };

  return {
    name: 'service-lb',
    // One at a time: two concurrent reconciles could allocate the same address.
    concurrency: 1,
    watches: [
      {
        resource: 'services',
        // A released address may be wanted by a waiting Service.
        keys: (service, previous) =>
          isBalanced(service) && previous !== undefined && sameJson(service.status, previous.status)
            ? [keyOf(service)]
            : [keyOf(service), ...waiting],
      },
    ],

    async reconcile(key) {
      waiting.delete(key);
      const service = caches.cache('services').get(key);
      if (service === undefined) {
        given.delete(key);
        return done;
      }
      if (service.metadata.deletionTimestamp !== undefined || !isBalanced(service)) {
        await cleanUp(service, key);
        return done;
      }
      const taken = takenBesides(key, caches.cache('services').list(), given, leftOut);
      let addresses: string[];
      try {
        addresses = addressesFor(service, networks, taken);
      } catch (error) {
        const text = `Error syncing load balancer: failed to ensure load balancer: ${errorText(error)}`;
        events.event(service, 'Warning', 'SyncLoadBalancerFailed', text);
        waiting.add(key);
        return requeueAfter(retryMs);
      }
      given.set(key, addresses);
      const ingress = addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
      const has = service.metadata.finalizers?.includes(finalizer) === true;
      if (has && sameJson(service.status?.loadBalancer?.ingress ?? [], ingress)) return done;
      events.event(service, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
      const { resourceVersion, finalizers = [] } = service.metadata;
      const metadata = has ? { resourceVersion } : { resourceVersion, finalizers: [...finalizers, finalizer] };
      await patch(service, { metadata, status: { loadBalancer: { ingress } } });
      events.event(service, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
      return done;
    },
  };
}

/** Whether this controller allocates an address for the Service. */
const isBalanced = ({ spec }: Service): boolean => spec.type === 'LoadBalancer' && spec.loadBalancerClass === undefined;

/** The addresses in the Service's status. @throws TypeError when the object is not a Service */
const addressesOf = (service: Service): string[] =>
  isBalanced(service) ? (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []) : [];

/** The addresses of all other Services. */
function takenBesides(
  key: string,
  services: readonly Service[],
  given: ReadonlyMap<string, readonly string[]>,
  leftOut: LeftOutReporter,
): Set<string> {
  const taken = new Set<string>();
  const bad: LeftOut[] = [];
  for (const service of services) {
    try {
      if (keyOf(service) !== key) for (const ip of addressesOf(service)) taken.add(ip);
    } catch (error) {
      bad.push(leftOutObject('Service', service, errorText(error)));
    }
  }
  leftOut.report('service-lb', bad);
  for (const [other, addresses] of given) if (other !== key) for (const ip of addresses) taken.add(ip);
  return taken;
}

/**
 * One address for each family of the Service that the pool has: the current one, the requested one, or the first free one. Pure. @throws
 * Error when there is none
 */
export function addressesFor({ spec, status }: Service, networks: readonly Cidr[], taken: ReadonlySet<string>): string[] {
  const families = (spec.ipFamilies ?? ['IPv4']).filter((family) => networks.some((one) => one.family === family)) as IpFamily[];
  if (families.length === 0) throw new Error(`the pool has no addresses of ${(spec.ipFamilies ?? ['IPv4']).join(' and ')}`);
  const had = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  return families.map((family) => {
    const own = networks.filter((one) => one.family === family);
    const fits = (text: string): boolean => {
      const ip = parseIp(text);
      return ip !== undefined && own.some((network) => containsIp(network, ip)) && !taken.has(ip.text);
    };
    const wanted = parseIp(spec.loadBalancerIP);
    if (wanted !== undefined && wanted.family === family) {
      if (fits(wanted.text)) return wanted.text;
      throw new Error(`the requested address ${wanted.text} is ${taken.has(wanted.text) ? 'in use' : 'not in the pool'}`);
    }
    const kept = had.find(fits) ?? firstFree(own, taken);
    if (kept === undefined) throw new Error(`no address of ${family} is free in the pool`);
    return kept;
  });
}

function firstFree(networks: readonly Cidr[], taken: ReadonlySet<string>): string | undefined {
  let tried = 0;
  for (const { family, first, prefixLength } of networks) {
    const size = 1n << BigInt(addressBits[family] - prefixLength);
    for (let offset = 0n; offset < size && tried < maxTried; offset++, tried++) {
      const { text } = ipAddress(family, first + offset);
      if (!taken.has(text)) return text;
    }
  }
  return undefined;
}
