/** The proof that a control plane works: a Deployment becomes pods, and they are bound to a node. */
import assert from 'node:assert/strict';
import type { New } from '#api/meta.ts';
import type { Deployment, Node } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { eventually } from './processes.testing.ts';

/** Makes a node that says it is ready, and a Deployment of two pods, and waits until both are bound to it. */
export async function bindDeployment(client: Client): Promise<void> {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'worker-1' },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: new Date().toISOString(), reason: 'KubeletReady' }],
    },
  };
  await client.resource('nodes').create(node as unknown as New<Node>);
  await eventually('the default service account is there', async () =>
    client.resource('serviceaccounts').get({ namespace: 'default', name: 'default' }),
  );
  const labels = { app: 'web' };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'web', image: 'busybox' }], tolerations: [{ operator: 'Exists' }] },
      },
    },
  };
  await client.resource('deployments.apps').create(deployment as unknown as New<Deployment>);
  const bound = await eventually('two pods are bound', async () => {
    const { items } = await client.resource('pods').list({ namespace: 'default' });
    const on = items.filter(({ spec }) => spec.nodeName === 'worker-1');
    return on.length === 2 ? on : undefined;
  });
  assert.equal(bound.length, 2);
}
