import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStatus } from '#api/types.generated.ts';
import { aPod } from '../pods.testing.ts';
import { logContainerId } from './log-target.ts';
import { parseStreamPath } from './upgrade.ts';
import { webSocketHandling } from './websocket.ts';

describe('stream paths', () => {
  const cases: [string, object | undefined][] = [
    ['/exec/ns/pod/c?command=sh&command=-c', { action: 'exec', namespace: 'ns', pod: 'pod', uid: undefined, container: 'c' }],
    ['/attach/ns/pod/uid-1/c', { action: 'attach', namespace: 'ns', pod: 'pod', uid: 'uid-1', container: 'c' }],
    ['/portForward/ns/pod', { action: 'portForward', namespace: 'ns', pod: 'pod', uid: undefined, container: '' }],
    ['/exec/ns/pod', undefined],
    ['/run/ns/pod/c', undefined],
    ['/', undefined],
  ];
  for (const [path, expected] of cases) {
    it(`${path} is ${expected === undefined ? 'none' : 'understood'}`, () => {
      const { query: _query, ...target } = parseStreamPath(path) ?? { query: undefined };
      assert.deepEqual(target, expected ?? {});
    });
  }
});

describe('WebSocket protocols', () => {
  const cases: [string | undefined, 'exec' | 'portForward', string][] = [
    ['v5.channel.k8s.io, v4.channel.k8s.io', 'exec', 'channels'],
    ['v4.channel.k8s.io,v5.channel.k8s.io', 'exec', 'channels'],
    ['v4.channel.k8s.io', 'exec', 'relay'],
    ['base64.channel.k8s.io', 'exec', 'relay'],
    [undefined, 'exec', 'relay'],
    ['SPDY/3.1+portforward.k8s.io', 'portForward', 'tunnel'],
    ['v4.channel.k8s.io', 'portForward', 'relay'],
    ['v5.channel.k8s.io', 'portForward', 'relay'],
    // The streaming server refuses it.
    ['v9.channel.k8s.io', 'exec', 'relay'],
  ];
  for (const [protocols, action, kind] of cases)
    it(`${protocols ?? 'none'} for ${action}: ${kind}`, () => assert.equal(webSocketHandling(protocols, action).kind, kind));
});

describe('which log is meant', () => {
  const status = (more: Partial<ContainerStatus>): ContainerStatus => ({
    name: 'c',
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    ...more,
  });
  const target = (more: Partial<ContainerStatus>, previous = false, container = 'c'): string =>
    logContainerId(aPod(), { containerStatuses: [status(more)] }, container, previous);
  const ended = { terminated: { exitCode: 1, containerID: 'containerd://old' } };
  const waiting = (reason: string) => ({ state: { waiting: { reason } } });

  it('is that of the running container', () =>
    assert.equal(target({ state: { running: {} }, containerID: 'containerd://new', lastState: ended }), 'new'));
  it('is that of the one before with --previous', () =>
    assert.equal(target({ state: { running: {} }, containerID: 'containerd://new', lastState: ended }, true), 'old'));
  it('is that of the last one while it waits for a restart', () =>
    assert.equal(target({ ...waiting('CrashLoopBackOff'), lastState: ended }), 'old'));

  const failures: [string, Partial<ContainerStatus>, boolean, string, string][] = [
    [
      'it never started',
      waiting('ContainerCreating'),
      false,
      'c',
      'container "c" in pod "web" is waiting to start: ContainerCreating',
    ],
    [
      'its image is missing',
      waiting('ErrImagePull'),
      false,
      'c',
      `container "c" in pod "web" is waiting to start: image can't be pulled`,
    ],
    [
      'pulling is pausing',
      waiting('ImagePullBackOff'),
      false,
      'c',
      'container "c" in pod "web" is waiting to start: trying and failing to pull image',
    ],
    [
      'there is none before',
      { state: { running: {} }, containerID: 'containerd://new' },
      true,
      'c',
      'previous terminated container "c" in pod "web" not found',
    ],
    ['there is no such container', {}, false, 'x', 'container x is not valid for pod web'],
  ];
  for (const [name, more, previous, container, message] of failures)
    it(`says so when ${name}`, () => assert.throws(() => target(more, previous, container), { message }));
});
