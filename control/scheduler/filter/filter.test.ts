import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LabelSelector, Node, Pod, TopologySpreadConstraint } from '#api/types.generated.ts';
import type { FilterPlugin } from '../framework.ts';
import { node, type PodFixture, pod, snapshotOf } from '../objects.testing.ts';
import type { SnapshotLookups } from '../snapshot.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { podTopologySpread } from './pod-topology-spread.ts';
import { taintToleration } from './taint-toleration.ts';

interface Case {
  name: string;
  pod: Pod;
  nodes: (Node | [Node, ...Pod[]])[];
  lookups?: Partial<SnapshotLookups>;
  /** For each node in the order of names: the reasons, with a `!` when preemption cannot help; or 'fits'. */
  expected: (string | string[])[];
}

function verdicts(plugin: FilterPlugin, { pod: incoming, nodes, lookups }: Case): (string | string[])[] {
  const snapshot = snapshotOf(nodes, lookups);
  const filtering = plugin.prepare(incoming, snapshot);
  return snapshot.nodes.map((info) => {
    if (filtering.kind === 'skip') return 'fits';
    if (filtering.kind === 'check' && filtering.onlyNodes?.has(info.name) === false) return 'not looked at';
    const rejection = filtering.kind === 'refuse' ? filtering.rejection : filtering.check(info);
    if (rejection === undefined) return 'fits';
    assert.equal(rejection.plugin, plugin.name);
    const marked = rejection.reasons.map((reason) => (rejection.preemptible ? reason : `!${reason}`));
    return marked.length === 1 ? (marked[0] ?? '') : marked;
  });
}

function suite(plugin: FilterPlugin, cases: Case[]): void {
  describe(plugin.name, () => {
    for (const one of cases) it(one.name, () => assert.deepEqual(verdicts(plugin, one), one.expected));
  });
}

const cordoned = '!node(s) were unschedulable';
suite(nodeUnschedulable, [
  {
    name: 'keeps pods off cordoned nodes',
    pod: pod('p'),
    nodes: [node('a', { unschedulable: true }), node('b')],
    expected: [cordoned, 'fits'],
  },
  {
    name: 'lets pods in that tolerate cordoning',
    pod: pod('p', { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' }] }),
    nodes: [node('a', { unschedulable: true })],
    expected: ['fits'],
  },
]);

suite(nodeName, [
  {
    name: 'keeps a pod to the node that it names',
    pod: pod('p', { nodeName: 'b' }),
    nodes: [node('a'), node('b')],
    expected: ["!node(s) didn't match the requested node name", 'fits'],
  },
]);

const tainted = '!node(s) had untolerated taint(s)';
const taint = (effect: string, value?: string): Node =>
  node('a', { taints: [{ key: 'dedicated', effect, ...(value === undefined ? {} : { value }) }] });
suite(taintToleration, [
  { name: 'minds NoSchedule', pod: pod('p'), nodes: [taint('NoSchedule')], expected: [tainted] },
  { name: 'minds NoExecute', pod: pod('p'), nodes: [taint('NoExecute')], expected: [tainted] },
  { name: 'does not mind PreferNoSchedule', pod: pod('p'), nodes: [taint('PreferNoSchedule')], expected: ['fits'] },
  {
    name: 'takes Equal as the default operator',
    pod: pod('p', { tolerations: [{ key: 'dedicated', value: 'x' }] }),
    nodes: [taint('NoSchedule', 'x')],
    expected: ['fits'],
  },
  {
    name: 'compares values',
    pod: pod('p', { tolerations: [{ key: 'dedicated', value: 'y' }] }),
    nodes: [taint('NoSchedule', 'x')],
    expected: [tainted],
  },
  {
    name: 'compares effects',
    pod: pod('p', { tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }] }),
    nodes: [taint('NoSchedule')],
    expected: [tainted],
  },
  {
    name: 'takes Exists without a key for everything',
    pod: pod('p', { tolerations: [{ operator: 'Exists' }] }),
    nodes: [taint('NoExecute')],
    expected: ['fits'],
  },
]);

