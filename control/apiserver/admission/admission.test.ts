import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { forbidden } from '#api/status.ts';
import type { Scale } from '#api/types.generated.ts';
import { startTestServer, type TestServer } from '../api-server.testing.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { admissionPlugins } from './plugins/index.ts';

/** One line for each time that the plugin is asked. */
const lines: string[] = [];
const seen: AdmissionAttributes[] = [];
let refuse: ((attributes: AdmissionAttributes, pass: string) => boolean) | undefined;

function line(pass: string, attributes: AdmissionAttributes): string {
  const { operation, resource, subresource, kind, namespace, name, user, dryRun, object, oldObject, options } = attributes;
  const what = subresource === '' ? resource.plural : `${resource.plural}/${subresource}`;
  const has = [object && 'object', oldObject && 'old', options && 'options', dryRun && 'dry'].filter(Boolean).join('+');
  return `${pass} ${operation} ${what} ${kind} ${namespace}/${name} ${has} ${user.name}`;
}

const recorder: AdmissionPlugin = {
  name: 'Recorder',
  handles: () => true,
  mutate: (attributes) => {
    record('mutate', attributes);
    if (attributes.kind === 'Scale') (attributes.object as unknown as Scale).spec.replicas = 3;
    else if (attributes.object !== undefined && attributes.subresource === '')
      attributes.object.metadata.labels = { ...attributes.object.metadata.labels, seen: 'yes' };
  },
  validate: (attributes) => record('validate', attributes),
};

function record(pass: string, attributes: AdmissionAttributes): void {
  if (attributes.user.name === 'kubernetes-admin') lines.push(line(pass, attributes));
  seen.push(attributes);
  if (refuse?.(attributes, pass) === true)
    throw forbidden({ group: '', name: attributes.resource.plural }, attributes.name, 'Recorder says no');
}

const maps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';
const scales = '/apis/apps/v1/namespaces/default/deployments';
const merge = { 'content-type': 'application/merge-patch+json' };
const named = (kind: string, name: string, more: object = {}, apiVersion = 'v1') => ({
  apiVersion,
  kind,
  metadata: { name },
  ...more,
});
const web = named('Pod', 'web', { spec: { containers: [{ name: 'c', image: 'i' }], automountServiceAccountToken: false } });
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const deployment = named('Deployment', 'web', { spec: { selector: { matchLabels: { a: 'b' } }, template } }, 'apps/v1');
const both = (rest: string): string[] => [`mutate ${rest}`, `validate ${rest}`];

describe('the built-in plugins', () => {
  it("are asked in upstream's order", () => {
    assert.deepEqual(
      admissionPlugins({ random: () => 0 }).map(({ name }) => name),
      [
        'NamespaceLifecycle',
        'LimitRanger',
        'ServiceAccount',
        'NodeRestriction',
        'TaintNodesByCondition',
        'PodSecurity',
        'Priority',
        'DefaultTolerationSeconds',
        'DefaultStorageClass',
        'StorageObjectInUseProtection',
        'PersistentVolumeClaimResize',
        'RuntimeClass',
        'CertificateApproval',
        'CertificateSigning',
        'CertificateSubjectRestriction',
        'DefaultIngressClass',
        'PodTopologyLabels',
        'NodeDeclaredFeatureValidator',
        'PodResizeValidator',
        'MutatingAdmissionPolicy',
        'MutatingAdmissionWebhook',
        'ValidatingAdmissionPolicy',
        'ValidatingAdmissionWebhook',
        'ResourceQuota',
      ],
    );
  });
});

