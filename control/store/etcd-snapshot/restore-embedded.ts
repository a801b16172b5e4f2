/** Makes an embedded store of a snapshot. */
import { existsSync, renameSync } from 'node:fs';
import { acknowledgedPath, readAcknowledged } from '../acknowledged.ts';
import { StoreError } from '../errors.ts';
import { EtcdKeys } from '../etcd/etcd-keys.ts';
import { createSqliteStore, type WorkerSource } from '../sqlite.ts';
import { openDatabase } from '../sqlite-file.ts';
import type { StoreEntry } from '../store.ts';
import type { SnapshotContent } from './etcd-snapshot.ts';

/** What a restore did. */
export interface Restored {
  /** The new store's revision. */
  revision: number;
  keys: number;
  /** Where the store is that was there before. */
  replaced: string | undefined;
}

/** How it is restored. */
export interface RestoreOptions {
  /** Added to the revision, above all that clients may have seen since the snapshot. */
  bumpRevision: number;
  /** What the keys begin with in the snapshot (`--etcd-prefix`). */
  prefix: string;
  nowMs: number;
  /** As for {@link createSqliteStore}. */
  worker?: WorkerSource | undefined;
}

/**
 * Writes the snapshot to a database file that is not in use. What is there is kept under another name, and the new store's revision is above
 * that one's. Everything up to it counts as compacted, so that clients list anew: they never see a revision go back.
 * @throws StoreError `busy`: a server has the store open
 */
export async function restoreEmbedded(path: string, content: SnapshotContent, options: RestoreOptions): Promise<Restored> {
  const before = existsSync(path) ? await newestOf(path, options.worker) : 0;
  const replaced = before === 0 ? undefined : moveAway(path, options.nowMs);
  const keys = new EtcdKeys(options.prefix);
  const entries = distinct(
    content.entries.flatMap((entry) => {
      const key = keys.named(Buffer.from(entry.key));
      return key === undefined ? [] : { ...entry, key };
    }),
    content.revision,
  );
  const newest = entries.reduce((revision, entry) => Math.max(revision, entry.modRevision), content.revision);
  const revision = Math.max(newest + options.bumpRevision, before + 1);
  write(path, { revision, entries, leases: content.leases });
  return { revision, keys: entries.length, replaced };
}

/** The newest revision that a store has given to clients. @throws StoreError */
async function newestOf(path: string, worker: WorkerSource | undefined): Promise<number> {
  const store = await createSqliteStore({ path, worker });
  const revision = await store.currentRevision();
  await store.close();
  return Math.max(revision, readAcknowledged(acknowledgedPath(path)) ?? 0, 1);
}

function moveAway(path: string, nowMs: number): string {
  const kept = `${path}.replaced-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
  if (existsSync(kept)) throw new StoreError('io', `${kept} is there already: nothing was changed; try again`);
  for (const suffix of ['-wal', '-shm', '-acknowledged']) if (existsSync(path + suffix)) renameSync(path + suffix, kept + suffix);
  renameSync(path, kept);
  return kept;
}

/** The embedded store has one change in each revision; etcd may have several, of which the others get revisions of their own. */
function distinct(entries: readonly StoreEntry[], revision: number): StoreEntry[] {
  const taken = new Set<number>();
  let next = revision;
  return entries.map((entry) => {
    const modRevision = taken.has(entry.modRevision) ? ++next : entry.modRevision;
    taken.add(modRevision);
    return { ...entry, modRevision };
  });
}

function write(path: string, { revision, entries, leases }: SnapshotContent): void {
  const { database } = openDatabase(path);
  try {
    database.exec('BEGIN IMMEDIATE');
    const log = database.prepare(
      'INSERT INTO log (revision, key, value, create_revision, version, deleted, lease, prev) VALUES (?, ?, ?, ?, ?, 0, ?, 0)',
    );
    const current = database.prepare('INSERT INTO current (key, revision, lease) VALUES (?, ?, ?)');
    const granted = database.prepare('INSERT INTO lease (id, ttl_seconds) VALUES (?, ?)');
    // Ids that etcd has made up are too large for a number.
    const ids = new Map(leases.map(({ id }, index) => [id, index + 1]));
    for (const { id, ttlSeconds } of leases) granted.run(ids.get(id) ?? 0, ttlSeconds);
    for (const { key, value, createRevision, modRevision, version, lease } of entries) {
      const own = ids.get(lease) ?? 0;
      log.run(modRevision, key, value, createRevision, version, own);
      current.run(key, modRevision, own);
    }
    database.prepare("UPDATE meta SET value = ? WHERE name IN ('compacted', 'swept')").run(revision);
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}
