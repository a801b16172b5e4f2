/** Removes a lab that was only begun: it has a record and some files, but no network and no processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { startDaemon } from '#agent/host/daemon.ts';
import { execFile } from '#agent/host/exec.ts';
import { createMounts } from '#agent/host/mount.ts';
import { defaultLab, type Lab, planLab } from './config.ts';
import { stopLab } from './down.ts';
import { labMark } from './lab-processes.ts';
import { writeRecord } from './record.ts';

describe("a lab's record", () => {
  it('names a folder that cannot be made, also below /proc', () => {
    assert.throws(() => writeRecord(planLab({ ...defaultLab, name: 'tkdown', dataDir: '/proc/lab' })), {
      message: /^--data-dir \/proc\/lab cannot be made \(ENOENT: .*\): name another one\.$/,
    });
  });
});

describe('removing a lab', () => {
  const mounts = createMounts(execFile);
  let scratch: string;
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-down-'));
  });
  afterEach(async () => {
    await mounts.unmountBelow(scratch);
    rmSync(scratch, { recursive: true });
  });

  /** Makes the state of an `up` that was interrupted in its first steps. */
  function begun(dataDir: string, name = 'tkdown'): Lab {
    const lab = planLab({ ...defaultLab, name, dataDir });
    writeRecord(lab);
    for (const folder of ['worker-1/kubelet', 'server']) mkdirSync(join(dataDir, folder), { recursive: true });
    return lab;
  }

  it('removes the folder that the lab made, also with mounts in it', async () => {
    const lab = begun(join(scratch, 'lab'));
    await mounts.mountTmpfs(join(lab.dataDir, 'worker-1/kubelet'), {});
    // A second `up` writes the record again and must keep that fact.
    writeRecord(lab);
    assert.equal(await stopLab(lab, execFile), true);
    assert.deepEqual([existsSync(lab.dataDir), existsSync(lab.stateDir)], [false, false]);
    assert.equal(await stopLab(lab, execFile), false);
  });

  it('kills all programs of the lab, even when its folders cannot be listed and a pid file is missing', async () => {
    const lab = begun(join(scratch, 'lab'));
    const isRunning = (pid: number | undefined): boolean => pid !== undefined && existsSync(`/proc/${pid}`) && !isZombie(pid);
    const started = [];
    for (const name of ['server', 'registry', 'registry-push', 'worker-1/runtime', 'worker-2/agent', 'worker-9/agent']) {
      const daemon = { name, argv: ['sleep', '600'], pidFile: join(lab.stateDir, `${name}.pid`), logFile: join(scratch, 'log') };
      started.push((await startDaemon(daemon)).pid);
    }
    const orphan = spawn('sleep', ['600'], { detached: true, stdio: 'ignore', env: { ...process.env, ...labMark(lab) } });
    const stranger = spawn('sleep', ['600'], {
      stdio: 'ignore',
      env: { ...process.env, ...labMark({ stateDir: `${lab.stateDir}x` }) },
    });
    // Files appear and disappear while they are listed, as containerd's do.
    mkdirSync(join(lab.stateDir, 'worker-1/containerd'), { recursive: true });
    await mounts.bind('/proc', join(lab.stateDir, 'worker-1/containerd'));
    try {
      assert.equal(await stopLab(lab, execFile), true);
      assert.deepEqual([...started, orphan.pid].filter(isRunning), []);
      assert.equal(isRunning(stranger.pid), true);
      assert.equal(existsSync(lab.stateDir), false);
    } finally {
      stranger.kill();
    }
  });

  it('removes the common folder of all labs with the last lab', async () => {
    const folder = dirname(defaultLab.dataDir);
    const [first, last] = [begun(join(folder, 'tkdown'), 'tkdown'), begun(join(folder, 'tkdowo'), 'tkdowo')];
    await stopLab(first, execFile);
    assert.equal(existsSync(last.dataDir), true);
    await stopLab(last, execFile);
    // Another lab may be there.
    assert.notDeepEqual(existsSync(folder) ? readdirSync(folder) : undefined, []);
  });

  it('leaves a folder that was there before', async () => {
    mkdirSync(join(scratch, 'srv'));
    await stopLab(begun(join(scratch, 'srv')), execFile);
    assert.deepEqual(readdirSync(join(scratch, 'srv')), []);
  });

  it("leaves a user's disk mounted, with its other files", async () => {
    const disk = join(scratch, 'disk');
    mkdirSync(disk);
    await mounts.mountTmpfs(disk, {});
    const lab = begun(disk);
    writeFileSync(join(disk, 'mine'), 'x');
    await stopLab(lab, execFile);
    assert.equal(await mounts.isMountPoint(disk), true);
    assert.deepEqual(readdirSync(disk), ['mine']);
  });

  it('does not delete through a mount, also when its folder is reached by a link', async () => {
    mkdirSync(join(scratch, 'real'));
    mkdirSync(join(scratch, 'theirs'));
    writeFileSync(join(scratch, 'theirs/file'), 'x');
    symlinkSync(join(scratch, 'real'), join(scratch, 'link'));
    const lab = begun(`${scratch}/link/`);
    await mounts.bind(join(scratch, 'theirs'), join(scratch, 'real/worker-1/kubelet'));
    await stopLab(lab, execFile);
    assert.deepEqual([readdirSync(join(scratch, 'real')), readdirSync(join(scratch, 'theirs'))], [[], ['file']]);
  });
});

/** Whether the process has ended, but this process has not waited for it yet. */
function isZombie(pid: number): boolean {
  return /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}
