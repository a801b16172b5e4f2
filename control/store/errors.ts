/** The failures of the embedded store's database file, in words for the user. */

/** The cause of a {@link StoreError}. */
export type StoreErrorCode =
  /** Another process has the file open. */
  | 'busy'
  /** The file is a store, but damaged. */
  | 'corrupt'
  /** The file belongs to another program, or to a newer version. */
  | 'foreign'
  /** The disk is full. The store stays usable. */
  | 'full'
  /** The file cannot be read or written. */
  | 'io'
  /** The store did not answer in time. It is unknown whether a write has happened. */
  | 'unavailable'
  /** The store has been closed, or its thread has ended. */
  | 'closed';

/** A failure of the database file or of the thread that owns it. Conflicts and compacted revisions have other errors. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}

/** A put, renewal or revocation used a lease that was never granted, has expired, or was revoked. The message is etcd's. */
export class LeaseNotFoundError extends Error {
  readonly lease: number;
  constructor(lease: number) {
    super('requested lease not found');
    this.name = 'LeaseNotFoundError';
    this.lease = lease;
  }
}

/** SQLite's primary result codes (sqlite.org/rescode.html). Extended codes have them in the low byte. */
const SQLITE_PERM = 3;
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/**
 * Turns an error of `node:sqlite` into a {@link StoreError} in words for the user, with the error as `cause`. Any other error is
 * returned unchanged.
 */
export function fromSqlite(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return error;
  const wrap = (code: StoreErrorCode, message: string): StoreError => new StoreError(code, message, { cause: error });
  switch (error.errcode & 0xff) {
    case SQLITE_BUSY:
      return wrap(
        'busy',
        `store ${path} is in use by another process: stop that one first, or give this one its own data directory`,
      );
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return wrap(
        'corrupt',
        `store ${path} is damaged (${error.message}): nothing was changed; restore it from a backup, or move it away to start empty`,
      );
    case SQLITE_FULL:
      return wrap('full', `store ${path}: no space left on the disk, the change was not made: free some space and try again`);
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return wrap('io', `store ${path} cannot be opened for writing (${error.message}): check its owner, mode and file system`);
    case SQLITE_IOERR:
      return wrap('io', `store ${path}: reading or writing failed (${error.message}), the change was not made: check the disk`);
    default:
      return error;
  }
}
