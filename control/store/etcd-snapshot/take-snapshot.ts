/** What a store holds at one moment. */
import { CompactedError, type Store, type StoreEntry } from '../store.ts';
import type { EmbeddedStore } from '../transaction.ts';
import type { SnapshotContent } from './etcd-snapshot.ts';

const pageKeys = 500;

/** Reads everything, at one revision. @throws StoreError */
export async function takeSnapshot(store: EmbeddedStore): Promise<SnapshotContent> {
  const entries: StoreEntry[] = [];
  const { revision } = await readAll(store, entries);
  const leases = store.leases().map(({ id, ttlSeconds }) => ({ id, ttlSeconds }));
  return { revision, entries, leases };
}

async function readAll(store: Store, entries: StoreEntry[]): Promise<{ revision: number }> {
  for (let tries = 0; ; tries++) {
    entries.length = 0;
    try {
      const first = await store.range({ prefix: '', limit: pageKeys });
      entries.push(...first.entries);
      const { revision } = first;
      for (let page = first; page.more; ) {
        page = await store.range({ prefix: '', limit: pageKeys, revision, startKey: `${entries.at(-1)?.key}\0` });
        entries.push(...page.entries);
      }
      return { revision };
    } catch (error) {
      // The revision was compacted while it was read: begins anew.
      if (!(error instanceof CompactedError) || tries === 3) throw error;
    }
  }
}
