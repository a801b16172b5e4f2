/** Starts a program of the lab and waits until it serves; notices at once when it ends instead. */
import { type DaemonSpec, daemonPid, logTail, startDaemon } from '#agent/host/daemon.ts';
import { until } from './until.ts';

/** @throws Error with what its log says, and where the log is */
export async function startAndAwait(daemon: DaemonSpec, serves: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  await startDaemon(daemon);
  await untilOrEnd(`${daemon.name} serves`, [daemon], serves, { timeoutMs, onTimeout: () => lastWords(daemon) });
}

/** Waits, as long as all these programs run. @throws Error when the time is over, or one of them has ended */
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
  if (ended !== undefined) throw new Error(`${ended.name} has ended; ${await lastWords(ended)}`);
}

/** Our programs' own word on why they ended, where there is one; else whatever came last. */
async function lastWords({ logFile }: DaemonSpec): Promise<string> {
  const lines = (await logTail(logFile)).split('\n');
  const line = lines.findLast((text) => text.startsWith('tinker: ')) ?? lines.at(-1) ?? '';
  return `its log ${logFile} says: ${line.replace(/^tinker: /, '').trim()}`;
}
