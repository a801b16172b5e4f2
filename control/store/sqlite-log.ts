/** etcd's model in SQL: the log of changes, the current state, leases, compaction. It does not know about threads. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LeaseNotFoundError } from './errors.ts';
import { compareKeys, prefixEnd } from './key-range.ts';
import type { ChangesOperation, ChangesResult, GetResult, RevokeResult, WriteOperation } from './sqlite-protocol.ts';
import type { RangeOptions, RangeResult, StoreEntry, StoreEvent, WriteResult } from './store.ts';
import { CompactedError, FutureRevisionError } from './store.ts';
import {
  holds,
  type KeySpan,
  type StepResult,
  type Transaction,
  type TransactionResult,
  type TransactionStep,
} from './transaction.ts';

/** Limit of revisions that one replay request reads, so that writes behind it do not wait long. */
const REPLAY_REVISIONS = 20_000;
const REPLAY_EVENTS = 1_000;
const REPLAY_BYTES = 4 << 20;
const SWEEP_REVISIONS = 500;
const VACUUM_PAGES = 256;

const ENTRY = 'l.key, l.value, l.create_revision AS created, l.revision, l.version, l.lease';
const IN_RANGE = 'key >= ? AND key < ?';
/** A blob sorts after every text: the upper bound of a range without an end. */
const NO_END = new Uint8Array(0);

interface EntryRow {
  key: string;
  value: Uint8Array;
  created: number;
  revision: number;
  version: number;
  lease: number;
}
interface ChangeRow extends EntryRow {
  value: Uint8Array;
  deleted: number;
  prev: number;
  prevValue: Uint8Array;
  prevCreated: number;
  prevVersion: number;
  prevLease: number;
}
type Bound = string | Uint8Array;

/** A prepared statement whose rows have the shape that its SQL gives them. Only this class asserts that shape. */
class Query<Row> {
  readonly #statement: StatementSync;
  constructor(database: DatabaseSync, sql: string) {
    this.#statement = database.prepare(sql);
  }
  get(...values: (Bound | number)[]): Row | undefined {
    return this.#statement.get(...values) as Row | undefined;
  }
  all(...values: (Bound | number)[]): Row[] {
    return this.#statement.all(...values) as Row[];
  }
  iterate(...values: (Bound | number)[]): Iterable<Row> {
    return this.#statement.iterate(...values) as Iterable<Row>;
  }
}

const queries = (db: DatabaseSync) => ({
  current: new Query<EntryRow>(db, `SELECT ${ENTRY} FROM current c CROSS JOIN log l ON l.revision = c.revision WHERE c.key = ?`),
  currentRange: new Query<EntryRow>(
    db,
    `SELECT ${ENTRY} FROM current c CROSS JOIN log l ON l.revision = c.revision WHERE c.key >= ? AND c.key < ? ORDER BY c.key LIMIT ?`,
  ),
  currentCount: new Query<{ count: number }>(db, `SELECT count(*) AS count FROM current WHERE ${IN_RANGE}`),
  at: new Query<EntryRow & { deleted: number }>(
    db,
    `SELECT ${ENTRY}, l.deleted FROM log l WHERE l.key = ? AND l.revision <= ? ORDER BY l.revision DESC LIMIT 1`,
  ),
  // The limit is applied before values are read, so that only the values of the page are read.
  rangeAt: new Query<EntryRow>(
    db,
    `SELECT ${ENTRY} FROM (
       SELECT key, max(revision) AS revision FROM log WHERE ${IN_RANGE} AND revision <= ? GROUP BY key HAVING deleted = 0 ORDER BY key LIMIT ?
     ) m CROSS JOIN log l ON l.revision = m.revision ORDER BY m.key`,
  ),
  countAt: new Query<{ count: number }>(
    db,
    `SELECT count(*) AS count FROM (SELECT max(revision), deleted FROM log WHERE ${IN_RANGE} AND revision <= ? GROUP BY key) WHERE deleted = 0`,
  ),
  // The plus signs keep SQLite from using the key index: the log is read in the order of revisions.
  changes: new Query<ChangeRow>(
    db,
    `SELECT ${ENTRY}, l.deleted, l.prev, p.value AS prevValue, p.create_revision AS prevCreated, p.version AS prevVersion, p.lease AS prevLease
     FROM log l LEFT JOIN log p ON p.revision = l.prev
     WHERE l.revision > ? AND l.revision <= ? AND +l.key >= ? AND +l.key < ? ORDER BY l.revision`,
  ),
  byLease: new Query<{ key: string }>(db, 'SELECT key FROM current WHERE lease = ? AND lease <> 0 ORDER BY key'),
  leases: new Query<{ id: number; ttlSeconds: number }>(db, 'SELECT id, ttl_seconds AS ttlSeconds FROM lease'),
  pageCount: new Query<{ page_count: number }>(db, 'PRAGMA page_count'),
  pageSize: new Query<{ page_size: number }>(db, 'PRAGMA page_size'),
  meta: new Query<{ value: number }>(db, 'SELECT value FROM meta WHERE name = ?'),
  newest: new Query<{ revision: number | null }>(db, 'SELECT max(revision) AS revision FROM log'),
  swept: new Query<{ revision: number; prev: number; deleted: number }>(
    db,
    'SELECT revision, prev, deleted FROM log WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?',
  ),
});

