/**
 * Kills shims that containerd has forgotten. With containerd 1.6 on a busy machine, about one pod in some hundred that are made
 * and deleted leaves a container that is missing in containerd's records, while its shim and its processes live on until somebody
 * kills them. The cause is not known. On such a machine containerd logs `failed to delete shim: close wait error: context
 * deadline exceeded` for one pod in ten, but their shims ended in all cases that we saw.
 *
 * A shim is killed only when its arguments name this node's containerd and the CRI's namespace, when containerd itself says that
 * it has no such container, and when both were true at two checks in a row.
 */
import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import type { Process, Processes } from '#agent/host/processes.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { isNotFound } from '../runtime.ts';
import type { Connection } from './connection.ts';
import { criNamespace } from './container-events.ts';

/** Looks for forgotten shims, see {@link createOrphanedShims}. */
export interface OrphanedShims {
  /** Checks at once and then every few minutes, until `signal` aborts. Failures are logged, and the next check tries again. */
  run(signal: AbortSignal): Promise<void>;
}

/** What the check works with. */
export interface OrphanedShimsDeps {
  /** The connection to containerd's socket. */
  connection: Pick<Connection, 'call'>;
  /** URL of that socket, for example `unix:///run/containerd/containerd.sock`. */
  endpoint: string;
  processes: Processes;
  exec: Exec;
  clock: Clock;
  log: Logger;
  /** Reports a killed shim to the administrator of the node, as an event of the Node. */
  report: (message: string) => void;
}

const lookEveryMs = 300_000;
/**
 * Time between the two checks of a shim that seems forgotten. It is longer than containerd takes to start or delete a container.
 */
const lookAgainMs = 60_000;
const callMs = 30_000;

/**
 * The id of the container that a process is the shim of, when that shim belongs to the containerd with this socket. Undefined
 * otherwise. Pure.
 */
export function shimContainer({ argv }: Pick<Process, 'argv'>, socket: string): string | undefined {
  const [program = '', ...args] = argv;
  const option = (name: string): string | undefined => args[args.indexOf(name) + 1 || args.length];
  // With `delete` and `start` the same program runs only for a moment.
  const isServing = args.every((arg, index) => arg.startsWith('-') || (args[index - 1] ?? '').startsWith('-'));
  const isOurs =
    /(^|\/)containerd-shim-[\w-]+$/.test(program) && option('-namespace') === criNamespace && option('-address') === socket;
  return isOurs && isServing ? option('-id') : undefined;
}

/** A process and all its descendants, parents first. Pure. */
export function withDescendants(root: Process, all: readonly Process[]): Process[] {
  const found = [root];
  for (const one of found) found.push(...all.filter(({ parent, pid }) => parent === one.pid && pid !== one.pid));
  return found;
}

/** Makes the check. It starts with `run`. */
export function createOrphanedShims(deps: OrphanedShimsDeps): OrphanedShims {
  const { connection, processes, exec, clock, log } = deps;
  const socket = deps.endpoint.replace(/^unix:\/\//, '');

  async function isForgotten(id: string): Promise<boolean> {
    const options = { namespace: criNamespace, timeoutMs: callMs, subject: { containerId: id } };
    try {
      await connection.call('containerd.services.containers.v1.Containers', 'Get', { id }, options);
      return false;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  async function forgotten(all: readonly Process[]): Promise<Map<string, Process>> {
    const found = new Map<string, Process>();
    for (const one of all) {
      const id = shimContainer(one, socket);
      if (id !== undefined && (await isForgotten(id))) found.set(`${id} ${one.pid} ${one.startTicks}`, one);
    }
    return found;
  }

  async function killShim(shim: Process, all: readonly Process[]): Promise<void> {
    const id = shimContainer(shim, socket) ?? '';
    // Kills the shim first, because it would report the end of the others. The list was made before: orphans get process 1 as
    // their parent.
    for (const one of withDescendants(shim, all)) await processes.kill(one);
    if (shim.cwd?.endsWith(`/${id}`) === true) await unmountRoot(shim.cwd);
    const message = `Removed the shim of container ${id}, which containerd no longer knows`;
    log.warn({ containerId: id, pid: shim.pid }, message);
    deps.report(message);
  }

  /** Unmounts the container's root. The shim's working directory is the bundle, in which the root is mounted. */
  async function unmountRoot(bundle: string): Promise<void> {
    try {
      await exec(['umount', '--lazy', `${bundle}/rootfs`]);
    } catch (error) {
      log.debug({ err: error, bundle }, 'the root of a forgotten container was not mounted');
    }
  }

  async function look(signal: AbortSignal): Promise<void> {
    const first = await forgotten(await processes.list());
    if (first.size === 0) return;
    await sleep(clock, lookAgainMs, signal);
    if (signal.aborted) return;
    const all = await processes.list();
    for (const [key, shim] of await forgotten(all)) if (first.has(key)) await killShim(shim, all);
  }

  return {
    async run(signal) {
      while (!signal.aborted) {
        try {
          await look(signal);
        } catch (error) {
          // The node's condition reports a runtime that does not answer. A runtime other than containerd does not have this
          // service.
          log.debug({ err: error }, 'forgotten shims could not be looked for; will be tried again');
        }
        await sleep(clock, lookEveryMs, signal);
      }
    },
  };
}
