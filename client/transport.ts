/** How a client reaches an API server: over HTTP, or by a call within the process. The server's handler has the same shape. */

export interface TransportRequest {
  method: string;
  /** Path and query: `/api/v1/pods?watch=1`. */
  path: string;
  /** Lower-case names. */
  headers: Record<string, string>;
  body?: Uint8Array | undefined;
  signal?: AbortSignal | undefined;
}

export interface TransportResponse {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** Whole for an ordinary answer; chunk by chunk, as they come, for a watch or a log. */
  body: AsyncIterable<Uint8Array>;
  /** Aborts when what the body tells has ended: a reader that has not taken what came before is waited for no longer. */
  over?: AbortSignal | undefined;
}

/** @throws the transport's error when the server cannot be reached; an answer with an error code is not an exception. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;
