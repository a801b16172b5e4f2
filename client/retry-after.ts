/**
 * Requests that a server asks to send again later: 429 Too Many Requests (flow control, a disruption budget), or any 5xx, with the
 * header `Retry-After`.
 *
 * Source: client-go `rest/with_retry.go` and `retryAfterSeconds` in `rest/request.go`; RFC 9110, 10.2.3 (the form with a date is not
 * used by Kubernetes, and client-go does not read it).
 */
import { type Clock, sleep } from './clock.ts';
import type { Transport, TransportResponse } from './transport.ts';

/** How often one request is sent again; then its last answer is the caller's. */
const maxRetries = 10;

/** How much of a refusal is read to keep its connection usable; the rest is cancelled. */
const maxDiscardedBytes = 2048;

/**
 * A transport that waits as long as the server asks for and sends the request again, at most ten times. A body that comes as a stream
 * cannot be sent twice: its first answer is returned.
 * @param ended once it aborts, no request waits any longer: a refusal is returned as it is
 * @throws the reason of the request's own signal, when that aborts during a wait; else what `transport` throws
 */
export function withRetryAfter(transport: Transport, clock: Clock, ended?: AbortSignal): Transport {
  return async (request) => {
    for (let retry = 0; ; retry++) {
      const response = await transport(request);
      const seconds = retryAfterSeconds(response);
      if (seconds === undefined || request.stream !== undefined || retry >= maxRetries) return response;
      await sleepUntilEither(clock, seconds * 1000, request.signal, ended);
      if (ended?.aborted === true && request.signal?.aborted !== true) return response;
      await discard(response);
      request.signal?.throwIfAborted();
    }
  };
}

/** Undefined: the answer does not ask for another attempt. Nothing to wait for (0 or less) is still another attempt, as in client-go. */
function retryAfterSeconds({ status, headers }: TransportResponse): number | undefined {
  if (status !== 429 && status < 500) return undefined;
  const value = headers['retry-after'];
  return value !== undefined && /^[+-]?\d+$/.test(value) ? Number(value) : undefined;
}

async function sleepUntilEither(clock: Clock, delayMs: number, ...signals: (AbortSignal | undefined)[]): Promise<void> {
  const given = signals.filter((signal) => signal !== undefined);
  await sleep(clock, delayMs, given.length > 1 ? AbortSignal.any(given) : given[0]);
}

/** Reads a refusal, so that its connection can carry the next attempt. Never rejects. */
export async function discard({ body }: TransportResponse): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > maxDiscardedBytes) return;
    }
  } catch {
    // This answer is thrown away because the request is sent again. If the server is unreachable now, the next attempt fails and says so.
  }
}
