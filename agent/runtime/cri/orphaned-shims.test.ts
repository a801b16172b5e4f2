import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import type { Process, Processes } from '#agent/host/processes.ts';
import { parseStat } from '#agent/host/processes.ts';
import { FakeClock } from '#client/clock.ts';
import { RuntimeError } from '../runtime.ts';
import { createOrphanedShims, type OrphanedShimsDeps, shimContainer } from './orphaned-shims.ts';

const socket = '/run/containerd/containerd.sock';
const id = 'ab'.repeat(32);
const argv = ['/usr/bin/containerd-shim-runc-v2', '-namespace', 'k8s.io', '-id', id, '-address', socket];

describe('the stat line of a process in /proc', () => {
  it('may hold any name', () => {
    const rest = 'S 1 7 7 0 -1 4194304 1 0 0 0 2 3 0 0 20 0 1 0 4711 1000';
    assert.deepEqual(parseStat(`7 (a) S 9 (b) ${rest}`), { parent: 1, startTicks: 4711 });
  });
});

describe('a process', () => {
  const replaced = (from: string, to: string): string[] => argv.map((arg) => (arg === from ? to : arg));
  const cases: [string, readonly string[], string | undefined][] = [
    ["is the shim of a container on this node's containerd", argv, id],
    ['is a shim of another containerd', replaced(socket, '/run/other.sock'), undefined],
    ['is a shim in the namespace of another program', replaced('k8s.io', 'moby'), undefined],
    ['is on a short errand', [...argv, 'delete'], undefined],
    ['is no shim', ['/usr/bin/runc', ...argv.slice(1)], undefined],
    ['only mentions one', ['sh', '-c', argv.join(' ')], undefined],
    ['is a kernel thread', [], undefined],
  ];
  for (const [name, args, expected] of cases) it(name, () => assert.equal(shimContainer({ argv: args }, socket), expected));
});

describe('forgotten shims', () => {
  const shim: Process = { pid: 10, parent: 1, startTicks: 100, argv, cwd: `/run/state/${id}` };
  const child: Process = { pid: 11, parent: 10, startTicks: 101, argv: ['/pause'], cwd: '/' };
  const grandchild: Process = { pid: 12, parent: 11, startTicks: 102, argv: ['sleep'], cwd: '/' };
  const other: Process = { pid: 20, parent: 1, startTicks: 200, argv: ['sshd'], cwd: '/' };

  async function killedBy(looks: (readonly Process[])[], answers: ('unknown' | 'known' | 'hangs up')[]): Promise<number[]> {
    const clock = new FakeClock();
    const killed: number[] = [];
    const processes: Processes = {
      list: async () => [...(looks.shift() ?? [])],
      kill: async ({ pid }) => void killed.push(pid),
    };
    const connection = {
      async call() {
        const answer = answers.shift() ?? 'known';
        if (answer === 'unknown') throw new RuntimeError('NotFound', 'Get', 'container not found');
        if (answer === 'hangs up') throw new RuntimeError('Unavailable', 'Get', 'connection refused');
        return {};
      },
    } as unknown as OrphanedShimsDeps['connection'];
    const exec: OrphanedShimsDeps['exec'] = async () => ({ exitCode: 0, stdout: '', stderr: '' });
    const stop = new AbortController();
    const shims = createOrphanedShims({
      connection,
      endpoint: `unix://${socket}`,
      processes,
      exec,
      clock,
      log: pino({ level: 'silent' }),
      report: () => undefined,
    });
    const running = shims.run(stop.signal);
    await clock.advance(120_000);
    stop.abort();
    await clock.advance(0);
    await running;
    return killed;
  }
  const all = [shim, child, grandchild, other];

  it('are killed with all their processes, and no others are', async () =>
    assert.deepEqual(await killedBy([all, all], ['unknown', 'unknown']), [10, 11, 12]));
  it('are not killed while containerd knows them', async () =>
    assert.deepEqual(await killedBy([all, all], ['known', 'known']), []));
  it('are not killed when containerd writes its record late', async () =>
    assert.deepEqual(await killedBy([all, all], ['unknown', 'known']), []));
  it('are not killed when containerd does not answer', async () =>
    assert.deepEqual(await killedBy([all, all], ['unknown', 'hangs up']), []));
  it('are not killed when the pid belongs to another shim by then', async () => {
    const later = [{ ...shim, startTicks: 900 }, other];
    assert.deepEqual(await killedBy([all, later], ['unknown', 'unknown']), []);
  });
});
