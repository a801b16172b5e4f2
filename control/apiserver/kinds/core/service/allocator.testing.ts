/** For tests only: allocators on a temporary store. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '#client/clock.ts';
import { createSqliteStore } from '#control/store/sqlite.ts';
import type { Store } from '#control/store/store.ts';
import { silentLog } from '../../../serving/server-log.ts';
import { createServiceAllocator, type ServiceAllocator, type ServiceAllocatorOptions } from './allocator.ts';

export interface AllocationStore {
  store: Store;
  clock: FakeClock;
  /** The allocator of another API server on the same store. Its first repair has run, with no services. */
  allocator(options?: Partial<ServiceAllocatorOptions>, random?: () => number): Promise<ServiceAllocator>;
  /** All keys. */
  keys(): Promise<string[]>;
  /** Removes all allocations. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function openAllocationStore(): Promise<AllocationStore> {
  const folder = await mkdtemp(join(tmpdir(), 'allocator-test-'));
  const store = await createSqliteStore({ path: join(folder, 'state.db') });
  const clock = new FakeClock();
  const keys = async (): Promise<string[]> => (await store.range({ prefix: '/' })).entries.map(({ key }) => key);
  return {
    store,
    clock,
    keys,
    async allocator(options = {}, random = () => 0) {
      const deps = { store, clock, log: silentLog, random };
      const allocator = createServiceAllocator(deps, { serviceCidr: '10.96.0.0/16', ...options });
      await allocator.repair(async () => ({ objects: [], complete: true }));
      return allocator;
    },
    async clear() {
      for (const key of await keys()) await store.delete(key);
    },
    async close() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
