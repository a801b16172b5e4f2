/**
 * A file beside the database with the newest acknowledged revision. It is written after each commit without waiting for the disk,
 * so it is cheap. After a power failure it may have an older revision, but never a newer one than the database. A database with
 * an older revision than this file has lost acknowledged writes: its log was cut or deleted, or the database was replaced by an
 * older copy.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';

const label = 'newest acknowledged revision: ';
const digits = 16;

/** The path of the record that belongs to a database. */
export const acknowledgedPath = (database: string): string => `${database}-acknowledged`;

/** The recorded revision. Undefined when there is no record, or a malformed one. */
export function readAcknowledged(path: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const revision = new RegExp(`^${label}(\\d{${digits}})\\n$`).exec(text)?.[1];
  return revision === undefined ? undefined : Number(revision);
}

/** Writes the record of one database. */
export class AcknowledgedRecord {
  readonly #fd: number;

  /** @throws Error when the file cannot be made or written */
  constructor(path: string, revision: number) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    this.write(revision);
  }

  /** Overwrites the line in place. It always has the same length, so one write replaces all of it. */
  write(revision: number): void {
    writeSync(this.#fd, `${label}${String(revision).padStart(digits, '0')}\n`, 0, 'latin1');
  }

  close(): void {
    closeSync(this.#fd);
  }
}
