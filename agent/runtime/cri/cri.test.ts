/** Runs the contract against a real containerd, and tests what only CRI over gRPC has. */
import assert from 'node:assert/strict';
import { constants, type FileHandle, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { execFile } from '#agent/host/exec.ts';
import { createKernelLog } from '#agent/host/kernel-log.ts';
import { machineProcesses } from '#agent/host/processes.ts';
import { FakeClock, systemClock } from '#client/clock.ts';
import { pauseImage } from '#lab/images/lab-images.ts';
import { until } from '#lab/until.ts';
import { createTestNode } from '../node.testing.ts';
import { withOomReports } from '../oom-kills.ts';
import { type RuntimeUnderTest, runtimeContract } from '../runtime.contract.ts';
import { isUnavailable } from '../runtime.ts';
import { createConnection } from './connection.ts';
import { containerdConfig } from './containerd-config.ts';
import { createCriRuntime } from './cri-runtime.ts';
import { createOrphanedShims, shimContainer } from './orphaned-shims.ts';

const log = pino({ level: 'silent' });

async function startContainerd(): Promise<RuntimeUnderTest> {
  const node = await createTestNode();
  const socket = join(node.dir, 'containerd.sock');
  const createRuntime = (): RuntimeUnderTest['runtime'] =>
    withOomReports(createCriRuntime({ endpoint: `unix://${socket}`, log, clock: systemClock }), {
      kernelLog: createKernelLog(),
      log,
    });
  const config = containerdConfig({
    root: join(node.dir, 'root'),
    state: join(node.dir, 'state'),
    runcRoot: join(node.dir, 'runc'),
    socket,
    sandboxImage: pauseImage,
    cniConfDir: node.cniConfDir,
    restrictOomScoreAdj: true,
  });
  await writeFile(join(node.dir, 'containerd.toml'), config);
  const runtime = createRuntime();
  const start = (): Promise<void> =>
    node.start({ name: 'containerd', argv: ['containerd', '--config', join(node.dir, 'containerd.toml')] }, async () => {
      const probe = createRuntime();
      return await probe
        .status()
        .then(({ conditions }) => conditions.every(({ status }) => status))
        .finally(() => probe.close());
    });
  try {
    await start();
    await execFile([
      'ctr',
      '--address',
      socket,
      '--namespace',
      'k8s.io',
      'images',
      'import',
      '--all-platforms',
      node.imageArchive,
    ]);
  } catch (error) {
    await node.dispose();
    throw error;
  }
  return {
    node,
    runtime,
    runtimeName: 'containerd',
    createRuntime,
    stopDaemon: () => node.stop('containerd'),
    startDaemon: start,
    dial: ({ hostname, port }) => node.dial(hostname, Number(port)),
  };
}

runtimeContract('containerd', startContainerd);

describe('a shim that containerd has forgotten', { timeout: 300_000 }, () => {
  it('is killed with its processes, and no other is touched', async () => {
    const under = await startContainerd();
    const { node, runtime } = under;
    const socket = join(node.dir, 'containerd.sock');
    const connection = createConnection({ endpoint: `unix://${socket}`, log, clock: systemClock });
    const clock = new FakeClock();
    const stop = new AbortController();
    let shimLog: FileHandle | undefined;
    try {
      const sandbox = await runtime.runPodSandbox({
        metadata: { name: 'known', namespace: 'default', uid: 'known', attempt: 0 },
        linux: {
          cgroupParent: `/${node.name}/known`,
          securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
        },
      });
      // Starts a real shim as containerd does, for a container that containerd has no record of.
      const id = 'f'.repeat(64);
      const bundle = join(node.dir, 'state/io.containerd.runtime.v2.task/k8s.io', id);
      await mkdir(bundle, { recursive: true });
      await writeFile(join(bundle, 'config.json'), '{}');
      await execFile(['mkfifo', join(bundle, 'log')]);
      shimLog = await open(join(bundle, 'log'), constants.O_RDWR | constants.O_NONBLOCK);
      const shim = ['containerd-shim-runc-v2', '-namespace', 'k8s.io', '-address', socket, '-id', id];
      await execFile([...shim, 'start'], { cwd: bundle, env: { TTRPC_ADDRESS: `${socket}.ttrpc` } });
      const shims = async (): Promise<string[]> =>
        (await machineProcesses.list()).flatMap((one) => shimContainer(one, socket) ?? []).sort();
      assert.deepEqual(await shims(), [sandbox, id].sort());

      const reports: string[] = [];
      const report = (message: string): void => void reports.push(message);
      const deps = { connection, endpoint: `unix://${socket}`, processes: machineProcesses, exec: execFile, clock, log, report };
      const running = createOrphanedShims(deps).run(stop.signal);
      await until(
        'it is gone',
        async () => {
          await clock.advance(20_000);
          return (await shims()).length === 1;
        },
        { timeoutMs: 120_000, everyMs: 100 },
      );
      assert.deepEqual(await shims(), [sandbox]);
      assert.equal((await runtime.podSandboxStatus(sandbox)).state, 'SANDBOX_READY');
      assert.deepEqual(reports, [`Removed the shim of container ${id}, which containerd no longer knows`]);
      stop.abort();
      await clock.advance(300_000);
      await running;
      await runtime.removePodSandbox(sandbox);
    } finally {
      stop.abort();
      await shimLog?.close();
      connection.close();
      await runtime.close();
      await node.dispose();
    }
  });
});

describe('createCriRuntime', () => {
  it('names the endpoint and the reason when nothing listens there', async () => {
    const runtime = createCriRuntime({ endpoint: 'unix:///nonexistent/containerd.sock', log, clock: systemClock });
    const error = await runtime.version().then(
      () => assert.fail('it answered'),
      (failure: Error) => failure,
    );
    assert.ok(isUnavailable(error), String(error));
    assert.match(error.message, /^container runtime at unix:\/\/\/nonexistent\/containerd\.sock does not answer: connect ENOENT/);
    await runtime.close();
  });
});
