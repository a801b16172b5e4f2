/** kubectl's commands for disruption budgets, and `kubectl drain`, which has to wait for them. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { World } from './cluster.testing.ts';
import { type Kubectl, startWorldWithKubectl } from './kubectl.testing.ts';

describe('kubectl and disruption budgets', { timeout: 300_000 }, () => {
  let world: World;
  let kubectl: Kubectl;

  before(async () => {
    ({ world, kubectl } = await startWorldWithKubectl('n1', 'n2'));
  });
  after(async () => {
    await world.stop();
    await kubectl.stop();
  });

  const get = (name: string) => world.client.resource('poddisruptionbudgets.policy').get({ namespace: 'default', name });
  const allows = (name: string, count: number) =>
    world.until(`${name} to allow ${count}`, async () => (await get(name)).status?.disruptionsAllowed === count);
  const podsOn = async (node: string): Promise<string[]> =>
    (await world.client.resource('pods').list({ namespace: 'default' })).items
      .filter(({ spec, metadata }) => spec.nodeName === node && metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => metadata.name);

  it('creates, shows, describes, explains, patches and deletes them', async () => {
    const created = 'poddisruptionbudget.policy/web created\n';
    assert.equal(await kubectl.run('create pdb web --selector=app=web --min-available=2'), created);
    assert.equal(
      await kubectl.run('create poddisruptionbudget half --selector=app=half --max-unavailable=50%'),
      'poddisruptionbudget.policy/half created\n',
    );
    assert.match(
      await kubectl.run('create pdb none --selector=app=web'),
      /one of min-available or max-unavailable must be specified/,
    );
    assert.deepEqual((await get('half')).spec, { selector: { matchLabels: { app: 'half' } }, maxUnavailable: '50%' });
    await allows('web', 0);
    assert.match(
      await kubectl.run('get pdb'),
      /^NAME +MIN AVAILABLE +MAX UNAVAILABLE +ALLOWED DISRUPTIONS +AGE\nhalf +N\/A +50% +0 +\S+\nweb +2 +N\/A +0 +\S+\n$/,
    );
    assert.match(
      await kubectl.run('describe pdb web'),
      /Name: +web\nNamespace: +default\nMin available: +2\nSelector: +app=web\nStatus:\n +Allowed disruptions: +0\n +Current: +0\n +Desired: +2\n +Total: +0\nEvents:[\s\S]*Normal +NoPods[\s\S]*controllermanager +No matching pods found/,
    );
    assert.match(await kubectl.run('explain pdb.spec.minAvailable'), /FIELD: minAvailable <IntOrString>/);
    assert.match(
      await kubectl.run('patch pdb web -p {"spec":{"minAvailable":"30%"}}'),
      /poddisruptionbudget\.policy\/web patched/,
    );
    // The selector is replaced, not merged.
    await kubectl.run('patch pdb web -p {"spec":{"selector":{"matchLabels":{"tier":"front"}}}}');
    assert.deepEqual((await get('web')).spec, { minAvailable: '30%', selector: { matchLabels: { tier: 'front' } } });
    assert.match(
      await kubectl.run('patch pdb web -p {"spec":{"maxUnavailable":1}}'),
      /minAvailable and maxUnavailable cannot be both set/,
    );
    assert.equal(
      await kubectl.run('api-resources --api-group=policy --no-headers'),
      'poddisruptionbudgets   pdb   policy/v1   true   PodDisruptionBudget\n',
    );
    assert.match(await kubectl.run('delete pdb web half'), /"web" deleted[\s\S]*"half" deleted/);
  });

  it('applies them on the client’s and on the server’s side', async () => {
    const manifest = (min: string): string => `
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: applied}
spec: {minAvailable: ${min}, selector: {matchLabels: {app: applied}}, unhealthyPodEvictionPolicy: AlwaysAllow}
`;
    assert.match(await kubectl.run('apply -f -', manifest('1')), /poddisruptionbudget\.policy\/applied created/);
    assert.match(await kubectl.run('apply -f -', manifest('"10%"')), /applied configured/);
    // kubectl always sends what is replaced as a whole, and believes that it changes something.
    await world.until('the controller has counted what was applied', async () => {
      const { metadata, status } = await get('applied');
      return status?.observedGeneration === metadata.generation;
    });
    const { resourceVersion } = (await get('applied')).metadata;
    assert.match(await kubectl.run('apply -f -', manifest('"10%"')), /applied configured/);
    assert.equal((await get('applied')).metadata.resourceVersion, resourceVersion);
    assert.match(await kubectl.run('apply --server-side --force-conflicts -f -', manifest('2')), /applied serverside-applied/);
    assert.equal((await get('applied')).spec.minAvailable, 2);
    assert.match(await kubectl.run('apply --dry-run=server -f -', manifest('"110%"')), /must not be greater than 100%/);
    await kubectl.run('delete pdb applied');
  });

  it('drains a node as fast as a budget lets it, and no faster', async () => {
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    await world.client.resource('deployments.apps').create({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', namespace: 'default' },
      spec: { replicas: 4, selector: { matchLabels: { app: 'web' } }, template },
    });
    await kubectl.run('create pdb web --selector=app=web --min-available=100%');
    await world.until('pods on both nodes', async () => {
      const { status } = await get('web');
      return status?.currentHealthy === 4 && (await podsOn('n1')).length === 2;
    });
    const blocked = await kubectl.run('drain n1 --timeout=1s');
    assert.match(blocked, /node\/n1 cordoned/);
    assert.match(
      blocked,
      /error when evicting pods\/"web-[^"]+" -n "default" \(will retry after 5s\): Cannot evict pod as it would violate the pod's disruption budget\./,
    );
    assert.match(blocked, /error: unable to drain node "n1"/);
    assert.equal((await podsOn('n1')).length, 2);

    await kubectl.run('patch pdb web -p {"spec":{"minAvailable":"75%"}}');
    await allows('web', 1);
    let ended = false;
    const finished = kubectl.run('drain n1 --timeout=120s').finally(() => {
      ended = true;
    });
    // What was evicted is replaced on the other node, and then the budget lets the next one go.
    let least = 4;
    while (!ended) {
      await world.tick();
      await world.rest();
      const ready = (await world.client.resource('pods').list({ namespace: 'default' })).items.filter(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined &&
          status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      );
      least = Math.min(least, ready.length);
    }
    const drained = await finished;
    assert.match(drained, /evicting pod default\/web-/);
    assert.equal(drained.match(/^pod\/web-\S+ evicted$/gm)?.length, 2, drained);
    assert.match(drained, /^node\/n1 drained$/m);
    assert.deepEqual(await podsOn('n1'), []);
    assert.ok(least >= 3, `never less than three of four, but ${least}`);
    assert.match(await kubectl.run('uncordon n1'), /node\/n1 uncordoned/);
  });

  it('says why it cannot drain a pod with two budgets', async () => {
    await kubectl.run('create pdb all --selector=app --max-unavailable=1');
    await allows('all', 1);
    const { status } = await get('all');
    assert.deepEqual([status?.currentHealthy, status?.desiredHealthy, status?.expectedPods], [4, 3, 4]);
    const text = await kubectl.run('drain n2 --timeout=2s');
    assert.match(text, /This pod has more than one PodDisruptionBudget, which the eviction subresource does not support\./);
    await kubectl.run('delete pdb --all');
    await kubectl.run('uncordon n2');
  });
});
