import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deepFreeze } from '#api/deep-freeze.ts';
import { computeQosClass } from '#api/pod/qos.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '#api/types.generated.ts';
import { systemMeta, testContext, texts } from '../../strategy.testing.ts';
import { podKind } from './strategy.ts';

const { strategy } = podKind;

function stored(spec: Partial<PodSpec>, more: Partial<Pod> = {}): Pod {
  const pod = structuredClone({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...systemMeta('p', 'ns'), resourceVersion: '7', generation: 4, labels: { app: 'web' } },
    spec: { nodeName: 'n', serviceAccountName: 'default', containers: [], ...spec },
    ...more,
  }) as Pod;
  strategy.setDefaults?.(pod);
  pod.status = { phase: 'Running', qosClass: computeQosClass(pod.spec), ...more.status };
  return deepFreeze(pod);
}

/** What a write of `pods/resize` stores, and what is wrong with it. */
function resize(old: Pod, change: (pod: Pod) => void): { pod: Pod; errors: string[] } {
  const pod = structuredClone(old);
  change(pod);
  const sent = structuredClone(pod);
  Object.assign(pod, sent);
  strategy.setDefaults?.(pod);
  strategy.prepareForUpdate?.(pod, old, testContext(), 'resize');
  return { pod, errors: texts(strategy.validateUpdate?.(pod, old, 'resize') ?? []) };
}

const container = (resources: ResourceRequirements, more: Partial<Container> = {}): Container => ({
  name: 'c',
  image: 'i',
  resources,
  ...more,
});
const init = (resources: ResourceRequirements, more: Partial<Container> = {}): Container =>
  container(resources, { name: 'i', ...more });
const burstable = { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '200m', memory: '200Mi' } };
const guaranteed = { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '100m', memory: '100Mi' } };
const to =
  (resources: ResourceRequirements, index = 0) =>
  (pod: Pod): void => {
    (pod.spec.containers[index] as Container).resources = resources;
  };

