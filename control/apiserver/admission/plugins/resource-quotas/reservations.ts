/**
 * Reserves in the status of quotas what writes are going to use. The writes of one namespace that wait at the same time share one
 * update of each quota:
 *
 *   reserve ──▶ waiting ──(one at a time)──▶ check all ──▶ compare-and-set each changed quota ──▶ the object is written ──▶ settle
 *                                               ▲                   │ lost against another writer
 *                                               └───────────────────┘
 *
 * A write that fails after its reservation gives it back. Whoever counts anew (`count`) waits until every reservation is settled, and
 * keeps further ones waiting until its own write is settled. No reservation waits for anything while it holds the namespace but the
 * store, so there is no deadlock.
 */
import type { ResourceList } from '#api/pod/requests.ts';
import { addLists, maskList, subtractLists } from '#api/quota/resource-list.ts';
import { conflict } from '#api/status.ts';
import type { ResourceQuota } from '#api/types.generated.ts';
import { maxRaces } from '../../../registry/object-writer.ts';
import { optimisticLockMessage } from '../../../registry/system-fields.ts';
import type { QuotaStore, Reservation } from '../../plugin.ts';
import type { Charge } from './charge.ts';

/** What a write wants. */
export interface Wanted {
  /** What it adds to which quota. Asked again after a lost race, with the quotas that have changed. @throws ApiError to refuse */
  charge(quotas: readonly ResourceQuota[]): Charge;
  /** It is only checked. */
  dryRun: boolean;
}

interface Waiter extends Wanted {
  taken: Map<string, ResourceList>;
  resolve(): void;
  reject(error: unknown): void;
}

type Work =
  | { kind: 'reserve'; waiter: Waiter; store: QuotaStore }
  | { kind: 'giveBack'; taken: ReadonlyMap<string, ResourceList>; store: QuotaStore }
  | { kind: 'count'; run: () => Promise<void> };

/** What one namespace is doing. */
interface Ledger {
  queue: Work[];
  working: boolean;
  /** Reserved, and not settled yet. */
  open: number;
  /** Called when {@link open} becomes zero. */
  allSettled: (() => void) | undefined;
  /** The revision of each quota's newest status, where this server wrote it. */
  own: Map<string, string>;
}

/** See the top of this file. */
export class Reservations {
  readonly #ledgers = new Map<string, Ledger>();

  /**
   * Undefined: no quota counts it.
   * @throws ApiError as `wanted.charge`; 409 when a hundred races in a row were lost @throws StoreError
   */
  async reserve(namespace: string, wanted: Wanted, store: QuotaStore): Promise<Reservation | undefined> {
    // No quota that was there when the request came is missed: the caches are at least as new.
    if (store.list(namespace).length === 0) return undefined;
    const ledger = this.#ledger(namespace);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const taken = new Map<string, ResourceList>();
    // Counted at once, not when the waiting request goes on: a count must not come between.
    const admitted = (): void => {
      if (taken.size > 0) ledger.open++;
      resolve();
    };
    const waiter: Waiter = { ...wanted, taken, resolve: admitted, reject };
    this.#add(namespace, ledger, { kind: 'reserve', waiter, store });
    await promise;
    if (taken.size === 0) return undefined;
    return this.#open(namespace, ledger, () => this.#add(namespace, ledger, { kind: 'giveBack', taken, store }));
  }

  /** Runs `check` when nothing is reserved that is not written; nothing is reserved until the result is settled. @throws as `check` */
  async count(namespace: string, check: () => Promise<void>): Promise<Reservation> {
    const ledger = this.#ledger(namespace);
    const ready = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const run = async (): Promise<void> => {
      if (ledger.open > 0) await new Promise<void>((resolve) => (ledger.allSettled = resolve));
      try {
        await check();
      } catch (error) {
        ready.reject(error);
        return;
      }
      ready.resolve();
      await written.promise;
    };
    this.#add(namespace, ledger, { kind: 'count', run });
    await ready.promise;
    return { settle: () => written.resolve() };
  }

  #ledger(namespace: string): Ledger {
    const known = this.#ledgers.get(namespace);
    if (known !== undefined) return known;
    const made: Ledger = { queue: [], working: false, open: 0, allSettled: undefined, own: new Map() };
    this.#ledgers.set(namespace, made);
    return made;
  }

  #open(namespace: string, ledger: Ledger, giveBack: () => void): Reservation {
    return {
      settle: (isWritten) => {
        ledger.open--;
        if (!isWritten) giveBack();
        if (ledger.open > 0) return;
        ledger.allSettled?.();
        ledger.allSettled = undefined;
        this.#forgetIdle(namespace, ledger);
      },
    };
  }

  #forgetIdle(namespace: string, ledger: Ledger): void {
    const isIdle = !ledger.working && ledger.queue.length === 0 && ledger.open === 0;
    if (isIdle && this.#ledgers.get(namespace) === ledger) this.#ledgers.delete(namespace);
  }

  #add(namespace: string, ledger: Ledger, work: Work): void {
    ledger.queue.push(work);
    if (!ledger.working) void this.#work(namespace, ledger);
  }

  /** Never rejects: what fails, fails for those who wait for it. */
  async #work(namespace: string, ledger: Ledger): Promise<void> {
    ledger.working = true;
    while (ledger.queue.length > 0) {
      const first = ledger.queue[0];
      if (first?.kind === 'count') {
        ledger.queue.shift();
        await first.run();
        continue;
      }
      const end = ledger.queue.findIndex(({ kind }) => kind === 'count');
      const batch = ledger.queue.splice(0, end < 0 ? ledger.queue.length : end) as Exclude<Work, { kind: 'count' }>[];
      await workOff(namespace, ledger, batch);
    }
    ledger.working = false;
    this.#forgetIdle(namespace, ledger);
  }
}

