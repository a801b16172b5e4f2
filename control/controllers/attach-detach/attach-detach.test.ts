import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isNotFound } from '#api/status.ts';
import { claimOf, volumeOf } from '#api/storage/objects.testing.ts';
import type { Node, Pod, VolumeAttachment } from '#api/types.generated.ts';
import type { World } from '../cluster.testing.ts';
import { startWorld } from '../cluster.testing.ts';
import {
  type AttachmentFacts,
  allowsMultiAttach,
  attachmentName,
  blockedMessage,
  needsVolumes,
  newAttachment,
  planAttachments,
  uniqueVolumeName,
} from './plan.ts';

const source = { driver: 'csi.example.com', volumeHandle: 'disk-1' };
const meta = (name: string, more: object = {}) => ({
  name,
  namespace: 'ns',
  uid: name,
  resourceVersion: '1',
  creationTimestamp: '2026-01-01T00:00:00Z',
  ...more,
});

describe('the plan of attachments', () => {
  const podNamed = (name: string, namespace = 'ns'): Pod =>
    ({ apiVersion: 'v1', kind: 'Pod', metadata: meta(name, { namespace }), spec: { containers: [], nodeName: 'n' } }) as Pod;
  const volume = volumeOf('pv', { hostPath: undefined, csi: source });
  const on = (node: string, more: object = {}): VolumeAttachment => {
    const made = newAttachment(volume, source, node);
    return { ...made, metadata: { ...meta(made.metadata.name ?? ''), ...more } } as VolumeAttachment;
  };
  const nodeWith = (more: { inUse?: boolean; ready?: boolean; taint?: string }): Node =>
    ({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: meta('n'),
      spec: { taints: more.taint === undefined ? [] : [{ key: more.taint, effect: 'NoExecute' }] },
      status: {
        volumesInUse: more.inUse === true ? [uniqueVolumeName(source)] : [],
        conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
      },
    }) as Node;
  const plan = (facts: Partial<AttachmentFacts> & { nodes?: string[]; sinceMinutes?: number }): string[] => {
    const { nodes = [], sinceMinutes = 0, ...rest } = facts;
    const wanted = new Map(nodes.map((node) => [node, [podNamed(`on-${node}`)]]));
    const nowMs = 10 * 60_000;
    const given = {
      volume,
      source,
      wanted,
      attachments: [],
      node: () => nodeWith({}),
      unneededSinceMs: () => nowMs - sinceMinutes * 60_000,
      nowMs,
    };
    const { detach, attach, blocked, againInMs } = planAttachments({ ...given, ...rest });
    return [
      ...detach.map(({ attachment, force }) => `${force ? 'force ' : ''}detach ${attachment.spec.nodeName}`),
      ...attach.map((node) => `attach ${node}`),
      ...blocked.map((node) => `blocked ${node}`),
      ...(againInMs === undefined ? [] : [`again in ${againInMs / 60_000} min`]),
    ];
  };
  const dying = { deletionTimestamp: '2026-01-01T00:00:00Z' };
  const shared = volumeOf('pv', { hostPath: undefined, csi: source, accessModes: ['ReadWriteMany'] });
  const cases: [what: string, facts: Parameters<typeof plan>[0], expected: string[]][] = [
    ['attaches to the node of the pod', { nodes: ['a'] }, ['attach a']],
    ['leaves it where it is needed', { nodes: ['a'], attachments: [on('a')] }, []],
    ['to one node only', { nodes: ['a', 'b'] }, ['attach a', 'blocked b']],
    ['to several where that is allowed', { nodes: ['a', 'b'], volume: shared }, ['attach a', 'attach b']],
    [
      'detaches where no pod is left, and attaches elsewhere after that',
      { nodes: ['b'], attachments: [on('a')] },
      ['detach a', 'blocked b'],
    ],
    ['waits until the driver has detached', { nodes: ['b'], attachments: [on('a', dying)] }, ['blocked b']],
    ['attaches again only after the driver has detached', { nodes: ['a'], attachments: [on('a', dying)] }, []],
    ['waits for a node that uses it', { attachments: [on('a')], node: () => nodeWith({ inUse: true }) }, ['again in 6 min']],
    ['waits for a healthy node for ever', { attachments: [on('a')], node: () => nodeWith({ inUse: true }), sinceMinutes: 7 }, []],
    [
      'waits for an unhealthy node for six minutes',
      { attachments: [on('a')], node: () => nodeWith({ inUse: true, ready: false }), sinceMinutes: 5 },
      ['again in 1 min'],
    ],
    [
      'and not for longer',
      { attachments: [on('a')], node: () => nodeWith({ inUse: true, ready: false }), sinceMinutes: 6 },
      ['force detach a'],
    ],
    [
      'does not wait for a node that is off for certain',
      { attachments: [on('a')], node: () => nodeWith({ inUse: true, taint: 'node.kubernetes.io/out-of-service' }) },
      ['force detach a'],
    ],
    ['does not wait for a node that is gone', { attachments: [on('a')], node: () => undefined }, ['detach a']],
  ];
  for (const [what, facts, expected] of cases) it(what, () => assert.deepEqual(plan(facts), expected));

  it("names attachments as upstream's kubelet finds them", () => {
    // sha256 of `disk-1csi.example.comnode-1`
    assert.equal(attachmentName(source, 'node-1'), 'csi-61b1af19136454b369a7b415c5b90e9cabbebc6ee002ae5ad3a55cdc9a28b86c');
    assert.equal(uniqueVolumeName(source), 'kubernetes.io/csi/csi.example.com^disk-1');
  });

  it('tells a pod who has the volume, but no names of other namespaces', () => {
    const told = (...others: Pod[]): string => blockedMessage(volume, podNamed('me'), others);
    const prefix = 'Multi-Attach error for volume "pv" Volume is already';
    assert.deepEqual(
      [told(), told(podNamed('a'), podNamed('b', 'other')), told(podNamed('b', 'other')), told(podNamed('a'), podNamed('c'))],
      [
        `${prefix} exclusively attached to one node and can't be attached to another`,
        `${prefix} used by pod(s) a and 1 pod(s) in different namespaces`,
        `${prefix} used by 1 pod(s) in different namespaces`,
        `${prefix} used by pod(s) a, c`,
      ],
    );
  });

  it('pods need volumes on a node until their containers have ended', () => {
    const pod = podNamed('p');
    const ended = { ...pod, metadata: { ...pod.metadata, ...dying } };
    const status = (state: object) => ({ ...ended, status: { containerStatuses: [{ state }] } }) as unknown as Pod;
    assert.deepEqual(
      [pod, { ...pod, status: { phase: 'Succeeded' } }, ended, status({ running: {} }), status({ terminated: {} })].map(
        needsVolumes,
      ),
      [true, false, false, true, false],
    );
    assert.deepEqual(
      [allowsMultiAttach(volume), allowsMultiAttach(shared), allowsMultiAttach(volumeOf('v', { accessModes: [] }))],
      [false, true, true],
    );
  });
});

