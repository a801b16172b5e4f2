/** Node ports and health-check node ports, out of one range. Source: upstream `pkg/registry/core/service/{portallocator,storage/alloc.go}`. */
import { invalidValue } from '#api/field-error.ts';
import { internalError, invalid } from '#api/status.ts';
import type { Service } from '#api/types.generated.ts';
import { createScarceRange, type ScarceRange, staticBandSize } from './scarce-range.ts';
import { allocatesNodePorts, mayHaveNodePorts, needsHealthCheckPort, nodePortsOf } from './shape.ts';
import type { Undo } from './undo.ts';

/** Both ends belong to it. */
export interface PortRange {
  first: number;
  last: number;
}

export class NodePorts {
  readonly #range: PortRange;
  readonly #free: ScarceRange;

  constructor(range: PortRange, random: () => number) {
    this.#range = range;
    this.#free = createScarceRange(range, staticBandSize(range.last - range.first + 1, 32, 128), random);
  }

  /** Gives the service the ports it asks for and those it needs. @throws ApiError */
  allocate(service: Service, old: Service | undefined, undo: Undo): void {
    if (mayHaveNodePorts(service)) {
      if (old === undefined) this.#allocateNew(service, undo);
      else this.#allocateMissing(service, old, undo);
    }
    if (needsHealthCheckPort(service) && (old === undefined || !needsHealthCheckPort(old)))
      this.#allocateHealthCheck(service, undo);
  }

  /** Ports with the same number share a node port: DNS over TCP and UDP. */
  #allocateNew(service: Service, undo: Undo): void {
    const all = service.spec.ports ?? [];
    const byPort = new Map<number, number>();
    const wantedFor = new Map(all.toReversed().flatMap(({ port, nodePort }) => (nodePort ? [[port, nodePort] as const] : [])));
    all.forEach((port, index) => {
      if (!port.nodePort && !allocatesNodePorts(service)) return;
      const known = byPort.get(port.port);
      if (known === undefined) {
        const wanted = wantedFor.get(port.port);
        if (wanted !== undefined) this.#take(service, index, wanted, undo);
        port.nodePort = wanted ?? this.#next('nodePort', undo);
        byPort.set(port.port, port.nodePort);
      } else if (!port.nodePort) port.nodePort = known;
      else if (port.nodePort !== known) this.#take(service, index, port.nodePort, undo);
    });
  }

  #allocateMissing(service: Service, old: Service, undo: Undo): void {
    const held = new Set(mayHaveNodePorts(old) ? nodePortsOf(old) : []);
    service.spec.ports?.forEach((port, index) => {
      if (!port.nodePort) {
        if (allocatesNodePorts(service)) port.nodePort = this.#next('nodePort', undo);
        return;
      }
      if (held.has(port.nodePort)) return;
      this.#take(service, index, port.nodePort, undo);
      held.add(port.nodePort);
    });
  }

  #allocateHealthCheck(service: Service, undo: Undo): void {
    const wanted = service.spec.healthCheckNodePort;
    if (!wanted) {
      service.spec.healthCheckNodePort = this.#next('HealthCheck NodePort 0', undo);
      return;
    }
    const why = this.#takeProblem(wanted, undo);
    if (why !== undefined) throw internalError(`failed to allocate requested HealthCheck NodePort ${wanted}: ${why}`);
  }

  #take(service: Service, index: number, port: number, undo: Undo): void {
    const why = this.#takeProblem(port, undo);
    if (why === undefined) return;
    throw invalid({ group: '', name: 'Service' }, service.metadata.name, [
      invalidValue(`spec.ports[${index}].nodePort`, port, why),
    ]);
  }

  /** Takes the port, or tells why not. */
  #takeProblem(port: number, undo: Undo): string | undefined {
    const { first, last } = this.#range;
    if (!this.#free.contains(port))
      return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
    if (!this.#free.take(port)) return 'provided port is already allocated';
    undo.push(() => this.#free.release(port));
    return undefined;
  }

  #next(what: string, undo: Undo): number {
    const port = this.#free.takeNext();
    if (port === undefined) throw internalError(`failed to allocate a ${what}: range is full`);
    undo.push(() => this.#free.release(port));
    return port;
  }

  /** The ports that the service keeps from others. */
  heldBy(service: Service): number[] {
    const ports = mayHaveNodePorts(service) ? nodePortsOf(service) : [];
    const health = needsHealthCheckPort(service) ? (service.spec.healthCheckNodePort ?? 0) : 0;
    return [...new Set(health === 0 ? ports : [...ports, health])];
  }

  /** False when another service holds it. */
  hold(port: number): boolean {
    return this.#free.take(port);
  }

  release(port: number): void {
    this.#free.release(port);
  }
}
