/** A transport for answers from whoever listens at an address: none of them is read beyond a bound. */
import { TransportError } from '#client/http-transport.ts';
import type { Transport } from '#client/transport.ts';

/** Far more than a ConfigMap or a request for a certificate has. */
const maxBytes = 4 << 20;

/** Fails when an answer is larger. A watch is many answers: each event counts anew is not possible here, so it ends and is begun again. */
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
