/** Runs the contract against a real dockerd. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Docker from 'dockerode';
import { pino } from 'pino';
import { type Exec, execFile } from '#agent/host/exec.ts';
import { createKernelLog } from '#agent/host/kernel-log.ts';
import { systemClock } from '#client/clock.ts';
import { pauseImage } from '#lab/images/lab-images.ts';
import { createTestNode } from '../node.testing.ts';
import { withOomReports } from '../oom-kills.ts';
import { type RuntimeUnderTest, runtimeContract } from '../runtime.contract.ts';
import { isUnavailable } from '../runtime.ts';
import { createDockerRuntime } from './docker-runtime.ts';

const log = pino({ level: process.env.TRT_LOG ?? 'silent' });

async function startDocker(): Promise<RuntimeUnderTest> {
  const node = await createTestNode();
  const socketPath = join(node.dir, 'docker.sock');
  const argv = [
    'dockerd',
    `--host=unix://${socketPath}`,
    `--data-root=${join(node.dir, 'docker')}`,
    `--exec-root=${join(node.dir, 'docker-exec')}`,
    `--pidfile=${join(node.dir, 'docker-own.pid')}`,
    `--cgroup-parent=/${node.name}`,
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '--live-restore',
  ];
  const docker = new Docker({ socketPath });
  const start = (): Promise<void> => node.start({ name: 'dockerd', argv }, async () => String(await docker.ping()) === 'OK');
  const exec: Exec = (command, options) => execFile(node.nsenter(command), options);
  const createRuntime = (): RuntimeUnderTest['runtime'] =>
    withOomReports(
      createDockerRuntime({
        socketPath,
        cni: { confDir: node.cniConfDir, binDir: node.cniBinDir },
        dataDir: join(node.dir, 'agent'),
        sandboxImage: pauseImage,
        minOomScoreAdj: 0,
        exec,
        log,
        clock: systemClock,
      }),
      { kernelLog: createKernelLog(), log },
    );
  try {
    await start();
    const progress = await docker.loadImage(createReadStream(node.imageArchive));
    await new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(progress, (error) => (error === null ? resolve() : reject(error))),
    );
  } catch (error) {
    await node.dispose();
    throw error;
  }
  return {
    node,
    runtime: createRuntime(),
    runtimeName: 'docker',
    createRuntime,
    stopDaemon: () => node.stop('dockerd'),
    startDaemon: start,
    dial: async ({ hostname, port }) => connect(Number(port), hostname),
  };
}

runtimeContract('docker', startDocker);

describe('createDockerRuntime', () => {
  it('names the socket and the reason when nothing listens there', async () => {
    const options = {
      socketPath: '/nonexistent/docker.sock',
      cni: { confDir: '/nonexistent', binDir: '/nonexistent' },
      dataDir: '/nonexistent',
      log,
      clock: systemClock,
    };
    const runtime = createDockerRuntime(options);
    const error = await runtime.version().then(
      () => assert.fail('it answered'),
      (failure: Error) => failure,
    );
    assert.ok(isUnavailable(error), String(error));
    assert.match(error.message, /^docker at unix:\/\/\/nonexistent\/docker\.sock does not answer: connect ENOENT/);
    await runtime.close();
  });
});
