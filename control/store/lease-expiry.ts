/** The timers of leases: a lease expires when it was not renewed for its TTL. The database knows which keys belong to it. */
import type { Clock } from '#client/clock.ts';
import { LeaseNotFoundError } from './errors.ts';

/**
 * The longest timer that is set. Node's timers overflow at 2^31 ms (24.8 days) and would fire at once, so a longer wait is split.
 */
const LONGEST_TIMER_MS = 86_400_000;
const RETRY_MS = 1_000;

interface RunningLease {
  ttlMs: number;
  expiresAtMs: number;
  cancel: () => void;
}

/** Calls back when leases expire. */
export class LeaseExpiry {
  readonly #clock: Clock;
  readonly #expire: (lease: number) => Promise<void>;
  readonly #leases = new Map<number, RunningLease>();

  /** @param expire deletes the lease's keys. When it rejects, it is called again a second later */
  constructor(clock: Clock, expire: (lease: number) => Promise<void>) {
    this.#clock = clock;
    this.#expire = expire;
  }

  /** Starts a lease with its full TTL. */
  start(lease: number, ttlSeconds: number): void {
    const ttlMs = ttlSeconds * 1_000;
    const running: RunningLease = { ttlMs, expiresAtMs: this.#clock.now() + ttlMs, cancel: () => undefined };
    this.#leases.set(lease, running);
    this.#arm(lease, running);
  }

  /** Starts the TTL of a lease again. @throws LeaseNotFoundError */
  renew(lease: number): void {
    const running = this.#leases.get(lease);
    if (running === undefined) throw new LeaseNotFoundError(lease);
    // The timer is not changed; when it fires, it checks the time. Renewals are frequent and expiry is rare.
    running.expiresAtMs = this.#clock.now() + running.ttlMs;
  }

  /** All leases that have not expired. */
  all(): { id: number; ttlSeconds: number; remainingMs: number }[] {
    const nowMs = this.#clock.now();
    return Array.from(this.#leases, ([id, { ttlMs, expiresAtMs }]) => ({
      id,
      ttlSeconds: ttlMs / 1_000,
      remainingMs: Math.max(0, expiresAtMs - nowMs),
    }));
  }

  /** Stops the timer of a lease, which was revoked. */
  stop(lease: number): void {
    this.#leases.get(lease)?.cancel();
    this.#leases.delete(lease);
  }

  /** Stops all timers. */
  stopAll(): void {
    for (const lease of this.#leases.keys()) this.stop(lease);
  }

  #arm(lease: number, running: RunningLease): void {
    const waitMs = Math.min(running.expiresAtMs - this.#clock.now(), LONGEST_TIMER_MS);
    running.cancel = this.#clock.after(waitMs, () => this.#due(lease, running));
  }

  #due(lease: number, running: RunningLease): void {
    if (running.expiresAtMs > this.#clock.now()) {
      this.#arm(lease, running);
      return;
    }
    // The lease is removed before its keys are deleted: a renewal from now on is too late.
    this.#leases.delete(lease);
    this.#attempt(lease);
  }

  #attempt(lease: number): void {
    this.#expire(lease).catch((error: unknown) => {
      if (error instanceof LeaseNotFoundError) return;
      this.#clock.after(RETRY_MS, () => this.#attempt(lease));
    });
  }
}
