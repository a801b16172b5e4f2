/** Starts a program of the lab and waits until it serves; notices at once when it ends instead. */
import { type DaemonSpec, daemonPid, logTail, startDaemon } from '#agent/host/daemon.ts';
import { until } from './until.ts';

/** @throws Error with the last line of its log, and where the log is */
export async function startAndAwait(daemon: DaemonSpec, serves: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  await startDaemon(daemon);
  const lastWords = async (): Promise<string> =>
    `the last line of its log ${daemon.logFile}: ${(await logTail(daemon.logFile, 1)).trim()}`;
  const ended = await until(
    `${daemon.name} serves`,
    async () => (daemonPid(daemon.pidFile) === undefined ? 'ended' : (await serves()) && 'serves'),
    { timeoutMs, onTimeout: lastWords },
  );
  if (ended === 'ended') throw new Error(`${daemon.name} ended at once; ${await lastWords()}`);
}