describe('admission of requests', () => {
  let api: TestServer;

  before(async () => {
    const admission = [...admissionPlugins({ random: Math.random }), recorder];
    const proxy = {
      handles: ({ subresource }: { subresource: string }) => ['exec', 'proxy', 'log'].includes(subresource),
      passesBodyOn: () => false,
      handle: async ({ info, admitConnect }: { info: { subresource: string }; admitConnect(): Promise<void> }) => {
        if (info.subresource !== 'log') await admitConnect();
        return { status: 200, headers: {}, body: (async function* () {})() };
      },
      upgrade: async () => undefined,
    };
    api = await startTestServer({ deps: { admission, proxy } });
    await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', named('ServiceAccount', 'default'));
    await api.request('POST', pods, web);
    await api.request('POST', scales, deployment);
    await api.request('POST', maps, named('ConfigMap', 'm'));
    await api.request('POST', '/api/v1/namespaces', named('Namespace', 'other'));
  });
  beforeEach(() => {
    lines.length = 0;
    seen.length = 0;
    refuse = undefined;
  });
  after(() => api.stop());

  const of = (rest: string): string[] => both(`${rest} kubernetes-admin`);
  const cases: [what: string, () => Promise<{ status: number }>, code: number, told: string[]][] = [
    [
      'a create; its name is there when all is done',
      () => api.request('POST', maps, { ...named('ConfigMap', ''), metadata: { generateName: 'g-' } }),
      201,
      ['mutate create configmaps ConfigMap default/ object kubernetes-admin'],
    ],
    [
      'a dry run',
      () => api.request('POST', `${maps}?dryRun=All`, named('ConfigMap', 'd')),
      201,
      of('create configmaps ConfigMap default/d object+dry'),
    ],
    [
      'an update',
      () => api.request('PUT', `${maps}/m`, named('ConfigMap', 'm')),
      200,
      of('update configmaps ConfigMap default/m object+old'),
    ],
    [
      'a patch',
      () => api.request('PATCH', `${maps}/m`, { data: { a: 'b' } }, merge),
      200,
      of('update configmaps ConfigMap default/m object+old'),
    ],
    [
      'an apply that creates',
      () =>
        api.request('PATCH', `${maps}/applied?fieldManager=f`, named('ConfigMap', 'applied'), {
          'content-type': 'application/apply-patch+yaml',
        }),
      201,
      of('create configmaps ConfigMap default/applied object'),
    ],
    [
      'a status',
      () => api.request('PATCH', `${pods}/web/status`, { status: { phase: 'Running' } }, merge),
      200,
      of('update pods/status Pod default/web object+old'),
    ],
    [
      'a scale',
      () => api.request('PATCH', `${scales}/web/scale`, { spec: { replicas: 2 } }, merge),
      200,
      of('update deployments/scale Scale default/web object+old'),
    ],
    [
      'ephemeral containers',
      () =>
        api.request(
          'PATCH',
          `${pods}/web/ephemeralcontainers`,
          { spec: { ephemeralContainers: [{ name: 'd', image: 'i' }] } },
          { 'content-type': 'application/strategic-merge-patch+json' },
        ),
      200,
      of('update pods/ephemeralcontainers Pod default/web object+old'),
    ],
    [
      'a finalize',
      () =>
        api.request(
          'PUT',
          '/api/v1/namespaces/other/finalize',
          named('Namespace', 'other', { spec: { finalizers: ['kubernetes'] } }),
        ),
      200,
      of('update namespaces/finalize Namespace /other object+old'),
    ],
    [
      'a token',
      () =>
        api.request('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', {
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenRequest',
          spec: {},
        }),
      201,
      of('create serviceaccounts/token TokenRequest default/default object'),
    ],
    [
      'a review',
      () =>
        api.request('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { nonResourceAttributes: { path: '/', verb: 'get' } },
        }),
      201,
      of('create selfsubjectaccessreviews SelfSubjectAccessReview / object'),
    ],
    [
      'an exec',
      () => api.request('POST', `${pods}/web/exec?command=ls&stdout=1`),
      200,
      of('connect pods/exec PodExecOptions default/web options'),
    ],
    [
      'a proxy',
      () => api.request('GET', `${pods}/web/proxy/a/b`),
      200,
      of('connect pods/proxy PodProxyOptions default/web options'),
    ],
    ['no read', () => api.request('GET', `${pods}/web`), 200, []],
    ['no log', () => api.request('GET', `${pods}/web/log`), 200, []],
    [
      'a binding',
      () => api.request('POST', `${pods}/web/binding`, named('Binding', 'web', { target: { kind: 'Node', name: 'n' } })),
      201,
      of('create pods/binding Binding default/web object'),
    ],
    [
      'an eviction, whose own writes are not asked about again',
      () => api.request('POST', `${pods}/web/eviction`, named('Eviction', 'web', {}, 'policy/v1')),
      201,
      of('create pods/eviction Eviction default/web object'),
    ],
    ['a delete', () => api.request('DELETE', `${maps}/m`), 200, of('delete configmaps ConfigMap default/m old')],
  ];
  for (const [what, request, code, told] of cases) {
    it(`is asked about ${what}`, async () => {
      const { status } = await request();
      assert.equal(status, code);
      if (told.length === 1) {
        assert.equal(lines[0], told[0]);
        assert.match(lines[1] ?? '', /^validate create configmaps ConfigMap default\/g-\w{5} object/);
      } else assert.deepEqual(lines, told);
    });
  }

  it('is asked about each object of a deleted collection, without its name', async () => {
    for (const name of ['x', 'y'])
      await api.request('POST', maps, named('ConfigMap', name, { metadata: { name, labels: { del: 'yes' } } }));
    lines.length = 0;
    assert.equal((await api.request('DELETE', `${maps}?labelSelector=del%3Dyes`)).status, 200);
    assert.deepEqual(
      lines.toSorted(),
      [...of('delete configmaps ConfigMap default/ old'), ...of('delete configmaps ConfigMap default/ old')].toSorted(),
    );
  });

  it('changes what is stored, before validation looks at it', async () => {
    const { json } = await api.request('POST', maps, named('ConfigMap', 'changed'));
    assert.deepEqual(json.metadata.labels, { seen: 'yes' });
    const scaled = await api.request(
      'PUT',
      `${scales}/web/scale`,
      named('Scale', 'web', { spec: { replicas: 1 } }, 'autoscaling/v1'),
    );
    assert.deepEqual([scaled.status, scaled.json.spec.replicas], [200, 3]);
  });

  it('tells what a connect asks for', async () => {
    await api.request('POST', `${pods}/web/exec?command=ls&command=-l&stdout=1&container=c`);
    const { options } = seen[0] ?? {};
    assert.deepEqual([options?.['command'], options?.['stdout'], options?.['container']], [['ls', '-l'], true, 'c']);
  });

  const refusals: [what: string, pass: string, () => Promise<{ status: number; json: { message: string } }>][] = [
    ['a create', 'validate', () => api.request('POST', maps, named('ConfigMap', 'never'))],
    ['a delete', 'validate', () => api.request('DELETE', `${scales}/web`)],
    ['a delete of a collection', 'mutate', () => api.request('DELETE', scales)],
    [
      'a binding',
      'validate',
      () => api.request('POST', `${pods}/web/binding`, named('Binding', 'web', { target: { name: 'n' } })),
    ],
    ['an exec', 'validate', () => api.request('POST', `${pods}/web/exec?command=ls`)],
  ];
  for (const [what, pass, request] of refusals) {
    it(`can refuse ${what}`, async () => {
      refuse = (_, at) => at === pass;
      const { status, json } = await request();
      assert.equal(status, 403);
      assert.match(json.message, /Recorder says no/);
    });
  }

  it('has stored and deleted nothing of what it refused', async () => {
    assert.equal((await api.request('GET', `${maps}/never`)).status, 404);
    assert.equal((await api.request('GET', `${scales}/web`)).status, 200);
  });

  it('refuses evictions and tokens in a namespace that is being deleted, as upstream', async () => {
    await api.request('DELETE', '/api/v1/namespaces/other');
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const { status, json } = await api.request('POST', '/api/v1/namespaces/other/serviceaccounts/default/token', asked);
    assert.deepEqual([status, json.details.causes[0]?.reason], [403, 'NamespaceTerminating']);
  });
});
