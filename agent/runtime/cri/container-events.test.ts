import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FakeClock } from '#client/clock.ts';
import { RuntimeError } from '../runtime.ts';
import type { ContainerStatus, PodSandboxStatus } from '../types.ts';
import type { Connection } from './connection.ts';
import { subscribeContainerEvents } from './container-events.ts';
import { loadMessageType } from './proto.ts';

const absent = (call: string): Promise<never> => Promise.reject(new RuntimeError('NotFound', call, 'not found'));

it("of containerd's own stream ask once per sandbox for its container status, however many events there are", async () => {
  const task = (topic: string, name: string, fields: Record<string, unknown>) => ({
    timestamp: { seconds: 1, nanos: 0 },
    topic,
    event: { value: loadMessageType('containerd-events', `containerd.services.events.v1.${name}`).encode(fields) },
  });
  const envelopes = [
    task('/tasks/start', 'TaskEvent', { containerId: 's', pid: 7 }),
    task('/tasks/exit', 'TaskExit', { containerId: 's', id: 's', pid: 7 }),
    task('/containers/delete', 'ContainerEvent', { id: 's' }),
  ];
  const statusCalls: string[] = [];
  const states = ['SANDBOX_READY', 'SANDBOX_READY', 'SANDBOX_READY', 'SANDBOX_NOTREADY'];
  const clock = new FakeClock();
  const connection = {
    async *stream(_service: string, method: string) {
      if (method === 'GetContainerEvents') throw new RuntimeError('Unimplemented', method, 'not in this version');
      for (const envelope of envelopes) {
        yield envelope;
        for (let turn = 0; turn < 20; turn++) await clock.advance(100);
      }
    },
  } as unknown as Connection;
  const runtime = {
    containerStatus: (id: string): Promise<ContainerStatus> => {
      statusCalls.push(`container ${id}`);
      return absent('ContainerStatus');
    },
    podSandboxStatus: async (id: string) => {
      statusCalls.push(`sandbox ${id}`);
      return { state: states.shift() } as PodSandboxStatus;
    },
  };
  const types: string[] = [];
  for await (const { type } of subscribeContainerEvents({ connection, clock, runtime }, new AbortController().signal))
    types.push(type);
  assert.deepEqual(types, ['CONTAINER_STARTED_EVENT', 'CONTAINER_STOPPED_EVENT', 'CONTAINER_DELETED_EVENT']);
  assert.deepEqual(statusCalls, ['container s', 'sandbox s', 'sandbox s', 'sandbox s', 'sandbox s']);
});
