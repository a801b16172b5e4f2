/**
 * The certificates of a running agent: one client certificate per user of the agent, and the kubelet's serving certificate. Each is renewed
 * if its flag says so.
 *
 * Source: kubernetes.io, Configure Certificate Rotation for the Kubelet; upstream `pkg/kubelet/certificate/{kubelet,transport}.go`.
 */
import type { Logger } from 'pino';
import { agentContext, agentUsers, kubeletUser } from '#api/agent-users.ts';
import { kubeletServingSigner } from '#api/certificates/signers.ts';
import { CertificateFiles } from '#client/certificate-files.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import { createHttpTransport, type HttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { boundedTransport } from './bounded-transport.ts';
import { CertificateManager } from './certificate-manager.ts';
import { clientMetrics, serverMetrics } from './certificate-metrics.ts';
import { CertificateStore, readCertificateAndKey, type StoredCertificate } from './certificate-store.ts';
import { nodeUsers } from './node-users.ts';
import { selfSigned } from './self-signed.ts';

/** The folders of the certificates, and which of them are renewed. */
export interface CredentialOptions {
  /** `--cert-dir`. */
  certDir: string;
  /** `--bootstrap-kubeconfig`: its user requests a new certificate when the old one has expired. */
  bootstrapKubeconfig: string | undefined;
  /** `--rotate-certificates`. */
  rotateClients: boolean;
  /** `--rotate-server-certificates`. */
  rotateServing: boolean;
}

/** A user of the agent: the kubelet, or one of its other parts. */
export type NodeUserName = 'kubelet' | keyof typeof agentUsers;

/** The current certificates of the agent's users. */
export interface NodeCredentials {
  /** Returns the certificate that the user presents at its next connection. Undefined: the one in the kubeconfig. */
  certificateOf(user: NodeUserName): (() => StoredCertificate | undefined) | undefined;
  /** Sets the client that requests the user's next certificate, and the transport whose connections are renewed when it is issued. */
  used(user: NodeUserName, client: Client, transport: HttpTransport): void;
  /** The kubelet's serving certificate. Call it after {@link used} was called for all users. */
  serving(): Pick<CertificateManager, 'current' | 'onChange'>;
  /** Renews the certificates. Settles only when `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

interface Options {
  nodeName: string;
  nodeIp: string;
  kubeconfig: string;
  tlsCertFile: string | undefined;
  tlsKeyFile: string | undefined;
  credentials: CredentialOptions;
  /** The kubeconfig is upstream's: it holds the kubelet alone, under its current context. */
  isKubeletAlone?: boolean | undefined;
}

interface Deps {
  clock: Clock;
  random: () => number;
  log: Logger;
  signal: AbortSignal;
}

/** @throws Error for files that cannot be used */
export function createNodeCredentials(options: Options, deps: Deps): NodeCredentials {
  const { nodeName, credentials } = options;
  const managers = new Map<NodeUserName, CertificateManager>();
  const clients = new Map<NodeUserName, Client>();
  let serving: CertificateManager | undefined;
  let files: CertificateFiles | undefined;
  if (credentials.rotateClients) {
    for (const { user, prefix, wanted } of nodeUsers(nodeName, options.isKubeletAlone)) {
      const name = nameOf(user, nodeName);
      const store = new CertificateStore(credentials.certDir, prefix);
      const { cert = '', key = '' } = loadKubeconfig(
        options.kubeconfig,
        options.isKubeletAlone === true ? undefined : agentContext(user),
      );
      const client = (current: StoredCertificate | undefined): Client =>
        (current === undefined ? bootstrapClient(credentials, deps) : undefined) ?? clientOf(clients, name);
      const { failed, rotated } = name === 'kubelet' ? clientMetrics : quiet;
      const manager = new CertificateManager(
        { ...deps, store, client, failed, rotated },
        wanted,
        readCertificateAndKey(cert, key),
      );
      managers.set(name, manager);
      if (name === 'kubelet') clientMetrics.watch(manager, deps.clock);
    }
  }
  return {
    certificateOf: (user) => {
      const manager = managers.get(user);
      return manager === undefined ? undefined : () => manager.current();
    },
    used(user, client, transport) {
      clients.set(user, client);
      managers.get(user)?.onChange(() => transport.reconnect());
    },
    serving() {
      if (!credentials.rotateServing) {
        files = servingFiles(options, deps.clock);
        const read = (): StoredCertificate => readCertificateAndKey(found.certificate, found.key);
        let found = files.current();
        let current = read();
        const listeners: (() => void)[] = [];
        files.onChange((pair) => {
          found = pair;
          current = read();
          for (const listener of listeners) listener();
        });
        return { current: () => current, onChange: (listener) => void listeners.push(listener) };
      }
      const user = kubeletUser(nodeName);
      const store = new CertificateStore(credentials.certDir, 'kubelet-server');
      const client = (): Client => clientOf(clients, 'kubelet');
      serving = new CertificateManager(
        { ...deps, store, client, failed: serverMetrics.failed, rotated: serverMetrics.rotated },
        {
          commonName: user,
          organizations: ['system:nodes'],
          dnsNames: [nodeName],
          ipAddresses: [options.nodeIp],
          signerName: kubeletServingSigner,
          usage: 'server auth',
        },
      );
      serverMetrics.watch(serving, deps.clock);
      return serving;
    },
    async run(signal) {
      const all = [...managers.values(), ...(serving === undefined ? [] : [serving])];
      // When all certificates come from files there is nothing to renew. Wait for the signal all the same: the agent treats a part that
      // ends early as failed.
      await Promise.all([untilAborted(signal), files?.run(deps, signal), ...all.map((manager) => manager.run(signal))]);
    },
  };
}

const quiet = { failed: (): void => undefined, rotated: (): void => undefined };

function nameOf(user: string, nodeName: string): NodeUserName {
  if (user === kubeletUser(nodeName)) return 'kubelet';
  for (const name of Object.keys(agentUsers) as (keyof typeof agentUsers)[]) if (agentUsers[name] === user) return name;
  throw new Error(`${user} is no user of a node`);
}

function clientOf(clients: ReadonlyMap<NodeUserName, Client>, user: NodeUserName): Client {
  const client = clients.get(user);
  if (client === undefined) throw new Error(`there is no client of ${user} yet`);
  return client;
}

/** Undefined when the bootstrap kubeconfig does not exist (any more). */
function bootstrapClient({ bootstrapKubeconfig }: CredentialOptions, { clock, signal }: Deps): Client | undefined {
  if (bootstrapKubeconfig === undefined) return undefined;
  const transport = createHttpTransport({ ...loadKubeconfig(bootstrapKubeconfig), clock });
  signal.addEventListener('abort', () => transport.close(), { once: true });
  return createClient(boundedTransport(transport), { userAgent: 'kubelet', clock, signal });
}

/** A serving certificate in files: those of the flags, which their owner renews, or a self-signed one. */
function servingFiles({ tlsCertFile, tlsKeyFile, nodeName, nodeIp, credentials }: Options, clock: Clock): CertificateFiles {
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined) return new CertificateFiles(tlsCertFile, tlsKeyFile);
  return new CertificateFiles(...selfSigned(credentials.certDir, { nodeName, nodeIp }, clock.now()));
}
