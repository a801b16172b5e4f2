/**
 * Carries out the faults of a world: changes the network's weather, crashes parts and nodes, and sets the clock. It also remembers which
 * parts may be working with stale data.
 */

import type { VirtualTime } from '#client/virtual-time.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Fault, faultText } from './faults.ts';
import { memoryMs } from './history.ts';
import { calm, type Network } from './network.ts';
import type { Trace } from './trace.ts';

/** The parts of a world that faults affect. */
export interface FaultDeps {
  time: VirtualTime;
  network: Network;
  plane: ControlPlane;
  trace: Trace;
  /** Cuts the power of a node. */
  killNode(name: string): void;
  /** Starts a node that was killed. */
  startNode(name: string): void;
  /** Adds and starts a new node, if there is none of this name. */
  addNode(name: string): void;
}

/** The faults of one world. */
export class FaultInjection {
  readonly #deps: FaultDeps;
  /** Planned crashes that wait for a certain write. */
  readonly #crashes = new Set<{ fault: Extract<Fault, { kind: 'crash' }>; left: number }>();
  /** Until when a resource (`pods`) or part (`scheduler`) may work with stale data. */
  readonly #behindUntilMs = new Map<string, number>();

  constructor(deps: FaultDeps) {
    this.#deps = deps;
  }

  /** Begins each fault at its time. */
  plan(faults: readonly Fault[]): void {
    const { time, trace } = this.#deps;
    for (const fault of faults)
      time.after(fault.atMs - time.monotonic(), () => {
        trace.note(`fault ${faultText(fault)}`);
        this.#begin(fault);
      });
  }

  /** Whether a resource (`pods`) or part (`scheduler`) may work with stale data. */
  wasBehind(who: string): boolean {
    return [who, '*'].some((one) => this.#deps.time.monotonic() < (this.#behindUntilMs.get(one) ?? 0));
  }

  /** Ends all faults of the network, and cancels planned crashes. */
  end(): void {
    this.#crashes.clear();
    this.#deps.network.weather = calm();
  }

  #begin(fault: Fault): void {
    const { time, network, killNode, startNode, addNode } = this.#deps;
    const { weather } = network;
    const nowMs = time.monotonic();
    const later = (end: () => void): void => void time.after(fault.forMs, end);
    switch (fault.kind) {
      case 'crash':
        this.#crashes.add({ fault, left: fault.write });
        break;
      case 'stale': {
        const key = `${fault.part} ${fault.resource}`;
        weather.lagMs.set(key, fault.lagMs);
        this.#behindUntilMs.set(
          fault.part === 'scheduler' ? 'scheduler' : fault.resource,
          nowMs + fault.forMs + fault.lagMs + memoryMs,
        );
        later(() => weather.lagMs.delete(key));
        break;
      }
      case 'weather':
        Object.assign(weather, fault.of);
        this.#fallBehind(fault.forMs);
        if (fault.of.loseAnswer !== undefined) network.lossy = true;
        later(() => Object.assign(weather, { ...calm(), cut: weather.cut, deaf: weather.deaf, lagMs: weather.lagMs }));
        break;
      case 'partition':
        weather.cut.add(fault.endpoint);
        network.breakConnections('read ETIMEDOUT (partition)', fault.endpoint);
        this.#behindUntilMs.set(fault.endpoint === 'scheduler' ? 'scheduler' : '*', nowMs + fault.forMs + memoryMs);
        later(() => weather.cut.delete(fault.endpoint));
        break;
      case 'deaf':
        weather.deaf.add(fault.part);
        network.lossy = true;
        this.#behindUntilMs.set(fault.part === 'scheduler' ? 'scheduler' : '*', nowMs + fault.forMs + memoryMs);
        later(() => weather.deaf.delete(fault.part));
        break;
      case 'node-death':
        killNode(fault.node);
        later(() => startNode(fault.node));
        break;
      case 'new-node':
        addNode(fault.node);
        break;
      case 'clock-jump':
        time.setBy(fault.byMs);
        break;
    }
  }

  /** Marks all caches as possibly stale until some time after the fault. */
  #fallBehind(forMs: number): void {
    for (const who of ['*', 'scheduler']) this.#behindUntilMs.set(who, this.#deps.time.monotonic() + forMs + memoryMs);
  }

  /** Crashes the part if a planned crash waits for this write. @returns whether it has crashed */
  crashes(part: string, moment: 'before' | 'after'): boolean {
    const { plane, time } = this.#deps;
    for (const crash of this.#crashes) {
      if (crash.fault.part !== part || crash.fault.moment !== moment) continue;
      crash.left -= 1;
      if (crash.left > 0) continue;
      this.#crashes.delete(crash);
      plane.crash(crash.fault.part);
      // When the API server crashes, all watches end, and each client starts again after its own back-off.
      if (part === 'apiserver') this.#fallBehind(crash.fault.forMs);
      time.after(crash.fault.forMs, () => plane.start(crash.fault.part));
      return true;
    }
    return false;
  }
}
