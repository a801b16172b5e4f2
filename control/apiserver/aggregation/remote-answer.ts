/** Requests of the aggregator itself to aggregated servers, for discovery and OpenAPI documents. */
import type { TransportResponse } from '#client/transport.ts';
import { isAvailable } from '../kinds/apiregistration/apiservice/conditions.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { Lookup, RemoteServers } from './remote-servers.ts';
import type { RemoteService } from './remote-services.ts';

/** The user of these requests. */
export const aggregatorUser: UserInfo = { name: 'system:kube-aggregator', groups: ['system:masters'], extra: {} };

/** Larger documents are refused. */
const maxBytes = 16 << 20;

/** A response with its whole body. */
export interface ReadAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: Buffer;
}

/** The document could not be fetched. */
export class RemoteAnswerError extends Error {
  override name = 'RemoteAnswerError';
}

/** Sends requests to aggregated servers. @throws RemoteAnswerError */
export class RemoteReader {
  readonly #servers: Pick<RemoteServers, 'forward'>;
  readonly #lookup: Lookup;
  readonly #signal: AbortSignal;

  /** @param signal aborts running requests */
  constructor(servers: Pick<RemoteServers, 'forward'>, lookup: Lookup, signal: AbortSignal) {
    this.#servers = servers;
    this.#lookup = lookup;
    this.#signal = signal;
  }

  /** GET. @param timeoutMs until the last byte of the answer */
  async get(service: RemoteService, path: string, headers: Record<string, string>, timeoutMs: number): Promise<ReadAnswer> {
    if (!isAvailable(service)) throw new RemoteAnswerError(`${service.metadata.name} is not available`);
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(timeoutMs)]);
    const request = { method: 'GET', path, headers, signal };
    try {
      return await read(await this.#servers.forward(service, request, aggregatorUser, this.#lookup));
    } catch (error) {
      const why = signal.aborted ? `no whole answer within ${timeoutMs / 1000} s` : String(error);
      throw new RemoteAnswerError(`GET ${path} of ${service.metadata.name}: ${why}`, { cause: error });
    }
  }

  /** The same for JSON; any status but 200 is an error. */
  async json(service: RemoteService, path: string, timeoutMs: number): Promise<unknown> {
    const { status, body } = await this.get(service, path, { accept: 'application/json' }, timeoutMs);
    if (status !== 200) throw new RemoteAnswerError(`GET ${path} of ${service.metadata.name}: status ${status}`);
    return parsed(body);
  }
}

/** @throws RemoteAnswerError */
export function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new RemoteAnswerError('the answer is not JSON', { cause: error });
  }
}

async function read({ status, headers, body }: TransportResponse): Promise<ReadAnswer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw new RemoteAnswerError(`the answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return { status, headers, body: Buffer.concat(chunks) };
}