const noAffinity = "!node(s) didn't match Pod's node affinity/selector";
type Expression = { key: string; operator: string; values?: string[] };
const demanding = (...terms: { matchExpressions?: Expression[]; matchFields?: Expression[] }[]): Pod =>
  pod('p', { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } } });
const zoned = [node('a', { labels: { zone: 'x', cores: '8' } }), node('b', { labels: { zone: 'y' } })];
suite(nodeAffinity, [
  { name: 'heeds nodeSelector', pod: pod('p', { nodeSelector: { zone: 'x' } }), nodes: zoned, expected: ['fits', noAffinity] },
  {
    name: 'knows In',
    pod: demanding({ matchExpressions: [{ key: 'zone', operator: 'In', values: ['y', 'z'] }] }),
    nodes: zoned,
    expected: [noAffinity, 'fits'],
  },
  {
    name: 'knows NotIn',
    pod: demanding({ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['y'] }] }),
    nodes: zoned,
    expected: ['fits', noAffinity],
  },
  {
    name: 'knows Exists',
    pod: demanding({ matchExpressions: [{ key: 'cores', operator: 'Exists' }] }),
    nodes: zoned,
    expected: ['fits', noAffinity],
  },
  {
    name: 'knows DoesNotExist',
    pod: demanding({ matchExpressions: [{ key: 'cores', operator: 'DoesNotExist' }] }),
    nodes: zoned,
    expected: [noAffinity, 'fits'],
  },
  {
    name: 'knows Gt',
    pod: demanding({ matchExpressions: [{ key: 'cores', operator: 'Gt', values: ['4'] }] }),
    nodes: zoned,
    expected: ['fits', noAffinity],
  },
  {
    name: 'needs one of the terms, and of a term every expression',
    pod: demanding(
      {
        matchExpressions: [
          { key: 'zone', operator: 'In', values: ['x'] },
          { key: 'cores', operator: 'Lt', values: ['4'] },
        ],
      },
      { matchExpressions: [{ key: 'zone', operator: 'In', values: ['y'] }] },
    ),
    nodes: zoned,
    expected: [noAffinity, 'fits'],
  },
  { name: 'takes an empty term for none', pod: demanding({}), nodes: zoned, expected: [noAffinity, noAffinity] },
  {
    name: 'looks only at nodes that are named',
    pod: demanding({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }),
    nodes: zoned,
    expected: ['not looked at', 'fits'],
  },
  {
    name: 'refuses contradictory names',
    pod: demanding({
      matchFields: [
        { key: 'metadata.name', operator: 'In', values: ['a'] },
        { key: 'metadata.name', operator: 'In', values: ['b'] },
      ],
    }),
    nodes: zoned,
    expected: ['!pod affinity terms conflict', '!pod affinity terms conflict'],
  },
]);

const noPort = "node(s) didn't have free ports for the requested pod ports";
const portOn = (hostIP: string, protocol = 'TCP'): PodFixture => ({
  initContainers: [
    { name: 's', image: 'i', restartPolicy: 'Always', ports: [{ containerPort: 1, hostPort: 80, hostIP, protocol }] },
  ],
});
suite(nodePorts, [
  {
    name: 'gives a port once',
    pod: pod('p', { hostPort: 80 }),
    nodes: [
      [node('a'), pod('q', { hostPort: 80 })],
      [node('b'), pod('r', { hostPort: 81 })],
    ],
    expected: [noPort, 'fits'],
  },
  {
    name: 'tells addresses apart',
    pod: pod('p', portOn('10.0.0.1')),
    nodes: [[node('a'), pod('q', portOn('10.0.0.2'))]],
    expected: ['fits'],
  },
  {
    name: 'takes no address for all',
    pod: pod('p', { hostPort: 80 }),
    nodes: [[node('a'), pod('q', portOn('10.0.0.2'))]],
    expected: [noPort],
  },
  {
    name: 'tells protocols apart',
    pod: pod('p', portOn('10.0.0.2', 'UDP')),
    nodes: [[node('a'), pod('q', portOn('10.0.0.2'))]],
    expected: ['fits'],
  },
]);

