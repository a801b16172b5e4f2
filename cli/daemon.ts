/** What server and agent share as programs: a log, signals, and the word to systemd that they are up. */
import { type Logger, pino } from 'pino';
import { execFile } from '#agent/host/exec.ts';

const endMs = 3000;

/** @throws Error for what is no level */
export function checkLogLevel(level: string): void {
  if (!['debug', 'info', 'warn', 'error'].includes(level))
    throw new Error(`--log-level ${level}: give debug, info, warn or error`);
}

/** The first SIGTERM or SIGINT stops in order; a second one at once. */
export async function runDaemon(
  name: string,
  level: string,
  run: (log: Logger, ready: () => void, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  checkLogLevel(level);
  const log = pino({ level, base: { name }, timestamp: pino.stdTimeFunctions.isoTime });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      log.info({ signal }, 'stopping');
      stop.abort();
    });
  }
  try {
    await run(log, () => void tellSystemd(log), stop.signal);
  } catch (error) {
    // Its other parts get a moment to end. One that does not must not keep systemd from starting all of it again.
    setTimeout(() => process.exit(1), endMs).unref();
    throw error;
  }
  log.info('stopped');
  process.exit(0);
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
