/** How a client reaches an API server: over HTTP, or by a call within the process. The server's handler has the same shape. */

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
  signal?: AbortSignal | undefined;
}

export interface TransportResponse {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** `Set-Cookie`, the one header of which there may be several. */
  cookies?: readonly string[] | undefined;
  /** Whole for an ordinary answer; chunk by chunk, as they come, for a watch or a log. */
  body: AsyncIterable<Uint8Array>;
  /** Aborts when what the body tells has ended: a reader that has not taken what came before is waited for no longer. */
  over?: AbortSignal | undefined;
}

/** @throws the transport's error when the server cannot be reached; an answer with an error code is not an exception. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;
