/** Starts a program of the lab and waits until it serves. When the program ends instead, that is reported at once. */
import { type DaemonSpec, daemonPid, logTail, startDaemon } from '#agent/host/daemon.ts';
import { until } from './until.ts';

/** @throws Error with the last lines of its log, and the path of the log */
export async function startAndAwait(daemon: DaemonSpec, serves: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  await startDaemon(daemon);
  await untilOrEnd(`${daemon.name} serves`, [daemon], serves, { timeoutMs, onTimeout: () => endReason(daemon) });
}

/** Waits for a condition while all these programs run. @throws Error when the time is over, or when one of them has ended */
export async function untilOrEnd(
  what: string,
  daemons: readonly DaemonSpec[],
  ask: () => Promise<boolean>,
  options: Parameters<typeof until>[2],
): Promise<void> {
  const look = async (): Promise<{ ended?: DaemonSpec } | false> => {
    const ended = daemons.find(({ pidFile }) => daemonPid(pidFile) === undefined);
    return ended === undefined ? (await ask()) && {} : { ended };
  };
  const { ended } = await until(what, look, options);
  if (ended !== undefined) throw new Error(`${ended.name} has ended; ${await endReason(ended)}`);
}

/** The reason in the log why a program has ended: our own programs log one; otherwise the last lines. */
async function endReason({ logFile }: DaemonSpec): Promise<string> {
  const lines = (await logTail(logFile)).split('\n');
  const line = lines.findLast((text) => text.startsWith('tinker: ')) ?? lines.at(-1) ?? '';
  return `its log ${logFile} says: ${line.replace(/^tinker: /, '').trim()}`;
}
