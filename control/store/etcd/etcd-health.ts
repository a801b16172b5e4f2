/**
 * Whether etcd takes writes: asked regularly, and at once when a request has failed, so that its loss and its return are noticed without
 * a client's request.
 *
 * Source: apiserver `pkg/storage/storagebackend/factory/etcd3.go` (health check; `--etcd-healthcheck-timeout` 2s).
 */
import type { Logger } from 'pino';
import { errorText } from '#api/error-text.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { EtcdConnection } from './etcd-connection.ts';

/** How often it is asked. */
const intervalMs = 2_000;
/** After a failure. */
const retryMs = 500;
const timeoutMs = 2_000;

/** What it works with. */
export interface EtcdHealthDeps {
  connection: EtcdConnection;
  clock: Clock;
  log: Logger | undefined;
  /** A linearizable read, which only a quorum can answer. @throws StoreError */
  ask(timeoutMs: number): Promise<unknown>;
}

/** Knows whether etcd takes writes. */
export class EtcdHealth {
  readonly #deps: EtcdHealthDeps;
  #problem: string | undefined;
  #look = new AbortController();

  constructor(deps: EtcdHealthDeps) {
    this.#deps = deps;
  }

  /** Why writes fail at present; undefined: they do not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Something failed: asks now. */
  look(): void {
    this.#look.abort();
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const problem = await this.#asked();
      if (signal.aborted) return;
      this.#note(problem);
      this.#look = new AbortController();
      const pauseMs = problem === undefined ? intervalMs : retryMs;
      await sleep(this.#deps.clock, pauseMs, problem === undefined ? AbortSignal.any([signal, this.#look.signal]) : signal);
    }
  }

  async #asked(): Promise<string | undefined> {
    try {
      await this.#deps.ask(timeoutMs);
      const status = { timeoutMs, attemptMs: timeoutMs, isRead: true };
      const { errors } = await this.#deps.connection.call<{ errors: string[] }>('Maintenance', 'Status', {}, status);
      const alarms = errors.filter((text) => /alarm:/i.test(text));
      return alarms.length === 0 ? undefined : `etcd: ${alarms.map((text) => text.trim()).join(', ')}`;
    } catch (error) {
      return errorText(error);
    }
  }

  #note(problem: string | undefined): void {
    const before = this.#problem;
    this.#problem = problem;
    if (problem === undefined && before !== undefined) this.#deps.log?.info('etcd: writes succeed again');
    else if (problem !== undefined && before === undefined) this.#deps.log?.error({ problem }, 'etcd: writes fail');
  }
}
