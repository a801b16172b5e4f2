import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DaemonSet, DaemonSetSpec, Node, Pod, PodSpec, Taint } from '#api/types.generated.ts';
import { daemonTolerations, eligibilityOf, targetNode, templateForNode } from './daemonset-nodes.ts';
import { daemonSetStatus, planDaemonSet } from './daemonset-plan.ts';

const nowMs = Date.UTC(2026, 0, 2);
const at = (secondsAgo: number): string => new Date(nowMs - secondsAgo * 1000).toISOString();
const meta = (name: string, more: object = {}) => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
  creationTimestamp: at(100),
  ...more,
});
const node = (name: string, taints: Taint[] = [], labels: Record<string, string> = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: meta(name, { labels }),
  spec: { taints },
});
const set = (spec: Partial<DaemonSetSpec> = {}, podSpec: Partial<PodSpec> = {}): DaemonSet => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: meta('web', { namespace: 'ns', annotations: { 'deprecated.daemonset.template.generation': '4' } }),
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [], ...podSpec } },
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } },
    ...spec,
  },
});

/** `new` and `old` are ready; `unready…` is not, `going…` is being deleted, and `waiting` is not scheduled yet. */
type Sketch = 'new' | 'old' | 'unreadyNew' | 'unreadyOld' | 'failed' | 'succeeded' | 'goingOld' | 'waiting';

function pod(name: string, on: string, how: Sketch, age = 50): Pod {
  const isReady = how === 'new' || how === 'old' || how === 'goingOld';
  const phase = how === 'failed' ? 'Failed' : how === 'succeeded' ? 'Succeeded' : 'Running';
  const matchFields = [{ key: 'metadata.name', operator: 'In', values: [on] }];
  const affinity = {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } },
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(name, {
      namespace: 'ns',
      creationTimestamp: at(age),
      labels: { app: 'web', 'controller-revision-hash': how.toLowerCase().includes('old') ? 'h1' : 'h2' },
      ...(how === 'goingOld' ? { deletionTimestamp: at(0) } : {}),
    }),
    spec: how === 'waiting' ? { containers: [], affinity } : { containers: [], nodeName: on },
    status: { phase, conditions: isReady ? [{ type: 'Ready', status: 'True', lastTransitionTime: at(age) }] : [] },
  };
}

const three = ['a', 'b', 'c'].map((name) => node(name));
const surge = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
const state = (of: DaemonSet, nodes: Node[], pods: Pod[]) => ({ set: of, nodes, pods, hash: 'h2', nowMs });

