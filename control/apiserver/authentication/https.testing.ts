/** For tests only: an API server with HTTPS on loopback, which is asked as whom it authenticates a request. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority, issueCertificate, type KeyPair } from '#control/pki/certificates.ts';
import { startTestServer, type TestServer, type TestServerOptions } from '../api-server.testing.ts';
import { listen } from '../serving/listener.ts';
import type { ServerLog } from '../serving/server-log.ts';
import type { AuthenticationOptions } from './create-authentication.ts';

export interface HttpsAnswer {
  status: number;
  text: string;
  headers: http.IncomingHttpHeaders;
}

/** Headers may be given as a list of names and values, so that one name comes several times. */
export interface HttpsRequest {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: unknown;
  as?: KeyPair;
}

export interface HttpsServer {
  api: TestServer;
  ca: KeyPair;
  port: number;
  /** What the server has logged, as JSON. */
  logged: string[];
  send(path: string, request?: HttpsRequest): Promise<HttpsAnswer>;
  /** A client certificate of the cluster's CA. */
  client(commonName: string, organizations?: string[]): Promise<KeyPair>;
  /** The name of the user that the server authenticates; otherwise the status of its response. */
  whoAmI(request?: HttpsRequest): Promise<WhoAmI>;
  stop(): Promise<void>;
}

export interface WhoAmI {
  status: number;
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** A PKI, an API server with it, and clients. */
export async function startHttpsServer(
  authentication: AuthenticationOptions,
  options: TestServerOptions = {},
): Promise<HttpsServer> {
  const now = Date.now();
  const ca = await createAuthority(now);
  const serving = await issueCertificate(ca, { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] }, now);
  const logged: string[] = [];
  const log = recordingLog(logged);
  const api = await startTestServer({ ...options, authentication, deps: { log } });
  const listener = await listen(
    api.server,
    {
      host: '127.0.0.1',
      port: 0,
      certificate: serving.certificate,
      key: serving.key,
      clientCa: ca.certificate,
      requestHeaderCa: authentication.requestHeader?.clientCa,
      graceMs: 500,
    },
    log,
  );
  const stopping = new AbortController();
  const running = listener.run(stopping.signal);
  const { port } = listener;
  const send = (path: string, { method = 'GET', headers = {}, body, as }: HttpsRequest = {}): Promise<HttpsAnswer> =>
    new Promise((resolve, reject) => {
      const tls = { ca: ca.certificate, ...(as === undefined ? {} : { cert: as.certificate, key: as.key }) };
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const request = https.request(
        { host: '127.0.0.1', port, path, method, agent: false, headers: { ...type, ...headers }, ...tls },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              text: Buffer.concat(chunks).toString('utf8'),
              headers: response.headers,
            }),
          );
        },
      );
      request.on('error', reject);
      // As bytes: beside a text, Node would encode the headers as UTF-8, too.
      request.end(body === undefined ? undefined : Buffer.from(JSON.stringify(body)));
    });
  return {
    api,
    ca,
    port,
    logged,
    send,
    client: (commonName, organizations = []) => issueCertificate(ca, { commonName, organizations, usage: 'client' }, now),
    async whoAmI(request = {}) {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
      const { status, text } = await send(path, { ...request, method: 'POST', body });
      if (status !== 201) return { status };
      return { status, ...(JSON.parse(text) as { status: { userInfo: Omit<WhoAmI, 'status'> } }).status.userInfo };
    },
    async stop() {
      stopping.abort();
      await running;
      await api.stop();
    },
  };
}

function recordingLog(lines: string[]): ServerLog {
  const record = (fields: Record<string, unknown>, message: string): void => {
    const { err, ...others } = fields;
    lines.push(JSON.stringify({ ...others, message, ...(err instanceof Error ? { err: err.stack } : {}) }));
  };
  return { debug: record, info: record, warn: record, error: record };
}

/** A server that tests put behind an authenticator. */
export async function startBackend(
  handler: http.RequestListener,
  tls?: KeyPair,
): Promise<{ url: string; close(): Promise<void> }> {
  const server =
    tls === undefined ? http.createServer(handler) : https.createServer({ cert: tls.certificate, key: tls.key }, handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const bearer = (token: string): HttpsRequest => ({ headers: { authorization: `Bearer ${token}` } });
