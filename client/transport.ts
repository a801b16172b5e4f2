/** How a client reaches an API server: over HTTP, or by a call within the process. The server's handler has the same shape. */

/** One HTTP request, whatever carries it. */
export interface TransportRequest {
  method: string;
  /** Path and query: `/api/v1/pods?watch=1`. */
  path: string;
  /** Lower-case names. */
  headers: Record<string, string>;
  body?: Uint8Array | undefined;
  /** The body as it comes, where it is passed on and not read; then there is no `body`. */
  stream?: AsyncIterable<Uint8Array> | undefined;
  /** Where the request came from, over a network. */
  remoteAddress?: string | undefined;
  /** The caller takes the server's own objects where it runs in the same process (`object-piece.ts`), and never changes them. */
  takesObjects?: boolean | undefined;
  /** Aborts when the caller no longer wants the answer. */
  signal?: AbortSignal | undefined;
}

/** The answer to a {@link TransportRequest}. Its body has to be read to the end or given up (`return()`), or its connection stays taken. */
export interface TransportResponse {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** `Set-Cookie`, the one header of which there may be several. */
  cookies?: readonly string[] | undefined;
  /** Whole for an ordinary answer; chunk by chunk, as they come, for a watch or a log. */
  body: AsyncIterable<Uint8Array>;
  /** Aborts when the source of the body has ended (a watch that lags behind). The server then stops waiting for a reader that does not read. */
  over?: AbortSignal | undefined;
  /** For a watch: resolves when the initial objects were sent, or the watch has ended. */
  begun?: Promise<void> | undefined;
}

/** Carries one request to the server. @throws the transport's error when the server cannot be reached; an answer with an error code is not an exception. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;

/** A complete body, which can be sent at once instead of piece by piece. */
export class WholeBody implements AsyncIterable<Uint8Array> {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    if (this.bytes.length > 0) yield this.bytes;
  }
}
