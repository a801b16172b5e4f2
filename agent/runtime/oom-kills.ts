/**
 * Which containers the kernel killed for want of memory.
 *
 * A runtime's shim begins to listen for that after it has started the container, and hears nothing of one that runs out of
 * memory in its first milliseconds: the runtime then says `Error`. Counters do not help, since the container's control group is
 * removed with it. The kernel's log has a line before the process dies, on control groups v1 and v2 alike.
 *
 * Source: kernel `mm/oom_kill.c`; upstream `pkg/kubelet/oom` reads the same log.
 */
import type { Logger } from 'pino';
import type { KernelLog } from '#agent/host/kernel-log.ts';
import type { ContainerEvent, ContainerRuntime } from './runtime.ts';

/** One line about a kill: the control group it happened in, or only the process where the kernel had no room for more. */
export type OomLine = { cgroup: string } | { pid: number };

/** Undefined for any other line of the log. Pure. */
export function parseOomLine(text: string): OomLine | undefined {
  // At most ten of these in five seconds.
  const victim = /^oom-kill:.*,task_memcg=([^,]*),task=.*,pid=\d+,uid=\d+$/.exec(text);
  if (victim !== null) return { cgroup: victim[1] ?? '' };
  const group = /^Tasks in (\S+) are going to be killed due to memory\.oom\.group set$/.exec(text);
  if (group !== null) return { cgroup: group[1] ?? '' };
  const killed = /^(?:Memory cgroup out of memory|Out of memory): Killed process (\d+) /.exec(text);
  return killed === null ? undefined : { pid: Number(killed[1]) };
}

/** containerd and Docker name a container's group after its ID, alone or as `cri-containerd-<id>.scope`. */
const containerIds = (cgroup: string): string[] => cgroup.match(/(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g) ?? [];

/** Kills and ends that are remembered: more than a full node has containers. */
const maxRemembered = 1000;

function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > maxRemembered) for (const oldest of map.keys().take(1)) map.delete(oldest);
}

/** The same runtime, whose `containerStatus` says `OOMKilled` for certain. */
export function withOomReports(runtime: ContainerRuntime, deps: { kernelLog: KernelLog; log: Logger }): ContainerRuntime {
  const { kernelLog, log } = deps;
  const killed = new Map<string, true>();
  const killedPids = new Map<number, true>();
  /** The first process of containers that ended: for kills of which the log has the process only. */
  const firstPids = new Map<string, number>();
  let isFirstRead = true;
  let isUnreadable = false;

  async function readOn(): Promise<void> {
    let texts: readonly string[];
    try {
      texts = await kernelLog.read();
    } catch (error) {
      if (!isUnreadable)
        log.warn({ err: error }, "the kernel's log cannot be read: of kills for want of memory only the runtime tells");
      isUnreadable = true;
      return;
    }
    for (const line of texts.map(parseOomLine)) {
      if (line === undefined) continue;
      if ('cgroup' in line) for (const id of containerIds(line.cgroup)) remember(killed, id, true);
      // A process of long ago: its number may be another's by now.
      else if (!isFirstRead) remember(killedPids, line.pid, true);
    }
    isFirstRead = false;
  }

  async function wasKilled(id: string): Promise<boolean> {
    await readOn();
    const pid = firstPids.get(id);
    if (pid !== undefined && killedPids.delete(pid)) remember(killed, id, true);
    return killed.has(id);
  }

  async function* noteEnds(events: AsyncIterable<ContainerEvent>): AsyncIterable<ContainerEvent> {
    // What is in the log before the first container's end is history.
    await readOn();
    for await (const event of events) {
      if (event.pid !== undefined) remember(firstPids, event.containerId, event.pid);
      yield event;
    }
  }

  return {
    ...runtime,
    async close() {
      await Promise.all([kernelLog.close(), runtime.close()]);
    },
    containerEvents: (signal) => noteEnds(runtime.containerEvents(signal)),
    async containerStatus(containerId) {
      const status = await runtime.containerStatus(containerId);
      const isUnexplained = status.state === 'CONTAINER_EXITED' && status.reason === 'Error';
      return isUnexplained && (await wasKilled(containerId)) ? { ...status, reason: 'OOMKilled' } : status;
    },
  };
}
