/** An API server behind its real listener, and a made-up network: addresses that lead to servers of the test on this machine. */
import http from 'node:http';
import https from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import type { ApiServerDeps } from '../api-server-deps.ts';
import { listen } from '../serving/listener.ts';
import { silentLog } from '../serving/server-log.ts';
import { Proxies, type ProxyOptions } from './proxies.ts';

export interface ProxyAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

export interface ProxyServer {
  api: TestServer;
  port: number;
  /** The certificate that kubelets and the API server itself show: for 127.0.0.1 and every address of the network. */
  certificate: KeyPair;
  ca: KeyPair;
  /** Where `host:port` of the network is: a port of this machine. Others cannot be reached. */
  network: Map<string, number>;
  /** A request as an administrator, over HTTP/1.1. @throws the connection's error */
  call(
    method: string,
    path: string,
    options?: { headers?: http.OutgoingHttpHeaders; body?: string | Uint8Array },
  ): Promise<ProxyAnswer>;
  /** Asks for an upgrade. */
  upgrade(
    path: string,
    headers?: http.OutgoingHttpHeaders,
    method?: string,
  ): Promise<ProxyAnswer | { socket: Duplex; head: Buffer; headers: http.IncomingHttpHeaders }>;
  options: https.RequestOptions;
  node(name: string, address: string, kubeletPort?: number): Promise<void>;
  pod(name: string, address: string, ports?: { name?: string; containerPort: number }[]): Promise<void>;
  stop(): Promise<void>;
}

export const addresses = ['10.9.0.1', '10.9.0.2', '10.9.0.3'];

export async function startProxyServer(
  options: Partial<ProxyOptions> = {},
  deps: Partial<ApiServerDeps> = {},
): Promise<ProxyServer> {
  const now = Date.now();
  const ca = await createAuthority(now);
  const certificate = await issueCertificate(
    ca,
    { commonName: 'node', usage: 'server', ipAddresses: ['127.0.0.1', ...addresses] },
    now,
  );
  const own = await issueCertificate(
    ca,
    { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1', ...addresses] },
    now,
  );
  const kubeletClient = await issueCertificate(
    ca,
    { commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'], usage: 'client' },
    now,
  );
  const admin = await issueCertificate(ca, { commonName: 'admin', organizations: ['system:masters'], usage: 'client' }, now);
  const network = new Map<string, number>();
  const connect = ({ host, port }: { host: string; port: number }): Socket =>
    // Port 1 of this machine: nobody listens there.
    connectTcp({ host: '127.0.0.1', port: network.get(`${host}:${port}`) ?? 1 });
  const kubelet = { certificate: kubeletClient.certificate, key: kubeletClient.key, ca: ca.certificate, own: own.certificate };
  const proxies = new Proxies({ kubelet, connect, random: () => 0, ...options }, silentLog);
  const api = await startTestServer({ deps: { ...deps, proxy: proxies } });
  const listener = await listen(
    api.server,
    { host: '127.0.0.1', port: 0, certificate: own.certificate, key: own.key, clientCa: ca.certificate, graceMs: 100 },
    silentLog,
  );
  const stopping = new AbortController();
  const running = listener.run(stopping.signal);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', account);
  const base = {
    host: '127.0.0.1',
    port: listener.port,
    ca: ca.certificate,
    cert: admin.certificate,
    key: admin.key,
    agent: false as const,
    // Requests bear Host headers of all kinds.
    checkServerIdentity: () => undefined,
  };
  const merge = { 'content-type': 'application/merge-patch+json' };
  return {
    api,
    port: listener.port,
    certificate,
    ca,
    network,
    options: base,
    call: (method, path, { headers = {}, body } = {}) =>
      new Promise((resolve, reject) => {
        const request = https.request(
          { ...base, method, path, headers },
          (response) => void answerOf(response).then(resolve, reject),
        );
        request.on('error', reject);
        request.end(body);
      }),
    upgrade: (path, headers = {}, method = 'GET') =>
      new Promise((resolve, reject) => {
        const request = https.request({ ...base, method, path, headers: { connection: 'Upgrade', upgrade: 'echo', ...headers } });
        request.on('upgrade', (response, socket, head) => resolve({ socket, head, headers: response.headers }));
        request.on('response', (response) => void answerOf(response).then(resolve, reject));
        request.on('error', reject);
        request.end();
      }),
    async node(name, address, kubeletPort = 10250) {
      await api.request('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name } });
      const status = {
        addresses: [{ type: /^[\d.:a-f]+$/.test(address) ? 'InternalIP' : 'Hostname', address }],
        daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
      };
      await api.request('PATCH', `/api/v1/nodes/${name}/status`, { status }, merge);
    },
    async pod(name, address, ports = []) {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i', ports }] },
      };
      await api.request('POST', '/api/v1/namespaces/default/pods', pod);
      const status = { phase: 'Running', podIP: address, podIPs: [{ ip: address }] };
      await api.request('PATCH', `/api/v1/namespaces/default/pods/${name}/status`, { status }, merge);
    },
    async stop() {
      stopping.abort();
      await running;
      await api.stop();
    },
  };
}

async function answerOf(response: http.IncomingMessage): Promise<ProxyAnswer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString('utf8') };
}

/** A server on a free port of this machine, which ends with all its connections. */
export async function backend(server: http.Server | https.Server): Promise<{ port: number; close(): void }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return {
    port: (server.address() as { port: number }).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
