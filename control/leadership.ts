/**
 * Which of several servers on one store runs the controllers, and which the scheduler: those that hold the Leases
 * `kube-controller-manager` and `kube-scheduler`.
 *
 * Upstream's processes end when they have lost their lease, and are started anew. Here the API server goes on: the part that lost its lease ends in
 * order, and waits for it again.
 * Source: client-go `tools/leaderelection`; component-base `config/options/leaderelectionconfig.go`.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Counter, Gauge, type Metric } from 'prom-client';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import { runLeaderElected } from '#client/leader-election.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { writeSafely } from '#control/pki/pki-files.ts';

/** `--leader-elect…`. */
export interface LeadershipOptions {
  /** False: this process leads without asking. */
  isElected: boolean;
  leaseDurationMs: number;
  renewDeadlineMs: number;
  retryPeriodMs: number;
  /** `--leader-elect-resource-namespace`. */
  namespace: string;
}

/** Upstream's defaults. */
export const defaultLeadership: LeadershipOptions = {
  isElected: true,
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
  namespace: 'kube-system',
};

/** @returns what is wrong with the times, in upstream's words; undefined: nothing */
export function leadershipProblem({ leaseDurationMs, renewDeadlineMs, retryPeriodMs }: LeadershipOptions): string | undefined {
  if (leaseDurationMs < 1000) return '--leader-elect-lease-duration: give a second or more';
  if (retryPeriodMs <= 0) return '--leader-elect-retry-period: must be greater than zero';
  if (leaseDurationMs <= renewDeadlineMs)
    return '--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline';
  // A try may be as much later than its period (upstream's jitter).
  if (renewDeadlineMs <= retryPeriodMs * 1.2)
    return '--leader-elect-renew-deadline must be greater than --leader-elect-retry-period by a fifth';
  return undefined;
}

const identityFile = 'leader-identity';

/**
 * `<hostname>_<uuid>`, kept in the data folder. One process at a time has that folder, so after a crash the next one may go on with the lease
 * at once, where upstream's would wait until it has run out.
 */
export function leaderIdentity(dataDir: string): string {
  const path = join(dataDir, identityFile);
  try {
    const kept = readFileSync(path, 'utf8').trim();
    if (/^[\w.-]+_[0-9a-f-]{36}$/.test(kept)) return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const identity = `${hostname()}_${randomUUID()}`;
  writeSafely(path, `${identity}\n`);
  return identity;
}

/** What {@link Leadership} works with. */
export interface LeadershipDeps {
  clock: Clock;
  log: Logger;
  /** In [0, 1). */
  random: () => number;
}

/** A part that only one server runs. */
export interface LedPart {
  /** Of its Lease: `kube-scheduler`. */
  name: string;
  /** Reads and writes the Lease. It has to outlive the signal, or the lease cannot be given up. */
  client: Client;
  /** Records who began and stopped to lead. */
  events: EventRecorder;
  /** Works until its signal aborts, and settles after all that it began has. Called anew for each term. */
  work(signal: AbortSignal): Promise<void>;
}

/** The parts of this process that are led. */
export class Leadership {
  readonly #status = new Gauge({
    name: 'leader_election_master_status',
    help: "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
    labelNames: ['name'],
    registers: [],
  });
  readonly #slowPaths = new Counter({
    name: 'leader_election_slowpath_total',
    help: "Total number of slow path exercised in renewing leader leases. 'name' is the string used to identify the lease. Please make sure to group by name.",
    labelNames: ['name'],
    registers: [],
  });
  readonly #deps: LeadershipDeps;
  readonly #options: LeadershipOptions;
  readonly #identity: string;

  constructor(deps: LeadershipDeps, options: LeadershipOptions, identity: string) {
    this.#deps = deps;
    this.#options = options;
    this.#identity = identity;
  }

  /** For the registry under which they are served. */
  get metrics(): readonly Metric[] {
    return [this.#status, this.#slowPaths];
  }

  /** Runs the part whenever this process leads, until `signal` aborts. Settles after the part has. @throws what the part throws */
  async run({ name, client, events, work }: LedPart, signal: AbortSignal): Promise<void> {
    const { isElected, namespace, ...times } = this.#options;
    if (!isElected) {
      await work(signal);
      await untilAborted(signal);
      return;
    }
    const { clock, random, log } = this.#deps;
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name };
    this.#status.set({ name }, 0);
    const observer = {
      leading: (isLeader: boolean): void => {
        this.#status.set({ name }, isLeader ? 1 : 0);
        const what = isLeader ? 'became leader' : 'stopped leading';
        events.event(lease, 'Normal', 'LeaderElection', `${this.#identity} ${what}`);
      },
      slowPath: (): void => this.#slowPaths.inc({ name }),
    };
    while (!signal.aborted) {
      const options = { namespace, name, identity: this.#identity, ...times };
      await runLeaderElected({ client, clock, log, random, observer }, options, work, signal);
      // Who has just lost the lease lets the others have it first.
      await sleep(clock, times.retryPeriodMs, signal);
    }
  }
}
