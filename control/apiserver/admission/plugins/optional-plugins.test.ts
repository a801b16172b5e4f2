/** The small plugins that are off by default, and PodTopologyLabels. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { OwnerReference, Pod, PodSpec, Toleration } from '#api/types.generated.ts';
import type { AuthorizationAttributes } from '../../authorization/authorization.ts';
import { ask, objectOf } from '../admission.testing.ts';
import { alwaysAdmit, alwaysDeny } from './always.ts';
import { alwaysPullImages } from './always-pull-images.ts';
import { denyServiceExternalIps } from './deny-service-external-ips.ts';
import { extendedResourceToleration } from './extended-resource-toleration.ts';
import { limitPodHardAntiAffinityTopology } from './limit-pod-hard-anti-affinity-topology.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';

const pod = (spec: Partial<PodSpec>): KubeObject => objectOf('Pod', 'p', 'ns', { spec });

describe('AlwaysPullImages', () => {
  const container = (image: string, imagePullPolicy?: string) => ({
    name: 'c',
    image,
    ...(imagePullPolicy && { imagePullPolicy }),
  });

  it('sets the policy of containers and image volumes', async () => {
    const volumes = [{ name: 'v', image: { reference: 'r', pullPolicy: 'Never' } }];
    const object = pod({ containers: [container('i', 'Never')], initContainers: [container('j')], volumes });
    assert.deepEqual(
      await ask(alwaysPullImages(), 'create', { object }),
      pod({
        containers: [container('i', 'Always')],
        initContainers: [container('j', 'Always')],
        volumes: [{ name: 'v', image: { reference: 'r', pullPolicy: 'Always' } }],
      }),
    );
  });

  it('refuses what was set after it, and leaves updates without a new image alone', async () => {
    const { validate } = alwaysPullImages();
    const only = { name: 'x', handles: () => true, ...(validate && { validate }) };
    assert.equal(
      await ask(only, 'create', { object: pod({ containers: [container('i', 'Never')] }) }),
      '403 pods "p" is forbidden: spec.containers[0].imagePullPolicy: Unsupported value: "Never": supported values: "Always"',
    );
    const old = pod({ containers: [container('i', 'Never')] });
    assert.deepEqual(await ask(alwaysPullImages(), 'update', { object: old, old }), old);
    const changed = (await ask(alwaysPullImages(), 'update', { object: pod({ containers: [container('k')] }), old })) as Pod;
    assert.equal(changed.spec.containers[0]?.imagePullPolicy, 'Always');
  });
});

describe('DenyServiceExternalIPs', () => {
  const service = (...externalIPs: string[]) => objectOf('Service', 's', 'ns', { spec: { externalIPs } });
  const refused = '403 services "s" is forbidden: Use of external IPs is denied by admission control';

  it('lets services keep and lose addresses, not get them', async () => {
    const plugin = denyServiceExternalIps();
    assert.equal(await ask(plugin, 'create', { object: service('1.1.1.1') }), refused);
    assert.deepEqual(await ask(plugin, 'create', { object: service() }), service());
    const old = service('1.1.1.1', '2.2.2.2');
    assert.deepEqual(await ask(plugin, 'update', { object: service('2.2.2.2'), old }), service('2.2.2.2'));
    assert.equal(await ask(plugin, 'update', { object: service('3.3.3.3'), old }), refused);
  });
});

describe('ExtendedResourceToleration', () => {
  it('tolerates the taints of what is asked for, once each', async () => {
    const gpu: Toleration = { key: 'example.com/gpu', operator: 'Exists', effect: 'NoSchedule' };
    const fpga: Toleration = { ...gpu, key: 'example.com/fpga' };
    const asking = (name: string) => ({ name: 'c', image: 'i', resources: { requests: { [name]: '1', cpu: '1' } } });
    const spec = {
      containers: [asking('example.com/gpu')],
      initContainers: [asking('example.com/fpga'), asking('kubernetes.io/x')],
    };
    const tolerations = async (given: Toleration[]): Promise<unknown> =>
      ((await ask(extendedResourceToleration(), 'create', { object: pod({ ...spec, tolerations: given }) })) as Pod).spec
        .tolerations;
    assert.deepEqual(await tolerations([]), [fpga, gpu]);
    assert.deepEqual(await tolerations([{ ...gpu, tolerationSeconds: 5 }]), [gpu, fpga]);
  });
});

describe('LimitPodHardAntiAffinityTopology', () => {
  it('allows the topology of a node alone', async () => {
    const apart = (topologyKey: string) =>
      pod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey }] } } });
    const plugin = limitPodHardAntiAffinityTopology();
    const fine = apart('kubernetes.io/hostname');
    assert.deepEqual(await ask(plugin, 'create', { object: fine }), fine);
    assert.equal(
      await ask(plugin, 'create', { object: apart('zone') }),
      '403 pods "p" is forbidden: affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey zone but only key kubernetes.io/hostname is allowed',
    );
  });
});

describe('AlwaysAdmit and AlwaysDeny', () => {
  it('do what they say', async () => {
    assert.deepEqual(await ask(alwaysAdmit(), 'create', { object: pod({}) }), pod({}));
    const refused = '403 pods "p" is forbidden: admission control is denying all modifications';
    assert.equal(await ask(alwaysDeny(), 'create', { object: pod({}) }), refused);
  });
});

describe('PodTopologyLabels', () => {
  const node = objectOf('Node', 'n');
  node.metadata.labels = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', other: 'o' };
  const stored = { 'nodes//n': node };
  const labels = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r' };

  it('labels bindings, and pods that are made with a node', async () => {
    const made = await ask(podTopologyLabels(), 'create', { object: pod({ nodeName: 'n' }), stored });
    assert.deepEqual((made as Pod).metadata.labels, labels);
    assert.deepEqual(await ask(podTopologyLabels(), 'create', { object: pod({}), stored }), pod({}));
    const binding = (target: object): KubeObject => objectOf('Binding', 'p', 'ns', { target });
    const told = { resource: { group: '', version: 'v1', plural: 'pods' } };
    const bound = async (target: object) =>
      (
        (await ask(podTopologyLabels(), 'create', {
          object: binding(target),
          stored,
          told,
          subresource: 'binding',
        })) as KubeObject
      ).metadata.labels;
    assert.deepEqual(await bound({ kind: 'Node', name: 'n' }), labels);
    assert.equal(await bound({ kind: 'Node', name: 'gone' }), undefined);
    assert.equal(await bound({ kind: '', name: 'n' }), undefined);
  });
});

describe('OwnerReferencesPermissionEnforcement', () => {
  const owner = (more: Partial<OwnerReference> = {}): OwnerReference => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'r',
    uid: 'u',
    ...more,
  });
  const owned = (...ownerReferences: OwnerReference[]): KubeObject => {
    const object = pod({});
    return { ...object, metadata: { ...object.metadata, ...(ownerReferences.length > 0 && { ownerReferences }) } };
  };
  const text = ({ verb, group, resource, subresource, namespace, name }: AuthorizationAttributes): string =>
    `${verb} ${group}/${resource}/${subresource} ${namespace}/${name}`;
  /** The message of the refusal, with an authorizer that allows only these. */
  const refusal = async (allowed: string[], object: KubeObject, old?: KubeObject) => {
    const authorizer = {
      authorize: (asked: AuthorizationAttributes) => ({ allowed: allowed.includes(text(asked)), reason: 'no' }),
      rules: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false }),
    };
    const plugin = ownerReferencesPermissionEnforcement({ authorizer, catalog: createResourceCatalog() });
    const answer = await ask(plugin, old === undefined ? 'create' : 'update', { object, ...(old && { old }) });
    return typeof answer === 'string' ? answer : undefined;
  };
  const cases: [what: string, allowed: string[], object: KubeObject, old: KubeObject | undefined, refused: string | undefined][] =
    [
      ['a new object with an owner', [], owned(owner()), undefined, undefined],
      ['an object whose owner stays', [], owned(owner()), owned(owner()), undefined],
      [
        'another owner of what one cannot delete',
        [],
        owned(owner()),
        owned(),
        "cannot set an ownerRef on a resource you can't delete: no, <nil>",
      ],
      ['another owner of what one can delete', ['delete /pods/ ns/p'], owned(owner()), owned(), undefined],
      [
        'holding up an owner',
        [],
        owned(owner({ blockOwnerDeletion: true })),
        undefined,
        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: no, <nil>",
      ],
      [
        'holding up an owner whose finalizers one may set',
        ['update apps/replicasets/finalizers ns/r'],
        owned(owner({ blockOwnerDeletion: true })),
        undefined,
        undefined,
      ],
      [
        'holding up, by who may do it everywhere',
        ['update */*/finalizers /*'],
        owned(owner({ kind: 'Odd', blockOwnerDeletion: true })),
        undefined,
        undefined,
      ],
      [
        'holding up an owner of an unknown kind',
        [],
        owned(owner({ kind: 'Odd', blockOwnerDeletion: true })),
        undefined,
        'cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion apps/v1 Kind Odd: no matches for kind "Odd" in version "apps/v1"',
      ],
    ];
  for (const [what, allowed, object, old, refused] of cases)
    it(`${refused === undefined ? 'allows' : 'refuses'} ${what}`, async () => {
      const expected = refused === undefined ? undefined : `403 pods "p" is forbidden: ${refused}`;
      assert.equal(await refusal(allowed, object, old), expected);
    });
});