suite(nodeResourcesFit, [
  {
    name: 'fills a node to the last millicore',
    pod: pod('p', { cpu: '1500m' }),
    nodes: [
      [node('a'), pod('q', { cpu: '2500m' })],
      [node('b'), pod('r', { cpu: '2501m' })],
    ],
    expected: ['fits', 'Insufficient cpu'],
  },
  {
    name: 'tells everything that is short',
    pod: pod('p', { cpu: '4', memory: '8Gi' }),
    nodes: [[node('a', { allocatable: { pods: '1' } }), pod('q', { cpu: '1', memory: '1Gi' })]],
    expected: [['Too many pods', 'Insufficient cpu', 'Insufficient memory']],
  },
  { name: 'knows when no eviction can help', pod: pod('p', { cpu: '5' }), nodes: [node('a')], expected: ['!Insufficient cpu'] },
  {
    name: 'counts pods even when they request nothing',
    pod: pod('p'),
    nodes: [[node('a', { allocatable: { pods: '1' } }), pod('q')]],
    expected: ['Too many pods'],
  },
  {
    name: 'counts the largest init container, and sidecars with everything',
    pod: pod('p', {
      cpu: '1',
      initContainers: [
        { name: 'sidecar', image: 'i', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
        { name: 'setup', image: 'i', resources: { requests: { cpu: '3' } } },
      ],
    }),
    nodes: [node('a'), node('b', { allocatable: { cpu: '3900m' } })],
    expected: ['fits', '!Insufficient cpu'],
  },
  {
    name: 'counts overhead',
    pod: pod('p', { cpu: '4', overhead: { cpu: '1m' } }),
    nodes: [node('a')],
    expected: ['!Insufficient cpu'],
  },
  {
    name: 'knows extended resources',
    pod: pod('p', { overhead: { 'example.com/gpu': '2' } }),
    nodes: [node('a', { allocatable: { 'example.com/gpu': '2' } }), node('b')],
    expected: ['fits', '!Insufficient example.com/gpu'],
  },
]);

const skewed = "node(s) didn't match pod topology spread constraints";
const web: LabelSelector = { matchLabels: { app: 'web' } };
const spread = (more: Partial<TopologySpreadConstraint> = {}, fixture: PodFixture = {}): Pod =>
  pod('p', {
    labels: { app: 'web', version: '2' },
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule', labelSelector: web, ...more },
    ],
    ...fixture,
  });
