/** Bodies of requests and responses in audit events: always JSON, whatever their format was. Source: apiserver `pkg/audit/request.go`. */
import { decodeProtobuf, isProtobuf } from '#api/codec/protobuf.ts';
import { parseYaml } from '#api/codec/yaml.ts';
import { parseExact } from '#api/int64.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '#api/json.ts';
import type { TransportRequest, TransportResponse } from '#client/transport.ts';

/** The maximum size of a response in an event. A larger one is left out. */
const maxCapturedBytes = 4 << 20;

/** The object that a client sent; undefined if there is no body or it is invalid (which the client has been told). */
export function requestObjectOf({ body, headers }: Pick<TransportRequest, 'body' | 'headers'>): JsonValue | undefined {
  if (body === undefined || body.length === 0) return undefined;
  return readable(body, headers['content-type'] ?? '');
}

function readable(body: Uint8Array, contentType: string): JsonValue | undefined {
  try {
    if (isProtobuf(body)) {
      const { apiVersion, kind, object } = decodeProtobuf(body);
      return { kind, apiVersion, ...object };
    }
    if (contentType.includes('yaml')) return parseYaml(body).value;
    return parseExact(Buffer.from(body).toString('utf8')) as JsonValue;
  } catch {
    // The request with the invalid body has been refused; its event has no object.
    return undefined;
  }
}

/** Copies the body of a response while it is sent. */
export class CapturedBody {
  readonly #response: TransportResponse;

  constructor(response: TransportResponse) {
    this.#response = response;
  }

  /** @param done called with the copy after the last byte; isComplete is false if it was too large */
  async *passedOn(done: (object: JsonValue | undefined, isComplete: boolean) => Promise<void>): AsyncGenerator<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const chunk of this.#response.body) {
        bytes += chunk.length;
        if (bytes <= maxCapturedBytes) chunks.push(chunk);
        else chunks.length = 0;
        yield chunk;
      }
    } finally {
      const isComplete = bytes <= maxCapturedBytes;
      const contentType = this.#response.headers['content-type'] ?? '';
      await done(isComplete && bytes > 0 ? readable(Buffer.concat(chunks), contentType) : undefined, isComplete);
    }
  }
}

/** Removes managedFields from an object, the items of a list, and the objects in the rows of a Table. The value itself is not changed. */
export function withoutManagedFields(value: JsonValue | undefined): JsonValue | undefined {
  if (!isJsonObject(value)) return value;
  const { items, rows } = value;
  const bare = withoutOwn(value);
  if (Array.isArray(items)) return { ...bare, items: items.map((item) => (isJsonObject(item) ? withoutOwn(item) : item)) };
  if (Array.isArray(rows))
    return {
      ...bare,
      rows: rows.map((row) =>
        isJsonObject(row) && isJsonObject(row['object']) ? { ...row, object: withoutOwn(row['object']) } : row,
      ),
    };
  return bare;
}

function withoutOwn(object: JsonObject): JsonObject {
  const { metadata } = object;
  if (!isJsonObject(metadata) || metadata['managedFields'] === undefined) return object;
  const { managedFields: _fields, ...rest } = metadata;
  return { ...object, metadata: rest };
}
