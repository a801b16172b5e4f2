/** Controllers preserve integers beyond 2^53 through client, informer, copy and request. */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { parseExact, stringifyExact } from '#api/int64.ts';
import type { Deployment, Pod } from '#api/types.generated.ts';
import { createClient } from '#client/rest-client.ts';
import { admin } from '#control/apiserver/api-server.testing.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

let world: World;
before(async () => {
  world = await startWorld();
  await world.addNode('n1');
});
after(() => world.stop());

const text = (seconds: string): string => `{
  "metadata": {"name": "exact", "namespace": "default"},
  "spec": {
    "selector": {"matchLabels": {"app": "exact"}},
    "template": {
      "metadata": {"labels": {"app": "exact"}, "annotations": {"big": "9007199254740993"}},
      "spec": {
        "containers": [{"name": "c", "image": "c:1"}],
        "terminationGracePeriodSeconds": 9223372036854775807,
        "tolerations": [
          {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": ${seconds}},
          {"key": "b", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": -9007199254740995}
        ]
      }
    }
  }
}`;

/** The text of the first object's pod spec on the wire. */
async function onTheWire(path: string, specOf: (item: never) => Pod['spec']): Promise<string[]> {
  const response = await inProcessTransport(
    world.server,
    admin,
  )({ method: 'GET', path, headers: { accept: 'application/json' } });
  const chunks = [];
  for await (const chunk of response.body) chunks.push(chunk);
  const list = parseExact(Buffer.concat(chunks).toString('utf8')) as { items: never[] };
  return list.items.map((item) => stringifyExact(specOf(item)));
}

it('a template’s integers are equal in the Deployment, its ReplicaSet and its Pod, and a change beyond 2^53 is a rollout', async () => {
  const deployments = world.client.resource('deployments.apps');
  await deployments.create(parseExact(text('9007199254740993')) as Deployment);
  const rolledOut = (count: number) => async () => {
    const { metadata, status } = await deployments.get({ namespace: 'default', name: 'exact' });
    const { items } = await world.client.resource('replicasets.apps').list({ namespace: 'default' });
    return (
      items.length === count &&
      status?.observedGeneration === metadata.generation &&
      status?.availableReplicas === 1 &&
      status.replicas === 1
    );
  };
  await world.until('rolled out', rolledOut(1));
  const integers = [
    '"terminationGracePeriodSeconds":9223372036854775807',
    '"tolerationSeconds":9007199254740993',
    '"tolerationSeconds":-9007199254740995',
  ];
  const sets = await onTheWire(
    '/apis/apps/v1/namespaces/default/replicasets',
    (item: { spec: { template: Pod } }) => item.spec.template.spec,
  );
  const pods = await onTheWire('/api/v1/namespaces/default/pods', (item: Pod) => item.spec);
  for (const found of [sets, pods]) {
    assert.equal(found.length, 1);
    for (const one of integers) assert.ok(found[0]?.includes(one), `${one} in ${found[0]}`);
  }
  const written = await deployments.get({ namespace: 'default', name: 'exact' });
  await deployments.update({
    ...written,
    ...(parseExact(text('9007199254740995')) as Pick<Deployment, 'spec'>),
    metadata: written.metadata,
  });
  await world.until('rolled out again', rolledOut(2));
});

it('an object keeps them when it is read, changed and written back', async () => {
  const client = createClient(inProcessTransport(world.server, admin), { userAgent: 'test' });
  const pods = client.resource('pods');
  const [found] = (await pods.list({ namespace: 'default' })).items;
  assert.ok(found !== undefined);
  await pods.update({ ...found, metadata: { ...found.metadata, labels: { ...found.metadata.labels, touched: 'yes' } } });
  const after = await pods.get(found.metadata);
  assert.equal(after.metadata.labels?.['touched'], 'yes');
  assert.deepEqual(after.spec, found.spec);
  assert.equal(after.spec.terminationGracePeriodSeconds, 9223372036854775807n);
});
