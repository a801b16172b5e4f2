/** Tests what an unhandled error does to a real `tinker server` and a real `tinker agent`. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createHttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { nodeCredentials } from '#control/pki/node-credentials.ts';
import { freePort } from '#test/free-port.ts';
import { unhandledExitCode } from './unhandled-errors.ts';

/** Programs that throw from a timer, or reject a promise without a handler, when they get a signal. */
const faults = {
  uncaughtException: 'process.on("SIGUSR2", () => setTimeout(() => { throw new TypeError("planted") }))',
  unhandledRejection: 'process.on("SIGUSR2", () => void Promise.reject(new TypeError("planted")))',
} as const;

interface Running {
  process: ChildProcess;
  /** Resolves to the first line of the log with this message. */
  until(message: RegExp): Promise<Record<string, unknown>>;
  ended: Promise<number | null>;
}

function start(wrapper: string[], fault: string, args: string[]): Running {
  const program = fileURLToPath(new URL('./tinker.ts', import.meta.url));
  const [command = '', ...argv] = [
    ...wrapper,
    process.execPath,
    '--no-warnings',
    `--import=data:text/javascript,${encodeURIComponent(fault)}`,
    program,
    ...args,
  ];
  const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const seen: Record<string, unknown>[] = [];
  let text = '';
  let changed = Promise.withResolvers<void>();
  const signalChange = (): void => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    seen.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
    signalChange();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  void ended.then(signalChange);
  return {
    process: child,
    ended,
    async until(message) {
      for (;;) {
        const found = seen.find(({ msg }) => message.test(String(msg)));
        if (found !== undefined) return found;
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${text}${JSON.stringify(seen)}`);
        await changed.promise;
      }
    },
  };
}

/**
 * Checks that the error is logged with its stack, in the last line but one, and that the exit status is that of unhandled errors.
 */
async function endsInOrder(running: Running, origin: keyof typeof faults): Promise<void> {
  running.process.kill('SIGUSR2');
  const line = await running.until(/no code handled/);
  assert.equal(line['level'], 60);
  assert.equal(line['origin'], origin);
  const { message, stack } = line['err'] as { message: string; stack: string };
  assert.equal(message, 'planted');
  assert.match(stack, /TypeError: planted\n\s+at /);
  await running.until(/^stopped$/);
  assert.equal(await running.ended, unhandledExitCode);
}

describe('an unhandled error', { timeout: 300_000 }, () => {
  let scratch = '';
  before(() => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-unhandled-'));
  });
  after(() => rmSync(scratch, { recursive: true }));

  it('ends the server in order, its store closed, and is counted under /metrics of the next one', async () => {
    const folder = join(scratch, 'server');
    const port = await freePort();
    const args = [
      'server',
      `--data-dir=${folder}`,
      '--bind-address=127.0.0.1',
      // The Service `kubernetes` cannot have a loopback address. This address is reserved for documentation (RFC 5737).
      '--advertise-address=192.0.2.1',
      `--secure-port=${port}`,
    ];
    for (const origin of ['uncaughtException', 'unhandledRejection'] as const) {
      const running = start([], faults[origin], args);
      await running.until(/^serving$/);
      await endsInOrder(running, origin);
      // A store that was closed properly has no write-ahead log.
      assert.throws(() => readFileSync(join(folder, 'state.db-wal')), { code: 'ENOENT' });
    }
    const next = start([], faults.uncaughtException, args);
    await next.until(/^serving$/);
    const kubeconfig = join(scratch, 'local.conf');
    writeFileSync(kubeconfig, readFileSync(join(folder, 'admin.conf'), 'utf8').replace('192.0.2.1', '127.0.0.1'));
    const transport = createHttpTransport(loadKubeconfig(kubeconfig));
    const { body } = await transport({ method: 'GET', path: '/metrics', headers: {} });
    let metrics = '';
    for await (const chunk of body) metrics += Buffer.from(chunk).toString('utf8');
    transport.close();
    assert.match(metrics, /^tinker_unhandled_errors_total\{origin="uncaughtException"\} 1$/m);
    assert.match(metrics, /^tinker_unhandled_errors_total\{origin="unhandledRejection"\} 1$/m);
    next.process.kill('SIGTERM');
    assert.equal(await next.ended, 0);
  });

  it('ends the agent in order, and is counted', { skip: process.geteuid?.() === 0 ? false : 'an agent needs root' }, async () => {
    const folder = join(scratch, 'agent');
    const pki = await agentFiles(scratch);
    // The agent runs in an empty network namespace, so it does not touch rules and routes of this machine, and no server answers
    // it.
    const wrapper = ['unshare', '--net', '--'];
    const args = [
      'agent',
      ...pki,
      `--root-dir=${folder}`,
      '--hostname-override=node',
      '--node-ip=127.0.0.1',
      `--container-runtime-endpoint=unix://${scratch}/no.sock`,
      `--cni-conf-dir=${scratch}/cni`,
      `--cni-bin-dir=${scratch}/bin`,
      `--cni-state-dir=${scratch}/networks`,
      `--pod-logs-dir=${scratch}/logs`,
      '--cgroup-root=/tinker-unhandled-test',
    ];
    let count = 0;
    for (const origin of ['uncaughtException', 'unhandledRejection'] as const) {
      const running = start(wrapper, faults[origin], args);
      await running.until(/list of .* failed/);
      await endsInOrder(running, origin);
      const kept = JSON.parse(readFileSync(join(folder, 'unhandled-errors.json'), 'utf8')) as Record<string, number>;
      count += 1;
      assert.equal((kept['uncaughtException'] ?? 0) + (kept['unhandledRejection'] ?? 0), count);
    }
  });
});

/** The files that an agent needs, for a cluster that does not exist. */
async function agentFiles(folder: string): Promise<string[]> {
  await nodeCredentials({
    pkiFolder: join(folder, 'pki'),
    out: folder,
    nodeName: 'node',
    nodeIp: '127.0.0.1',
    server: 'https://127.0.0.1:1',
    nowMs: Date.now(),
  });
  const files = {
    kubeconfig: 'kubelet.conf',
    'client-ca-file': 'ca.crt',
    'tls-cert-file': 'kubelet.crt',
    'tls-private-key-file': 'kubelet.key',
  };
  return Object.entries(files).map(([flag, name]) => `--${flag}=${join(folder, name)}`);
}
