/** For tests only: the real kubectl against the API server of a {@link World}, over HTTPS. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeKubeconfig } from '#client/kubeconfig.ts';
import { listen } from '#control/apiserver/serving/listener.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { type KubectlVersion, kubectlPath } from '#lab/kubectl.ts';
import { startWorld, type World } from './cluster.testing.ts';

const binary = fileURLToPath(new URL('../../bin/kubectl', import.meta.url));

export interface Kubectl {
  /** Where the API server listens, and the CA that signed its certificate and that of clients. */
  server: { url: string; ca: string };
  /** An empty folder that is removed at the end: kubectl's HOME. */
  folder: string;
  /**
   * Runs kubectl as cluster administrator. A string is arguments separated by spaces. Resolves to stdout and stderr together.
   */
  run(args: string | readonly string[], stdin?: string, options?: RunOptions): Promise<string>;
  /** Starts kubectl in the background: `get --watch`, `proxy`. */
  start(args: readonly string[], options?: RunOptions): Background;
  stop(): Promise<void>;
}

/** A kubectl that runs until it is stopped. */
export interface Background {
  /** The output so far. */
  output(): string;
  stop(): Promise<void>;
}

export interface RunOptions {
  /** Absent: the one of `bin/kubectl`. */
  version?: KubectlVersion | undefined;
  /** Added to the environment, for example `EDITOR`. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** A {@link World} and kubectl for the tests of one `describe`: made before the first of them, stopped after the last. */
export function kubectlForTests(): { world(): World; kubectl(args: string, stdin?: string): Promise<string> } {
  let world: World;
  let tool: Kubectl;
  before(async () => {
    ({ world, kubectl: tool } = await startWorldWithKubectl());
  });
  after(async () => {
    await tool?.stop();
    await world?.stop();
  });
  return { world: () => world, kubectl: (args, stdin) => tool.run(args, stdin) };
}

/** A {@link World} with these nodes, and kubectl for it. */
export async function startWorldWithKubectl(...nodes: string[]): Promise<{ world: World; kubectl: Kubectl }> {
  const world = await startWorld();
  for (const node of nodes) await world.addNode(node);
  return { world, kubectl: await startKubectl(world) };
}

/** @param authority signs the certificates of the server and of clients; a new one by default */
export async function startKubectl(world: World, authority?: KeyPair): Promise<Kubectl> {
  const now = Date.now();
  const ca = authority ?? (await createAuthority(now));
  const server = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
  const user = await issueCertificate(ca, { commonName: 'admin', organizations: ['system:masters'], usage: 'client' }, now);
  const options = { host: '127.0.0.1', port: 0, certificate: server.certificate, key: server.key, clientCa: ca.certificate };
  const listener = await listen(world.server, { ...options, graceMs: 100 }, silentLog);
  const stop = new AbortController();
  const running = listener.run(stop.signal);
  const folder = await mkdtemp(join(tmpdir(), 'kubectl-'));
  const kubeconfig = join(folder, 'config');
  writeKubeconfig(kubeconfig, {
    server: `https://127.0.0.1:${listener.port}`,
    ca: ca.certificate,
    cert: user.certificate,
    key: user.key,
  });
  return {
    server: { url: `https://127.0.0.1:${listener.port}`, ca: ca.certificate },
    folder,
    run: (args, stdin = '', { version, env: more = {} } = {}) =>
      new Promise((resolve) => {
        const env = { ...process.env, HOME: folder, KUBECONFIG: kubeconfig, ...more };
        const program = version === undefined ? binary : kubectlPath(version);
        const argv = typeof args === 'string' ? args.split(' ') : args;
        const options = { env, timeout: 240_000, maxBuffer: 64 * 1024 * 1024 };
        const child = execFile(program, argv, options, (_error, out, err) => resolve(out + err));
        child.stdin?.end(stdin);
      }),
    start(args, { version, env: more = {} } = {}) {
      const env = { ...process.env, HOME: folder, KUBECONFIG: kubeconfig, ...more };
      const child = spawn(kubectlPath(version), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
      return {
        output: () => text,
        async stop() {
          child.kill('SIGTERM');
          await ended;
        },
      };
    },
    async stop() {
      stop.abort();
      await running;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