describe('attaching, in a cluster', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    for (const name of ['n1', 'n2']) {
      await world.addNode(name);
      const annotations = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' };
      await world.client.resource('nodes').patch({ name }, { type: 'merge', body: { metadata: { annotations } } });
    }
  });
  after(() => world.stop());
  const namespace = 'default';
  const attachments = () => world.client.resource('volumeattachments.storage.k8s.io');
  const pods = () => world.client.resource('pods');
  const nodeNamed = (name: string): Promise<Node> => world.client.resource('nodes').get({ name });
  const attachedTo = async (name: string): Promise<string[]> =>
    ((await nodeNamed(name)).status?.volumesAttached ?? []).map((one) => one.name);
  const use = (name: string, names: string[]) =>
    world.client
      .resource('nodes')
      .patch({ name }, { type: 'merge', body: { status: { volumesInUse: names } } }, { subresource: 'status' });
  const make = (name: string, nodeName: string, claimName: string) =>
    pods().create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: { nodeName, containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }] },
    });
  const attachmentOn = (node: string): Promise<VolumeAttachment> =>
    world.until(`an attachment to ${node}`, async () =>
      (await attachments().list()).items.find(({ spec }) => spec.nodeName === node),
    );
  const told = (name: string, reason: string): Promise<string> =>
    world.until(`${reason} about ${name}`, async () => {
      const { items } = await world.client.resource('events').list({ namespace });
      return items.find((event) => event.involvedObject.name === name && event.reason === reason)?.message;
    });
  const name = uniqueVolumeName(source);

  it('tells the driver, then the node, then the pod', async () => {
    const { metadata: _volume, ...volume } = volumeOf('disk', { hostPath: undefined, csi: source, storageClassName: 'csi' });
    await world.client.resource('persistentvolumes').create({ ...volume, status: undefined, metadata: { name: 'disk' } });
    const { metadata: _claim, ...claim } = claimOf('data', { storageClassName: 'csi' });
    await world.client
      .resource('persistentvolumeclaims')
      .create({ ...claim, status: undefined, metadata: { name: 'data', namespace } });
    await make('first', 'n1', 'data');
    const attachment = await attachmentOn('n1');
    assert.deepEqual(attachment.spec, { attacher: 'csi.example.com', nodeName: 'n1', source: { persistentVolumeName: 'disk' } });
    assert.equal(attachment.metadata.name, attachmentName(source, 'n1'));
    assert.deepEqual(await attachedTo('n1'), []);
    const failed = { attached: false, attachError: { message: 'no room' } };
    await attachments().updateStatus({ ...attachment, status: failed });
    assert.equal(await told('first', 'FailedAttachVolume'), 'AttachVolume.Attach failed for volume "disk" : no room');
    await attachments().updateStatus({ ...(await attachmentOn('n1')), status: { attached: true } });
    await world.until('the node knows', async () => (await attachedTo('n1')).includes(name));
    assert.equal(await told('first', 'SuccessfulAttachVolume'), 'AttachVolume.Attach succeeded for volume "disk" ');
  });

  it('attaches elsewhere after the node has let go', async () => {
    await use('n1', [name]);
    await make('second', 'n2', 'data');
    assert.equal(
      await told('second', 'FailedAttachVolume'),
      'Multi-Attach error for volume "disk" Volume is already used by pod(s) first',
    );
    await pods().delete({ namespace, name: 'first' }, { gracePeriodSeconds: 0 });
    await world.pass(10);
    assert.deepEqual(
      [(await attachments().list()).items.map(({ spec }) => spec.nodeName), await attachedTo('n1')],
      [['n1'], [name]],
    );
    await use('n1', []);
    await attachmentOn('n2');
    assert.deepEqual([(await attachments().list()).items.map(({ spec }) => spec.nodeName), await attachedTo('n1')], [['n2'], []]);
  });

  it('leaves drivers alone that attach nothing', async () => {
    await world.client.resource('csidrivers.storage.k8s.io').create({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSIDriver',
      metadata: { name: 'files.example.com' },
      spec: { attachRequired: false },
    });
    const csi = { driver: 'files.example.com', volumeHandle: 'x' };
    const { metadata: _volume, ...volume } = volumeOf('files', { hostPath: undefined, csi, storageClassName: 'files' });
    await world.client.resource('persistentvolumes').create({ ...volume, status: undefined, metadata: { name: 'files' } });
    const { metadata: _claim, ...claim } = claimOf('files', { storageClassName: 'files' });
    await world.client
      .resource('persistentvolumeclaims')
      .create({ ...claim, status: undefined, metadata: { name: 'files', namespace } });
    await make('reader', 'n1', 'files');
    await world.pass(5);
    await assert.rejects(attachments().get({ name: attachmentName(csi, 'n1') }), isNotFound);
  });
});
