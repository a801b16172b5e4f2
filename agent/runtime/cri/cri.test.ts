/** The contract on a real containerd, and what is special to CRI over gRPC. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { execFile } from '#agent/host/exec.ts';
import { createKernelLog } from '#agent/host/kernel-log.ts';
import { systemClock } from '#client/clock.ts';
import { pauseImage } from '#lab/images/lab-images.ts';
import { withOomReports } from '../oom-kills.ts';
import { type RuntimeUnderTest, runtimeContract } from '../runtime.contract.ts';
import { isUnavailable } from '../runtime.ts';
import { createTestNode } from '../test-node.ts';
import { containerdConfig } from './containerd-config.ts';
import { createCriRuntime } from './cri-runtime.ts';

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
