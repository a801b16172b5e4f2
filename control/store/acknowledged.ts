/**
 * Beside the database: the newest revision that was acknowledged. It is written after each commit and is not waited for, so it costs
 * nothing; a power failure may leave an older one, never a newer one than the database has. A database that stands before it has
 * lost what clients were told is safe: its log was cut, deleted, or an older copy was put in its place.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';

const label = 'newest acknowledged revision: ';
const digits = 16;

/** The file's path, beside the database's. */
export const acknowledgedPath = (database: string): string => `${database}-acknowledged`;

/** Undefined where there is no record, or one that cannot be understood. */
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

export class AcknowledgedRecord {
  readonly #fd: number;

  /** @throws where the file cannot be made or written */
  constructor(path: string, revision: number) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    this.write(revision);
  }

  /** In place: a line always of the same length, so one write changes all of it. */
  write(revision: number): void {
    writeSync(this.#fd, `${label}${String(revision).padStart(digits, '0')}\n`, 0, 'latin1');
  }

  close(): void {
    closeSync(this.#fd);
  }
}
