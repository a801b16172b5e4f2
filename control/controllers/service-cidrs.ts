/**
 * ServiceCIDR controller: sets the Ready condition of cluster IP ranges, and prevents the removal of a range while services have addresses
 * that are in no other range.
 *
 * Created ──finalizer──▶ Ready ──delete──▶ Terminating (addresses of no other range) ──▶ finalizer removed, ten seconds after the delete
 *
 * Owns: the finalizer `networking.k8s.io/service-cidr-finalizer`.  Watches: ServiceCIDR, IPAddress.  Writes: ServiceCIDR, ServiceCIDR/status.
 * Source: KEP-1880; kubernetes `pkg/controller/servicecidrs`.
 */
import { type Cidr, contains, containsIp, type IpAddress, overlap, parseCidr, parseIp } from '#api/ip.ts';
import { rfc3339 } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Condition, IPAddress, ServiceCIDR } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';

const finalizer = 'networking.k8s.io/service-cidr-finalizer';
const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
const allocator = 'ipallocator.k8s.io';
const resource = 'servicecidrs.networking.k8s.io';
const addresses = 'ipaddresses.networking.k8s.io';
/** Time in which API servers may still allocate addresses of a range that is being deleted. */
const deletionGraceMs = 10_000;

/** Makes the ServiceCIDR controller. */
export const serviceCidrsController = ({ client, caches, clock, events }: ControllerDeps): Controller => {
  const report = async (serviceCidr: ServiceCIDR, wanted: Omit<Condition, 'lastTransitionTime'>): Promise<void> => {
    const current = (serviceCidr.status?.conditions ?? []).find(({ type }) => type === wanted.type);
    const isSame = (['status', 'reason', 'message'] as const).every((field) => (current?.[field] ?? '') === wanted[field]);
    if (current !== undefined && isSame) return;
    const { name } = serviceCidr.metadata;
    const condition = { ...wanted, lastTransitionTime: rfc3339(clock.now()) };
    const body = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name },
      status: { conditions: [condition] },
    };
    const patch = { type: 'apply', body, fieldManager: 'service-cidr-controller', force: true } as const;
    await client.resource(resource).patch({ name }, patch, { subresource: 'status' });
  };

  const patchFinalizers = async (name: string, metadata: Record<string, string[]>): Promise<void> => {
    try {
      await client.resource(resource).patch({ name }, { type: 'strategic', body: { metadata } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  };

  return {
    name: 'service-cidr-controller',
    watches: [
      {
        resource,
        // The change may allow or prevent the removal of overlapping ranges.
        keys: (changed, _previous, { cache }) => [
          changed.metadata.name,
          ...cache(resource)
            .list()
            .filter((other) => cidrsOf(other).some((one) => cidrsOf(changed).some((cidr) => overlap(one, cidr))))
            .map(({ metadata }) => metadata.name),
        ],
      },
      {
        resource: addresses,
        keys(changed, _previous, { cache }) {
          const ip = serviceIpOf(changed);
          if (ip === undefined) return [];
          const around = cache(resource)
            .list()
            .filter((one) => has(one, ip));
          return around.map(({ metadata }) => metadata.name);
        },
      },
    ],

    async reconcile(name) {
      const serviceCidr = caches.cache(resource).get(name);
      if (serviceCidr === undefined) return done;
      const { deletionTimestamp, finalizers = [] } = serviceCidr.metadata;
      if (deletionTimestamp === undefined) {
        if (!finalizers.includes(finalizer)) await patchFinalizers(name, { finalizers: [finalizer] });
        const message = 'Kubernetes Service CIDR is ready';
        await report(serviceCidr, { type: 'Ready', status: 'True', reason: '', message }).catch((error: unknown) => {
          const what = 'The ServiceCIDR Status can not be set to Ready=True';
          events.event(serviceCidr, 'Warning', 'KubernetesServiceCIDRError', what);
          throw error;
        });
        return done;
      }
      if (!finalizers.includes(finalizer)) return done;
      if (!mayGo(serviceCidr, caches.cache(resource).list(), caches.cache(addresses).list())) {
        const message = 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';
        await report(serviceCidr, { type: 'Ready', status: 'False', reason: 'Terminating', message });
        return done;
      }
      const leftMs = deletionGraceMs - (clock.now() - Date.parse(deletionTimestamp));
      if (leftMs > 0) return requeueAfter(leftMs);
      await patchFinalizers(name, { '$deleteFromPrimitiveList/finalizers': [finalizer] });
      return done;
    },
  };
};

/** The ranges of a ServiceCIDR, without malformed ones. */
const cidrsOf = ({ spec }: ServiceCIDR): Cidr[] => (spec?.cidrs ?? []).flatMap((text) => parseCidr(text) ?? []);

/** The address if the API server has allocated it for a service. */
function serviceIpOf({ metadata }: IPAddress): IpAddress | undefined {
  return metadata.labels?.[managedByLabel] === allocator ? parseIp(metadata.name) : undefined;
}

const has = (serviceCidr: ServiceCIDR, ip: IpAddress): boolean => cidrsOf(serviceCidr).some((cidr) => isServed(cidr, ip));

/** Whether the address is in the range and can be a service's: not the network address or IPv4's broadcast address. */
function isServed(cidr: Cidr, ip: IpAddress): boolean {
  if (!containsIp(cidr, ip) || ip.value === cidr.first) return false;
  return cidr.family === 'IPv6' || ip.value !== cidr.first + 2n ** BigInt(32 - cidr.prefixLength) - 1n;
}

/** Whether a range can be removed: every service address in it is also in another range. Pure. */
export function mayGo(going: ServiceCIDR, all: readonly ServiceCIDR[], taken: readonly IPAddress[]): boolean {
  const own = cidrsOf(going);
  const others = all.filter(({ metadata }) => metadata.name !== going.metadata.name).flatMap(cidrsOf);
  if (own.every((cidr) => others.some((other) => contains(other, cidr)))) return true;
  const near = others.filter((other) => own.some((cidr) => overlap(other, cidr)));
  return taken.every((address) => {
    const ip = serviceIpOf(address);
    if (ip === undefined || !own.some((cidr) => isServed(cidr, ip))) return true;
    return near.some((other) => isServed(other, ip));
  });
}
