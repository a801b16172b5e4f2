/**
 * Allocates cluster IPs, node ports and health check node ports of Services. The allocations are in the store and change by
 * compare-and-set, so that several API servers on one store never allocate the same address or port twice.
 *
 *   allocate (take) ──▶ the Service is written ──▶ committed: what the old version held is given back
 *                  └──▶ the write fails        ──▶ undo: what was taken is given back
 *                  └──▶ the process ends       ──▶ repair finds what no Service holds
 *
 * Source: upstream `pkg/registry/core/service/storage/alloc.go`.
 */
import { internalError } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Store } from '#control/store/store.ts';
import type { StoredObjects } from '../../../registry/strategy.ts';
import type { ServerLog } from '../../../serving/server-log.ts';
import { ClusterIps } from './cluster-ips.ts';
import { initIpFamilies } from './families.ts';
import { IpAddresses } from './ip-addresses.ts';
import { NodePorts } from './node-ports.ts';
import { PortAllocation, type PortRange } from './port-allocation.ts';
import { IpRepair } from './repair-ips.ts';
import { PortRepair } from './repair-ports.ts';
import { isHeadless, needsClusterIp } from './shape.ts';
import { runUndo, type Undo } from './undo.ts';

/** The dependencies of {@link createServiceAllocator}. */
export interface ServiceAllocatorDeps {
  store: Store;
  clock: Clock;
  log: ServerLog;
  /** A number in [0, 1): it decides which free address or port a service gets. */
  random: () => number;
  /** Records events on the Service about what repair finds, as upstream's two reporting controllers. Absent: it is only logged. */
  events?: { ips: EventRecorder; ports: EventRecorder } | undefined;
}

/** The ranges of addresses and ports. */
export interface ServiceAllocatorOptions {
  /** The ranges of cluster IPs, as `--service-cluster-ip-range`: `10.96.0.0/16`, or one of each family with a comma. */
  serviceCidr: string;
  /** As `--service-node-port-range`. Default: 30000-32767. */
  nodePortRange?: PortRange;
}

/** Allocates each Service's cluster IPs and node ports. Two API servers on one store never allocate one twice. */
export interface ServiceAllocator {
  /**
   * Makes the allocations match the stored Services: allocates what they use (also Services of an older data folder), and releases what
   * none uses. Call it before writes are served, and then regularly.
   * @throws StoreError
   */
  repair(stored: () => Promise<StoredObjects<Service>>): Promise<void>;
  /**
   * Fills in families, IPs and ports of a service before it is written. The returned function releases what this call has allocated, and
   * never rejects.
   * @param dryRun allocates nothing
   * @throws ApiError 422 for an address or port that is allocated already or out of range, 500 when the range is full @throws StoreError
   */
  allocate(service: Service, old: Service | undefined, dryRun: boolean): Promise<() => Promise<void>>;
  /**
   * Releases what `old` used and `service` does not. Call it after the update was written at `revision`. Never rejects: after a failure,
   * repair releases it later.
   */
  committed(service: Service, old: Service, revision: number): Promise<void>;
  /** Releases everything of a service that was deleted at `revision`. Never rejects: after a failure, repair releases it later. */
  release(service: Service, revision: number): Promise<void>;
}

const defaultPorts: PortRange = { first: 30_000, last: 32_767 };

/** Whether the write needs new IPs: a new service, a change to a type with cluster IPs, or a second family. */
const getsIps = ({ spec }: Service, old: Service | undefined): boolean =>
  old === undefined ||
  !needsClusterIp(old) ||
  (!isHeadless(old) && (old.spec.ipFamilies ?? []).length === 1 && spec.ipFamilies?.length === 2);

/** @throws Error for ranges that cannot be used */
export function createServiceAllocator(
  { store, clock, log, random, events }: ServiceAllocatorDeps,
  { serviceCidr, nodePortRange = defaultPorts }: ServiceAllocatorOptions,
): ServiceAllocator {
  const addresses = new IpAddresses(store, clock);
  const ips = new ClusterIps(serviceCidr, store, addresses, random);
  const allocation = new PortAllocation(nodePortRange, store);
  const ports = new NodePorts(allocation, random);
  const ipRepair = new IpRepair({ store, clock, log, addresses, ips, events: events?.ips });
  const portRepair = new PortRepair({ log, allocation, events: events?.ports });
  let isRepaired = false;

  /** A failed release only keeps an address allocated until the next repair. It must not change the result of the write. */
  const logged = async (work: Promise<void>, { metadata }: Service): Promise<void> => {
    await work.catch((error: unknown) =>
      log.warn(
        { err: error, service: `${metadata.namespace}/${metadata.name}` },
        'a cluster IP or node port could not be given back; repair will',
      ),
    );
  };

  const releaseAll = async (service: Service, kept: Service | undefined, revision: number): Promise<void> => {
    const keptIps = kept === undefined ? [] : ips.heldBy(kept);
    const gone = ips.heldBy(service).filter((ip) => !keptIps.includes(ip));
    await Promise.all([...gone.map((ip) => ips.release(ip, service, revision)), ports.release(service, kept)]);
  };

  return {
    async repair(stored) {
      await ipRepair.run(stored);
      await portRepair.run(stored);
      isRepaired = true;
    },
    async allocate(service, old, dryRun) {
      const undo: Undo = [];
      try {
        initIpFamilies(service, old, ips.families);
        // Before the first repair, addresses of Services from an older data folder may not be recorded yet.
        if (!isRepaired) throw internalError('cannot allocate resources of type serviceipallocations at this time');
        if (needsClusterIp(service) && getsIps(service, old)) await ips.allocate(service, old, undo, dryRun);
        await ports.allocate(service, old, undo, dryRun);
      } catch (error) {
        await logged(runUndo(undo), service);
        throw error;
      }
      return () => logged(runUndo(undo), service);
    },
    committed: (service, old, revision) => logged(releaseAll(old, service, revision), old),
    release: (service, revision) => logged(releaseAll(service, undefined, revision), service),
  };
}
