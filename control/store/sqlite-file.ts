/** The database file. It is created atomically, checked before it is used, and not changed when it belongs to another program. */
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { acknowledgedPath } from './acknowledged.ts';
import { fromSqlite, StoreError } from './errors.ts';
import { recover, type StoreNote } from './recovery.ts';
import { inspectWal } from './wal-file.ts';

/** "TKNS" in SQLite's header identifies the database, for us and for file(1) (sqlite.org/fileformat2.html, offset 68). */
const APPLICATION_ID = 0x544b4e53;
/** Increased when the tables change (header offset 60). */
const SCHEMA_VERSION = 1;
const HEADER_BYTES = 100;
const MAX_WAL_BYTES = 64 << 20;

/**
 * The tables. `log` has every change, one row per revision. `current` has the newest revision of each existing key. `prev` is the
 * revision of the state that a change replaced, 0 for a creation. `meta.swept` is the revision up to which compaction has deleted
 * rows.
 */
const SCHEMA = `
  PRAGMA auto_vacuum = INCREMENTAL;
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value BLOB,
    create_revision INTEGER NOT NULL,
    version INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    prev INTEGER NOT NULL
  );
  CREATE INDEX log_by_key ON log (key, revision, deleted);
  CREATE TABLE current (key TEXT PRIMARY KEY, revision INTEGER NOT NULL, lease INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX current_by_lease ON current (lease) WHERE lease <> 0;
  CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_seconds REAL NOT NULL);
  CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('compacted', 0), ('swept', 0);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** A database that {@link openDatabase} has opened. */
export interface OpenedDatabase {
  database: DatabaseSync;
  /** Messages about lost writes, for the log. */
  notes: StoreNote[];
}

/**
 * Opens the store's database for this process only, and creates an empty one when there is no file. @throws StoreError; the file
 * is then unchanged
 */
export function openDatabase(path: string): OpenedDatabase {
  try {
    if (!existsSync(path)) {
      checkNoStaleLog(path);
      createFile(path);
    }
    checkHeader(path);
    chmodSync(path, 0o600);
    const wal = inspectWal(`${path}-wal`);
    const database = openChecked(path);
    try {
      return { database, notes: recover(database, path, wal) };
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) {
      throw new StoreError('io', `store ${path} cannot be opened: ${error.message}`, { cause: error });
    }
    throw fromSqlite(error, path);
  }
}

/** Refuses a log without its database: SQLite would apply it to the new database. */
function checkNoStaleLog(path: string): void {
  const log = `${path}-wal`;
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw new StoreError(
      'corrupt',
      `store ${path} is missing, but its log ${log} is there: nothing was changed; restore ${path} from a backup, or move the log away to start empty`,
    );
  }
  // The record belongs to another store, which was moved away.
  rmSync(acknowledgedPath(path), { force: true });
}

/** Creates the file under a temporary name and links it, so that a crash leaves no incomplete file under its name. */
function createFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.new-${process.pid}`;
  rmSync(fresh, { force: true });
  try {
    closeSync(openSync(fresh, 'wx', 0o600));
    const database = new DatabaseSync(fresh);
    database.exec(`${SCHEMA} PRAGMA journal_mode = WAL;`);
    database.close();
    fsyncPath(fresh);
    // A link and no rename: when two processes start at once, one creates the file and both open the same one.
    linkSync(fresh, path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
  fsyncPath(dirname(path));
}

function fsyncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Checks the header before SQLite opens the file, because opening might already change another program's database. */
function checkHeader(path: string): void {
  if (!statSync(path).isFile()) throw new StoreError('foreign', `store ${path} is not a file: name a file for the store`);
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(path, 'r');
  let length: number;
  try {
    length = readSync(fd, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(fd);
  }
  const moveAway = 'nothing was changed; move it away to start with an empty store, or restore a backup';
  if (length === 0) throw new StoreError('foreign', `store ${path} is an empty file: ${moveAway}`);
  const magic = header.toString('latin1', 0, 16);
  if (magic !== 'SQLite format 3\0') throw new StoreError('foreign', `store ${path} is not a SQLite database: ${moveAway}`);
  if (length < HEADER_BYTES) throw new StoreError('corrupt', `store ${path} ends within its header: ${moveAway}`);
  if (header.readUInt32BE(68) !== APPLICATION_ID) {
    throw new StoreError('foreign', `store ${path} is the database of another program: ${moveAway}`);
  }
  const version = header.readUInt32BE(60);
  if (version > SCHEMA_VERSION) {
    throw new StoreError(
      'foreign',
      `store ${path} has format ${version}, this program knows up to ${SCHEMA_VERSION}: use the newer program`,
    );
  }
}

function openChecked(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Exclusive mode before the first access: no other process can open the file, and the WAL index needs no shared memory.
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = ${MAX_WAL_BYTES};
      BEGIN IMMEDIATE; COMMIT;
    `);
    const check = database.prepare('PRAGMA quick_check(1)').get();
    if (check?.['quick_check'] !== 'ok') {
      const why = String(check?.['quick_check']).trim();
      throw new StoreError(
        'corrupt',
        `store ${path} is damaged (${why}): nothing was changed; restore it from a backup, or move it away to start empty`,
      );
    }
    const lost = database
      .prepare('SELECT c.key FROM current c LEFT JOIN log l ON l.revision = c.revision WHERE l.revision IS NULL')
      .get();
    if (lost !== undefined) {
      throw new StoreError(
        'corrupt',
        `store ${path} is damaged (it has lost the value of ${String(lost['key'])}): nothing was changed; restore it from a backup, or move it away to start empty`,
      );
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
