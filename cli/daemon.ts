/** What the programs server and agent share: the log, signals, and the notification of systemd when they are ready. */
import { type Logger, pino } from 'pino';
import type { Metric } from 'prom-client';
import { execFile } from '#agent/host/exec.ts';
import { systemClock } from '#client/clock.ts';
import { createLogDestination } from './log-destination.ts';
import { processMemory, returnMemory } from './memory-return.ts';
import { UnhandledErrors, unhandledExitCode } from './unhandled-errors.ts';

const endMs = 3000;
/** Time to stop in order after an unhandled error. Closing the store properly is more important than a fast restart. */
const unhandledEndMs = 10_000;

/** What {@link runDaemon} passes to the program. */
export interface DaemonContext {
  log: Logger;
  /** The program calls it once it serves. */
  ready: () => void;
  /** Aborts when the process must end: on a signal, or after an unhandled error. */
  signal: AbortSignal;
  /** Metrics about the process itself. The program shows them under its /metrics. */
  metrics: readonly Metric[];
}

/** Checks a log level. @throws Error when there is no such level */
export function checkLogLevel(level: string): void {
  if (!['debug', 'info', 'warn', 'error'].includes(level))
    throw new Error(`--log-level ${level}: give debug, info, warn or error`);
}

/**
 * Runs a program as a daemon. The first SIGTERM or SIGINT stops it in order, a second one at once. An unhandled error also stops
 * it in order, within ten seconds, with {@link unhandledExitCode} as exit status.
 * @param folder for files that must outlive the process; undefined: there are none
 */
export async function runDaemon(
  name: string,
  level: string,
  folder: string | undefined,
  run: (context: DaemonContext) => Promise<void>,
): Promise<void> {
  checkLogLevel(level);
  const destination = createLogDestination(1, { now: Date.now });
  const log = pino({ level, base: { name }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      log.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  const unhandled = new UnhandledErrors(folder, log);
  let endStatus = 0;
  // This event also reports unhandled rejections: Node raises them as exceptions when there is no other handler.
  process.on('uncaughtException', (error, origin) => {
    unhandled.record(error, origin);
    if (endStatus === unhandledExitCode) return;
    endStatus = unhandledExitCode;
    setTimeout(() => process.exit(unhandledExitCode), unhandledEndMs);
    stop.abort();
  });
  let isServing = false;
  const ready = (): void => {
    isServing = true;
    void notifySystemd(log);
  };
  void processMemory(systemClock, log).then((memory) => returnMemory(memory, stop.signal));
  try {
    await run({ log, ready, signal: stop.signal, metrics: [unhandled.counter] });
  } catch (error) {
    // When the program cannot start, tinker.ts prints the reason in one line. When it fails later, the log gets the error with
    // its stack.
    if (isServing) log.fatal({ err: error }, 'a part has failed: the process ends');
    if (endStatus !== 0) process.exit(endStatus);
    // The other parts get some time to end. A part that does not end must not delay the restart by systemd.
    setTimeout(() => process.exit(1), endMs).unref();
    throw error;
  }
  log.info('stopped');
  process.exit(endStatus);
}

/** Sends `READY=1`, for a unit with `Type=notify`. */
async function notifySystemd(log: Logger): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  try {
    await execFile(['systemd-notify', '--ready']);
  } catch (error) {
    log.warn({ err: error }, 'systemd was not told that this is ready');
  }
}