describe('a resize', () => {
  it('changes resources and raises the generation; all else stays as stored', () => {
    const old = stored({ containers: [container(burstable), container(guaranteed, { name: 'other' })] });
    const wanted = { requests: { cpu: '150m', memory: '100Mi' }, limits: { cpu: '300m', memory: '200Mi' } };
    const { pod, errors } = resize(old, (next) => {
      to(wanted)(next);
      next.metadata.labels = { app: 'other' };
      next.metadata.finalizers = ['a.b/c'];
      next.spec.activeDeadlineSeconds = 1;
      (next.spec.containers[0] as Container).image = 'else';
      next.status = { phase: 'Failed' };
    });
    assert.deepEqual(errors, []);
    const [first, second] = old.spec.containers;
    assert.deepEqual(pod, {
      ...old,
      metadata: { ...old.metadata, generation: 5 },
      spec: { ...old.spec, containers: [{ ...first, resources: wanted }, second] },
    });
  });

  it('may add requests and limits, whose requests follow the limits', () => {
    const old = stored({ containers: [container({ requests: { cpu: '100m' } })] });
    const { pod, errors } = resize(old, to({ requests: { cpu: '100m' }, limits: { memory: '1Gi' } }));
    assert.deepEqual(errors, []);
    assert.deepEqual(pod.spec.containers[0]?.resources, {
      requests: { cpu: '100m', memory: '1Gi' },
      limits: { memory: '1Gi' },
    });
  });

  it('to the same amounts in other words is no change', () => {
    const old = stored({ containers: [container({ requests: { memory: '1Gi' } })] });
    assert.equal(resize(old, to({ requests: { memory: '1073741824' } })).pod.metadata.generation, 4);
  });

  const two = { containers: [container(guaranteed), container(guaranteed, { name: 'd' })] };
  const claimed = { ...burstable, claims: [{ name: 'gpu' }] };
  const cases: [what: string, old: Pod, change: (pod: Pod) => void, errors: string[]][] = [
    [
      'QoS class: a best-effort pod asks for memory',
      stored({ containers: [container({})] }),
      to({ requests: { memory: '1Gi' } }),
      ['spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing'],
    ],
    [
      'QoS class: requests become equal to limits',
      stored({ containers: [container(burstable)] }),
      to({ requests: burstable.limits, limits: burstable.limits }),
      ['spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing'],
    ],
    [
      'removed limits',
      stored({ containers: [container(burstable)] }),
      to({ requests: burstable.requests }),
      ['spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed'],
    ],
    [
      'one removed request',
      stored({ containers: [container({ requests: { cpu: '1', memory: '1' } })] }),
      to({ requests: { cpu: '2' } }),
      ['spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed'],
    ],
    [
      'other resources',
      stored({ containers: [container({ requests: { cpu: '1', 'ephemeral-storage': '1' } })] }),
      to({ requests: { cpu: '1', 'ephemeral-storage': '3' } }),
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
    [
      'the resize policy',
      stored({ containers: [container(burstable)] }),
      (pod) => {
        (pod.spec.containers[0] as Container).resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }];
      },
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
    [
      'a container with claims',
      stored({ resourceClaims: [{ name: 'gpu', resourceClaimName: 'g' }], containers: [container(claimed)] }),
      to({ ...claimed, requests: { cpu: '150m', memory: '100Mi' } }),
      ['spec: Forbidden: only cpu and memory resources are mutable'],
    ],
    [
      'a request beyond its limit',
      stored({ containers: [container(burstable)] }),
      to({ ...burstable, requests: { cpu: '300m', memory: '100Mi' } }),
      ['spec.containers[0].resources.requests: Invalid value: "300m": must be less than or equal to cpu limit of 200m'],
    ],
    [
      'a negative amount',
      stored({ containers: [container({ requests: { cpu: '1' } })] }),
      to({ requests: { cpu: '-1', memory: '1' } }),
      ['spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ],
    [
      'containers in another order',
      stored(two),
      ({ spec }) => spec.containers.reverse(),
      [0, 1].map((index) => `spec.containers[${index}].name: Forbidden: containers may not be renamed or reordered on resize`),
    ],
    [
      'fewer containers',
      stored(two),
      ({ spec }) => spec.containers.pop(),
      ['spec.containers: Forbidden: containers may not be added or removed on resize'],
    ],
    [
      'more init containers',
      stored({ containers: [container(burstable)] }),
      ({ spec }) => {
        spec.initContainers = [init({})];
      },
      ['spec.initContainers: Forbidden: initContainers may not be added or removed on resize'],
    ],
    [
      'static pods',
      stored(
        { containers: [container(burstable)] },
        { metadata: { ...systemMeta('p', 'ns'), annotations: { 'kubernetes.io/config.mirror': 'x' } } as Pod['metadata'] },
      ),
      to(guaranteed),
      ['[]: Forbidden: static pods cannot be resized'],
    ],
    [
      'pods of Windows',
      stored({ containers: [container(burstable)], os: { name: 'windows' } }),
      to(burstable),
      ['[]: Forbidden: windows pods cannot be resized'],
    ],
    [
      'a node that tells no resources',
      stored(
        { containers: [container(burstable)] },
        { status: { containerStatuses: [{ name: 'c', state: { running: {} } }] } as Pod['status'] },
      ),
      to({ ...burstable, requests: { cpu: '50m', memory: '100Mi' } }),
      ['spec: Forbidden: Pod running on node without support for resize'],
    ],
    [
      'removed pod-level resources',
      stored({ containers: [container({})], resources: burstable }),
      ({ spec }) => {
        delete spec.resources;
      },
      [
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        'spec.resources: Forbidden: pod-level resources cannot be removed',
      ],
    ],
    [
      'pod-level huge pages',
      stored({ containers: [container({})], resources: { requests: { cpu: '1' } } }),
      ({ spec }) => {
        spec.resources = { requests: { cpu: '1', 'hugepages-2Mi': '2Mi' }, limits: { 'hugepages-2Mi': '2Mi' } };
      },
      ['spec: Forbidden: only cpu and memory resources are mutable at pod-level'],
    ],
    [
      'an init container that restarts for it',
      stored({
        containers: [container(burstable)],
        initContainers: [init(burstable, { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] })],
      }),
      ({ spec }) => {
        for (const one of spec.initContainers ?? []) one.resources = guaranteed;
      },
      [
        'spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to \'RestartContainer\' for non-sidecar initContainers',
        'spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized',
      ],
    ],
  ];
  for (const [what, old, change, expected] of cases)
    it(`is refused: ${what}`, () => assert.deepEqual(resize(old, change).errors, expected));

  it('reaches init containers, sidecars and the pod level', () => {
    const old = stored({
      containers: [container(burstable)],
      initContainers: [init(burstable), init(burstable, { name: 's', restartPolicy: 'Always' })],
      resources: { requests: { cpu: '1' } },
    });
    const { pod, errors } = resize(old, ({ spec }) => {
      for (const one of spec.initContainers ?? []) one.resources = { ...burstable, requests: { cpu: '50m', memory: '50Mi' } };
      spec.resources = { requests: { cpu: '2', memory: '1Gi' } };
    });
    assert.deepEqual(errors, []);
    assert.deepEqual(pod.spec.resources?.requests, { cpu: '2', memory: '1Gi' });
    assert.deepEqual(
      pod.spec.initContainers?.map(({ resources }) => resources?.requests),
      [
        { cpu: '50m', memory: '50Mi' },
        { cpu: '50m', memory: '50Mi' },
      ],
    );
  });

  it('may add pod-level resources', () => {
    const old = stored({ containers: [container(burstable)] });
    const { errors } = resize(old, ({ spec }) => {
      spec.resources = { requests: { cpu: '1', memory: '1Gi' } };
    });
    assert.deepEqual(errors, []);
  });

  it('of thousands of containers is checked in no time', () => {
    const many = Array.from({ length: 5000 }, (_, index) => container(burstable, { name: `c${index}` }));
    const old = stored({ containers: many });
    const startMs = performance.now();
    const { errors } = resize(old, ({ spec }) => {
      for (const one of spec.containers) one.resources = { ...burstable, requests: { cpu: '1m', memory: '1' } };
    });
    assert.deepEqual(errors, []);
    assert.ok(performance.now() - startMs < 10_000);
  });
});
