/** kubectl's commands that need running containers, with several versions of the real kubectl: cp, debug, logs, exec. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { kubectlVersions } from '#lab/kubectl.ts';
import { until } from '#lab/until.ts';
import { busybox, type Cluster } from './cluster.ts';

const ns = 'kubectl-containers';

export function kubectlContainerSuite(cluster: () => Cluster): void {
  describe('kubectl and containers', () => {
    before(async () => {
      await cluster().namespace(ns);
      await cluster().apply(busybox(ns, 'box', 'trap "exit 0" TERM; echo begun; while :; do sleep 1; done'));
      await cluster().kubectl(['-n', ns, 'wait', '--for=condition=Ready', 'pod/box', '--timeout=120s']);
    });

    for (const version of kubectlVersions) {
      describe(version, () => {
        const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args], { version });

        it('copies files and folders there and back', async () => {
          const folder = join(cluster().scratch, `cp-${version}`);
          mkdirSync(join(folder, 'deep/er'), { recursive: true });
          writeFileSync(join(folder, 'deep/er/file'), 'content');
          writeFileSync(join(folder, 'big'), Buffer.alloc(3_000_000, 'x'));
          await kubectl('cp', folder, `box:/tmp/in-${version}`);
          assert.equal(await kubectl('exec', 'box', '--', 'cat', `/tmp/in-${version}/deep/er/file`), 'content');
          await kubectl('cp', `${ns}/box:/tmp/in-${version}`, `${folder}-back`);
          assert.equal(readFileSync(`${folder}-back/deep/er/file`, 'utf8'), 'content');
          assert.equal(readFileSync(`${folder}-back/big`).length, 3_000_000);
          // busybox's tar ends its output before it fails, and kubectl may end with it.
          await kubectl('cp', 'box:/tmp/none', `${folder}-none`).catch((error: unknown) =>
            assert.match(String(error), /No such file/i),
          );
          assert.equal(existsSync(`${folder}-none`), false);
        });

        it('debugs a pod with an ephemeral container that sees its processes', async () => {
          const name = `eph-${version.replace('.', '-')}`;
          const argv = [
            'debug',
            'box',
            `--container=${name}`,
            '--image=busybox',
            '--image-pull-policy=IfNotPresent',
            '--target=main',
          ];
          await kubectl(...argv, '--profile=general', '--', 'sh', '-c', 'ps; sleep 600');
          const seen = await until(
            'the processes of the other container',
            async () => {
              const logs = await kubectl('logs', 'box', '-c', name);
              return /echo begun/.test(logs) ? logs : undefined;
            },
            { timeoutMs: 120_000 },
          );
          assert.match(seen, /sleep 600/);
          assert.match(
            await kubectl('describe', 'pod', 'box'),
            new RegExp(`Ephemeral Containers:\n[^]*${name}:\n[^]*State: +Running`),
          );
        });

        it('debugs a copy of a pod, and a node', async () => {
          const copy = `copy-${version.replace('.', '-')}`;
          const image = ['--image=busybox', '--image-pull-policy=IfNotPresent'];
          await kubectl(
            'debug',
            'box',
            `--copy-to=${copy}`,
            '--container=main',
            ...image,
            '--profile=general',
            '--',
            'sh',
            '-c',
            'echo a copy; sleep 600',
          );
          const said = async (pod: string): Promise<string> => kubectl('logs', pod);
          await until('the copy runs', async () => /a copy/.test(await said(copy)), { timeoutMs: 120_000 });
          const made = await kubectl('debug', 'node/worker-1', ...image, '--profile=general', '--', 'sh', '-c', 'ls /host');
          const pod = /Creating debugging pod (\S+) with container debugger on node worker-1/.exec(made)?.[1];
          assert.ok(pod !== undefined, made);
          // The node's files, as this machine is each of its nodes.
          await until('the node’s files', async () => /^etc\n[^]*^usr\n/m.test(await said(pod)), { timeoutMs: 120_000 });
          await kubectl('delete', 'pod', copy, pod, '--now');
        });

        it('runs a pod, attaches to it, and removes it', async () => {
          const name = `run-${version.replace('.', '-')}`;
          const argv = [
            'run',
            name,
            '--image=busybox',
            '--image-pull-policy=IfNotPresent',
            '--restart=Never',
            '--rm',
            '-i',
            '-q',
          ];
          const said = await cluster().kubectl(['-n', ns, ...argv, '--', 'sh', '-c', 'read word; echo "got $word"'], {
            version,
            stdin: 'hello\n',
          });
          assert.match(said, /got hello\n/);
          assert.equal(await kubectl('get', 'pod', name, '--ignore-not-found'), '');
        });

        it('shows the use of nodes, pods and containers', async () => {
          const used = (...args: string[]): Promise<string> =>
            until('the use is known', () => kubectl(...args), { timeoutMs: 120_000 });
          assert.match(await used('top', 'node', '--no-headers'), /^worker-1 +\d+m +\d+% +\d+Mi +\d+% *\n/);
          assert.match(await used('top', 'pod', 'box'), /^NAME +CPU\(cores\) +MEMORY\(bytes\) *\nbox +\d+m +\d+Mi *\n$/);
          assert.match(await used('top', 'pod', 'box', '--containers'), /\nbox +main +\d+m +\d+Mi/);
        });

        it('shows logs: since, tail, prefixes, timestamps, by label, of all containers', async () => {
          assert.equal(await kubectl('logs', 'box', '-c', 'main', '--tail=1'), 'begun\n');
          assert.match(await kubectl('logs', 'box', '-c', 'main', '--timestamps'), /^\d{4}-\d\d-\d\dT\S+Z begun\n$/);
          assert.equal(await kubectl('logs', '-l', 'app=box', '-c', 'main', '--prefix'), '[pod/box/main] begun\n');
          assert.equal(await kubectl('logs', 'box', '-c', 'main', '--since-time=2100-01-01T00:00:00Z'), '');
          assert.match(await kubectl('logs', 'box', '--all-containers', '--max-log-requests=20'), /begun/);
        });
      });
    }
  });
}
