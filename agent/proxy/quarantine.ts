/**
 * The last guard of the rules: the kernel refuses a whole ruleset for one rule. The checks of `state.ts` let nothing through that is
 * known to be refused; what it refuses besides (no SCTP, say) is found here by trying halves, and its Service is left out
 * until it changes.
 */
import type { Clock } from '#client/clock.ts';
import { type LeftOut, leftOut } from '#client/left-out.ts';
import type { ServicePortState, ServiceState } from './state.ts';

/** So many trials at most per refused ruleset: each takes as long as writing all rules. */
const maxTrials = 64;

/**
 * The service ports that `accepts` refuses, whatever is beside them. Empty where the rest is refused, too: then it is no object's fault.
 * @param accepts tries a state without putting it in place
 */
export async function findRefused(
  state: ServiceState,
  accepts: (part: ServiceState) => Promise<boolean>,
): Promise<ServicePortState[]> {
  let trials = 0;
  const isAccepted = async (ports: readonly ServicePortState[]): Promise<boolean> => {
    trials++;
    return await accepts({ ...state, ports });
  };
  const search = async (ports: readonly ServicePortState[]): Promise<ServicePortState[]> => {
    if (ports.length === 0 || trials >= maxTrials || (await isAccepted(ports))) return [];
    if (ports.length === 1) return [...ports];
    const middle = ports.length >> 1;
    return [...(await search(ports.slice(0, middle))), ...(await search(ports.slice(middle)))];
  };
  return (await isAccepted([])) ? await search(state.ports) : [];
}

/** Service ports that the kernel refused, by what their rules are made of. */
export class Quarantine {
  readonly #clock: Clock;
  readonly #retryMs: number;
  readonly #refused = new Map<string, { sinceMs: number; leftOut: LeftOut }>();

  /** @param retryMs after this time a port is tried again: the kernel may have learned */
  constructor(clock: Clock, retryMs: number) {
    this.#clock = clock;
    this.#retryMs = retryMs;
  }

  /** Without the ports that were refused as they are now. What has changed since, is gone or is due again is forgotten. */
  without(state: ServiceState): ServiceState {
    if (this.#refused.size === 0) return state;
    const known = new Map(this.#refused);
    this.#refused.clear();
    const leftOutNow: LeftOut[] = [];
    const ports = state.ports.filter((port) => {
      const one = known.get(fingerprint(port));
      if (one === undefined || this.#clock.now() - one.sinceMs >= this.#retryMs) return true;
      this.#refused.set(fingerprint(port), one);
      leftOutNow.push(one.leftOut);
      return false;
    });
    return { ...state, ports, leftOut: [...state.leftOut, ...leftOutNow] };
  }

  add(ports: readonly ServicePortState[]): void {
    for (const port of ports) {
      const { namespace, name, id } = port;
      const object = { apiVersion: 'v1', metadata: { namespace, name } };
      const reason = `the kernel refuses the rules of ${id}/${port.protocol}`;
      this.#refused.set(fingerprint(port), { sinceMs: this.#clock.now(), leftOut: leftOut('Service', object, reason) });
    }
  }
}

const fingerprint = (port: ServicePortState): string => JSON.stringify(port);
