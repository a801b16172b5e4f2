/**
 * Allocates node ports and health check node ports from one range. Source: upstream
 * `pkg/registry/core/service/{portallocator,storage/alloc.go}`.
 */
import { invalidValue } from '#api/field-error.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service, ServicePort } from '#api/types.generated.ts';
import type { PortAllocation } from './port-allocation.ts';
import { contains, nextFree, type ScarceRange, staticBandSize } from './scarce-range.ts';
import { allocatesNodePorts, mayHaveNodePorts, needsHealthCheckPort, nodePortsOf } from './shape.ts';
import type { Undo } from './undo.ts';

/** The ports chosen for a service, which are not written yet. */
interface ServicePorts {
  ports: ServicePort[] | undefined;
  healthCheckNodePort: number | undefined;
}

/** Chooses ports, one after the other, for one service. */
interface PortChoice {
  /** Chooses the port, or returns why it cannot be used. */
  take(port: number): string | undefined;
  /** Chooses a free port; undefined when none is left. */
  next(): number | undefined;
}

/** Allocates node ports. @throws (its methods) ApiError when a port is allocated already or none is free, StoreError */
export class NodePorts {
  readonly #allocation: PortAllocation;
  readonly #range: ScarceRange;
  readonly #random: () => number;

  constructor(allocation: PortAllocation, random: () => number) {
    const { range } = allocation;
    this.#allocation = allocation;
    this.#range = { ...range, staticSize: staticBandSize(range.last - range.first + 1, 32, 128) };
    this.#random = random;
  }

  /**
   * Allocates the ports that the service requests and those that it needs.
   * @param dryRun allocates nothing; instead of free ports it fills in upstream's placeholders (32769 and up)
   * @throws ApiError @throws StoreError
   */
  async allocate(service: Service, old: Service | undefined, undo: Undo, dryRun: boolean): Promise<void> {
    if (!mayHaveNodePorts(service)) return;
    const given = dryRun ? await this.#tryOut(service, old) : await this.#takeFor(service, old, undo);
    if (given.ports !== undefined) service.spec.ports = given.ports;
    if (given.healthCheckNodePort !== undefined) service.spec.healthCheckNodePort = given.healthCheckNodePort;
  }

  async #takeFor(service: Service, old: Service | undefined, undo: Undo): Promise<ServicePorts> {
    const { given, take } = await this.#allocation.change((taken) => {
      const own = new Set<number>();
      const given = portsFor(service, old, this.#choice(taken, own));
      const take = [...own];
      return { take, release: [], result: { given, take } };
    });
    if (take.length > 0) undo.push(() => this.#release(take));
    return given;
  }

  async #tryOut(service: Service, old: Service | undefined): Promise<ServicePorts> {
    const { taken } = await this.#allocation.read();
    return portsFor(service, old, standIns(taken));
  }

  #choice(taken: ReadonlySet<number>, own: Set<number>): PortChoice {
    const isTaken = (port: number): boolean => taken.has(port) || own.has(port);
    const { first, last } = this.#range;
    return {
      take: (port) => {
        if (!contains(this.#range, port))
          return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
        if (isTaken(port)) return 'provided port is already allocated';
        own.add(port);
        return undefined;
      },
      next: () => {
        const port = nextFree(this.#range, isTaken, this.#random);
        if (port !== undefined) own.add(port);
        return port;
      },
    };
  }

  /** Releases the ports that `service` had and `kept` does not have. @throws StoreError */
  async release(service: Service, kept: Service | undefined): Promise<void> {
    const stillHeld = kept === undefined ? [] : nodePortsHeldBy(kept);
    const gone = nodePortsHeldBy(service).filter((port) => !stillHeld.includes(port));
    if (gone.length > 0) await this.#release(gone);
  }

  #release(ports: readonly number[]): Promise<void> {
    return this.#allocation.change(() => ({ take: [], release: ports, result: undefined }));
  }
}