/** What is given back comes first: it may be what others wait for. */
async function workOff(namespace: string, ledger: Ledger, batch: readonly Exclude<Work, { kind: 'count' }>[]): Promise<void> {
  const back = batch.filter((work) => work.kind === 'giveBack');
  const waiters = batch.flatMap((work) => (work.kind === 'reserve' ? [work.waiter] : []));
  const store = batch[0]?.store;
  if (store === undefined) return;
  const waiting = new Set(waiters);
  try {
    for (const { taken } of back) await giveBack(namespace, ledger, taken, store);
    await reserveAll(namespace, ledger, waiting, store);
  } catch (error) {
    // The store failed. What was reserved meanwhile stays: the controller counts anew.
    for (const waiter of waiting) waiter.reject(error);
  }
}

async function reserveAll(namespace: string, ledger: Ledger, waiting: Set<Waiter>, store: QuotaStore): Promise<void> {
  let lost: ReadonlySet<string> | undefined;
  for (let race = 0; race < maxRaces && waiting.size > 0; race++) {
    const stored = store.list(namespace).filter(({ metadata }) => lost?.has(metadata.name) !== false);
    const { running, refused } = chargeAll(stored, waiting, lost);
    for (const waiter of refused) await giveBack(namespace, ledger, waiter.taken, store);
    lost = await writeAll(ledger, stored, running, store);
    if (lost.size > 0) continue;
    for (const waiter of waiting) waiter.resolve();
    waiting.clear();
  }
  for (const waiter of waiting)
    waiter.reject(conflict({ group: '', name: 'resourcequotas' }, [...(lost ?? [])][0] ?? '', optimisticLockMessage));
}

/** Charges the waiting writes one after the other. Those that are refused, or change nothing, wait no longer. */
function chargeAll(
  stored: readonly ResourceQuota[],
  waiting: Set<Waiter>,
  lost: ReadonlySet<string> | undefined,
): { running: Map<string, ResourceList>; refused: Waiter[] } {
  const running = new Map<string, ResourceList>();
  const refused: Waiter[] = [];
  const now = (): ResourceQuota[] =>
    stored.map((quota) => {
      const used = running.get(quota.metadata.name);
      return used === undefined ? quota : { ...quota, status: { ...quota.status, used } };
    });
  for (const waiter of waiting) {
    // What was written in an earlier round stays taken; the rest is asked for again.
    for (const name of lost ?? []) waiter.taken.delete(name);
    try {
      const quotas = now();
      const charge = waiter.charge(quotas);
      if (waiter.dryRun || (charge.size === 0 && waiter.taken.size === 0)) {
        waiting.delete(waiter);
        waiter.resolve();
        continue;
      }
      for (const [name, added] of charge) {
        waiter.taken.set(name, added);
        const { status } = quotas.find(({ metadata }) => metadata.name === name) ?? {};
        running.set(name, addLists(status?.used ?? {}, added));
      }
    } catch (error) {
      waiting.delete(waiter);
      if (waiter.taken.size > 0) refused.push(waiter);
      waiter.reject(error);
    }
  }
  return { running, refused };
}

/** @returns the quotas that somebody else has written meanwhile */
async function writeAll(
  ledger: Ledger,
  stored: readonly ResourceQuota[],
  running: ReadonlyMap<string, ResourceList>,
  store: QuotaStore,
): Promise<Set<string>> {
  const lost = new Set<string>();
  for (const quota of stored) {
    const { name } = quota.metadata;
    const used = running.get(name);
    if (used === undefined) continue;
    const revision = await store.write(quota, { ...quota.status, used: { ...used } });
    if (revision === undefined) lost.add(name);
    else ledger.own.set(name, revision);
  }
  return lost;
}

/**
 * Only where nobody but this server has written the quota since: else it was counted anew, without what is given back here. What is not
 * given back is free when the controller counts anew.
 */
async function giveBack(
  namespace: string,
  ledger: Ledger,
  taken: ReadonlyMap<string, ResourceList>,
  store: QuotaStore,
): Promise<void> {
  for (const quota of store.list(namespace)) {
    const { name, resourceVersion } = quota.metadata;
    const added = taken.get(name);
    if (added === undefined || ledger.own.get(name) !== resourceVersion) continue;
    const used = quota.status?.used ?? {};
    const rest = subtractLists(maskList(used, Object.keys(added)), added);
    const revision = await store.write(quota, { ...quota.status, used: { ...used, ...rest } });
    if (revision !== undefined) ledger.own.set(name, revision);
  }
}
