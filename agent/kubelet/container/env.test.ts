import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfigMap, EnvFromSource, EnvVar, Secret, Service } from '#api/types.generated.ts';
import { aContainer, aPod } from '../pods.testing.ts';
import type { ReferencedObjects } from './env.ts';
import { ReferenceNotFound, resolveEnv } from './env.ts';
import { expand } from './expansion.ts';
import { serviceVariables } from './service-env.ts';

const metadata = { name: 'x', uid: '', resourceVersion: '', creationTimestamp: '' };
const configMaps: Record<string, ConfigMap> = {
  cm: { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { k: 'v', 'with.dot': 'd' } },
};
const secrets: Record<string, Secret> = {
  s: { apiVersion: 'v1', kind: 'Secret', metadata, data: { pw: Buffer.from('s3cret').toString('base64') } },
};
const find = <T>(kind: 'configmap' | 'secret', objects: Record<string, T>, name: string): T => {
  const found = objects[name];
  if (found === undefined) throw new ReferenceNotFound(kind, name);
  return found;
};
const objects: ReferencedObjects = {
  configMap: async (_namespace, name) => find('configmap', configMaps, name),
  secret: async (_namespace, name) => find('secret', secrets, name),
};

async function resolved(
  env: EnvVar[],
  envFrom: EnvFromSource[] = [],
  services: Record<string, string> = {},
): Promise<Record<string, string>> {
  const container = aContainer('c', { env, envFrom, resources: { limits: { cpu: '1500m', memory: '64Mi' } } });
  const pod = aPod({ containers: [container], serviceAccountName: 'sa' }, { metadata: { labels: { 'a/b': 'L' } } });
  const facts = { nodeName: 'n1', hostIps: ['192.0.2.1'], podIps: ['10.0.0.9'], allocatable: { cpu: '4', memory: '1Gi' } };
  return Object.fromEntries(
    await resolveEnv({ pod, container, objects, serviceVariables: new Map(Object.entries(services)), facts }),
  );
}

const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });

describe('expand', () => {
  const values: Record<string, string> = { A: '1', B: '$(A)' };
  const cases: [string, string][] = [
    ['$(A)', '1'],
    ['x$(A)y$(A)', 'x1y1'],
    ['$(B)', '$(A)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(missing)', '$(missing)'],
    ['$(A', '$(A'],
    ['$A $', '$A $'],
  ];
  for (const [input, output] of cases)
    it(`turns ${input} into ${output}`, () =>
      assert.equal(
        expand(input, (name) => values[name]),
        output,
      ));
});

