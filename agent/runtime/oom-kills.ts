/**
 * Finds containers that the kernel killed because memory ran out.
 *
 * A runtime's shim begins to listen for OOM kills after it has started the container. It misses a kill in the container's first
 * milliseconds, and the runtime then reports the reason `Error`. Counters of the control group do not help, because the group is
 * removed with its container. The kernel logs a line before the process dies, on control groups v1 and v2 alike.
 *
 * Source: kernel `mm/oom_kill.c`; upstream `pkg/kubelet/oom` reads the same log.
 */
import type { Logger } from 'pino';
import type { KernelLog } from '#agent/host/kernel-log.ts';
import type { ContainerEvent, ContainerRuntime } from './runtime.ts';

/** One line about a kill: its control group, or only its process when the kernel limited the rate of its messages. */
export type OomLine = { cgroup: string } | { pid: number };

/** Parses a line of the kernel's log. Undefined when it reports no kill. Pure. */
export function parseOomLine(text: string): OomLine | undefined {
  // The kernel logs at most ten of these lines in five seconds.
  const victim = /^oom-kill:.*,task_memcg=([^,]*),task=.*,pid=\d+,uid=\d+$/.exec(text);
  if (victim !== null) return { cgroup: victim[1] ?? '' };
  const group = /^Tasks in (\S+) are going to be killed due to memory\.oom\.group set$/.exec(text);
  if (group !== null) return { cgroup: group[1] ?? '' };
  const killed = /^(?:Memory cgroup out of memory|Out of memory): Killed process (\d+) /.exec(text);
  return killed === null ? undefined : { pid: Number(killed[1]) };
}

/**
 * The container ids in a control group's path. containerd and Docker name a container's group after its ID, alone or as
 * `cri-containerd-<id>.scope`.
 */
const containerIds = (cgroup: string): string[] => cgroup.match(/(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/g) ?? [];

/** Limit of remembered kills and ends. A full node has fewer containers. */
const maxRemembered = 1000;

function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > maxRemembered) for (const oldest of map.keys().take(1)) map.delete(oldest);
}

/** Wraps a runtime so that `containerStatus` reports `OOMKilled` for every container that the kernel's log names. */
export function withOomReports(runtime: ContainerRuntime, deps: { kernelLog: KernelLog; log: Logger }): ContainerRuntime {
  const { kernelLog, log } = deps;
  const killed = new Map<string, true>();
  const killedPids = new Map<number, true>();
  /** The first process of each container that has ended, to match kills of which the log names only the process. */
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
      // In the first read, the line may be old and its pid may belong to another process now.
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
    // Lines that were logged before the first container's end are read now, so that their pids are ignored.
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
