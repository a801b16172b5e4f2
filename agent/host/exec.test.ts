import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ExecError, execFile } from './exec.ts';

const alive = (pid: number): boolean => {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};
async function untilGone(pid: number): Promise<void> {
  assert.ok(pid > 0, 'the program had not said it yet');
  const startMs = performance.now();
  while (alive(pid)) {
    assert.ok(performance.now() - startMs < 30_000, `process ${pid} lives on`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
/** The argv of a shell that starts another program, which inherits the pipes, and prints its pid. */
const withChild = (rest: string): string[] => ['sh', '-c', `sleep 60 & echo $!; ${rest}`];
const failure = async (running: Promise<unknown>): Promise<ExecError> => {
  const startMs = performance.now();
  const error = await running.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  assert.ok(performance.now() - startMs < 30_000, 'it took thirty seconds');
  assert.ok(error instanceof ExecError);
  return error;
};

describe('execFile', { timeout: 240_000, concurrency: 4 }, () => {
  it('gives output, status and the environment', async () => {
    const { stdout, stderr, exitCode } = await execFile(['sh', '-c', 'cat; echo $WORD >&2'], {
      stdin: 'hello',
      env: { WORD: 'there' },
    });
    assert.deepEqual([stdout, stderr, exitCode], ['hello', 'there\n', 0]);
    assert.equal((await failure(execFile(['sh', '-c', 'exit 3']))).result.exitCode, 3);
    assert.match((await failure(execFile(['/nowhere/program']))).message, /ENOENT/);
    assert.match((await failure(execFile(['sh', '-c', 'kill -9 $$']))).message, /killed by SIGKILL/);
  });

  it('ends a program that takes too long, with all that it started', async () => {
    const error = await failure(execFile(withChild('wait'), { timeoutMs: 3_000 }));
    assert.match(error.message, /it did not end within 3 s/);
    await untilGone(Number(error.result.stdout));
  });

  it('also ends a program whose caller has aborted', async () => {
    const controller = new AbortController();
    const running = failure(execFile(withChild('wait'), { signal: controller.signal }));
    setTimeout(() => controller.abort(), 3_000);
    await untilGone(Number((await running).result.stdout));
    assert.match((await failure(execFile(['sleep', '60'], { signal: AbortSignal.abort() }))).message, /given up/);
  });

  it('ends a program that writes more than the limit', async () => {
    assert.match((await failure(execFile(['yes'], { maxOutputBytes: 1_000_000 }))).message, /wrote more than 1000000 bytes/);
    assert.match((await failure(execFile(['sh', '-c', 'yes >&2'], { maxOutputBytes: 1_000_000 }))).message, /wrote more than/);
  });

  it('does not wait for a child that still holds the pipes after the program has ended', async () => {
    const { stdout, exitCode } = await execFile(withChild('exit 0'));
    assert.equal(exitCode, 0);
    process.kill(Number(stdout), 'SIGKILL');
  });
});
