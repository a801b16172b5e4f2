import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '#api/meta.ts';
import { ApiError } from '#api/status.ts';
import type { Container, Pod, PodSpec } from '#api/types.generated.ts';
import { FakeClock } from '#client/clock.ts';
import { create, systemMeta, update } from '../../strategy.testing.ts';
import { podKind } from './strategy.ts';

const strategy = podKind.strategy;
const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'ns' } } as KubeObject;
const critical = {
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name: 'system-node-critical' },
  value: 2_000_001_000,
} as unknown as KubeObject;
const stored = {
  'serviceaccounts/ns/default': account,
  'priorityclasses.scheduling.k8s.io//system-node-critical': critical,
};

const pod = (spec: Partial<PodSpec> = {}, name = 'web'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: systemMeta(name, 'ns'),
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
});
const container = (more: Partial<Container> = {}): Partial<PodSpec> => ({ containers: [{ name: 'c', image: 'nginx', ...more }] });
const created = async (spec: Partial<PodSpec> = {}): Promise<Pod> => (await create(strategy, pod(spec), { stored })).object;

describe('pod creation', () => {
  it('fills in what a plain pod gets from upstream', async () => {
    const { object, errors } = await create(strategy, pod(), { stored });
    assert.deepEqual(errors, []);
    assert.deepEqual(object, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...systemMeta('web', 'ns'), generation: 1 },
      spec: {
        containers: [
          {
            name: 'c',
            image: 'nginx',
            imagePullPolicy: 'Always',
            resources: {},
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
            volumeMounts: [
              { name: 'kube-api-access-bbbbb', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
            ],
          },
        ],
        dnsPolicy: 'ClusterFirst',
        enableServiceLinks: true,
        preemptionPolicy: 'PreemptLowerPriority',
        priority: 0,
        restartPolicy: 'Always',
        schedulerName: 'default-scheduler',
        securityContext: {},
        serviceAccount: 'default',
        serviceAccountName: 'default',
        terminationGracePeriodSeconds: 30,
        tolerations: [
          { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
          { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        ],
        volumes: [
          {
            name: 'kube-api-access-bbbbb',
            projected: {
              defaultMode: 420,
              sources: [
                { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
                { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
                {
                  downwardAPI: {
                    items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
                  },
                },
              ],
            },
          },
        ],
      },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    });
  });

  it('fills in probes, ports, environment and volumes', async () => {
    const spec = await created({
      containers: [
        {
          name: 'c',
          image: 'nginx:1.29',
          ports: [{ containerPort: 80 }],
          env: [{ name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
          livenessProbe: { httpGet: { port: 80 } },
          readinessProbe: { grpc: { port: 81 } },
          lifecycle: { preStop: { httpGet: { port: 80, path: '/bye' } } },
          resources: { limits: { cpu: '1', memory: '64Mi' }, requests: { cpu: '500m' } },
        },
      ],
      automountServiceAccountToken: false,
      volumes: [
        { name: 'none' },
        { name: 'host', hostPath: { path: '/x' } },
        { name: 'map', configMap: { name: 'm' } },
        { name: 'secret', secret: { secretName: 's' } },
        { name: 'all', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ],
    }).then((object) => object.spec);
    const [c] = spec.containers;
    const timing = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
    assert.equal(c?.imagePullPolicy, 'IfNotPresent');
    assert.deepEqual(c?.ports, [{ containerPort: 80, protocol: 'TCP' }]);
    assert.deepEqual(c?.env, [{ name: 'NODE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } }]);
    assert.deepEqual(c?.livenessProbe, { httpGet: { port: 80, path: '/', scheme: 'HTTP' }, ...timing });
    assert.deepEqual(c?.readinessProbe, { grpc: { port: 81, service: '' }, ...timing });
    assert.deepEqual(c?.lifecycle, { preStop: { httpGet: { port: 80, path: '/bye', scheme: 'HTTP' } } });
    assert.deepEqual(c?.resources, { limits: { cpu: '1', memory: '64Mi' }, requests: { cpu: '500m', memory: '64Mi' } });
    assert.deepEqual(spec.volumes, [
      { name: 'none', emptyDir: {} },
      { name: 'host', hostPath: { path: '/x', type: '' } },
      { name: 'map', configMap: { name: 'm', defaultMode: 420 } },
      { name: 'secret', secret: { secretName: 's', defaultMode: 420 } },
      {
        name: 'all',
        projected: { defaultMode: 420, sources: [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600 } }] },
      },
    ]);
  });

  for (const [image, policy] of [
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['localhost:5000/nginx', 'Always'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    ['nginx@sha256:0123', 'IfNotPresent'],
    ['nginx:latest@sha256:0123', 'Always'],
  ] as const) {
    it(`pulls ${image} ${policy}`, async () => {
      assert.equal((await created(container({ image }))).spec.containers[0]?.imagePullPolicy, policy);
    });
  }

  it('rounds up what is finer than a thousandth', async () => {
    const resources = { limits: { cpu: '100u', memory: '1500m' }, requests: { cpu: '1' } };
    const [c] = (await created(container({ resources }))).spec.containers;
    assert.deepEqual(c?.resources, { limits: { cpu: '1m', memory: '1500m' }, requests: { cpu: '1', memory: '1500m' } });
  });

  it("takes the host's ports for a pod on the host's network", async () => {
    const object = await created({ hostNetwork: true, ...container({ ports: [{ containerPort: 80 }] }) });
    assert.deepEqual(object.spec.containers[0]?.ports, [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }]);
  });

  for (const [name, resources, qos] of [
    ['no resources', undefined, 'BestEffort'],
    ['limits for both', { limits: { cpu: '1', memory: '1Gi' } }, 'Guaranteed'],
    [
      'equal requests in other words',
      { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } },
      'Guaranteed',
    ],
    ['a lower request', { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m' } }, 'Burstable'],
    ['one limit', { limits: { cpu: '1' } }, 'Burstable'],
    ['requests only', { requests: { memory: '1Gi' } }, 'Burstable'],
    ['requests of zero', { requests: { memory: '0' } }, 'BestEffort'],
  ] as const) {
    it(`is ${qos} with ${name}`, async () => {
      assert.equal((await created(container(resources === undefined ? {} : { resources }))).status?.qosClass, qos);
    });
  }

  it('drops a status that the client made up', async () => {
    const { object } = await create(strategy, { ...pod(), status: { phase: 'Running', podIP: '1.2.3.4' } }, { stored });
    assert.deepEqual(object.status, { phase: 'Pending', qosClass: 'BestEffort' });
  });

  it('marks a gated pod', async () => {
    const { status } = await created({ schedulingGates: [{ name: 'a.example/wait' }] });
    assert.deepEqual(
      status?.conditions?.map(({ type, reason }) => [type, reason]),
      [['PodScheduled', 'SchedulingGated']],
    );
  });

  it('writes its own label values into selectors that ask for them', async () => {
    const submitted = pod({
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'zone',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: {},
          matchLabelKeys: ['pod-template-hash', 'absent'],
        },
      ],
    });
    submitted.metadata.labels = { 'pod-template-hash': 'abc' };
    const { object, errors } = await create(strategy, submitted, { stored });
    assert.deepEqual(errors, []);
    assert.deepEqual(object.spec.topologySpreadConstraints?.[0]?.labelSelector, {
      matchExpressions: [{ key: 'pod-template-hash', operator: 'In', values: ['abc'] }],
    });
  });
});

describe('pod admission', () => {
  const rejection = async (spec: Partial<PodSpec>): Promise<string> => {
    const error = await created(spec).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ApiError && error.code === 403);
    return error.message;
  };

  it('refuses a pod whose service account does not exist', async () => {
    assert.equal(
      await rejection({ serviceAccountName: 'robot' }),
      'pods "web" is forbidden: error looking up service account ns/robot: serviceaccount "robot" not found',
    );
  });

  it('waits for the default account of a new namespace, then gives up', async () => {
    const clock = new FakeClock();
    const late: Record<string, KubeObject> = {};
    const found = create(strategy, pod(), { stored: late, clock });
    await clock.advance(500);
    late['serviceaccounts/ns/default'] = account;
    await clock.advance(500);
    assert.equal((await found).object.spec.serviceAccountName, 'default');

    const missing = create(strategy, pod(), { stored: {}, clock }).catch((error: unknown) => error);
    await clock.advance(2000);
    const error = await missing;
    assert.ok(error instanceof ApiError);
    assert.equal(
      error.message,
      'pods "web" is forbidden: error looking up service account ns/default: serviceaccount "default" not found',
    );
  });

  it('mounts a token only where nothing is mounted, and uses a token volume that is there', async () => {
    const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
    const { spec } = await created({
      containers: [
        { name: 'own', image: 'x', volumeMounts: [{ name: 'v', mountPath }] },
        { name: 'other', image: 'x' },
      ],
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'kube-api-access-given', emptyDir: {} },
      ],
    });
    assert.deepEqual(
      spec.containers.map(({ volumeMounts }) => volumeMounts?.map(({ name }) => name)),
      [['v'], ['kube-api-access-given']],
    );
    assert.equal(spec.volumes?.length, 2);
  });

  it('takes pull secrets from the account', async () => {
    const withSecrets = { ...account, imagePullSecrets: [{ name: 'registry' }] } as KubeObject;
    const { object } = await create(strategy, pod(), { stored: { 'serviceaccounts/ns/default': withSecrets } });
    assert.deepEqual(object.spec.imagePullSecrets, [{ name: 'registry' }]);
  });

  it('knows the priority classes that there are and no others', async () => {
    assert.equal((await created({ priorityClassName: 'system-node-critical' })).spec.priority, 2000001000);
    assert.equal(
      await rejection({ priorityClassName: 'gold' }),
      'pods "web" is forbidden: no PriorityClass with name gold was found',
    );
    assert.equal(
      await rejection({ priority: 5 }),
      'pods "web" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    );
  });

  it('leaves tolerations of failing nodes to those who set them', async () => {
    const { spec } = await created({ tolerations: [{ operator: 'Exists' }] });
    assert.deepEqual(spec.tolerations, [{ operator: 'Exists' }]);
  });
});

describe('pod updates', () => {
  it('raises the generation with the spec only', async () => {
    const old = await created();
    const image = await update(strategy, old, ({ spec }) => {
      spec.containers = spec.containers.map((one) => ({ ...one, image: 'nginx:2' }));
    });
    assert.deepEqual([image.errors, image.object.metadata.generation], [[], 2]);
    const label = await update(strategy, old, ({ metadata }) => {
      metadata.labels = { a: 'b' };
    });
    assert.deepEqual([label.errors, label.object.metadata.generation], [[], 1]);
  });

  it('keeps the status on the main resource, and all else on /status', async () => {
    const old = await created();
    const main = await update(strategy, old, (object) => {
      object.status = { phase: 'Running' };
    });
    assert.deepEqual(main.object.status, old.status);
    const status = await update(
      strategy,
      old,
      (object) => {
        object.spec.nodeName = 'elsewhere';
        object.status = { phase: 'Running' };
      },
      'status',
    );
    assert.deepEqual([status.errors, status.object.spec, status.object.status?.phase], [[], old.spec, 'Running']);
    assert.equal(status.object.status?.qosClass, 'BestEffort');
  });

  it('refuses to change what a pod cannot change, and shows it', async () => {
    const { errors } = await update(strategy, await created(), ({ spec }) => {
      spec.nodeName = 'other';
      spec.dnsPolicy = 'Default';
    });
    assert.equal(errors.length, 1);
    const [first = ''] = errors;
    assert.ok(
      first.startsWith(
        'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n@@ ',
      ),
      first,
    );
    assert.match(first, /\n- "dnsPolicy": "ClusterFirst",\n\+ "dnsPolicy": "Default",\n/);
  });

  for (const [what, change, expected] of [
    [
      'a container added',
      (spec: PodSpec) =>
        spec.containers.push({ name: 'd', image: 'x', imagePullPolicy: 'Never', terminationMessagePolicy: 'File' }),
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'an empty image',
      (spec: PodSpec) => Object.assign(spec.containers[0] ?? {}, { image: ' nginx' }),
      'spec.containers[0].image: Invalid value: " nginx": must not have leading or trailing whitespace',
    ],
    [
      'a toleration removed',
      (spec: PodSpec) => void (spec.tolerations = spec.tolerations?.slice(1)),
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
    [
      'a gate added',
      (spec: PodSpec) => Object.assign(spec, { schedulingGates: [{ name: 'x.y/z' }] }),
      "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'x.y/z'",
    ],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const old = await created({ tolerations: [{ key: 'dedicated', operator: 'Exists' }] });
      const { errors } = await update(strategy, old, ({ spec }) => void change(spec));
      assert.ok(errors.includes(expected), errors.join('\n'));
    });
  }

  it('allows deadlines to shrink and not to grow', async () => {
    const old = await created({ activeDeadlineSeconds: 100 });
    const to = async (seconds: number | undefined): Promise<string[]> =>
      (await update(strategy, old, ({ spec }) => void (spec.activeDeadlineSeconds = seconds))).errors;
    assert.deepEqual(await to(50), []);
    assert.deepEqual(await to(200), [
      'spec.activeDeadlineSeconds: Invalid value: 200: must be less than or equal to previous value',
    ]);
    assert.deepEqual(await to(undefined), [
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
    ]);
  });

  it('does not let a container that ended for good run again', async () => {
    const old = await created({ restartPolicy: 'Never' });
    const ended = { name: 'c', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated: { exitCode: 0 } } };
    old.status = { ...old.status, containerStatuses: [ended] };
    const { errors } = await update(
      strategy,
      old,
      ({ status = {} }) => {
        status.containerStatuses = [{ ...ended, state: { running: {} } }];
      },
      'status',
    );
    assert.deepEqual(errors, ['status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state']);
  });
});

describe('pod deletion', () => {
  const grace = (spec: Partial<PodSpec>, phase: string, requested?: number): number | undefined =>
    strategy.gracePeriodSeconds?.({ ...pod({ terminationGracePeriodSeconds: 30, ...spec }), status: { phase } }, requested);

  it('waits as the pod or the client says, and not at all for pods that do not run', () => {
    assert.equal(grace({ nodeName: 'n' }, 'Running'), 30);
    assert.equal(grace({ nodeName: 'n' }, 'Running', 5), 5);
    assert.equal(grace({ nodeName: 'n' }, 'Running', -1), 1);
    assert.equal(grace({}, 'Pending'), 0);
    assert.equal(grace({ nodeName: 'n' }, 'Succeeded'), 0);
    assert.equal(grace({ nodeName: 'n' }, 'Failed', 60), 0);
  });
});

describe('pod field selectors', () => {
  it('offers what upstream offers', async () => {
    const object = await created({ nodeName: 'n1' });
    object.status = { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }] };
    assert.deepEqual(strategy.fields?.(object), {
      'spec.nodeName': 'n1',
      'spec.restartPolicy': 'Always',
      'spec.schedulerName': 'default-scheduler',
      'spec.serviceAccountName': 'default',
      'spec.hostNetwork': 'false',
      'status.phase': 'Running',
      'status.podIP': '10.0.0.1',
      'status.podIPs': '',
      'status.nominatedNodeName': '',
    });
  });
});
