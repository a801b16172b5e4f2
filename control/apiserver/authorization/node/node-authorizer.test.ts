import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFieldSelector } from '#api/selector.ts';
import type { PersistentVolume, Pod } from '#api/types.generated.ts';
import { systemMeta } from '../../kinds/strategy.testing.ts';
import type { AuthorizationAttributes, Decision } from '../authorization.ts';
import { clusterRoles } from '../rbac/policy/cluster-roles.ts';
import { ruleOf } from '../rbac/policy/policy-text.ts';
import { nodeAuthorizer } from './node-authorizer.ts';
import { NodeGraph } from './node-graph.ts';

const pod = (name: string, nodeName: string | undefined, spec: object = {}, annotations: Record<string, string> = {}): Pod =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...systemMeta(name, 'ns'), uid: name, annotations },
    spec: {
      containers: [{ name: 'c' }],
      serviceAccountName: `${name}-account`,
      ...(nodeName === undefined ? {} : { nodeName }),
      ...spec,
    },
  }) as unknown as Pod;

const using = {
  imagePullSecrets: [{ name: 'pull' }],
  containers: [
    {
      name: 'c',
      env: [
        { name: 'A', valueFrom: { secretKeyRef: { name: 'env-secret', key: 'k' } } },
        { name: 'B', valueFrom: { configMapKeyRef: { name: 'env-map', key: 'k' } } },
      ],
      envFrom: [{ secretRef: { name: 'from-secret' } }, { configMapRef: { name: 'from-map' } }],
    },
  ],
  initContainers: [{ name: 'i', envFrom: [{ secretRef: { name: 'init-secret' } }] }],
  volumes: [
    { name: 'a', secret: { secretName: 'volume-secret' } },
    { name: 'b', configMap: { name: 'volume-map' } },
    { name: 'c', projected: { sources: [{ secret: { name: 'projected-secret' } }, { configMap: { name: 'projected-map' } }] } },
    { name: 'd', persistentVolumeClaim: { claimName: 'claim' } },
    { name: 'scratch', ephemeral: { volumeClaimTemplate: {} } },
    { name: 'e', csi: { driver: 'x', nodePublishSecretRef: { name: 'csi-secret' } } },
  ],
  resourceClaims: [
    { name: 'gpu', resourceClaimName: 'own-gpu' },
    { name: 'made', resourceClaimTemplateName: 't' },
  ],
};
const volume = (name: string, claim: string, secret: string): PersistentVolume =>
  ({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: systemMeta(name),
    spec: {
      claimRef: { namespace: 'ns', name: claim },
      csi: { driver: 'x', volumeHandle: 'h', nodeStageSecretRef: { namespace: 'storage', name: secret } },
    },
  }) as unknown as PersistentVolume;

const graph = new NodeGraph();
graph.applyPod(undefined, {
  ...pod('web', 'n1', using),
  status: { resourceClaimStatuses: [{ name: 'made', resourceClaimName: 'made-1' }] },
} as Pod);
graph.applyPod(undefined, pod('other', 'n2', { imagePullSecrets: [{ name: 'other-secret' }] }));
graph.applyPod(undefined, pod('waiting', undefined, { imagePullSecrets: [{ name: 'waiting-secret' }] }));
graph.applyPod(
  undefined,
  pod('mirror', 'n1', { imagePullSecrets: [{ name: 'stolen' }] }, { 'kubernetes.io/config.mirror': 'x' }),
);
graph.applyVolume(undefined, volume('pv', 'claim', 'stage-secret'));
graph.applyVolume(undefined, volume('far-pv', 'far-claim', 'far-secret'));
const owned = (name: string, nodeName: string) => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: systemMeta(name),
  spec: { nodeName },
});
graph.applyOwned('volumeattachment', undefined, owned('att', 'n1'));
graph.applyOwned('resourceslice', undefined, owned('slice', 'n1'));

const authorizer = nodeAuthorizer(graph, (clusterRoles['system:node'] ?? []).map(ruleOf));

