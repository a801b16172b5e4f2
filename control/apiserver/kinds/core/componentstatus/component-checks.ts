/**
 * Whether the parts of the control plane are healthy. Each part is asked when a client asks.
 *
 * Source: upstream `pkg/registry/core/componentstatus`.
 */
import { errorText } from '#api/error-text.ts';
import type { ComponentStatus } from '#api/types.generated.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { Store } from '#control/store/store.ts';

/** Upstream's time limit of one check. */
const timeoutMs = 20_000;

/** Looks at one part. Resolves to what is wrong with it, or to undefined. A rejection counts as a problem, too. */
export type ComponentCheck = () => string | undefined | Promise<string | undefined>;

/** The check of the store: it answers, and it accepts writes. */
export const storeCheck =
  (store: Pick<Store, 'problem' | 'currentRevision'>): ComponentCheck =>
  async () => {
    const problem = store.problem();
    if (problem === undefined) await store.currentRevision();
    return problem;
  };

/**
 * The parts of the control plane whose state `kubectl get componentstatuses` shows, by name. Each is asked at the time of the
 * question.
 */
export class ComponentChecks {
  readonly #clock: Clock;
  readonly #checks = new Map<string, ComponentCheck>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param name as clients know the part: `scheduler`, `controller-manager`, `etcd-0` */
  add(name: string, check: ComponentCheck): void {
    this.#checks.set(name, check);
  }

  /** All parts at this moment, by name. Never rejects. */
  async statuses(): Promise<ComponentStatus[]> {
    const names = [...this.#checks.keys()].sort();
    return await Promise.all(names.map((name) => this.#status(name, this.#checks.get(name) as ComponentCheck)));
  }

  async #status(name: string, check: ComponentCheck): Promise<ComponentStatus> {
    const condition = { type: 'Healthy', ...(await this.#asked(check)) };
    return { apiVersion: 'v1', kind: 'ComponentStatus', metadata: { name }, conditions: [condition] } as ComponentStatus;
  }

  async #asked(check: ComponentCheck): Promise<{ status: string; message?: string; error?: string }> {
    const over = new AbortController();
    const late = sleep(this.#clock, timeoutMs, over.signal).then(() => ({
      status: 'Unknown',
      error: `no answer within ${timeoutMs / 1000} seconds`,
    }));
    const asked = (async () => {
      try {
        const problem = await check();
        return problem === undefined ? { status: 'True', message: 'ok' } : { status: 'False', error: problem };
      } catch (error) {
        return { status: 'False', error: errorText(error) };
      }
    })();
    try {
      return await Promise.race([asked, late]);
    } finally {
      over.abort();
    }
  }
}
