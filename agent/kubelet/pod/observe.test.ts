/** Termination messages, from files that containers may have replaced. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { containerAnnotations, containerLabels } from '../container/labels.ts';
import { aContainer, aPod, observedContainer } from '../pods.testing.ts';
import { createObserver } from './observe.ts';

describe('a termination message', () => {
  let root: string;
  let file: string;
  let log: string;
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'observe-')));
    file = join(root, 'pods/uid-1/containers/c/termination-log-0');
    log = join(root, 'logs/shop_web_uid-1/c/0.log');
    for (const path of [file, log]) mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(log, `2026-01-01T00:00:01.000000000Z stdout F from the log\n`);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function message(policy: 'File' | 'FallbackToLogsOnError' = 'File', exitCode = 1): Promise<string> {
    const pod = aPod();
    const container = aContainer('c', {
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: policy,
    });
    const { status } = observedContainer(container, exitCode, {
      status: {
        labels: containerLabels(pod, container),
        annotations: containerAnnotations(pod, container, 0),
        mounts: [{ containerPath: '/dev/termination-log', hostPath: file }],
        logPath: log,
      },
    });
    const runtime = {
      listPodSandbox: async () => [],
      listContainers: async () => [{ id: 'c' }],
      containerStatus: async () => status,
    } as unknown as ContainerRuntime;
    const observed = await createObserver(runtime, join(root, 'pods')).observe({ uid: 'uid-1', name: 'web', namespace: 'shop' });
    return observed.containers[0]?.status.message ?? '';
  }
  const refused = (what: RegExp): RegExp => new RegExp(`^Error on reading termination log ${file}: .*${what.source}`);

  it('is what the container wrote', async () => {
    writeFileSync(file, 'the last words');
    assert.equal(await message(), 'the last words');
  });
  it('is the end of what it wrote, as upstream has it', async () => {
    writeFileSync(file, `${'x'.repeat(5000)}end`);
    assert.equal(await message(), `${'x'.repeat(4093)}end`);
  });
  it('is the end of a file of a terabyte, read at once', async () => {
    writeFileSync(file, '');
    truncateSync(file, 2 ** 40);
    assert.equal((await message()).length, 4096);
  });
  it('is nothing when there is no file', async () => assert.equal(await message(), ''));
  it('is the end of the log where nothing was written and the container failed', async () => {
    writeFileSync(file, '');
    assert.equal(await message('FallbackToLogsOnError'), 'from the log\n');
    assert.equal(await message('FallbackToLogsOnError', 0), '');
  });
  it('is at most 2048 bytes of at most 80 lines of a log, however large that is', async () => {
    const line = (text: string): string => `2026-01-01T00:00:01.000000000Z stdout F ${text}\n`;
    writeFileSync(log, Array.from({ length: 20_000 }, (_, index) => line(`${index}`)).join(''));
    assert.equal((await message('FallbackToLogsOnError')).split('\n').length, 81);
    writeFileSync(log, line('y'.repeat(16_000)).repeat(50));
    assert.equal((await message('FallbackToLogsOnError')).length, 2048);
    truncateSync(log, 2 ** 40);
    assert.equal(await message('FallbackToLogsOnError'), '');
  });

  const plants: [string, (path: string) => unknown, RegExp][] = [
    ['a FIFO', (path) => execFileSync('mkfifo', [path]), /is a FIFO/],
    ['a link to a secret of the node', (path) => symlinkSync('/etc/shadow', path), /is a symbolic link/],
    ['a link to an endless device', (path) => symlinkSync('/dev/zero', path), /is a symbolic link/],
    ['an endless device', (path) => execFileSync('mknod', [path, 'c', '1', '5']), /is a device/],
    ['a folder', (path) => mkdirSync(path), /is a folder/],
  ];
  for (const [what, plant, error] of plants) {
    it(`is not read from ${what}`, async () => {
      plant(file);
      assert.match(await message('FallbackToLogsOnError'), refused(error));
    });
    it(`is not read from a log that is ${what}`, async () => {
      rmSync(log);
      plant(log);
      assert.equal(await message('FallbackToLogsOnError'), '');
    });
  }
  it('is not read through a link in the place of a folder', async () => {
    rmSync(join(file, '..'), { recursive: true });
    mkdirSync(join(root, 'outside'));
    writeFileSync(join(root, 'outside/termination-log-0'), 'secret');
    symlinkSync(join(root, 'outside'), join(file, '..'));
    assert.match(await message(), refused(/is a symbolic link/));
  });
});