/** `get secrets ns/x`, `list pods ns/ spec.nodeName=n1`, `create serviceaccounts/token ns/x`. */
function decide(text: string, name = 'system:node:n1', groups = ['system:nodes']): Decision {
  const [verb = '', what = '', where = '', selector = ''] = text.split(' ');
  const [whole = '', subresource = ''] = what.split('/');
  const [resource = '', ...group] = whole.split('.');
  const slash = where.indexOf('/');
  const attributes: AuthorizationAttributes = {
    user: { name, groups, extra: {} },
    verb,
    isResource: true,
    group: group.join('.'),
    version: 'v1',
    resource,
    subresource,
    namespace: where.slice(0, slash),
    name: where.slice(slash + 1),
    path: '',
    ...(selector === '' ? {} : { fieldSelector: parseFieldSelector(selector) }),
  };
  return authorizer.authorize(attributes) as Decision;
}

describe('a node', () => {
  const allowed = [
    ...['pull', 'env-secret', 'from-secret', 'init-secret', 'volume-secret', 'projected-secret', 'csi-secret'].map(
      (name) => `get secrets ns/${name}`,
    ),
    ...['env-map', 'from-map', 'volume-map', 'projected-map'].flatMap((name) => [
      `get configmaps ns/${name}`,
      `watch configmaps ns/${name}`,
    ]),
    'list secrets ns/pull',
    'get persistentvolumeclaims ns/claim',
    'get persistentvolumeclaims ns/web-scratch',
    'patch persistentvolumeclaims/status ns/claim',
    'get persistentvolumes /pv',
    'get secrets storage/stage-secret',
    'get resourceclaims.resource.k8s.io ns/own-gpu',
    'get resourceclaims.resource.k8s.io ns/made-1',
    'get serviceaccounts ns/web-account',
    'create serviceaccounts/token ns/web-account',
    'get volumeattachments.storage.k8s.io /att',
    'update resourceslices.resource.k8s.io /slice',
    'list resourceslices.resource.k8s.io / spec.nodeName=n1',
    'get leases.coordination.k8s.io kube-node-lease/n1',
    'create leases.coordination.k8s.io kube-node-lease/',
    'update csinodes.storage.k8s.io /n1',
    'get nodes /n1',
    'create nodes /',
    'patch nodes/status /n1',
    'get pods ns/web',
    'list pods / spec.nodeName=n1',
    'watch pods ns/web',
    'create pods ns/',
    'delete pods ns/web',
    'patch pods/status ns/web',
    'create pods/eviction ns/web',
    'list services /',
    'create events ns/',
    'get runtimeclasses.node.k8s.io /x',
    'get pods ns/mirror',
  ];
  for (const text of allowed) it(`may ${text}`, () => assert.deepEqual(decide(text), { allowed: true, reason: '' }));

  const none = "no relationship found between node 'n1' and this object";
  const refused: [text: string, reason: string][] = [
    ['get secrets ns/other-secret', none],
    ['get secrets ns/waiting-secret', none],
    ['get secrets ns/stolen', none],
    ['get secrets elsewhere/pull', none],
    ['get secrets storage/far-secret', none],
    ['get persistentvolumes /far-pv', none],
    ['get persistentvolumeclaims ns/far-claim', none],
    ['list secrets ns/', 'No Object name found'],
    ['list secrets /x', 'can only read namespaced object of this type'],
    ['update secrets ns/pull', 'can only read resources of this type'],
    ['get secrets/x ns/pull', 'cannot read subresource'],
    ['list persistentvolumes /', 'can only get individual resources of this type'],
    ['get persistentvolumeclaims/status ns/claim', 'can only get/update/patch this type'],
    ['get serviceaccounts ns/other-account', none],
    ['create serviceaccounts/token ns/other-account', none],
    ['create serviceaccounts ns/', 'can only create tokens for individual service accounts'],
    ['create serviceaccounts ns/x', 'can only create token subresource of serviceaccount'],
    ['list leases.coordination.k8s.io kube-node-lease/', 'can only get, create, update, patch, or delete a node lease'],
    ['get leases.coordination.k8s.io default/n1', 'can only access leases in the "kube-node-lease" system namespace'],
    ['get leases.coordination.k8s.io kube-node-lease/n2', 'can only access node lease with the same name as the requesting node'],
    ['get csinodes.storage.k8s.io /n2', 'can only access CSINode with the same name as the requesting node'],
    [
      'list resourceslices.resource.k8s.io / spec.nodeName=n2',
      'can only list/watch/deletecollection resourceslices with nodeName field selector',
    ],
    ['list nodes /', "node 'n1' cannot read all nodes, only its own Node object"],
    ['get nodes /n2', "node 'n1' cannot read 'n2', only its own Node object"],
    ['delete nodes /n1', ''],
    ['get nodes/proxy /n1', ''],
    ['list pods /', 'can only list/watch pods with spec.nodeName field selector'],
    ['list pods / spec.nodeName!=n1', 'can only list/watch pods with spec.nodeName field selector'],
    ['list pods / spec.nodeName=n2', 'can only list/watch pods with spec.nodeName field selector'],
    ['get pods ns/other', none],
    ['get pods/log ns/web', ''],
    ['update pods ns/web', ''],
    ['list endpointslices.discovery.k8s.io /', ''],
    ['get deployments.apps ns/web', ''],
  ];
  for (const [text, reason] of refused) it(`may not ${text}`, () => assert.deepEqual(decide(text), { allowed: false, reason }));

  it('is who says so by name and group', () => {
    assert.deepEqual(decide('get secrets ns/pull', 'system:node:n1', []), { allowed: false, reason: '' });
    assert.deepEqual(decide('get secrets ns/pull', 'n1'), { allowed: false, reason: '' });
    assert.equal(decide('get nodes /', 'system:node:').reason, 'unknown node for user "system:node:"');
  });
});

