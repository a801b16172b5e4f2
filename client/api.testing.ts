/**
 * A small API in memory, for tests of the client runtime alone: create, get, list, update, patch (merge), delete and watch
 * of any path, with resourceVersions. No validation, no defaults. Tests of controllers use the real API server.
 */
import type { TransportRequest, TransportResponse } from './transport.ts';

interface Stored {
  apiVersion?: string;
  kind?: string;
  metadata: { name: string; namespace?: string; resourceVersion: string; uid: string };
  [field: string]: unknown;
}

interface Watcher {
  collection: string;
  push(frame: object): void;
  end(): void;
}

const encoder = new TextEncoder();

export class FakeApi {
  readonly requests: { method: string; path: string; body: unknown }[] = [];
  /** Answers instead of the API where it returns one. */
  intercept: ((request: TransportRequest) => TransportResponse | Error | undefined) | undefined;
  #objects = new Map<string, Stored>();
  #watchers = new Set<Watcher>();
  #history: { revision: number; path: string; type: string; object: Stored }[] = [];
  #revision = 1;

  readonly transport = async (request: TransportRequest): Promise<TransportResponse> => {
    const body: unknown = request.body === undefined ? undefined : JSON.parse(new TextDecoder().decode(request.body));
    this.requests.push({ method: request.method, path: request.path, body });
    const instead = this.intercept?.(request);
    if (instead instanceof Error) throw instead;
    if (instead !== undefined) return instead;
    return this.#serve(request, body);
  };

  /** How many watches are open. */
  get watches(): number {
    return this.#watchers.size;
  }

  /** Ends every watch, as a server does that restarts. */
  closeWatches(): void {
    for (const watcher of this.#watchers) watcher.end();
  }

  /** Forgets the past: a watch from before now is answered with 410. */
  compact(): void {
    this.#history = [];
  }

  /** Sends a frame to all watchers. */
  frame(frame: object): void {
    for (const watcher of this.#watchers) watcher.push(frame);
  }

  #serve(request: TransportRequest, body: unknown): TransportResponse {
    const url = new URL(request.path, 'http://fake');
    const path = url.pathname.replace(/\/status$/, '');
    switch (request.method) {
      case 'GET':
        if (this.#objects.has(path)) return json(200, this.#objects.get(path));
        if (url.searchParams.get('watch') === 'true')
          return this.#watch(path, Number(url.searchParams.get('resourceVersion')), request.signal);
        return isCollection(path) ? this.#list(path) : notFound(path);
      case 'POST':
        return this.#create(path, body as Stored);
      case 'PUT':
      case 'PATCH':
        return this.#update(path, body as Stored, request.method === 'PATCH');
      default:
        return this.#delete(path);
    }
  }

  #list(path: string): TransportResponse {
    const items = [...this.#objects]
      .filter(([key]) => inCollection(key, path))
      .map(([, { apiVersion: _v, kind: _k, ...item }]) => item);
    return json(200, { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: String(this.#revision) }, items });
  }

  #create(collection: string, object: Stored): TransportResponse {
    const path = `${collection}/${object.metadata.name}`;
    if (this.#objects.has(path)) return status(409, 'AlreadyExists', `"${object.metadata.name}" already exists`);
    return json(201, this.#write('ADDED', path, { ...object, metadata: { ...object.metadata, uid: `uid-${this.#revision}` } }));
  }

  #update(path: string, object: Stored, merge: boolean): TransportResponse {
    const current = this.#objects.get(path);
    if (current === undefined) return notFound(path);
    const wanted = merge ? undefined : object.metadata.resourceVersion;
    if (wanted !== undefined && wanted !== current.metadata.resourceVersion)
      return status(409, 'Conflict', 'the object has been modified');
    return json(200, this.#write('MODIFIED', path, merge ? { ...current, ...object } : object));
  }

  #delete(path: string): TransportResponse {
    const current = this.#objects.get(path);
    if (current === undefined) return notFound(path);
    this.#write('DELETED', path, current);
    this.#objects.delete(path);
    return status(200, '', 'deleted');
  }

  #write(type: string, path: string, object: Stored): Stored {
    this.#revision += 1;
    const written = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } };
    this.#objects.set(path, written);
    this.#history.push({ revision: this.#revision, path, type, object: written });
    for (const watcher of this.#watchers) if (inCollection(path, watcher.collection)) watcher.push({ type, object: written });
    return written;
  }

  #watch(collection: string, after: number, signal: AbortSignal | undefined): TransportResponse {
    const first = this.#history[0]?.revision ?? this.#revision + 1;
    if (after + 1 < first) return status(410, 'Expired', 'too old resource version');
    const chunks: Uint8Array[] = this.#history
      .filter((entry) => entry.revision > after && inCollection(entry.path, collection))
      .map(({ type, object }) => encode({ type, object }));
    let wake = (): void => undefined;
    let ended = false;
    const watcher: Watcher = {
      collection,
      push: (frame) => {
        chunks.push(encode(frame));
        wake();
      },
      end: () => {
        ended = true;
        this.#watchers.delete(watcher);
        wake();
      },
    };
    this.#watchers.add(watcher);
    signal?.addEventListener('abort', () => watcher.end(), { once: true });
    const body = (async function* () {
      for (;;) {
        const chunk = chunks.shift();
        if (chunk !== undefined) yield chunk;
        else if (ended) return;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    })();
    return { status: 200, headers: {}, body };
  }
}

/** Collections end in a lower-case plural after an even number of name parts; good enough for the paths of tests. */
function isCollection(path: string): boolean {
  const parts = path.split('/').filter((part) => part !== '');
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  return rest.length % 2 === 1;
}

/** `/api/v1/pods` takes in `/api/v1/namespaces/a/pods/x`. */
function inCollection(path: string, collection: string): boolean {
  if (path.startsWith(`${collection}/`) && !path.slice(collection.length + 1).includes('/')) return true;
  const plural = collection.slice(collection.lastIndexOf('/') + 1);
  const root = collection.slice(0, collection.lastIndexOf('/'));
  return new RegExp(`^${root}/namespaces/[^/]+/${plural}/[^/]+$`).test(path);
}

const encode = (value: unknown): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`);

/** A whole answer with a JSON body. */
export function json(code: number, value: unknown): TransportResponse {
  return {
    status: code,
    headers: { 'content-type': 'application/json' },
    body: (async function* () {
      yield encode(value);
    })(),
  };
}

export function status(code: number, reason: string, message: string): TransportResponse {
  return json(code, {
    apiVersion: 'v1',
    kind: 'Status',
    metadata: {},
    status: code < 400 ? 'Success' : 'Failure',
    reason,
    message,
    code,
  });
}

const notFound = (path: string): TransportResponse => status(404, 'NotFound', `${path} not found`);