const statements = (db: DatabaseSync) => ({
  begin: db.prepare('BEGIN IMMEDIATE'),
  commit: db.prepare('COMMIT'),
  append: db.prepare(
    'INSERT INTO log (revision, key, value, create_revision, version, deleted, lease, prev) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  ),
  setCurrent: db.prepare(
    'INSERT INTO current (key, revision, lease) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, lease = excluded.lease',
  ),
  dropCurrent: db.prepare('DELETE FROM current WHERE key = ?'),
  grant: db.prepare('INSERT INTO lease (id, ttl_seconds) VALUES (?, ?)'),
  revoke: db.prepare('DELETE FROM lease WHERE id = ?'),
  setMeta: db.prepare('UPDATE meta SET value = ? WHERE name = ?'),
  forget: db.prepare('DELETE FROM log WHERE revision = ?'),
  // The value must change, because SQLite does not write an unchanged page.
  probe: db.prepare("INSERT INTO meta VALUES ('probes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"),
});

const toEntry = (row: EntryRow): StoreEntry => ({
  key: row.key,
  value: row.value,
  createRevision: row.created,
  modRevision: row.revision,
  version: row.version,
  lease: row.lease,
});

/** The store's log in one SQLite database. */
export class SqliteLog {
  readonly #db: DatabaseSync;
  readonly #query: ReturnType<typeof queries>;
  readonly #run: ReturnType<typeof statements>;
  readonly #leases: Map<number, number>;
  #revision: number;
  #compacted: number;
  #swept: number;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#query = queries(db);
    this.#run = statements(db);
    this.#compacted = this.#query.meta.get('compacted')?.value ?? 0;
    this.#swept = this.#query.meta.get('swept')?.value ?? 0;
    // Compaction may have deleted the newest row (a tombstone). Its revision must not be used again.
    this.#revision = Math.max(this.#query.newest.get()?.revision ?? 0, this.#compacted);
    this.#leases = new Map(this.#query.leases.all().map(({ id, ttlSeconds }) => [id, ttlSeconds]));
  }

  /** The newest revision. */
  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision that can be read. */
  get compactRevision(): number {
    return this.#compacted;
  }

  /** The size of the database file in bytes. */
  get sizeBytes(): number {
    return (this.#query.pageCount.get()?.page_count ?? 0) * (this.#query.pageSize.get()?.page_size ?? 0);
  }

  /** The TTL in seconds of each lease that was granted and not revoked. */
  get leases(): ReadonlyMap<number, number> {
    return this.#leases;
  }

  /** Runs `work` and commits it to disk. When anything fails, nothing of it has happened. @throws the failure */
  transaction<T>(work: () => T): T {
    const revision = this.#revision;
    this.#run.begin.run();
    try {
      const result = work();
      this.#run.commit.run();
      return result;
    } catch (error) {
      // SQLite has already rolled back after some errors (full disk, I/O).
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#revision = revision;
      this.#leases.clear();
      for (const { id, ttlSeconds } of this.#query.leases.all()) this.#leases.set(id, ttlSeconds);
      throw error;
    }
  }

  /** Commits a small change without meaning, to test whether writes succeed. @throws Error when they do not */
  probe(): void {
    this.transaction(() => this.#run.probe.run());
  }

  /** Applies one write. Call it within a {@link transaction}. @throws LeaseNotFoundError before anything is changed */
  write(operation: WriteOperation): WriteResult | RevokeResult | TransactionResult | number {
    switch (operation.op) {
      case 'put':
        return this.#put(operation.key, operation.value, operation.expectedRevision, operation.lease);
      case 'delete':
        return this.#delete(operation.key, operation.expectedRevision);
      case 'grant': {
        // SQLite chooses an id where none is given.
        const id = Number(this.#run.grant.run(operation.id ?? null, operation.ttlSeconds).lastInsertRowid);
        this.#leases.set(id, operation.ttlSeconds);
        return id;
      }
      case 'revoke':
        return this.#revoke(operation.lease);
      case 'transact':
        return this.#transact(operation.transaction);
    }
  }

  /** What can be refused is refused before anything is changed. */
  #transact({ comparisons, success, failure }: Transaction): TransactionResult {
    const succeeded = comparisons.every((comparison) => holds(comparison, this.#spanned(comparison.span)));
    const steps = succeeded ? success : failure;
    for (const step of steps) {
      if (step.op === 'put' && step.lease !== 0 && !this.#leases.has(step.lease)) throw new LeaseNotFoundError(step.lease);
      if (step.op === 'range') this.#readRevision(step.revision);
    }
    const events: StoreEvent[] = [];
    const results = steps.map((step) => this.#step(step, events));
    return { revision: this.#revision, succeeded, results, events };
  }

  #step(step: TransactionStep, events: StoreEvent[]): StepResult {
    if (step.op === 'range') {
      const { span, limit, revision } = step;
      return { op: 'range', range: this.range({ prefix: '', startKey: span.from, endKey: span.to, limit, revision }) };
    }
    if (step.op === 'delete') {
      const deleted = this.#spanned(step.span);
      for (const entry of deleted) events.push({ type: 'delete', revision: this.#bury(entry), entry, previous: undefined });
      return { op: 'delete', deleted };
    }
    const { previous } = this.#put(step.key, step.value, undefined, step.lease) as Extract<WriteResult, { kind: 'ok' }>;
    const entry = this.#current(step.key) as StoreEntry;
    events.push({ type: 'put', revision: entry.modRevision, entry, previous });
    return { op: 'put', previous };
  }

  #spanned({ from, to }: KeySpan): StoreEntry[] {
    return this.#query.currentRange.all(from, to ?? NO_END, -1).map(toEntry);
  }

  #put(key: string, value: Uint8Array, expectedRevision: number | undefined, lease: number): WriteResult {
    if (lease !== 0 && !this.#leases.has(lease)) throw new LeaseNotFoundError(lease);
    const previous = this.#current(key);
    if (expectedRevision !== undefined && expectedRevision !== (previous?.modRevision ?? 0)) {
      return { kind: 'conflict', revision: this.#revision, current: previous };
    }
    const revision = ++this.#revision;
    const created = previous?.createRevision ?? revision;
    this.#run.append.run(revision, key, value, created, (previous?.version ?? 0) + 1, 0, lease, previous?.modRevision ?? 0);
    this.#run.setCurrent.run(key, revision, lease);
    return { kind: 'ok', revision, previous };
  }

  #delete(key: string, expectedRevision: number | undefined): WriteResult {
    const previous = this.#current(key);
    if (expectedRevision !== undefined && expectedRevision !== (previous?.modRevision ?? 0)) {
      return { kind: 'conflict', revision: this.#revision, current: previous };
    }
    if (previous === undefined) return { kind: 'ok', revision: this.#revision, previous };
    return { kind: 'ok', revision: this.#bury(previous), previous };
  }

  #bury(entry: StoreEntry): number {
    const revision = ++this.#revision;
    this.#run.append.run(revision, entry.key, null, entry.createRevision, 0, 1, 0, entry.modRevision);
    this.#run.dropCurrent.run(entry.key);
    return revision;
  }

  #revoke(lease: number): RevokeResult {
    if (!this.#leases.has(lease)) throw new LeaseNotFoundError(lease);
    this.#run.revoke.run(lease);
    this.#leases.delete(lease);
    const deleted: RevokeResult['deleted'] = [];
    for (const { key } of this.#query.byLease.all(lease)) {
      const entry = this.#current(key);
      if (entry !== undefined) deleted.push({ revision: this.#bury(entry), entry });
    }
    return { deleted };
  }

  #current(key: string): StoreEntry | undefined {
    const row = this.#query.current.get(key);
    return row === undefined ? undefined : toEntry(row);
  }

  /** Reads one key. @param revision 0: the current one @throws CompactedError @throws FutureRevisionError */
  get(key: string, revision: number): GetResult {
    if (this.#readRevision(revision) === 'current') return { revision: this.#revision, entry: this.#current(key) };
    const row = this.#query.at.get(key, revision);
    return { revision, entry: row === undefined || row.deleted === 1 ? undefined : toEntry(row) };
  }

  /** Reads a range. @throws CompactedError @throws FutureRevisionError */
  range({ prefix, revision = 0, startKey, endKey, limit = 0 }: RangeOptions): RangeResult {
    const from = startKey !== undefined && compareKeys(startKey, prefix) > 0 ? startKey : prefix;
    const afterPrefix = prefixEnd(prefix);
    const to = endKey !== undefined && (afterPrefix === undefined || compareKeys(endKey, afterPrefix) < 0) ? endKey : afterPrefix;
    const end = to ?? NO_END;
    // Reads one row more than asked for, to know whether there are more. -1 is SQLite's "no limit".
    const rows = limit > 0 ? limit + 1 : -1;
    const atCurrent = this.#readRevision(revision) === 'current';
    const found = atCurrent ? this.#query.currentRange.all(from, end, rows) : this.#query.rangeAt.all(from, end, revision, rows);
    const more = limit > 0 && found.length > limit;
    const entries = (more ? found.slice(0, limit) : found).map(toEntry);
    const counted = atCurrent ? this.#query.currentCount : this.#query.countAt;
    const count = more ? (counted.get(from, end, ...(atCurrent ? [] : [revision]))?.count ?? 0) : entries.length;
    return { revision: atCurrent ? this.#revision : revision, entries, more, count };
  }

  #readRevision(revision: number): 'current' | 'past' {
    if (revision > this.#revision) throw new FutureRevisionError(this.#revision);
    if (revision === 0 || revision === this.#revision) return 'current';
    if (revision < this.#compacted) throw new CompactedError(this.#compacted);
    return 'past';
  }

  /** Reads a part of the log. @throws CompactedError when changes right after `after` were compacted */
  changes({ prefix, after, through }: ChangesOperation): ChangesResult {
    if (after < this.#compacted) throw new CompactedError(this.#compacted);
    const last = Math.min(through, after + REPLAY_REVISIONS);
    const events: StoreEvent[] = [];
    let bytes = 0;
    for (const row of this.#query.changes.iterate(after, last, prefix, prefixEnd(prefix) ?? NO_END)) {
      const event = toEvent(row);
      events.push(event);
      bytes += event.entry.value.byteLength + (event.previous?.value.byteLength ?? 0);
      if (events.length >= REPLAY_EVENTS || bytes >= REPLAY_BYTES) return { events, through: event.revision };
    }
    return { events, through: last };
  }

  /** Makes `revision` the oldest revision that can be read. {@link sweep} then deletes the rows that are not needed any more. */
  compact(revision: number): void {
    if (revision > this.#revision) throw new FutureRevisionError(this.#revision);
    if (revision <= this.#compacted) throw new CompactedError(this.#compacted);
    this.transaction(() => this.#run.setMeta.run(revision, 'compacted'));
    this.#compacted = revision;
  }

  /**
   * Runs one step of deleting rows up to the compacted revision. Steps are short, so that writes do not wait long. A row can be
   * deleted when a change at or before that revision replaced it; a tombstone can always be deleted.
   * @returns whether there is more to do
   */
  sweep(): boolean {
    if (this.#swept >= this.#compacted) return this.#vacuum();
    const rows = this.#query.swept.all(this.#swept, this.#compacted, SWEEP_REVISIONS);
    const sweptNow = rows.length < SWEEP_REVISIONS ? this.#compacted : (rows.at(-1)?.revision ?? this.#compacted);
    this.transaction(() => {
      for (const { revision, prev, deleted } of rows) {
        if (prev !== 0) this.#run.forget.run(prev);
        if (deleted === 1) this.#run.forget.run(revision);
      }
      this.#run.setMeta.run(sweptNow, 'swept');
    });
    this.#swept = sweptNow;
    return true;
  }

  /** Gives free pages back to the file system, a limited number at a time. */
  #vacuum(): boolean {
    const free = (): number => Number(this.#db.prepare('PRAGMA freelist_count').get()?.['freelist_count'] ?? 0);
    if (free() < VACUUM_PAGES) return false;
    this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
    return free() >= VACUUM_PAGES;
  }
}

function toEvent(row: ChangeRow): StoreEvent {
  const previous: StoreEntry | undefined =
    row.prev === 0
      ? undefined
      : {
          key: row.key,
          value: row.prevValue,
          createRevision: row.prevCreated,
          modRevision: row.prev,
          version: row.prevVersion,
          lease: row.prevLease,
        };
  if (row.deleted === 0) return { type: 'put', revision: row.revision, entry: toEntry(row), previous };
  if (previous === undefined) throw new Error(`store: the deletion at revision ${row.revision} has lost what it deleted`);
  return { type: 'delete', revision: row.revision, entry: previous, previous: undefined };
}