describe('container environment', () => {
  it('expands variables that come before', async () => {
    assert.deepEqual(
      await resolved([
        { name: 'A', value: '1' },
        { name: 'B', value: '$(A)-$(C)' },
        { name: 'C', value: 'x' },
      ]),
      { A: '1', B: '1-$(C)', C: 'x' },
    );
  });
  const doubling = Array.from(
    { length: 60 },
    (_, index): EnvVar => ({ name: `v${index}`, value: index === 0 ? 'x'.repeat(1000) : `$(v${index - 1})$(v${index - 1})` }),
  );
  const copies = Array.from({ length: 60 }, (_, index): EnvVar => ({ name: `copy${index}`, value: '$(v9)' }));
  const tooLong: [string, EnvVar[]][] = [
    ['each name the one before twice', doubling],
    ['copy a long one', [...doubling.slice(0, 10), ...copies]],
    ['name one variable many times', [...doubling.slice(0, 10), { name: 'all', value: '$(v9)'.repeat(10_000) }]],
  ];
  for (const [what, env] of tooLong)
    it(`refuses variables that ${what}, when no program can have them`, async () =>
      assert.rejects(resolved(env), { message: /^argument list too long/ }));
  it('takes a long variable that is replaced', async () => {
    const again = Array.from({ length: 60 }, (): EnvVar => ({ name: 'copy', value: '$(v9)' }));
    assert.equal((await resolved([...doubling.slice(0, 10), ...again])).copy?.length, 512_000);
  });
  it('takes fields of the pod', async () => {
    const env = await resolved([
      field('NAME', 'metadata.name'),
      field('NODE', 'spec.nodeName'),
      field('IP', 'status.podIP'),
      field('HOST', 'status.hostIP'),
      field('L', "metadata.labels['a/b']"),
      field('SA', 'spec.serviceAccountName'),
    ]);
    assert.deepEqual(env, { NAME: 'web', NODE: 'n1', IP: '10.0.0.9', HOST: '192.0.2.1', L: 'L', SA: 'sa' });
  });
  it('takes limits by divisor, rounded up, and the node’s where there is none', async () => {
    const ref = (name: string, resource: string, divisor?: string): EnvVar => ({
      name,
      valueFrom: { resourceFieldRef: { resource, ...(divisor === undefined ? {} : { divisor }) } },
    });
    assert.deepEqual(
      await resolved([
        ref('CPU', 'limits.cpu'),
        ref('MILLI', 'limits.cpu', '1m'),
        ref('MEM', 'limits.memory', '1Mi'),
        ref('REQ', 'requests.cpu'),
      ]),
      { CPU: '2', MILLI: '1500', MEM: '64', REQ: '2' },
    );
  });
  it('takes keys of ConfigMaps and Secrets', async () => {
    const env = await resolved([
      { name: 'K', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } },
      { name: 'P', valueFrom: { secretKeyRef: { name: 's', key: 'pw' } } },
    ]);
    assert.deepEqual(env, { K: 'v', P: 's3cret' });
  });
  it('takes all keys with a prefix, and lets env win', async () => {
    assert.deepEqual(await resolved([{ name: 'p_k', value: 'own' }], [{ prefix: 'p_', configMapRef: { name: 'cm' } }]), {
      p_k: 'own',
      'p_with.dot': 'd',
    });
  });
  it('never lets services override what the pod sets', async () => {
    assert.deepEqual(await resolved([{ name: 'A', value: 'mine' }], [], { A: 'svc', B: 'svc' }), { A: 'mine', B: 'svc' });
  });

  const failures: [string, EnvVar[], EnvFromSource[], string][] = [
    [
      'a missing ConfigMap',
      [{ name: 'K', valueFrom: { configMapKeyRef: { name: 'nope', key: 'k' } } }],
      [],
      'configmap "nope" not found',
    ],
    ['a missing Secret', [{ name: 'K', valueFrom: { secretKeyRef: { name: 'nope', key: 'k' } } }], [], 'secret "nope" not found'],
    [
      'a missing key',
      [{ name: 'K', valueFrom: { configMapKeyRef: { name: 'cm', key: 'z' } } }],
      [],
      "couldn't find key z in ConfigMap shop/cm",
    ],
    [
      'a missing secret key',
      [{ name: 'K', valueFrom: { secretKeyRef: { name: 's', key: 'z' } } }],
      [],
      "couldn't find key z in Secret shop/s",
    ],
    ['a missing envFrom', [], [{ secretRef: { name: 'nope' } }], 'secret "nope" not found'],
  ];
  for (const [name, env, envFrom, message] of failures)
    it(`fails on ${name}`, async () => assert.rejects(resolved(env, envFrom), { message }));

  it('goes without what is optional', async () => {
    const env: EnvVar[] = [
      { name: 'A', valueFrom: { configMapKeyRef: { name: 'nope', key: 'k', optional: true } } },
      { name: 'B', valueFrom: { secretKeyRef: { name: 's', key: 'z', optional: true } } },
    ];
    assert.deepEqual(await resolved(env, [{ configMapRef: { name: 'nope', optional: true } }]), {});
  });
});

describe('service variables', () => {
  const service = (namespace: string, name: string, clusterIP: string): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, namespace, name },
    spec: {
      clusterIP,
      ports: [
        { name: 'http', port: 80, protocol: 'TCP' },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  });
  const services = [
    service('default', 'kubernetes', '10.96.0.1'),
    service('shop', 'my-db', '10.96.0.5'),
    service('shop', 'headless', 'None'),
    service('other', 'x', '10.96.0.6'),
  ];
  it('describe each port as links did', () => {
    const variables = Object.fromEntries(serviceVariables(services.slice(1, 2), 'shop', true));
    assert.deepEqual(variables, {
      MY_DB_SERVICE_HOST: '10.96.0.5',
      MY_DB_SERVICE_PORT: '80',
      MY_DB_SERVICE_PORT_HTTP: '80',
      MY_DB_SERVICE_PORT_DNS: '53',
      MY_DB_PORT: 'tcp://10.96.0.5:80',
      MY_DB_PORT_80_TCP: 'tcp://10.96.0.5:80',
      MY_DB_PORT_80_TCP_PROTO: 'tcp',
      MY_DB_PORT_80_TCP_PORT: '80',
      MY_DB_PORT_80_TCP_ADDR: '10.96.0.5',
      MY_DB_PORT_53_UDP: 'udp://10.96.0.5:53',
      MY_DB_PORT_53_UDP_PROTO: 'udp',
      MY_DB_PORT_53_UDP_PORT: '53',
      MY_DB_PORT_53_UDP_ADDR: '10.96.0.5',
    });
  });
  const hosts = (enable: boolean): string[] =>
    [...serviceVariables(services, 'shop', enable).keys()].filter((name) => name.endsWith('_HOST'));
  it('are those of the own namespace and the API server’s', () =>
    assert.deepEqual(hosts(true), ['KUBERNETES_SERVICE_HOST', 'MY_DB_SERVICE_HOST']));
  it('are only the API server’s without enableServiceLinks', () => assert.deepEqual(hosts(false), ['KUBERNETES_SERVICE_HOST']));
});
