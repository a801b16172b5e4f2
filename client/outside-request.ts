/**
 * One request to a server that a decision depends on (an OIDC issuer, a webhook, an extender of the scheduler): whatever it answers, and however
 * slowly, it costs little here.
 */
import http from 'node:http';
import https from 'node:https';
import { errorText } from '#api/error-text.ts';

/** There is no answer that could be used. The message holds nothing secret. */
export class OutsideError extends Error {
  override name = 'OutsideError';
  /** Whether the same request may succeed a moment later. */
  readonly mayRetry: boolean;

  constructor(message: string, mayRetry: boolean, options?: ErrorOptions) {
    super(message, options);
    this.mayRetry = mayRetry;
  }
}

/** A request to a server outside of the cluster: an OpenID provider, a webhook. */
export interface OutsideRequest {
  url: string;
  method?: 'GET' | 'POST';
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** PEM; absent: the machine's. */
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  tlsServerName?: string | undefined;
  insecureSkipTlsVerify?: boolean | undefined;
  /** Until the last byte of the answer. Default: 30 s, upstream's. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Limit of the answer's body. Default 1 MiB. */
  maxBytes?: number;
}

/** The body of an answer with a status in the 200s. @throws OutsideError */
export async function askOutside(request: OutsideRequest): Promise<string> {
  const signals = [AbortSignal.timeout(request.timeoutMs ?? 30_000), ...(request.signal === undefined ? [] : [request.signal])];
  const { status, body } = await exchange(request, AbortSignal.any(signals));
  if (status >= 200 && status < 300) return body;
  const mayRetry = status === 429 || status >= 500;
  throw new OutsideError(`${withoutQuery(request.url)} answered with the status ${status}`, mayRetry);
}

function exchange(request: OutsideRequest, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const { url, method = 'GET', headers = {}, body, ca, cert, key, tlsServerName: servername, insecureSkipTlsVerify } = request;
  const { maxBytes = 1 << 20 } = request;
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const fail = (error: unknown): void => {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const text = signal.aborted ? 'it did not answer in time' : errorText(error);
    const mayRetry = ['ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes(code);
    reject(new OutsideError(`${withoutQuery(url)}: ${text}`, mayRetry, { cause: error }));
  };
  const tls = {
    ca,
    cert,
    key,
    rejectUnauthorized: insecureSkipTlsVerify !== true,
    ...(servername === undefined ? {} : { servername }),
  };
  const send = url.startsWith('https:') ? https.request : http.request;
  const sent = send(
    url,
    { method, signal, agent: false, headers: { ...headers, accept: 'application/json' }, ...tls },
    (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxBytes) sent.destroy(new Error(`its answer is larger than ${maxBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
    },
  );
  sent.on('error', fail);
  sent.end(body);
  return promise;
}

const withoutQuery = (url: string): string => url.replace(/\?.*$/s, '');
