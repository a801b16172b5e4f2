/**
 * A real `tinker server` in another process on loopback. Tests observe from outside whether it runs and how much memory it uses.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createHttpTransport, type HttpTransport } from '#client/http-transport.ts';
import { type LoadedKubeconfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { freePort } from '#test/free-port.ts';

/** An address reserved for documentation (RFC 5737). The Service `kubernetes` cannot have a loopback address. */
const advertised = '192.0.2.1';

/** The beginning of the answer to SIGUSR2 below. */
const collectedMark = 'collected bytes: ';

/** Node's flags for {@link ServerProcess.ownBytes}: at a signal, the process collects garbage and prints the memory in use. */
export const collectable: readonly string[] = [
  '--expose-gc',
  `--import=data:text/javascript,${encodeURIComponent(`process.on("SIGUSR2", () => {
    gc();
    // V8 frees the memory of buffers in another thread.
    setTimeout(() => {
      gc();
      const { heapUsed, external } = process.memoryUsage();
      console.error("${collectedMark}" + (heapUsed + external));
    }, 200);
  })`)}`,
];

/** A started server. */
export class ServerProcess {
  readonly port: number;
  readonly kubeconfig: LoadedKubeconfig;
  readonly transport: HttpTransport;
  #process: ChildProcess;
  readonly #argv: readonly string[];
  /** `--data-dir`. */
  readonly folder: string;
  readonly #output: { text: string };
  readonly #transports = new WeakMap<TLSSocket, Socket>();

  private constructor(process: ChildProcess, argv: readonly string[], port: number, folder: string, output: { text: string }) {
    this.#process = process;
    this.#argv = argv;
    this.port = port;
    this.folder = folder;
    this.#output = output;
    this.kubeconfig = { ...loadKubeconfig(join(folder, 'admin.conf')), server: `https://127.0.0.1:${port}` };
    // A long timeout, because a busy machine must not look like a failure of the server.
    this.transport = createHttpTransport({
      ...this.kubeconfig,
      connectTimeoutMs: 60_000,
      pingTimeoutMs: 60_000,
      requestTimeoutMs: 120_000,
    });
  }

  /**
   * @param nodeFlags flags of Node itself: those of the lab, when memory is measured
   * @param tree of another checkout, for comparisons; absent: this one
   */
  static async start(
    flags: readonly string[] = [],
    nodeFlags: readonly string[] = [],
    tree = fileURLToPath(new URL('../..', import.meta.url)),
  ): Promise<ServerProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'tinker-hostile-'));
    const port = await freePort();
    const program = join(tree, 'cli/tinker.ts');
    const address = ['--bind-address=127.0.0.1', `--advertise-address=${advertised}`, `--secure-port=${port}`];
    const argv = ['--no-warnings', ...nodeFlags, program, 'server', `--data-dir=${folder}`, ...address, ...flags];
    const output = { text: '' };
    return new ServerProcess(await launch(argv, output), argv, port, folder, output);
  }

  /** Ends the server, and starts it again with the same data on the same port. */
  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#process.removeAllListeners('exit');
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill(signal);
    await ended;
    this.#process = await launch(this.#argv, this.#output);
  }

  /** The lines of the server's log from `level` on (pino's numbers: 50 is error). */
  problems(level = 50): string[] {
    const lines = this.#output.text.split('\n').filter((line) => line.startsWith('{'));
    return lines.filter((line) => (JSON.parse(line) as { level: number }).level >= level);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Checks that the server runs. @throws AssertionError with the last lines of its log when it has ended */
  assertAlive(): void {
    assert.equal(this.#process.exitCode ?? this.#process.signalCode, null, this.#output.text.slice(-4000));
  }

  /** Private resident memory in bytes, without mapped files. */
  residentBytes(): number {
    const found = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(found?.[1]) * 1024;
  }

  /**
   * JavaScript memory in bytes after a garbage collection: the heap, buffers, and what Node counts for streams and sessions. Free
   * memory that the allocator keeps is not included. Needs {@link collectable}.
   */
  async ownBytes(): Promise<number> {
    const from = this.#output.text.length;
    this.#process.kill('SIGUSR2');
    for (let turn = 0; turn < 300; turn++) {
      await delay(100);
      const found = new RegExp(`${collectedMark}(\\d+)\n`).exec(this.#output.text.slice(from));
      if (found !== null) return Number(found[1]);
    }
    throw new Error('the server does not say what it holds');
  }

  /** {@link ownBytes} without the encoded objects, which all readers share and which are dropped after some time. */
  async unsharedBytes(): Promise<number> {
    // Repeat until the value is stable: memory that is freed between two measurements would be counted as the clients' cost.
    for (;;) {
      const before = await this.#encodedBytes();
      const bytes = await this.ownBytes();
      if ((await this.#encodedBytes()) === before) return bytes - before;
    }
  }

  async #encodedBytes(): Promise<number> {
    const { text } = await this.request('GET', '/metrics');
    const encoded = /^tinkernetes_watch_cache_kept_bytes\{kept="encoded"\} (\d+)$/m.exec(text)?.[1];
    assert.ok(encoded !== undefined, text);
    return Number(encoded);
  }

  /** Waits until none of its threads has had anything to do for a while. */
  async untilIdle(): Promise<void> {
    const isAtWork = (thread: string): boolean => {
      const stat = readFileSync(`/proc/${this.pid}/task/${thread}/stat`, 'utf8');
      return stat.charAt(stat.lastIndexOf(')') + 2) !== 'S';
    };
    for (let idle = 0; idle < 5; idle++) {
      await delay(20);
      if (readdirSync(`/proc/${this.pid}/task`).some(isAtWork)) idle = 0;
    }
  }

  async request(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const response = await this.transport({ method, path, headers, body: bytes });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return { status: response.status, text: Buffer.concat(chunks).toString('utf8') };
  }

  /** Opens a TLS connection as the administrator, or as an anonymous client. */
  async dial(who: 'admin' | 'nobody', protocol: 'http/1.1' | 'h2' = 'http/1.1'): Promise<TLSSocket> {
    const { ca, cert, key } = this.kubeconfig;
    const credentials = who === 'admin' ? { cert, key } : {};
    const transport = connectTcp(this.port, '127.0.0.1');
    const socket = connect({ socket: transport, host: '127.0.0.1', ca, ...credentials, ALPNProtocols: [protocol] });
    transport.on('error', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    this.#transports.set(socket, transport);
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('close', reject));
    return socket;
  }

  /** Ends a connection with a TCP reset, as a machine does that was restarted. */
  reset(socket: TLSSocket): void {
    this.#transports.get(socket)?.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.transport.close();
    this.#process.removeAllListeners('exit');
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true });
  }
}

/** Starts a process. Resolves when it serves. @throws Error with its output when it ends before */
async function launch(argv: readonly string[], output: { text: string }): Promise<ChildProcess> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const from = output.text.length;
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      output.text += chunk.toString('utf8');
      if (output.text.includes('"msg":"serving"', from)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`tinker server ended with ${code}: ${output.text}`)));
  });
  return child;
}
