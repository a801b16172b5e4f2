/** For tests only: the real kubectl against the API server of a {@link World}, over HTTPS. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeKubeconfig } from '#client/kubeconfig.ts';
import { listen } from '#control/apiserver/serving/listener.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import type { World } from './cluster.testing.ts';

const binary = fileURLToPath(new URL('../../bin/kubectl', import.meta.url));

export interface Kubectl {
  /** Where the API server listens, and the CA that signed its certificate and that of clients. */
  server: { url: string; ca: string };
  /** Runs kubectl as cluster administrator, with arguments separated by spaces. Resolves to stdout and stderr together. */
  run(args: string, stdin?: string): Promise<string>;
  stop(): Promise<void>;
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
    run: (args, stdin = '') =>
      new Promise((resolve) => {
        const env = { ...process.env, HOME: folder, KUBECONFIG: kubeconfig };
        const child = execFile(binary, args.split(' '), { env, timeout: 240_000 }, (_error, out, err) => resolve(out + err));
        child.stdin?.end(stdin);
      }),
    async stop() {
      stop.abort();
      await running;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
