/**
 * Makes the allocated node ports match those of Services.
 *
 * Source: upstream `pkg/registry/core/service/portallocator/controller/repair.go`.
 */
import type { Service } from '#api/types.generated.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { unreadable } from '#client/left-out.ts';
import type { StoredObjects } from '../../../registry/strategy.ts';
import type { ServerLog } from '../../../serving/server-log.ts';
import { nodePortsHeldBy } from './node-ports.ts';
import type { PortAllocation } from './port-allocation.ts';

/**
 * A port without a service may belong to one that is just being written. So it is released only in the third round that finds it unused.
 */
const roundsBeforeCleanUp = 3;
/** Limit of conflicts. Each one means that a service got a port meanwhile. */
const maxRaces = 100;

/** The dependencies of {@link PortRepair}. */
export interface PortRepairDeps {
  log: ServerLog;
  allocation: PortAllocation;
  events: EventRecorder | undefined;
}

/**
 * Makes the stored bits and the node ports of services agree. Source: upstream
 * `pkg/registry/core/service/portallocator/controller/repair.go`.
 */
export class PortRepair {
  readonly #deps: PortRepairDeps;
  /** Number of rounds that have found a port without a service. */
  #leaks = new Map<number, number>();

  constructor(deps: PortRepairDeps) {
    this.#deps = deps;
  }

  /** @throws StoreError, and Error after too many conflicts with other servers */
  async run(stored: () => Promise<StoredObjects<Service>>): Promise<void> {
    const { allocation } = this.#deps;
    for (let race = 0; race < maxRaces; race++) {
      // Read the allocations before the services: if another request changes them meanwhile, the write below fails and we start again.
      const before = await allocation.read();
      const { objects: services, complete } = await stored();
      const held = this.#heldPorts(services, before.taken);
      const leaks = new Map<number, number>();
      const taken = new Set(held.ports);
      for (const port of before.taken) {
        if (held.ports.has(port)) continue;
        const rounds = (this.#leaks.get(port) ?? 0) + 1;
        // The ports of services that cannot be decoded are unknown, so keep them.
        if (!complete || !held.complete || rounds < roundsBeforeCleanUp) taken.add(port);
        leaks.set(port, rounds);
      }
      const isSame = before.revision > 0 && before.range === allocation.rangeText && sameSet(taken, before.taken);
      if (!isSame && !(await allocation.replace(before, taken))) continue;
      this.#tell(held.problems, leaks, taken);
      this.#leaks = leaks;
      return;
    }
    throw new Error('the node ports could not be repaired: they change too often');
  }

  #heldPorts(services: readonly Service[], taken: ReadonlySet<number>) {
    const { range } = this.#deps.allocation;
    const ports = new Set<number>();
    const problems: { service: Service; reason: string; message: string }[] = [];
    let complete = true;
    for (const service of services) {
      const problem = (reason: string, message: string): void => void problems.push({ service, reason, message });
      for (const port of readPorts(service, (why) => {
        complete = false;
        problem('UnknownError', `Unable to read the node ports: ${why}`);
      })) {
        if (port < range.first || port > range.last)
          problem(
            'PortOutOfRange',
            `Port ${port} is not within the port range ${this.#deps.allocation.rangeText}; please recreate service`,
          );
        else if (ports.has(port))
          problem('PortAlreadyAllocated', `Port ${port} was assigned to multiple services; please recreate service`);
        else if (!taken.has(port)) problem('PortNotAllocated', `Port ${port} is not allocated; repairing`);
        if (port >= range.first && port <= range.last) ports.add(port);
      }
    }
    return { ports, problems, complete };
  }

  #tell(
    problems: readonly { service: Service; reason: string; message: string }[],
    leaks: ReadonlyMap<number, number>,
    taken: ReadonlySet<number>,
  ): void {
    const { log, events } = this.#deps;
    for (const { service, reason, message } of problems) {
      log.warn({ service: `${service.metadata.namespace}/${service.metadata.name}` }, message);
      events?.event(service, 'Warning', reason, message);
    }
    for (const [port, rounds] of leaks) {
      if (!taken.has(port)) log.warn({ port }, 'the node port appears to have leaked: cleaning up');
      else if (rounds === 1) log.info({ port }, 'the node port may have leaked: flagging for later clean up');
    }
  }
}

function readPorts(service: Service, failed: (why: string) => void): number[] {
  try {
    return nodePortsHeldBy(service);
  } catch (error) {
    failed(unreadable(error));
    return [];
  }
}

const sameSet = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean => a.size === b.size && a.isSubsetOf(b);
