/** gRPC probes against a real gRPC server, whose messages another protobuf implementation encodes. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { checkHealth } from './grpc-health.ts';

const { root } = protobuf.parse(
  `syntax = "proto3";
   message HealthCheckRequest { string service = 1; }
   message HealthCheckResponse { int32 status = 1; }`,
  new protobuf.Root(),
);
const request = root.lookupType('HealthCheckRequest');
const response = root.lookupType('HealthCheckResponse');
const statuses: Record<string, number> = { '': 1, ['long'.repeat(50)]: 1, unknown: 0, sick: 2 };

describe('gRPC probe', { timeout: 120_000 }, () => {
  const server = new Server();
  let port: number;
  before(async () => {
    const check = {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false,
      responseStream: false,
      requestDeserialize: (bytes: Buffer) => request.decode(bytes).toJSON() as { service?: string },
      requestSerialize: (value: { service?: string }) => Buffer.from(request.encode(value).finish()),
      responseSerialize: (status: number) => Buffer.from(response.encode({ status }).finish()),
      responseDeserialize: (bytes: Buffer) => Number(response.decode(bytes).toJSON()['status']),
    };
    server.addService(
      { check },
      {
        check: (call: { request: { service?: string } }, answer: (error: null, status: number) => void) =>
          answer(null, statuses[call.request.service ?? ''] ?? 3),
      },
    );
    port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
  });
  after(() => server.forceShutdown());

  for (const service of ['', 'long'.repeat(50)]) {
    it(`succeeds where ${service === '' ? 'the server' : 'a service with a long name'} is serving`, async () => {
      assert.deepEqual(await checkHealth('127.0.0.1', port, service, 5000), { kind: 'success' });
    });
  }

  for (const [service, said] of [
    ['sick', 'NOT_SERVING'],
    ['unknown', 'UNKNOWN'],
    ['nobody', 'SERVICE_UNKNOWN'],
  ] as const) {
    it(`fails where the service is ${said}`, async () => {
      const outcome = await checkHealth('127.0.0.1', port, service, 5000);
      assert.deepEqual(outcome, { kind: 'failure', output: `service unhealthy (responded with "${said}")` });
    });
  }

  it('says that the server has no such service', async () => {
    const other = new Server();
    const otherPort = await new Promise<number>((resolve, reject) =>
      other.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const outcome = await checkHealth('127.0.0.1', otherPort, '', 5000);
    other.forceShutdown();
    assert.match(
      outcome.kind === 'failure' ? outcome.output : '',
      /^error: this server does not implement the grpc health protocol \(grpc.health.v1.Health\): /,
    );
  });
});
