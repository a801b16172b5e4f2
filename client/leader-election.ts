/**
 * Leader election: of several replicas only the one that holds a Lease does the work.
 *
 *     waiting ──(lease free or not renewed for its duration)──▶ leading ──(not renewed within the deadline)──▶ lost
 *        ▲ │                                                       │
 *        └─┘ held by another                                       └──(stopped)──▶ released
 *
 * Source: client-go `tools/leaderelection`: 15 s lease, 10 s renew deadline, 2 s retry. Whether a lease has run out is
 * measured on this process's own clock from when its last change was seen; clocks of other machines do not matter.
 */

import type { Logger } from 'pino';
import { rfc3339Micro } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Lease, LeaseSpec } from '#api/types.generated.ts';
import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import { sleep, within } from './clock.ts';

/** What leader election needs. */
export interface LeaderElectionDeps {
  client: Client;
  clock: Clock;
  log: Logger;
  /** In [0, 1): spreads the tries of several replicas. */
  random: () => number;
}

/** Which Lease, who asks for it, and the times. Source of the defaults: client-go `tools/leaderelection`. */
export interface LeaderElectionOptions {
  /** `kube-system`/`kube-controller-manager`. */
  namespace: string;
  name: string;
  /** Unique to this process: `<hostname>_<uuid>`. */
  identity: string;
  leaseDurationMs?: number;
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
}

/**
 * Waits to become the leader, then runs `lead` until `signal` aborts or the lease is lost; `lead`'s own signal tells it.
 * Settles after `lead` has. An orderly end gives the lease up, so that the next one need not wait for it to run out.
 * @returns whether it was stopped, or lost the lease (then the caller tries again, or exits as upstream does)
 */
export async function runLeaderElected(
  deps: LeaderElectionDeps,
  options: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<'stopped' | 'lost'> {
  const lock = new LeaseLock(deps, options);
  const { retryPeriodMs = 2000, renewDeadlineMs = 10_000 } = options;
  while (!(await lock.tryAcquireOrRenew())) {
    await sleep(deps.clock, retryPeriodMs * (1 + deps.random() * 0.2), signal);
    if (signal.aborted) return 'stopped';
  }
  deps.log.info({ lease: `${options.namespace}/${options.name}`, identity: options.identity }, 'became the leader');
  const leading = new AbortController();
  const work = lead(AbortSignal.any([signal, leading.signal])).finally(() => leading.abort());
  const until = AbortSignal.any([signal, leading.signal]);
  let renewedAtMs = deps.clock.monotonic();
  let lost = false;
  while (!until.aborted) {
    await sleep(deps.clock, retryPeriodMs, until);
    if (until.aborted) break;
    const remainingMs = renewedAtMs + renewDeadlineMs - deps.clock.monotonic();
    const renewal = lock.tryAcquireOrRenew();
    // A renewal that hangs counts as failed: once the lease has run out another replica may lead, even when the server does not answer this one.
    if ((await within(deps.clock, remainingMs, renewal)) && (await renewal)) renewedAtMs = deps.clock.monotonic();
    else if (deps.clock.monotonic() - renewedAtMs >= renewDeadlineMs) {
      deps.log.error({ lease: `${options.namespace}/${options.name}` }, 'lost the lease');
      lost = true;
      leading.abort();
    }
  }
  await work;
  if (!lost) await lock.release();
  return lost ? 'lost' : 'stopped';
}

class LeaseLock {
  readonly #deps: LeaderElectionDeps;
  readonly #options: LeaderElectionOptions;
  #observed: { resourceVersion: string; atMs: number } | undefined;

  constructor(deps: LeaderElectionDeps, options: LeaderElectionOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  async tryAcquireOrRenew(): Promise<boolean> {
    const { log } = this.#deps;
    try {
      const held = await this.#read();
      if (held === undefined) return await this.#create();
      if (this.#isOthers(held)) return false;
      await this.#update(held);
      return true;
    } catch (error) {
      log.warn(
        { err: error, lease: `${this.#options.namespace}/${this.#options.name}` },
        'the lease could not be taken or renewed',
      );
      return false;
    }
  }

  async release(): Promise<void> {
    const { client, clock, log } = this.#deps;
    try {
      const held = await this.#read();
      if (held?.spec?.holderIdentity !== this.#options.identity) return;
      const now = rfc3339Micro(clock.now());
      await this.#leases(client).update({
        ...held,
        spec: { ...held.spec, holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now },
      });
    } catch (error) {
      log.warn({ err: error }, 'the lease could not be released; it runs out by itself');
    }
  }

  #leases(client: Client): ReturnType<typeof client.resource<'leases.coordination.k8s.io'>> {
    return client.resource('leases.coordination.k8s.io');
  }

  async #read(): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    try {
      return await this.#leases(this.#deps.client).get({ namespace, name });
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** Whether another holds it and has renewed it within the lease's duration, as far as this process has seen. */
  #isOthers({ metadata, spec }: Lease): boolean {
    const nowMs = this.#deps.clock.monotonic();
    if (this.#observed?.resourceVersion !== metadata.resourceVersion)
      this.#observed = { resourceVersion: metadata.resourceVersion, atMs: nowMs };
    const holder = spec?.holderIdentity ?? '';
    if (holder === '' || holder === this.#options.identity) return false;
    return nowMs - this.#observed.atMs < (spec?.leaseDurationSeconds ?? 15) * 1000;
  }

  async #create(): Promise<boolean> {
    const { namespace, name } = this.#options;
    await this.#leases(this.#deps.client).create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name },
      spec: this.#record(undefined),
    });
    return true;
  }

  async #update(held: Lease): Promise<void> {
    const updated = await this.#leases(this.#deps.client).update({ ...held, spec: this.#record(held.spec) });
    this.#observed = { resourceVersion: updated.metadata.resourceVersion, atMs: this.#deps.clock.monotonic() };
  }

  #record(previous: LeaseSpec | undefined): LeaseSpec {
    const { identity, leaseDurationMs = 15_000 } = this.#options;
    const now = rfc3339Micro(this.#deps.clock.now());
    const mine = previous?.holderIdentity === identity;
    const transitions = previous?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
      acquireTime: mine ? previous.acquireTime : now,
      renewTime: now,
      // How often the holder has changed. The first holder counts as no change.
      leaseTransitions: mine || previous === undefined ? transitions : transitions + 1,
    };
  }
}
