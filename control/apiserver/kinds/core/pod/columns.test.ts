import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStatus, Pod, PodSpec, PodStatus } from '#api/types.generated.ts';
import { ago, metadata, row } from '../../columns.testing.ts';
import { podColumns, summarizePod } from './columns.ts';

describe('pods', () => {
  const status = (name: string, state: ContainerStatus['state'], more: Partial<ContainerStatus> = {}): ContainerStatus => ({
    name,
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state,
    ...more,
  });
  const running = (name: string, more: Partial<ContainerStatus> = {}): ContainerStatus =>
    status(name, { running: {} }, { ready: true, ...more });
  const ended = (exitCode: number, more: { reason?: string; signal?: number } = {}): ContainerStatus['state'] => ({
    terminated: { exitCode, ...more },
  });
  const pod = (podStatus: PodStatus, spec: Partial<PodSpec> = {}): Pod => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: { containers: [{ name: 'a' }, { name: 'b' }], ...spec },
    status: { phase: 'Running', ...podStatus },
  });
  const init: Partial<PodSpec> = { initContainers: [{ name: 'i' }, { name: 'j' }] };
  const sidecar: Partial<PodSpec> = { initContainers: [{ name: 's', restartPolicy: 'Always' }] };
  const ready = { type: 'Ready', status: 'True' };
  const initialized = { type: 'Initialized', status: 'True' };

  for (const [what, object, ...expected] of [
    ['waits for a node', pod({ phase: 'Pending' }), '0/2', 'Pending'],
    [
      'waits behind a gate',
      pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] }),
      '0/2',
      'SchedulingGated',
    ],
    ['runs', pod({ containerStatuses: [running('a'), running('b')] }), '2/2', 'Running'],
    ['was evicted', pod({ phase: 'Failed', reason: 'Evicted' }), '0/2', 'Evicted'],
    [
      'creates containers',
      pod({ phase: 'Pending', containerStatuses: [status('a', { waiting: { reason: 'ContainerCreating' } })] }),
      '0/2',
      'ContainerCreating',
    ],
    [
      'cannot pull',
      pod({ containerStatuses: [running('a'), status('b', { waiting: { reason: 'ImagePullBackOff' } })] }),
      '1/2',
      'ImagePullBackOff',
    ],
    [
      'shows the first container that is not well',
      pod({
        containerStatuses: [
          status('a', { waiting: { reason: 'CrashLoopBackOff' } }),
          status('b', { waiting: { reason: 'Later' } }),
        ],
      }),
      '0/2',
      'CrashLoopBackOff',
    ],
    ['died of a signal', pod({ containerStatuses: [status('a', ended(137, { signal: 9 }))] }), '0/2', 'Signal:9'],
    ['ended with an exit code', pod({ containerStatuses: [status('a', ended(3))] }), '0/2', 'ExitCode:3'],
    [
      'ended well',
      pod({ phase: 'Succeeded', containerStatuses: [status('a', ended(0, { reason: 'Completed' }))] }),
      '0/2',
      'Completed',
    ],
    [
      'ended in part, and is ready',
      pod({ conditions: [ready], containerStatuses: [status('a', ended(0, { reason: 'Completed' })), running('b')] }),
      '1/2',
      'Running',
    ],
    [
      'ended in part, and is not ready',
      pod({ containerStatuses: [status('a', ended(0, { reason: 'Completed' })), running('b')] }),
      '1/2',
      'NotReady',
    ],
    [
      'ended in part with an error',
      pod({ containerStatuses: [status('a', ended(0, { reason: 'Completed' })), status('b', ended(1, { reason: 'Error' }))] }),
      '0/2',
      'Error',
    ],
    [
      'initializes',
      pod({ phase: 'Pending', initContainerStatuses: [status('i', ended(0)), status('j', { running: {} })] }, init),
      '0/2',
      'Init:1/2',
    ],
    [
      'fails to initialize',
      pod({ initContainerStatuses: [status('i', ended(1, { reason: 'Error' }))] }, init),
      '0/2',
      'Init:Error',
    ],
    [
      'fails to initialize, without a reason',
      pod({ initContainerStatuses: [status('i', ended(2))] }, init),
      '0/2',
      'Init:ExitCode:2',
    ],
    [
      'cannot pull an init image',
      pod({ initContainerStatuses: [status('i', { waiting: { reason: 'ErrImagePull' } })] }, init),
      '0/2',
      'Init:ErrImagePull',
    ],
    [
      'has its sidecar',
      pod({ initContainerStatuses: [running('s', { started: true })], containerStatuses: [running('a'), running('b')] }, sidecar),
      '3/3',
      'Running',
    ],
    [
      'waits for its sidecar',
      pod({ phase: 'Pending', initContainerStatuses: [running('s', { started: false })] }, sidecar),
      '0/3',
      'Init:0/1',
    ],
    [
      'lost its sidecar after initialization',
      pod(
        {
          conditions: [initialized],
          initContainerStatuses: [status('s', ended(1))],
          containerStatuses: [running('a'), running('b')],
        },
        sidecar,
      ),
      '2/3',
      'Init:ExitCode:1',
    ],
    [
      'is being deleted',
      { ...pod({ containerStatuses: [running('a')] }), metadata: { ...metadata, deletionTimestamp: ago(1) } },
      '1/2',
      'Terminating',
    ],
    [
      'is being deleted and ended',
      { ...pod({ phase: 'Succeeded' }), metadata: { ...metadata, deletionTimestamp: ago(1) } },
      '0/2',
      'Succeeded',
    ],
    [
      'is on a lost node',
      { ...pod({ reason: 'NodeLost' }), metadata: { ...metadata, deletionTimestamp: ago(1) } },
      '0/2',
      'Unknown',
    ],
  ] as [string, Pod, string, string][]) {
    it(`that ${what}`, () => {
      const summary = summarizePod(object);
      assert.deepEqual([`${summary.ready}/${summary.total}`, summary.reason], expected);
    });
  }

  it('show restarts with the time of the last, and everything wide', () => {
    const restarted = running('a', { restartCount: 2, lastState: { terminated: { exitCode: 1, finishedAt: ago(120) } } });
    const object = pod(
      {
        podIPs: [{ ip: '10.1.0.2' }],
        nominatedNodeName: 'n2',
        conditions: [{ type: 'x.y/z', status: 'True' }],
        containerStatuses: [restarted, running('b', { restartCount: 1 })],
      },
      { nodeName: 'n1', readinessGates: [{ conditionType: 'x.y/z' }, { conditionType: 'x.y/w' }] },
    );
    assert.deepEqual(row(podColumns, object), {
      Name: 'x',
      Ready: '2/2',
      Status: 'Running',
      Restarts: '3 (2m ago)',
      Age: '5m',
      IP: '10.1.0.2',
      Node: 'n1',
      'Nominated Node': 'n2',
      'Readiness Gates': '1/2',
    });
    assert.deepEqual(Object.values(row(podColumns, pod({}))).slice(3), ['0', '5m', '<none>', '<none>', '<none>', '<none>']);
  });

  it('hide the restarts of init containers that are done', () => {
    const object = pod(
      {
        initContainerStatuses: [status('i', ended(0), { restartCount: 4 }), status('j', ended(0))],
        containerStatuses: [running('a')],
      },
      init,
    );
    assert.equal(summarizePod(object).restarts, 0);
  });

  it('show narrow columns in the order of kubectl', () => {
    assert.deepEqual(
      podColumns.columns.filter(({ priority }) => priority === 0).map(({ name }) => name),
      ['Name', 'Ready', 'Status', 'Restarts', 'Age'],
    );
  });
});
