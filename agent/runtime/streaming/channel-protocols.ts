/**
 * The WebSocket subprotocols that carry several streams in one connection: which ones are served, and how a message names its
 * channel.
 *
 * - channel.k8s.io: binary messages of one byte (the channel) and the data.
 * - base64.channel.k8s.io: text messages of one character ('0' + channel) and the data in base64.
 *
 * With the prefix `v4.` an exec ends with a Status on its error channel; without it, with a text, and only when it failed. With
 * `v5.`, channel 255 closes another channel. A client that names no protocol gets the one without prefix.
 *
 * Source: k8s.io/streaming `pkg/httpstream/wsstream/conn.go`; cri-streaming `remotecommand/websocket.go`,
 * `portforward/websocket.go`; KEP-4006 for `v5`.
 */

/** A subprotocol that was negotiated. */
export interface ChannelProtocol {
  /** Name of the protocol. Empty when the client named none. */
  name: string;
  isBase64: boolean;
  /** Whether an exec ends with a Status as JSON. */
  hasStatus: boolean;
  /** Whether {@link closeChannel} closes another channel. */
  closesChannels: boolean;
}

const protocol = (name: string, more: Partial<ChannelProtocol> = {}): ChannelProtocol => ({
  name,
  isBase64: name.includes('base64.'),
  hasStatus: /^v[45]\./.test(name),
  closesChannels: false,
  ...more,
});

const served: Readonly<Record<'process' | 'portforward', readonly ChannelProtocol[]>> = {
  process: [
    protocol(''),
    protocol('channel.k8s.io'),
    protocol('base64.channel.k8s.io'),
    protocol('v4.channel.k8s.io'),
    protocol('v4.base64.channel.k8s.io'),
    protocol('v5.channel.k8s.io', { closesChannels: true }),
  ],
  portforward: [protocol(''), protocol('v4.channel.k8s.io'), protocol('v4.base64.channel.k8s.io')],
};

/** In `v5`: the channel whose messages close another channel, which they name. */
export const closeChannel = 255;

/** The protocols that a client offers, in its order of preference. */
export const offeredProtocols = (header: string | undefined): string[] => (header ?? '').split(',').map((name) => name.trim());

/** Chooses the first protocol of the client that is served. Returns a text with the reason when there is none. */
export function negotiateChannels(kind: 'process' | 'portforward', header: string | undefined): ChannelProtocol | string {
  const offered = offeredProtocols(header);
  for (const name of offered) {
    const found = served[kind].find((one) => one.name === name);
    if (found !== undefined) return found;
  }
  const names = served[kind].map(({ name }) => name).join(' ');
  return `requested protocol(s) are not supported: [${offered.join(' ')}]; supports [${names}]`;
}

const zero = '0'.charCodeAt(0);

/** Builds a WebSocket message. A string is sent as a text message. */
export function encodeMessage({ isBase64 }: ChannelProtocol, channel: number, data: Uint8Array): Buffer | string {
  if (!isBase64) return Buffer.concat([Buffer.of(channel), data]);
  return (
    String.fromCharCode((zero + channel) & 0xff) + Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
  );
}

/** Parses a WebSocket message. Undefined for one without a channel or with malformed base64; such messages are ignored. */
export function decodeMessage({ isBase64 }: ChannelProtocol, message: Buffer): { channel: number; data: Buffer } | undefined {
  const [first] = message;
  if (first === undefined) return undefined;
  if (!isBase64) return { channel: first, data: message.subarray(1) };
  const data = fromBase64(message.subarray(1));
  return data === undefined ? undefined : { channel: (first - zero) & 0xff, data };
}

/** Decodes base64 strictly. Node's own decoder skips invalid characters. */
function fromBase64(encoded: Buffer): Buffer | undefined {
  // Line ends are allowed anywhere, as in Go's encoding/base64.
  const text = encoded.toString('latin1').replace(/[\r\n]/g, '');
  if (text.length % 4 !== 0 || text.includes('-') || text.includes('_')) return undefined;
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const data = Buffer.from(text, 'base64');
  return data.length === (text.length / 4) * 3 - padding ? data : undefined;
}
