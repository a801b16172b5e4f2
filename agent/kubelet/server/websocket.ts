/**
 * Streams for WebSocket clients. The protocols that the runtime's streaming server speaks itself are relayed to it.
 *
 * Source: upstream `staging/src/k8s.io/apimachinery/pkg/util/httpstream/wsstream` (protocol names).
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StreamTarget } from './upgrade.ts';
import { relayUpgrade } from './upgrade.ts';

const relayed = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'channel.k8s.io', 'base64.channel.k8s.io'];

const offered = (request: IncomingMessage): string[] =>
  (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());

/** Clients that offer only what we do not speak fall back to SPDY when the upgrade is refused. */
export const acceptsWebSocket = (request: IncomingMessage, _target: StreamTarget): boolean =>
  offered(request).some((name) => relayed.includes(name) || name === '');

export async function serveWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  _target: StreamTarget,
  url: URL,
): Promise<void> {
  relayUpgrade(request, socket, head, url);
}