const webPod = (name: string, fixture: PodFixture = {}): Pod => pod(name, { labels: { app: 'web', version: '1' }, ...fixture });
const [zoneX, zoneY] = [node('a', { labels: { zone: 'x' } }), node('b', { labels: { zone: 'y' } })];
suite(podTopologySpread, [
  { name: 'keeps within the skew', pod: spread(), nodes: [[zoneX, webPod('q')], zoneY], expected: [skewed, 'fits'] },
  { name: 'allows a larger skew', pod: spread({ maxSkew: 2 }), nodes: [[zoneX, webPod('q')], zoneY], expected: ['fits', 'fits'] },
  {
    name: 'needs the label',
    pod: spread(),
    nodes: [zoneX, node('c')],
    expected: ['fits', `!${skewed} (missing required label)`],
  },
  {
    name: 'counts pods of its namespace only, and none that terminates',
    pod: spread(),
    nodes: [[zoneX, webPod('q', { namespace: 'other' }), webPod('r', { deleting: true })], zoneY],
    expected: ['fits', 'fits'],
  },
  {
    name: 'counts no domain that the pod cannot go to',
    pod: spread({}, { nodeSelector: { zone: 'x' } }),
    nodes: [[zoneX, webPod('q')], zoneY],
    expected: ['fits', 'fits'],
  },
  {
    name: 'counts them on request',
    pod: spread({ nodeAffinityPolicy: 'Ignore' }, { nodeSelector: { zone: 'x' } }),
    nodes: [[zoneX, webPod('q')], zoneY],
    expected: [skewed, 'fits'],
  },
  {
    name: 'leaves out tainted nodes on request',
    pod: spread({ nodeTaintsPolicy: 'Honor' }),
    nodes: [[zoneX, webPod('q')], node('b', { labels: { zone: 'y' }, taints: [{ key: 'k', effect: 'NoSchedule' }] })],
    expected: ['fits', 'fits'],
  },
  {
    name: 'takes too few domains for an empty one',
    pod: spread({ minDomains: 3 }),
    nodes: [
      [zoneX, webPod('q')],
      [zoneY, webPod('r')],
    ],
    expected: [skewed, skewed],
  },
  {
    name: 'spreads each version by itself with matchLabelKeys',
    pod: spread({ matchLabelKeys: ['version'] }),
    nodes: [[zoneX, webPod('q')], zoneY],
    expected: ['fits', 'fits'],
  },
  {
    name: 'does not mind ScheduleAnyway',
    pod: spread({ whenUnsatisfiable: 'ScheduleAnyway' }),
    nodes: [[zoneX, webPod('q')], zoneY],
    expected: ['fits', 'fits'],
  },
]);

const term = (more: object = {}) => ({ topologyKey: 'zone', labelSelector: web, ...more });
const near = (more: object = {}): PodFixture => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(more)] } },
});
const apart = (more: object = {}): PodFixture => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(more)] } },
});
const affinityReason = "!node(s) didn't match pod affinity rules";
const antiAffinityReason = "node(s) didn't match pod anti-affinity rules";
const existingAntiAffinityReason = "node(s) didn't satisfy existing pods anti-affinity rules";
suite(interPodAffinity, [
  {
    name: 'joins pods that it likes, anywhere in their domain',
    pod: pod('p', near()),
    nodes: [[zoneX, webPod('q')], zoneY, node('c', { labels: { zone: 'x' } })],
    expected: ['fits', affinityReason, 'fits'],
  },
  {
    name: 'lets the first of a group start',
    pod: webPod('p', near()),
    nodes: [zoneX, node('c')],
    expected: ['fits', affinityReason],
  },
  {
    name: 'does not start elsewhere what has started',
    pod: webPod('p', near()),
    nodes: [[zoneX, webPod('q')], zoneY],
    expected: ['fits', affinityReason],
  },
  {
    name: 'does not start without those it likes when it is not one of them',
    pod: pod('p', near()),
    nodes: [zoneX],
    expected: [affinityReason],
  },
  {
    name: 'avoids pods that it dislikes',
    pod: pod('p', apart()),
    nodes: [[zoneX, webPod('q')], zoneY],
    expected: [antiAffinityReason, 'fits'],
  },
  {
    name: 'stays away from pods that dislike it',
    pod: webPod('p'),
    nodes: [[zoneX, pod('q', apart())], zoneY],
    expected: [existingAntiAffinityReason, 'fits'],
  },
  {
    name: 'means its own namespace',
    pod: pod('p', apart()),
    nodes: [[zoneX, webPod('q', { namespace: 'other' })]],
    expected: ['fits'],
  },
  {
    name: 'means named namespaces',
    pod: pod('p', apart({ namespaces: ['other'] })),
    nodes: [[zoneX, webPod('q', { namespace: 'other' })]],
    expected: [antiAffinityReason],
  },
  {
    name: 'means namespaces by their labels',
    pod: pod('p', apart({ namespaceSelector: { matchLabels: { team: 'blue' } } })),
    nodes: [
      [zoneX, webPod('q', { namespace: 'blue' })],
      [zoneY, webPod('r', { namespace: 'red' })],
    ],
    lookups: { namespaceLabels: (name) => ({ team: name }) },
    expected: [antiAffinityReason, 'fits'],
  },
]);
