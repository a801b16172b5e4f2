/**
 * Handles unhandled exceptions and rejections in a daemon. They are bugs, and after one the state of the process is unknown. The
 * error is logged with its stack and counted, and the process stops in order, so that systemd starts a new one. Code that works
 * on one request, object or container must not let exceptions come this far: it catches, logs and replies with an error.
 *
 * Source: apimachinery `pkg/util/runtime` (HandleCrash logs the panic and panics again, which ends the component).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Counter } from 'prom-client';
import { writeSafely } from '#control/pki/pki-files.ts';

/**
 * The exit status after an unhandled error: EX_SOFTWARE of sysexits.h, an internal error. A daemon that cannot start ends with 1.
 */
export const unhandledExitCode = 70;

type Origin = NodeJS.UncaughtExceptionOrigin;
const origins: readonly Origin[] = ['uncaughtException', 'unhandledRejection'];

/** Counts unhandled errors over restarts: a metrics client meets only the process that was started after the error. */
export class UnhandledErrors {
  readonly counter = new Counter({
    name: 'tinker_unhandled_errors_total',
    help: 'Exceptions and rejections that no code handled, each of which ended the process in order; counted over restarts.',
    labelNames: ['origin'],
    registers: [],
  });
  readonly #file: string | undefined;
  readonly #log: Logger;
  readonly #counts: Map<Origin, number>;

  /** @param folder the folder in which the counts are stored; undefined: a process without one counts its own alone */
  constructor(folder: string | undefined, log: Logger) {
    this.#file = folder === undefined ? undefined : join(folder, 'unhandled-errors.json');
    this.#log = log;
    this.#counts = this.#file === undefined ? new Map() : readCounts(this.#file, log);
    for (const [origin, count] of this.#counts) this.counter.inc({ origin }, count);
  }

  /** Logs and counts an error. Never throws: when the folder cannot be written to, that is logged too. */
  record(error: unknown, origin: Origin): void {
    const err = error instanceof Error ? error : new Error(`not an Error was thrown: ${String(error)}`);
    this.#log.fatal({ err, origin }, 'an error that no code handled: the process ends in order');
    this.counter.inc({ origin });
    this.#counts.set(origin, (this.#counts.get(origin) ?? 0) + 1);
    if (this.#file === undefined) return;
    try {
      writeSafely(this.#file, `${JSON.stringify(Object.fromEntries(this.#counts))}\n`);
    } catch (failure) {
      this.#log.error({ err: failure, file: this.#file }, 'the count of unhandled errors could not be kept');
    }
  }
}

function readCounts(file: string, log: Logger): Map<Origin, number> {
  const counts = new Map<Origin, number>(origins.map((origin) => [origin, 0]));
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    for (const origin of origins) {
      const count = Object.hasOwn(kept, origin) ? kept[origin] : 0;
      if (typeof count === 'number' && Number.isSafeInteger(count) && count > 0) counts.set(origin, count);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      log.warn({ err: error, file }, 'the count of unhandled errors cannot be read; counting starts at 0');
  }
  return counts;
}
