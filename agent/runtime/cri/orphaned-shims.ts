/**
 * Shims that containerd has forgotten. Seen with containerd 1.6: of some hundred pods made and deleted on a busy machine, one
 * container is gone from containerd's records while its shim lives on with what it runs, until somebody ends it. Why is not
 * known. On such a machine containerd logs `failed to delete shim: close wait error: context deadline exceeded` for one pod in
 * ten, but the shims of all that we saw ended all the same.
 *
 * A shim is taken away only when it names this node's containerd and the CRI's namespace, when containerd itself says that it
 * has no such container, and when both held at two looks in a row.
 */
import type { Logger } from 'pino';
import type { Exec } from '#agent/host/exec.ts';
import type { Process, Processes } from '#agent/host/processes.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import { isNotFound } from '../runtime.ts';
import type { Connection } from './connection.ts';
import { criNamespace } from './container-events.ts';

export interface OrphanedShims {
  /** Looks at once and then every few minutes, until `signal` aborts. Failures are logged; the next look tries again. */
  run(signal: AbortSignal): Promise<void>;
}

export interface OrphanedShimsDeps {
  /** To containerd's socket. */
  connection: Pick<Connection, 'call'>;
  /** `unix:///run/containerd/containerd.sock` */
  endpoint: string;
  processes: Processes;
  exec: Exec;
  clock: Clock;
  log: Logger;
  /** Tells whoever looks at the node. */
  report: (message: string) => void;
}

const lookEveryMs = 300_000;
/** Between the two looks at one that seems forgotten: longer than containerd takes to begin or end one. */
const lookAgainMs = 60_000;
const callMs = 30_000;

/** The container that a process is the shim of, on the containerd with that socket; undefined: it is none. Pure. */
export function shimContainer({ argv }: Pick<Process, 'argv'>, socket: string): string | undefined {
  const [program = '', ...args] = argv;
  const option = (name: string): string | undefined => args[args.indexOf(name) + 1 || args.length];
  // `delete` and `start` are short errands of the same program.
  const isServing = args.every((arg, index) => arg.startsWith('-') || (args[index - 1] ?? '').startsWith('-'));
  const isOurs =
    /(^|\/)containerd-shim-[\w-]+$/.test(program) && option('-namespace') === criNamespace && option('-address') === socket;
  return isOurs && isServing ? option('-id') : undefined;
}

/** A process and all below it, parents first. Pure. */
export function withDescendants(root: Process, all: readonly Process[]): Process[] {
  const found = [root];
  for (const one of found) found.push(...all.filter(({ parent, pid }) => parent === one.pid && pid !== one.pid));
  return found;
}

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

  async function takeAway(shim: Process, all: readonly Process[]): Promise<void> {
    const id = shimContainer(shim, socket) ?? '';
    // The shim first: it would tell of the others' ends. Without it they belong to process 1, so all are known before.
    for (const one of withDescendants(shim, all)) await processes.kill(one);
    if (shim.cwd?.endsWith(`/${id}`) === true) await unmountRoot(shim.cwd);
    const message = `Removed the shim of container ${id}, which containerd no longer knows`;
    log.warn({ containerId: id, pid: shim.pid }, message);
    deps.report(message);
  }

  /** Its working folder is the bundle, where the container's root is mounted. */
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
    for (const [key, shim] of await forgotten(all)) if (first.has(key)) await takeAway(shim, all);
  }

  return {
    async run(signal) {
      while (!signal.aborted) {
        try {
          await look(signal);
        } catch (error) {
          // A runtime that hangs or is away is told by the node's condition; one that is not containerd has no such service.
          log.debug({ err: error }, 'forgotten shims could not be looked for; will be tried again');
        }
        await sleep(clock, lookEveryMs, signal);
      }
    },
  };
}
