/**
 * What an exception that no code caught, or a rejected promise that nobody holds, means in a daemon: a defect, after which nobody
 * knows what state the process is in. It is logged with its stack, counted, and the process ends in order, for systemd to start a
 * new one. Code that works for one request, one object or one container never lets an exception come this far: it catches, logs
 * and answers with an error.
 *
 * Source: apimachinery `pkg/util/runtime` (HandleCrash logs the panic and panics again, which ends the component).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { Counter } from 'prom-client';
import { writeSafely } from '#control/pki/pki-files.ts';

/** EX_SOFTWARE of sysexits.h: an internal error. What keeps a daemon from starting is 1. */
export const unhandledExitCode = 70;

type Origin = NodeJS.UncaughtExceptionOrigin;
const origins: readonly Origin[] = ['uncaughtException', 'unhandledRejection'];

/** Counted over restarts, for whoever reads metrics meets the process that came after the error. */
export class UnhandledErrors {
  readonly counter = new Counter({
    name: 'tinker_unhandled_errors_total',
    help: 'Exceptions and rejections that no code handled, each of which ended the process in order; counted over restarts.',
    labelNames: ['origin'],
    registers: [],
  });
  readonly #file: string;
  readonly #log: Logger;
  readonly #counts: Map<Origin, number>;

  /** @param folder where the counts are kept */
  constructor(folder: string, log: Logger) {
    this.#file = join(folder, 'unhandled-errors.json');
    this.#log = log;
    this.#counts = readCounts(this.#file, log);
    for (const [origin, count] of this.#counts) this.counter.inc({ origin }, count);
  }

  /** Never throws: a folder that cannot be written to is logged, too. */
  record(error: unknown, origin: Origin): void {
    const err = error instanceof Error ? error : new Error(`not an Error was thrown: ${String(error)}`);
    this.#log.fatal({ err, origin }, 'an error that no code handled: the process ends in order');
    this.counter.inc({ origin });
    this.#counts.set(origin, (this.#counts.get(origin) ?? 0) + 1);
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