/** The ports that the service has allocated, without duplicates. */
export function nodePortsHeldBy(service: Service): number[] {
  const ports = mayHaveNodePorts(service) ? nodePortsOf(service) : [];
  const health = needsHealthCheckPort(service) ? (service.spec.healthCheckNodePort ?? 0) : 0;
  return [...new Set(health === 0 ? ports : [...ports, health])];
}

/** portallocator/operation.go: a dry run checks requested ports against the allocated ones, and uses placeholders for free ports. */
function standIns(taken: ReadonlySet<number>): PortChoice {
  const own = new Set<number>();
  return {
    take: (port) => {
      if (taken.has(port) || own.has(port)) return 'provided port is already allocated';
      own.add(port);
      return undefined;
    },
    next: () => {
      const port = Math.max(own.size === 0 ? 32_768 : 0, ...own) + 1;
      own.add(port);
      return port;
    },
  };
}

/** Chooses the ports of a service, without changing the service. @throws ApiError */
function portsFor(service: Service, old: Service | undefined, choice: PortChoice): ServicePorts {
  const ports = structuredClone(service.spec.ports);
  const copy: Service = { ...service, spec: { ...service.spec, ports } };
  if (mayHaveNodePorts(service)) {
    if (old === undefined) fillNew(copy, choice);
    else fillMissing(copy, old, choice);
  }
  const needsHealth = needsHealthCheckPort(service) && (old === undefined || !needsHealthCheckPort(old));
  return { ports, healthCheckNodePort: needsHealth ? healthCheckPort(service, choice) : undefined };
}

/** Ports with the same number share a node port: DNS over TCP and UDP. */
function fillNew(service: Service, choice: PortChoice): void {
  const all = service.spec.ports ?? [];
  const byPort = new Map<number, number>();
  const wantedFor = new Map(all.toReversed().flatMap(({ port, nodePort }) => (nodePort ? [[port, nodePort] as const] : [])));
  all.forEach((port, index) => {
    if (!port.nodePort && !allocatesNodePorts(service)) return;
    const known = byPort.get(port.port);
    if (known === undefined) {
      const wanted = wantedFor.get(port.port);
      if (wanted !== undefined) takeFor(service, index, wanted, choice);
      port.nodePort = wanted ?? nextFor('nodePort', choice);
      byPort.set(port.port, port.nodePort);
    } else if (!port.nodePort) port.nodePort = known;
    else if (port.nodePort !== known) takeFor(service, index, port.nodePort, choice);
  });
}

function fillMissing(service: Service, old: Service, choice: PortChoice): void {
  const held = new Set(mayHaveNodePorts(old) ? nodePortsOf(old) : []);
  service.spec.ports?.forEach((port, index) => {
    if (!port.nodePort) {
      if (allocatesNodePorts(service)) port.nodePort = nextFor('nodePort', choice);
      return;
    }
    if (held.has(port.nodePort)) return;
    takeFor(service, index, port.nodePort, choice);
    held.add(port.nodePort);
  });
}

function healthCheckPort({ spec }: Service, choice: PortChoice): number {
  const wanted = spec.healthCheckNodePort;
  if (!wanted) return nextFor('HealthCheck NodePort 0', choice);
  const why = choice.take(wanted);
  if (why !== undefined) throw internalError(`failed to allocate requested HealthCheck NodePort ${wanted}: ${why}`);
  return wanted;
}

function takeFor(service: Service, index: number, port: number, choice: PortChoice): void {
  const why = choice.take(port);
  if (why === undefined) return;
  throw invalid({ group: '', name: 'Service' }, service.metadata.name, [
    invalidValue(`spec.ports[${index}].nodePort`, port, why),
  ]);
}

function nextFor(what: string, choice: PortChoice): number {
  const port = choice.next();
  if (port === undefined) throw internalError(`failed to allocate a ${what}: range is full`);
  return port;
}
