/**
 * Finds service ports that the kernel refuses. The kernel refuses a whole ruleset because of one bad rule. `state.ts` leaves out
 * everything that is known to be refused. Whatever else the kernel refuses (SCTP in a kernel without it, for example) is found
 * here by bisection, and its Service port is left out until it changes.
 */
import type { Clock } from '#client/clock.ts';
import { type LeftOut, leftOut } from '#client/left-out.ts';
import { type ServicePortState, type ServiceState, servicePortKey } from './state.ts';

/** Limit of trials per refused ruleset. Each trial takes as long as writing all rules. */
const maxTrials = 64;

/**
 * The service ports that `accepts` refuses even alone. Empty when the rest is refused, too: then no object is at fault.
 * @param accepts tries a state without applying it
 */
export async function findRefused(
  state: ServiceState,
  accepts: (part: ServiceState) => Promise<boolean>,
): Promise<ServicePortState[]> {
  let trials = 0;
  const isAccepted = async (ports: readonly ServicePortState[]): Promise<boolean> => {
    trials++;
    return await accepts({ family: state.family, leftOut: [], ports });
  };
  const search = async (ports: readonly ServicePortState[]): Promise<ServicePortState[]> => {
    if (ports.length === 0 || trials >= maxTrials || (await isAccepted(ports))) return [];
    if (ports.length === 1) return [...ports];
    const middle = ports.length >> 1;
    return [...(await search(ports.slice(0, middle))), ...(await search(ports.slice(middle)))];
  };
  return (await isAccepted([])) ? await search(state.ports) : [];
}

interface Refused {
  sinceMs: number;
  /** The data that the rules were made of. */
  data: string;
  leftOut: LeftOut;
}

/** The service ports that the kernel has refused, each with the data that its rules were made of. */
export class Quarantine {
  readonly #clock: Clock;
  readonly #retryMs: number;
  readonly #refused = new Map<string, Refused>();

  /** @param retryMs a refused port is tried again after this time, because the kernel may accept it then (a module was loaded) */
  constructor(clock: Clock, retryMs: number) {
    this.#clock = clock;
    this.#retryMs = retryMs;
  }

  /**
   * The state without the refused ports. A port is not left out any more when it has changed, or after `retryMs`. Ports that no
   * longer exist are forgotten.
   */
  without(state: ServiceState): ServiceState {
    if (this.#refused.size === 0) return state;
    const known = new Map(this.#refused);
    this.#refused.clear();
    const leftOutNow: LeftOut[] = [];
    const ports = state.ports.filter((port) => {
      const one = known.get(servicePortKey(port));
      if (one === undefined || one.data !== fingerprint(port) || this.#clock.now() - one.sinceMs >= this.#retryMs) return true;
      this.#refused.set(servicePortKey(port), one);
      leftOutNow.push(one.leftOut);
      return false;
    });
    const { delta: _delta, ...rest } = state;
    return { ...rest, ports, leftOut: [...state.leftOut, ...leftOutNow] };
  }

  add(ports: readonly ServicePortState[]): void {
    for (const port of ports) {
      const { namespace, name } = port;
      const object = { apiVersion: 'v1', metadata: { namespace, name } };
      const reason = `the kernel refuses the rules of ${servicePortKey(port)}`;
      this.#refused.set(servicePortKey(port), {
        sinceMs: this.#clock.now(),
        data: fingerprint(port),
        leftOut: leftOut('Service', object, reason),
      });
    }
  }
}

const fingerprint = (port: ServicePortState): string => JSON.stringify(port);
