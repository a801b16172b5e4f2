/**
 * The gRPC health protocol, `grpc.health.v1.Health/Check`, with its two messages of one field each written by hand.
 *
 * Source: grpc `doc/health-checking.md`; messages of upstream `pkg/probe/grpc/grpc.go`.
 */

import type { ServiceError } from '@grpc/grpc-js';
import { Client, credentials, status as grpcStatus } from '@grpc/grpc-js';
import { goDuration } from '../backoff.ts';
import type { ProbeOutcome } from './probe-outcome.ts';

const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** `HealthCheckRequest{ string service = 1 }`. */
function encodeRequest(service: string): Buffer {
  const text = Buffer.from(service);
  if (text.length === 0) return Buffer.alloc(0);
  const length: number[] = [];
  for (let rest = text.length; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.of(0x0a, ...length), text]);
}

/** `HealthCheckResponse{ ServingStatus status = 1 }`: a zero value is not on the wire. */
const decodeResponse = (bytes: Buffer): string => servingStatuses[bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0] ?? 'UNKNOWN';

export async function checkHealth(host: string, port: number, service: string, timeoutMs: number): Promise<ProbeOutcome> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const client = new Client(address, credentials.createInsecure(), { 'grpc.primary_user_agent': 'kube-probe/1.36' });
  const deadline = new Date(Date.now() + timeoutMs);
  try {
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(deadline, (error) => (error == null ? resolve() : reject(error))),
    );
  } catch {
    client.close();
    return {
      kind: 'failure',
      output: `timeout: failed to connect service "${address}" within ${goDuration(timeoutMs)}: context deadline exceeded`,
    };
  }
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      encodeRequest,
      decodeResponse,
      service,
      { deadline },
      (error, answer) => {
        client.close();
        if (error !== null) resolve({ kind: 'failure', output: failureText(error, timeoutMs) });
        else if (answer === 'SERVING') resolve({ kind: 'success' });
        else resolve({ kind: 'failure', output: `service unhealthy (responded with "${answer}")` });
      },
    );
  });
}

function failureText({ code, details }: ServiceError, timeoutMs: number): string {
  if (code === grpcStatus.UNIMPLEMENTED)
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${details}`;
  if (code === grpcStatus.DEADLINE_EXCEEDED) return `timeout: health rpc did not complete within ${goDuration(timeoutMs)}`;
  return `error: health rpc probe failed: rpc error: code = ${grpcStatus[code]} desc = ${details}`;
}
