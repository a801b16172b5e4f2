/** What server and agent share as programs: a log, signals, and the word to systemd that they are up. */
import { type Logger, pino } from 'pino';
import type { Metric } from 'prom-client';
import { execFile } from '#agent/host/exec.ts';
import { systemClock } from '#client/clock.ts';
import { createLogDestination } from './log-destination.ts';
import { processMemory, returnMemory } from './memory-return.ts';
import { UnhandledErrors, unhandledExitCode } from './unhandled-errors.ts';

const endMs = 3000;
/** After an error that no code handled: closing the store in order is worth more than a quick start. */
const unhandledEndMs = 10_000;

export interface DaemonContext {
  log: Logger;
  /** To be called once it serves. */
  ready: () => void;
  /** Aborts when the process is to end: on a signal, or after an error that no code handled. */
  signal: AbortSignal;
  /** About the process itself, to be shown under its /metrics. */
  metrics: readonly Metric[];
}

/** @throws Error for what is no level */
export function checkLogLevel(level: string): void {
  if (!['debug', 'info', 'warn', 'error'].includes(level))
    throw new Error(`--log-level ${level}: give debug, info, warn or error`);
}

/**
 * The first SIGTERM or SIGINT stops in order; a second one at once. An error that no code handled stops in order as well, within ten
 * seconds, with {@link unhandledExitCode} as exit status.
 * @param folder holds what is to outlive the process
 */
export async function runDaemon(
  name: string,
  level: string,
  folder: string,
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
  // Also told of rejections: without a handler of its own, Node raises them as exceptions.
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
    void tellSystemd(log);
  };
  void processMemory(systemClock, log).then((memory) => returnMemory(memory, stop.signal));
  try {
    await run({ log, ready, signal: stop.signal, metrics: [unhandled.counter] });
  } catch (error) {
    // tinker.ts tells the user what kept it from starting, in one line; of what ends it later the log keeps the stack.
    if (isServing) log.fatal({ err: error }, 'a part has failed: the process ends');
    if (endStatus !== 0) process.exit(endStatus);
    // Its other parts get a moment to end. One that does not must not keep systemd from starting all of it again.
    setTimeout(() => process.exit(1), endMs).unref();
    throw error;
  }
  log.info('stopped');
  process.exit(endStatus);
}

/** `READY=1` for a unit with `Type=notify`. */
async function tellSystemd(log: Logger): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return;
  try {
    await execFile(['systemd-notify', '--ready']);
  } catch (error) {
    log.warn({ err: error }, 'systemd was not told that this is ready');
  }
}
