/** DaemonSets against the real API server. Source of what is asserted: upstream `test/e2e/apps/{daemon_set,controller_revision}.go`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '#api/json.ts';
import type { DaemonSet, DaemonSetSpec, Pod } from '#api/types.generated.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

const namespace = 'default';
const nodes = ['n1', 'n2', 'n3'];

describe('DaemonSets', () => {
  let world: World;
  before(async () => {
    world = await startWorld();
    for (const name of nodes) await world.addNode(name, { color: name === 'n1' ? 'blue' : 'green' });
  });
  after(() => world.stop());

  const sets = () => world.client.resource('daemonsets.apps');
  const template = (name: string, image = 'c:1', spec: object = {}) => ({
    metadata: { labels: { name } },
    spec: { containers: [{ name: 'c', image }], ...spec },
  });
  const create = (name: string, spec: Partial<DaemonSetSpec> = {}): Promise<DaemonSet> =>
    sets().create({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name, namespace },
      spec: { selector: { matchLabels: { name } }, template: template(name), ...spec },
    });
  const get = (name: string) => sets().get({ namespace, name });
  const patch = (name: string, spec: object) =>
    sets().patch({ namespace, name }, { type: 'merge', body: { spec: spec as JsonObject } });
  const podsOf = async (name: string): Promise<Pod[]> =>
    (await world.client.resource('pods').list({ namespace, labelSelector: `name=${name}` })).items;
  const imagesOf = async (name: string): Promise<string> =>
    (await podsOf(name))
      .map(({ spec }) => `${spec.nodeName} ${spec.containers[0]?.image}`)
      .sort()
      .join(', ');
  const revisionsOf = async (name: string) =>
    (await world.client.resource('controllerrevisions.apps').list({ namespace, labelSelector: `name=${name}` })).items;
  const running = (name: string, on: readonly string[] = nodes, image = 'c:1') =>
    world.until(`${name} with ${image} on ${on.join()}`, async () => {
      const { status, metadata } = await get(name);
      const counts = [
        status?.desiredNumberScheduled,
        status?.currentNumberScheduled,
        status?.numberReady,
        status?.numberAvailable ?? 0,
        status?.updatedNumberScheduled ?? 0,
      ];
      return (
        status?.observedGeneration === metadata.generation &&
        counts.every((count) => count === on.length) &&
        (await imagesOf(name)) === on.map((node) => `${node} ${image}`).join(', ')
      );
    });
  const gone = (name: string) => world.until(`${name} gone`, async () => (await podsOf(name)).length === 0);

  it('run one pod on every node, and bring back one that is deleted or fails', async () => {
    await create('simple');
    await running('simple');
    const [first] = await podsOf('simple');
    assert.ok(first !== undefined);
    assert.match(first.metadata.name, /^simple-[a-z0-9]{5}$/);
    assert.equal(first.metadata.labels?.['pod-template-generation'], '1');
    await world.client.resource('pods').delete(first.metadata);
    await world.until('replaced', async () =>
      (await podsOf('simple')).every(({ metadata }) => metadata.uid !== first.metadata.uid),
    );
    await running('simple');
    const [second] = await podsOf('simple');
    assert.ok(second !== undefined);
    const failed = { status: { phase: 'Failed', conditions: [{ type: 'Ready', status: 'False' }] } };
    await world.client.resource('pods').patch(second.metadata, { type: 'strategic', body: failed }, { subresource: 'status' });
    await world.until('replaced', async () =>
      (await podsOf('simple')).every(({ metadata }) => metadata.uid !== second.metadata.uid),
    );
    await running('simple');
    const events = (await world.client.resource('events').list({ namespace })).items.filter(
      ({ involvedObject }) => involvedObject.name === 'simple',
    );
    assert.ok(
      events.some(
        ({ reason, message }) =>
          reason === 'FailedDaemonPod' &&
          message ===
            `Found failed daemon pod default/${second.metadata.name} on node ${second.spec.nodeName}, will try to kill it`,
      ),
    );
    await sets().delete({ namespace, name: 'simple' });
    await gone('simple');
  });

  it('wait longer and longer before they replace pods that fail again and again', async () => {
    await create('crash', { template: template('crash', 'c:1', { nodeSelector: { color: 'blue' } }) });
    await running('crash', ['n1']);
    const failed = { status: { phase: 'Failed', conditions: [{ type: 'Ready', status: 'False' }] } };
    const seen = new Set<string>();
    const born: number[] = [];
    for (let second = 0; second < 40; second++) {
      for (const { metadata, status } of await podsOf('crash')) {
        if (!seen.has(metadata.uid)) born.push(second);
        seen.add(metadata.uid);
        if (status?.phase === 'Running')
          await world.client.resource('pods').patch(metadata, { type: 'strategic', body: failed }, { subresource: 'status' });
      }
      await world.pass(1);
    }
    // Delays of 1, 2, 4, 8 and 16 seconds lie between them.
    assert.ok(born.length >= 4 && born.length <= 8, `${born.length} pods in 40 s: ${born.join()}`);
    await sets().delete({ namespace, name: 'crash' });
    await gone('crash');
  });

  it('follow node labels and node affinity', async () => {
    await create('choosy', { template: template('choosy', 'c:1', { nodeSelector: { color: 'red' } }) });
    await running('choosy', []);
    const paint = (color: string) =>
      world.client.resource('nodes').patch({ name: 'n2' }, { type: 'merge', body: { metadata: { labels: { color } } } });
    await paint('red');
    await running('choosy', ['n2']);
    await paint('green');
    await running('choosy', []);
    const terms = [{ matchExpressions: [{ key: 'color', operator: 'In', values: ['green'] }] }];
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } };
    await sets().patch(
      { namespace, name: 'choosy' },
      { type: 'merge', body: { spec: { template: { spec: { nodeSelector: null, affinity } } } } },
    );
    await running('choosy', ['n2', 'n3']);
    const [pod] = await podsOf('choosy');
    assert.deepEqual(pod?.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms, [
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: [pod?.spec.nodeName ?? ''] }] },
    ]);
    await sets().delete({ namespace, name: 'choosy' });
    await gone('choosy');
  });

  it('stay on nodes that are cordoned, and leave those with a taint that they do not tolerate', async () => {
    await create('stays');
    await running('stays');
    const taint = (key: string, effect: string) =>
      world.client.resource('nodes').patch({ name: 'n3' }, { type: 'merge', body: { spec: { taints: [{ key, effect }] } } });
    await taint('node.kubernetes.io/unschedulable', 'NoSchedule');
    await world.pass(3);
    await running('stays');
    await taint('dedicated', 'NoSchedule');
    await world.until('misscheduled', async () => {
      const { status } = await get('stays');
      return status?.desiredNumberScheduled === 2 && status.numberMisscheduled === 1 && (await podsOf('stays')).length === 3;
    });
    await taint('dedicated', 'NoExecute');
    await running('stays', ['n1', 'n2']);
    await world.client.resource('nodes').patch({ name: 'n3' }, { type: 'merge', body: { spec: { taints: null } } });
    await running('stays');
    await sets().delete({ namespace, name: 'stays' });
    await gone('stays');
  });

  it('with OnDelete, replace a pod only when it is deleted', async () => {
    await create('manual', { updateStrategy: { type: 'OnDelete' } });
    await running('manual');
    await patch('manual', { template: template('manual', 'c:2') });
    await world.pass(5);
    assert.equal(await imagesOf('manual'), 'n1 c:1, n2 c:1, n3 c:1');
    const revisions = await revisionsOf('manual');
    assert.deepEqual(revisions.map(({ revision }) => revision).sort(), [1, 2]);
    assert.ok(revisions.every(({ metadata }) => metadata.ownerReferences?.[0]?.name === 'manual'));
    for (const { metadata } of await podsOf('manual')) await world.client.resource('pods').delete(metadata);
    await running('manual', nodes, 'c:2');
    await sets().delete({ namespace, name: 'manual' });
    await gone('manual');
  });

  it('with RollingUpdate, replace pods one by one, never more than one down, and roll back', async () => {
    await create('rolls');
    await running('rolls');
    let fewest = 3;
    const update = async (image: string) => {
      await patch('rolls', { template: template('rolls', image) });
      await world.until(`all ${image}`, async () => {
        const up = (await podsOf('rolls')).filter(({ metadata }) => metadata.deletionTimestamp === undefined).length;
        fewest = Math.min(fewest, up);
        return (await imagesOf('rolls')) === nodes.map((node) => `${node} ${image}`).join(', ');
      });
      await running('rolls', nodes, image);
    };
    await update('c:2');
    await update('c:1');
    assert.ok(fewest >= 2, `${fewest} of 3 pods`);
    // The first template is the newest again, under its old name.
    const revisions = await revisionsOf('rolls');
    assert.deepEqual(revisions.map(({ revision }) => revision).sort(), [2, 3]);
    const current = revisions.find(({ revision }) => revision === 3);
    const hash = current?.metadata.labels?.['controller-revision-hash'];
    assert.equal(current?.metadata.name, `rolls-${hash}`);
    assert.ok((await podsOf('rolls')).every(({ metadata }) => metadata.labels?.['controller-revision-hash'] === hash));
    await sets().delete({ namespace, name: 'rolls' });
    await gone('rolls');
  });

  it('go back from an update that does not come up without touching pods that run', async () => {
    await create('back');
    await running('back');
    const before = new Set((await podsOf('back')).map(({ metadata }) => metadata.uid));
    world.play = (pod) => (pod.spec.containers[0]?.image === 'bad:1' ? 'running' : 'ready');
    await patch('back', { template: template('back', 'bad:1') });
    await world.until('one bad pod', async () => (await imagesOf('back')).includes('bad:1'));
    await patch('back', { template: template('back', 'c:1') });
    await running('back');
    const kept = (await podsOf('back')).filter(({ metadata }) => before.has(metadata.uid));
    assert.equal(kept.length, 2);
    world.play = () => 'ready';
    await sets().delete({ namespace, name: 'back' });
    await gone('back');
  });

  it('with surge, start the new pod before the old one goes', async () => {
    const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
    await create('surges', { updateStrategy: { type: 'RollingUpdate', rollingUpdate } });
    await running('surges');
    let most = 0;
    let fewestReady = 3;
    await patch('surges', { template: template('surges', 'c:2') });
    await world.until('all c:2', async () => {
      const pods = await podsOf('surges');
      const up = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      most = Math.max(most, up.length);
      const served = new Set(
        up
          .filter(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'))
          .map(({ spec }) => spec.nodeName),
      );
      fewestReady = Math.min(fewestReady, served.size);
      return (await imagesOf('surges')) === 'n1 c:2, n2 c:2, n3 c:2';
    });
    assert.deepEqual([most, fewestReady], [4, 3]);
    await running('surges', nodes, 'c:2');
    await sets().delete({ namespace, name: 'surges' });
    await gone('surges');
  });

  it('keep as many revisions as they are told, and those of pods that run', async () => {
    await create('forgets', { revisionHistoryLimit: 1 });
    await running('forgets');
    for (const image of ['c:2', 'c:3', 'c:4']) {
      await patch('forgets', { template: template('forgets', image) });
      await running('forgets', nodes, image);
    }
    await world.until('history is short', async () => {
      const numbers = (await revisionsOf('forgets')).map(({ revision }) => revision).sort();
      return numbers.join() === '3,4';
    });
    await sets().delete({ namespace, name: 'forgets' });
    await gone('forgets');
    await world.until('no history', async () => (await revisionsOf('forgets')).length === 0);
  });

  it('leave revisions that users write alone until their template changes', async () => {
    await create('revised');
    await running('revised');
    await world.pass(3);
    const revisions = world.client.resource('controllerrevisions.apps');
    const [first] = await revisionsOf('revised');
    assert.ok(first !== undefined);
    const { namespace: _, ownerReferences, labels } = first.metadata;
    const second = {
      name: 'revised-second',
      namespace,
      ownerReferences,
      labels: { ...labels, 'controller-revision-hash': 'second' },
    };
    await revisions.create({
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: second,
      data: first.data,
      revision: 2,
    });
    await world.pass(3);
    assert.equal((await revisionsOf('revised')).length, 2);
    await revisions.delete(first.metadata);
    await revisions.patch(second, { type: 'merge', body: { metadata: { labels: { mine: 'yes' } } } });
    await world.pass(3);
    assert.deepEqual(
      (await revisionsOf('revised')).map(({ revision }) => revision),
      [2],
    );
    await patch('revised', { template: { spec: { terminationGracePeriodSeconds: 1 } } });
    await world.until('two', async () => (await revisionsOf('revised')).length === 2);
    await revisions.deleteCollection({ namespace, labelSelector: 'mine=yes' });
    await world.until('updated', async () => (await get('revised')).status?.updatedNumberScheduled === 3);
    assert.deepEqual(
      (await revisionsOf('revised')).map(({ revision }) => revision),
      [3],
    );
    await sets().delete({ namespace, name: 'revised' });
    await gone('revised');
  });

  it('adopt revisions and pods without an owner', async () => {
    await create('orphans');
    await running('orphans');
    const before = (await podsOf('orphans')).map(({ metadata }) => metadata.uid).sort();
    await sets().delete({ namespace, name: 'orphans' }, { propagationPolicy: 'Orphan' });
    await world.until('orphaned', async () =>
      [...(await podsOf('orphans')), ...(await revisionsOf('orphans'))].every(
        ({ metadata }) => metadata.ownerReferences === undefined,
      ),
    );
    const { metadata } = await create('orphans');
    await running('orphans');
    assert.deepEqual((await podsOf('orphans')).map((pod) => pod.metadata.uid).sort(), before);
    const revisions = await revisionsOf('orphans');
    assert.deepEqual(
      revisions.map((one) => one.metadata.ownerReferences?.[0]?.uid),
      [metadata.uid],
    );
  });
});
