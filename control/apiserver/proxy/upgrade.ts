/** Passes an upgraded connection on: asks the backend first, and joins the two only when it has agreed. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { failure } from '#api/status.ts';
import type { TransportRequest } from '#client/transport.ts';
import { passRefusalOn, requestUpgrade, switchedHead, type UpgradeAnswer } from '#client/upgrade.ts';
import type { ServerLog } from '../serving/server-log.ts';
import { type Backends, goNetworkError } from './backend.ts';
import { upgradeHeaders } from './headers.ts';
import { hostPort, type Location } from './location.ts';
import { tunnel } from './tunnel.ts';

/** A client's connection that asks to become something else. */
export interface UpgradingClient {
  request: TransportRequest;
  socket: Duplex;
  /** Bytes that the client sent after the request head (Node's `head`). */
  head: Uint8Array;
}

/** Where the connection is passed on to. */
interface UpgradeTarget {
  location: Location;
  /** Path and query. */
  path: string;
  timeoutMs: number;
  /** Additional headers with the sender's identity. */
  headers?: OutgoingHttpHeaders;
}

/** Settles when the connection has ended. @throws ApiError while an ordinary answer can still be given */
export async function passUpgradeOn(
  backends: Backends,
  log: ServerLog,
  { request, socket, head }: UpgradingClient,
  { location, path, timeoutMs, headers: more }: UpgradeTarget,
): Promise<void> {
  const headers: OutgoingHttpHeaders = { ...upgradeHeaders(request), ...more };
  headers['host'] ??= hostPort(location);
  let answer: UpgradeAnswer;
  try {
    answer = await requestUpgrade({ method: request.method, path, headers, connect: () => backends.dial(location), timeoutMs });
  } catch (error) {
    throw failure(500, '', `error dialing backend: ${goNetworkError(error as Error, location)}`);
  }
  if (answer.kind === 'answered') {
    const { response } = answer;
    if ((response.statusCode ?? 0) >= 400) return await passRefusalOn(socket, response);
    response.destroy();
    throw failure(500, '', `invalid upgrade response: status code ${response.statusCode}`);
  }
  socket.write(switchedHead(answer.response));
  if (answer.head.length > 0) socket.write(answer.head);
  if (head.length > 0) answer.socket.write(head);
  await tunnel(socket, answer.socket, log);
}
