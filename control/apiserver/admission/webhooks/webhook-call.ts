/**
 * One call of a webhook over HTTPS.
 *
 * A service is reached at one of its endpoints, because no rules translate service addresses where the API server runs. Connections are
 * kept for the next call. No redirect is followed.
 *
 * Source: apiserver `pkg/util/webhook/{client,serviceresolver}.go`; client-go `transport` (its words for failures).
 */
import { readFile } from 'node:fs/promises';
import https from 'node:https';
import { isIP } from 'node:net';
import { parseIp } from '#api/ip.ts';
import { scopeOf } from '#api/ip-scope.ts';
import type { WebhookClientConfig } from '#api/types.generated.ts';
import type { UserCredentials } from '#client/kubeconfig.ts';
import { goNetworkError } from '../../proxy/backend.ts';
import { serviceTarget } from '../../proxy/service-target.ts';
import type { WebhookCredentials } from '../config/webhook-credentials.ts';
import type { AdmissionContext } from '../plugin.ts';

/** The webhook gave no answer that could be used. */
export class WebhookCallError extends Error {
  override name = 'WebhookCallError';
}

/** Larger answers are refused: a patch is not larger than an object. */
const maxAnswerBytes = 8 << 20;
/** Of addresses that are written down; 'localhost' is a name, and upstream's documentation uses it. */
const allowedScopes: ReadonlySet<string> = new Set(['global']);
/** Agents, and with them their idle connections, by what they connect to. */
const maxAgents = 500;

/** Calls webhooks, and keeps connections to them. */
export class WebhookCaller {
  readonly #random: () => number;
  readonly #credentials: WebhookCredentials;
  readonly #agents = new Map<string, https.Agent>();

  /** @param random a number in [0, 1), for the choice of an endpoint @param credentials as whom webhooks are called; absent: as nobody */
  constructor(random: () => number, credentials: WebhookCredentials = () => undefined) {
    this.#random = random;
    this.#credentials = credentials;
  }

  /**
   * Posts JSON. @returns the body of an answer in the 200s
   * @param timeoutMs until the last byte of the answer
   * @throws WebhookCallError
   */
  async post(
    config: WebhookClientConfig,
    body: string,
    timeoutMs: number,
    context: Pick<AdmissionContext, 'read' | 'list'>,
  ): Promise<string> {
    const shown = `${urlOf(config)}?timeout=${Math.ceil(timeoutMs / 1000)}s`;
    const fail = (why: string, cause?: unknown): WebhookCallError =>
      new WebhookCallError(`Post ${JSON.stringify(shown)}: ${why}`, { cause });
    const target = await this.#target(config, context, fail);
    const user = this.#credentials(target.serverName + (target.asked === 443 ? '' : `:${target.asked}`)) ?? {};
    const token = user.token ?? (user.tokenFile === undefined ? undefined : (await readFile(user.tokenFile, 'utf8')).trim());
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const signal = AbortSignal.timeout(timeoutMs);
    const request = https.request(
      {
        method: 'POST',
        host: target.host,
        port: target.port,
        path: new URL(shown).pathname + new URL(shown).search,
        agent: this.#agent(config, target, user),
        signal,
        headers: {
          host: new URL(shown).host,
          'content-type': 'application/json',
          accept: 'application/json, */*',
          'user-agent': 'kube-apiserver-admission',
          'content-length': Buffer.byteLength(body),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxAnswerBytes) request.destroy(new Error(`the answer is larger than ${maxAnswerBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }));
      },
    );
    request.on('error', reject);
    // Nothing that a webhook asks for makes this connection something else.
    request.on('upgrade', (_, socket) => socket.destroy(new Error('the webhook switched protocols')));
    request.end(body);
    let answer: { status: number; text: string };
    try {
      answer = await promise;
    } catch (error) {
      throw fail(
        signal.aborted
          ? 'context deadline exceeded'
          : goNetworkError(error as Error, { address: target.host, port: String(target.port) }),
        error,
      );
    }
    if (answer.status >= 200 && answer.status < 300) return answer.text;
    throw new WebhookCallError(statusText(answer.status));
  }

  /** Ends the idle connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  async #target(
    config: WebhookClientConfig,
    context: Pick<AdmissionContext, 'read' | 'list'>,
    fail: (why: string, cause?: unknown) => Error,
  ): Promise<Target> {
    const { service, url } = config;
    if (service !== undefined) {
      const found = await serviceTarget(service, context, this.#random);
      if (typeof found === 'string') throw fail(found);
      return { ...found, serverName: `${service.name}.${service.namespace}.svc`, asked: service.port ?? 443 };
    }
    const { hostname, port } = new URL(url as string);
    const host = hostname.replace(/^\[|\]$/g, '');
    const address = parseIp(host);
    // Names may lead anywhere their owner says; an address written down must not lead back into this machine's own services.
    if (address !== undefined && !allowedScopes.has(scopeOf(address))) throw fail(`address ${host} is not allowed`);
    const asked = port === '' ? 443 : Number(port);
    return { host, port: asked, serverName: host, asked };
  }

  #agent(
    { caBundle }: WebhookClientConfig,
    { host, port, serverName }: Target,
    { cert, key: own }: UserCredentials,
  ): https.Agent {
    const key = JSON.stringify([host, port, serverName, caBundle, cert]);
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      if (this.#agents.size >= maxAgents) this.close();
      agent = new https.Agent({
        keepAlive: true,
        maxFreeSockets: 25,
        timeout: 90_000,
        ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
        ...(cert === undefined || own === undefined ? {} : { cert, key: own }),
        ...(caBundle === undefined || caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64') }),
      });
      this.#agents.set(key, agent);
    }
    return agent;
  }
}

interface Target {
  host: string;
  port: number;
  /** The name that the certificate must have. */
  serverName: string;
  /** The port that the configuration names; a service may lead to another one. */
  asked: number;
}

function urlOf({ url, service }: WebhookClientConfig): string {
  if (service === undefined) return url ?? '';
  const path = service.path ?? '';
  return `https://${service.name}.${service.namespace}.svc:${service.port ?? 443}${path === '' ? '/' : path}`;
}

/** As client-go words an answer that is no Status. */
function statusText(status: number): string {
  if (status === 404) return 'the server could not find the requested resource';
  if (status === 401) return 'the server has asked for the client to provide credentials';
  if (status === 403) return 'forbidden';
  if (status === 429) return 'the server has received too many requests and has asked us to try again later';
  if (status === 503) return 'the server is currently unable to handle the request';
  if (status === 504)
    return 'the server was unable to return a response in the time allotted, but may still be processing the request';
  if (status >= 500) return `an error on the server ("unknown") has prevented the request from succeeding`;
  return `the server rejected our request for an unknown reason`;
}