describe('the graph', () => {
  it('follows pods as they come, change and go, and counts those that use the same', () => {
    const changing = new NodeGraph();
    const secret = (name: string): boolean => changing.relates('n1', 'secret', 'ns', name);
    const waiting = pod('a', undefined, { imagePullSecrets: [{ name: 'shared' }] });
    const bound = pod('a', 'n1', { imagePullSecrets: [{ name: 'shared' }] });
    const debugged = pod('a', 'n1', {
      ...bound.spec,
      ephemeralContainers: [{ name: 'debug', envFrom: [{ secretRef: { name: 'debug' } }] }],
    });
    const second = pod('b', 'n1', { imagePullSecrets: [{ name: 'shared' }] });
    changing.applyPod(undefined, waiting);
    assert.equal(secret('shared'), false);
    changing.applyPod(waiting, bound);
    changing.applyPod(undefined, second);
    assert.equal(secret('shared'), true);
    changing.applyPod(bound, debugged);
    assert.equal(secret('debug'), true);
    changing.applyPod(second, undefined);
    assert.equal(secret('shared'), true);
    changing.applyPod(debugged, undefined);
    assert.deepEqual([secret('shared'), secret('debug')], [false, false]);
    changing.applyPod(undefined, bound);
    changing.clear('pod');
    assert.equal(secret('shared'), false);
  });

  it('leads from a claim to its volume in whatever order they come', () => {
    const changing = new NodeGraph();
    const sees = (): boolean[] => [
      changing.relates('n1', 'persistentvolume', '', 'pv'),
      changing.relates('n1', 'secret', 'storage', 's'),
    ];
    const user = pod('a', 'n1', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'claim' } }] });
    changing.applyVolume(undefined, volume('pv', 'claim', 's'));
    assert.deepEqual(sees(), [false, false]);
    changing.applyPod(undefined, user);
    assert.deepEqual(sees(), [true, true]);
    changing.applyVolume(volume('pv', 'claim', 's'), volume('pv', 'other', 's'));
    assert.deepEqual(sees(), [false, false]);
    changing.applyVolume(undefined, volume('pv', 'claim', 's'));
    changing.applyVolume(volume('pv', 'claim', 's'), undefined);
    assert.deepEqual(sees(), [false, false]);
    changing.clear('persistentvolume');
  });
});