describe('DaemonSet plan', () => {
  const noSchedule: Taint = { key: 'x', effect: 'NoSchedule' };
  const noExecute: Taint = { key: 'x', effect: 'NoExecute' };
  const on = (a: Sketch, b: Sketch, c: Sketch): Pod[] => [pod('pa', 'a', a), pod('pb', 'b', b), pod('pc', 'c', c)];
  const rolling = (maxUnavailable: number | string) => ({
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable } },
  });
  const cases: [string, DaemonSet, Node[], Pod[], { create?: string; remove?: string }][] = [
    ['creates a pod on each node', set(), three, [], { create: 'a b c' }],
    ['leaves nodes that have one', set(), three, [pod('pb', 'b', 'new')], { create: 'a c' }],
    ['counts a pod that waits for its node', set(), three.slice(0, 1), [pod('pa', 'a', 'waiting')], {}],
    ['leaves nodes with a taint', set(), [node('a', [noSchedule])], [], {}],
    ['lets pods stay where no new one may start', set(), [node('a', [noSchedule])], [pod('pa', 'a', 'new')], {}],
    ['deletes pods from nodes that they must leave', set(), [node('a', [noExecute])], [pod('pa', 'a', 'new')], { remove: 'pa' }],
    [
      'deletes all but the oldest',
      set(),
      three.slice(0, 1),
      [pod('p2', 'a', 'new', 5), pod('p1', 'a', 'new', 9)],
      { remove: 'p2' },
    ],
    ['deletes failed and succeeded pods', set(), three, on('failed', 'succeeded', 'new'), { remove: 'pa pb' }],
    [
      'deletes pods that wait for a node that is gone',
      set(),
      [],
      [pod('pa', 'a', 'waiting'), pod('pb', 'b', 'new')],
      { remove: 'pa' },
    ],
    ['updates one pod at a time', set(), three, on('old', 'old', 'old'), { remove: 'pa' }],
    ['updates as many as it may', set(rolling('50%')), three, on('old', 'old', 'old'), { remove: 'pa pb' }],
    ['waits for one that is not available', set(), three, on('unreadyNew', 'old', 'old'), {}],
    ['waits for one that is being deleted', set(), three, on('goingOld', 'old', 'old'), {}],
    ['replaces old pods that are not available', set(), three, on('unreadyOld', 'unreadyOld', 'old'), { remove: 'pa pb' }],
    ['updates nothing with OnDelete', set({ updateStrategy: { type: 'OnDelete' } }), three, on('old', 'old', 'old'), {}],
    ['surges on one node at a time', set(surge), three, on('old', 'old', 'old'), { create: 'a' }],
    ['waits for the surging pod', set(surge), three, [...on('old', 'old', 'old'), pod('na', 'a', 'unreadyNew')], {}],
    [
      'deletes the old one when the new one is available',
      set(surge),
      three,
      [...on('old', 'old', 'old'), pod('na', 'a', 'new')],
      { remove: 'pa' },
    ],
    ['surges at once beside pods that are not available', set(surge), three, on('unreadyOld', 'old', 'old'), { create: 'a b' }],
    [
      'keeps the new one of two that are not ready',
      set(surge),
      three.slice(0, 1),
      [pod('pa', 'a', 'unreadyOld'), pod('na', 'a', 'unreadyNew')],
      { remove: 'pa' },
    ],
    [
      'deletes surplus pods of a kind',
      set(surge),
      three.slice(0, 1),
      [pod('p1', 'a', 'new', 9), pod('p2', 'a', 'new', 5)],
      { remove: 'p2' },
    ],
    [
      'with surge, keeps an old pod on a node that does not fit any more until another serves',
      set(surge),
      [node('a', [noSchedule]), node('b')],
      [pod('pa', 'a', 'old'), pod('pb', 'b', 'unreadyNew')],
      {},
    ],
    [
      'and deletes it then',
      set(surge),
      [node('a', [noSchedule]), node('b')],
      [pod('pa', 'a', 'old'), pod('pb', 'b', 'new')],
      { remove: 'pa' },
    ],
  ];
  for (const [name, of, nodes, pods, { create = '', remove = '' }] of cases) {
    it(name, () => {
      const plan = planDaemonSet(state(of, nodes, pods), () => false);
      assert.deepEqual([plan.createOn.join(' '), plan.remove.map(({ metadata }) => metadata.name).join(' ')], [create, remove]);
    });
  }

  it('leaves a failed pod while its node is in back-off', () => {
    const plan = planDaemonSet(state(set(), three.slice(0, 1), [pod('pa', 'a', 'failed')]), () => true);
    assert.deepEqual([plan.createOn, plan.remove, plan.ended.map((one) => one.node)], [[], [], ['a']]);
  });

  it('counts', () => {
    const nodes = [...three, node('d', [noSchedule]), node('e')];
    const pods = [...on('new', 'old', 'unreadyNew'), pod('pd', 'd', 'new')];
    assert.deepEqual(daemonSetStatus(state(set({ minReadySeconds: 10 }), nodes, pods), 2), {
      observedGeneration: 2,
      desiredNumberScheduled: 4,
      currentNumberScheduled: 3,
      numberMisscheduled: 1,
      numberReady: 2,
      updatedNumberScheduled: 2,
      numberAvailable: 2,
      numberUnavailable: 2,
    });
  });
});

describe('the nodes of a DaemonSet', () => {
  for (const [name, podSpec, on, shouldRun, mayStay] of [
    ['any', {}, node('a'), true, true],
    ['the one of its name', { nodeName: 'b' }, node('a'), false, false],
    ['those with its labels', { nodeSelector: { disk: 'ssd' } }, node('a', [], { disk: 'hdd' }), false, false],
    ['those that are not ready', {}, node('a', [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }]), true, true],
    ['those that are cordoned', {}, node('a', [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]), true, true],
    [
      'not those without network',
      {},
      node('a', [{ key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' }]),
      false,
      true,
    ],
    [
      'those without network, for pods that need none',
      { hostNetwork: true },
      node('a', [{ key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' }]),
      true,
      true,
    ],
    ['not those that evict it', {}, node('a', [{ key: 'x', effect: 'NoExecute' }]), false, false],
    [
      'those whose taint it tolerates',
      { tolerations: [{ operator: 'Exists' }] },
      node('a', [{ key: 'x', effect: 'NoExecute' }]),
      true,
      true,
    ],
  ] as [string, Partial<PodSpec>, Node, boolean, boolean][])
    it(name, () => assert.deepEqual(eligibilityOf(set({}, podSpec))(on), { shouldRun, mayStay }));

  it('each get a pod that names them, with the labels of its template', () => {
    const { metadata, spec } = templateForNode(set({}, { affinity: { podAffinity: {} } }), 'b', 'h2');
    assert.deepEqual(metadata?.labels, { app: 'web', 'controller-revision-hash': 'h2', 'pod-template-generation': '4' });
    assert.deepEqual(Object.keys(spec?.affinity ?? {}), ['podAffinity', 'nodeAffinity']);
    assert.equal(targetNode({ ...pod('p', 'x', 'new'), spec: spec ?? { containers: [] } }), 'b');
  });

  it('are tolerated in full: a shorter toleration of the template is replaced', () => {
    const short = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 };
    const all = daemonTolerations({ containers: [], tolerations: [short] });
    assert.deepEqual(all[0], { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' });
    assert.equal(all.length, 6);
  });
});
