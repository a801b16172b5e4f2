/** The interface of priority and fairness to the filters. */
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';
import { type Entered, type FlowControl, leaveNothing, type RequestKind, requestKind } from '../serving/inflight.ts';
import type { Flow } from './flow-schemas.ts';
import type { Entry, PriorityLevels } from './priority-levels.ts';

/** Flow control by priority levels and fair queues (API priority and fairness). Source: KEP-1040. */
export class FairFlowControl implements FlowControl {
  readonly levels: PriorityLevels;
  readonly #current = { readOnly: 0, mutating: 0 };
  /** The peak since it was last read. */
  readonly #peak = { readOnly: 0, mutating: 0 };

  constructor(levels: PriorityLevels) {
    this.levels = levels;
  }

  enter(info: RequestInfo, user: UserInfo, flow?: Flow, signal?: AbortSignal): Entered | Promise<Entered> {
    // Streams are not subject to flow control.
    if (flow === undefined) return leaveNothing;
    const entry = this.levels.enter(info, user, flow, signal);
    return entry instanceof Promise ? entry.then((found) => this.#counted(info, found)) : this.#counted(info, entry);
  }

  /** As `Inflight.takePeak`. */
  takePeak(kind: RequestKind): number {
    const peak = this.#peak[kind];
    this.#peak[kind] = this.#current[kind];
    return peak;
  }

  #counted(info: RequestInfo, entry: Entry): Entered {
    if ('retryAfterSeconds' in entry) return entry.retryAfterSeconds;
    const kind = requestKind(info);
    this.#current[kind] += 1;
    this.#peak[kind] = Math.max(this.#peak[kind], this.#current[kind]);
    return () => {
      this.#current[kind] -= 1;
      entry.leave();
    };
  }
}
