/** A transport for servers that are not trusted yet: it reads at most a fixed number of bytes of each response. */

import type { Transport } from '#client/transport.ts';
import { TransportError } from '#client/transport-error.ts';

/** Much larger than any ConfigMap or CertificateSigningRequest. */
const maxBytes = 4 << 20;

/**
 * Wraps `transport` so that a response over the limit fails. All events of a watch count as one response, so a long watch ends at the
 * limit; the caller starts it again.
 */
export function boundedTransport(transport: Transport): Transport {
  return async (request) => {
    const response = await transport(request);
    return { ...response, body: bounded(response.body, `${request.method} ${request.path.split('?')[0]}`) };
  };
}

async function* bounded(body: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new TransportError(`${what}: its answer is larger than ${maxBytes} bytes`);
    yield chunk;
  }
}
