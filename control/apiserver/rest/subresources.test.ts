import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

const base = '/api/v1/namespaces/default';
const merge = { 'content-type': 'application/merge-patch+json' };
const pod = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'busybox' }] },
});
const binding = (name: string, node: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Binding',
  metadata: { name, ...more },
  target: { kind: 'Node', name: node },
});

describe('subresources', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
    await api.request('POST', `${base}/serviceaccounts`, account);
  });
  after(() => api.stop());

  describe('status', () => {
    it('changes status and nothing else; the main resource changes all but status', async () => {
      const { json: made } = await api.request('POST', `${base}/pods`, pod('s'));
      const sent = { ...made, metadata: { ...made.metadata, labels: { no: 'no' } }, status: { phase: 'Running' } };
      const { json: changed } = await api.request('PUT', `${base}/pods/s/status`, sent);
      assert.equal(changed.status.phase, 'Running');
      const { json: kept } = await api.request(
        'PATCH',
        `${base}/pods/s`,
        { metadata: { labels: { a: 'b' } }, status: { phase: 'Failed' } },
        merge,
      );
      assert.deepEqual([kept.status.phase, kept.metadata.labels?.a], ['Running', 'b']);
    });
  });

  it('status keeps the two spellings of the address equal, the older one first', async () => {
    await api.request('POST', `${base}/pods`, pod('ip'));
    const addressed = async (status: object) => {
      const { json } = await api.request('PATCH', `${base}/pods/ip/status`, { status }, merge);
      const { podIP, podIPs } = json.status as unknown as { podIP: string; podIPs: { ip: string }[] };
      return [podIP, podIPs];
    };
    assert.deepEqual(await addressed({ podIP: '10.0.0.1' }), ['10.0.0.1', [{ ip: '10.0.0.1' }]]);
    assert.deepEqual(await addressed({ podIP: '10.0.0.2' }), ['10.0.0.2', [{ ip: '10.0.0.2' }]]);
    const list = await api.request('GET', `${base}/pods?fieldSelector=status.podIP%3D10.0.0.2`);
    assert.equal(list.json.items.length, 1);
  });

  describe('binding', () => {
    it('sets the node once, with annotations and the PodScheduled condition', async () => {
      await api.request('POST', `${base}/pods`, pod('b'));
      const { status, json } = await api.request(
        'POST',
        `${base}/pods/b/binding`,
        binding('b', 'n1', { annotations: { why: 'test' } }),
      );
      assert.deepEqual([status, json.status], [201, 'Success']);
      const { json: bound } = await api.request('GET', `${base}/pods/b`);
      assert.deepEqual([bound.spec.nodeName, bound.metadata.annotations?.why], ['n1', 'test']);
      const scheduled = bound.status.conditions.find(({ type }: { type: string }) => type === 'PodScheduled');
      assert.equal(scheduled?.status, 'True');
      const again = await api.request('POST', `${base}/pods/b/binding`, binding('b', 'n2'));
      assert.equal(again.status, 409);
      assert.equal(
        again.json.message,
        'Operation cannot be fulfilled on pods/binding "b": pod b is already assigned to node "n1"',
      );
    });

    it('owns no fields: the pod belongs to who made it and to who reports on it', async () => {
      await api.request('POST', `${base}/pods`, pod('owned'));
      const { json: made } = await api.request('GET', `${base}/pods/owned`);
      await api.request('POST', `${base}/pods/owned/binding`, binding('owned', 'n1'));
      const { json: bound } = await api.request('GET', `${base}/pods/owned`);
      assert.deepEqual(bound.metadata.managedFields, made.metadata.managedFields);
    });

    it('works through the old bindings path too', async () => {
      await api.request('POST', `${base}/pods`, pod('old'));
      assert.equal((await api.request('POST', `${base}/bindings`, binding('old', 'n1'))).status, 201);
      assert.equal((await api.request('GET', `${base}/pods/old`)).json.spec.nodeName, 'n1');
      assert.equal((await api.request('GET', `${base}/bindings`)).status, 405);
      assert.equal((await api.request('POST', '/api/v1/bindings', binding('old', 'n1'))).status, 404);
    });
  });

  describe('resize', () => {
    const of = (cpu: string, name = 'c') => ({ name, resources: { requests: { cpu } } });
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    const cpuOf = (json: unknown) =>
      (json as { spec: { containers: { resources: { requests: { cpu: string } } }[] } }).spec.containers[0]?.resources.requests
        .cpu;

    before(async () => {
      const { spec, ...rest } = pod('r');
      await api.request('POST', `${base}/pods`, { ...rest, spec: { containers: [{ ...spec.containers[0], ...of('1') }] } });
    });

    it('is read as the pod, patched and replaced, and owned for what it may write', async () => {
      const path = `${base}/pods/r/resize`;
      assert.deepEqual((await api.request('GET', path)).json, (await api.request('GET', `${base}/pods/r`)).json);
      const patch = { metadata: { labels: { no: 'no' } }, spec: { activeDeadlineSeconds: 5, containers: [of('2')] } };
      const patched = await api.request('PATCH', `${path}?fieldManager=me`, patch, strategic);
      assert.deepEqual([patched.status, cpuOf(patched.json), patched.json.metadata.generation], [200, '2', 2]);
      assert.equal(patched.json.metadata.labels, undefined);
      const mine = patched.json.metadata.managedFields?.find(({ manager }) => manager === 'me');
      assert.deepEqual(
        [mine?.subresource, mine?.fieldsV1],
        ['resize', { 'f:spec': { 'f:containers': { 'k:{"name":"c"}': { 'f:resources': { 'f:requests': { 'f:cpu': {} } } } } } }],
      );
      const { json: sent } = await api.request('GET', path);
      const [container] = (sent as unknown as { spec: { containers: object[] } }).spec.containers;
      const put = await api.request('PUT', path, { ...sent, spec: { ...sent.spec, containers: [{ ...container, ...of('3') }] } });
      assert.deepEqual([put.status, cpuOf(put.json), put.json.metadata.generation], [200, '3', 3]);
    });

    it('is refused with all that is wrong; and the pod itself cannot be changed so', async () => {
      const { status, json } = await api.request(
        'PATCH',
        `${base}/pods/r/resize`,
        { spec: { containers: [of('1', 'x')] } },
        merge,
      );
      assert.equal(status, 422);
      assert.match(json.message, /^Pod "r" is invalid: .*spec.containers\[0\].name: Forbidden: containers may not be renamed/);
      const direct = await api.request('PATCH', `${base}/pods/r`, { spec: { containers: [of('9')] } }, strategic);
      assert.match(direct.json.message, /pod updates may not change fields other than/);
    });

    it('is in discovery, as a Pod', async () => {
      const { json } = await api.request('GET', '/api/v1');
      const { resources } = json as unknown as { resources: { name: string }[] };
      assert.deepEqual(
        resources.find(({ name }) => name === 'pods/resize'),
        { name: 'pods/resize', singularName: '', namespaced: true, kind: 'Pod', verbs: ['get', 'patch', 'update'] },
      );
    });

    it('is charged to the quota', async () => {
      const quota = { metadata: { name: 'q' }, spec: { hard: { cpu: '10' } } };
      const { json: made } = await api.request('POST', `${base}/resourcequotas`, quota);
      const status = { hard: { cpu: '10' }, used: { cpu: '3' } };
      await api.request('PUT', `${base}/resourcequotas/q/status`, { ...made, status });
      const { status: code, json } = await api.request(
        'PATCH',
        `${base}/pods/r/resize`,
        { spec: { containers: [of('11')] } },
        strategic,
      );
      assert.deepEqual(
        [code, json.message],
        [403, 'pods "r" is forbidden: exceeded quota: q, requested: cpu=8, used: cpu=3, limited: cpu=10'],
      );
      await api.request('DELETE', `${base}/resourcequotas/q`);
    });
  });

  it('scale has columns of its own', async () => {
    const template = { metadata: { labels: { app: 'cols' } }, spec: { containers: [{ name: 'c', image: 'busybox' }] } };
    await api.request('POST', '/apis/apps/v1/namespaces/default/deployments', {
      metadata: { name: 'cols' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'cols' } }, template },
    });
    const path = '/apis/apps/v1/namespaces/default/deployments/cols/scale';
    const { json } = await api.request('GET', path, undefined, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    assert.deepEqual(
      json.columnDefinitions.map(({ name }) => name),
      ['Name', 'Desired', 'Available', 'Age'],
    );
    assert.deepEqual(json.rows[0]?.cells.slice(0, 3), ['cols', 2, 0]);
  });

  it('a grace period that is no number is told as Go tells it', async () => {
    const { status, json } = await api.request('DELETE', `${base}/pods/s?gracePeriodSeconds=x`);
    assert.deepEqual([status, json.message], [400, 'strconv.ParseInt: parsing "x": invalid syntax']);
  });

  it('eviction deletes the pod', async () => {
    await api.request('POST', `${base}/pods`, pod('evicted'));
    await api.request('POST', `${base}/pods/evicted/binding`, binding('evicted', 'n1'));
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted', namespace: 'default' } };
    assert.equal((await api.request('POST', `${base}/pods/evicted/eviction`, eviction)).status, 201);
    const { json } = await api.request('GET', `${base}/pods/evicted`);
    assert.equal(json.metadata.deletionGracePeriodSeconds, 30);
    assert.ok(json.status.conditions.some(({ type }: { type: string }) => type === 'DisruptionTarget'));
  });

  it('eviction keeps to the preconditions of its deletion, and touches nothing where they do not hold', async () => {
    const { json: created } = await api.request('POST', `${base}/pods`, pod('guarded'));
    const evict = async (preconditions: object) =>
      await api.request('POST', `${base}/pods/guarded/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: 'guarded', namespace: 'default' },
        deleteOptions: { preconditions },
      });
    assert.equal((await evict({ uid: 'another' })).status, 409);
    const { resourceVersion } = created.metadata;
    assert.equal((await api.request('GET', `${base}/pods/guarded`)).json.metadata.resourceVersion, resourceVersion);
    assert.equal((await evict({ resourceVersion })).status, 201);
  });

  describe('scale', () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    before(async () => {
      const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
      const spec = { replicas: 2, selector: { matchLabels: { app: 'x' } }, template };
      await api.request('POST', path, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec });
    });

    it('shows replicas and selector', async () => {
      const { json } = await api.request('GET', `${path}/d/scale`);
      assert.deepEqual([json.kind, json.spec, json.status], ['Scale', { replicas: 2 }, { replicas: 0, selector: 'app=x' }]);
    });

    it('changes spec.replicas by PUT and PATCH, raising the generation', async () => {
      const { json: scale } = await api.request('GET', `${path}/d/scale`);
      assert.equal((await api.request('PUT', `${path}/d/scale`, { ...scale, spec: { replicas: 4 } })).json.spec.replicas, 4);
      assert.equal((await api.request('PATCH', `${path}/d/scale`, { spec: { replicas: 5 } }, merge)).json.spec.replicas, 5);
      const { json } = await api.request('GET', `${path}/d`);
      assert.deepEqual([json.spec.replicas, json.metadata.generation], [5, 3]);
      assert.equal((await api.request('PUT', `${path}/d/scale`, { ...scale, spec: { replicas: 1 } })).status, 409);
      assert.equal((await api.request('PATCH', `${path}/d/scale`, { spec: { replicas: -1 } }, merge)).status, 422);
    });
  });

  it('finalize lets a namespace go', async () => {
    const { json: made } = await api.request('POST', '/api/v1/namespaces', {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'n' },
    });
    assert.deepEqual(made.spec.finalizers, ['kubernetes']);
    const { json: going } = await api.request('DELETE', '/api/v1/namespaces/n');
    assert.equal(going.status.phase, 'Terminating');
    await api.request('PUT', '/api/v1/namespaces/n/finalize', { ...going, spec: { finalizers: [] } });
    assert.equal((await api.request('GET', '/api/v1/namespaces/n')).status, 404);
  });

  it('ephemeral containers are added, never taken away', async () => {
    await api.request('POST', `${base}/pods`, pod('debugged'));
    const { json } = await api.request('GET', `${base}/pods/debugged/ephemeralcontainers`);
    const added = { ...json, spec: { ...json.spec, ephemeralContainers: [{ name: 'debug', image: 'busybox' }] } };
    const path = `${base}/pods/debugged/ephemeralcontainers`;
    const { json: debugged } = await api.request('PUT', path, added);
    assert.equal(debugged.spec.ephemeralContainers[0]?.name, 'debug');
    assert.equal(debugged.metadata.generation, 2);
    const second = { spec: { ephemeralContainers: [{ name: 'second', image: 'busybox' }] } };
    const strategic = { 'content-type': 'application/strategic-merge-patch+json' };
    assert.equal((await api.request('PATCH', path, second, strategic)).json.metadata.generation, 3);
    // What changes nothing raises nothing.
    assert.equal((await api.request('PATCH', path, second, strategic)).json.metadata.generation, 3);
    const without = { ...json, metadata: { ...json.metadata, resourceVersion: undefined } };
    assert.equal((await api.request('PUT', path, without)).status, 422);
  });

  it('core and events.k8s.io events are two views of one object', async () => {
    const core = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
      reason: 'Tested',
      message: 'said',
      type: 'Normal',
      count: 2,
    };
    assert.equal((await api.request('POST', `${base}/events`, core)).status, 201);
    const { json } = await api.request('GET', '/apis/events.k8s.io/v1/namespaces/default/events/e');
    assert.deepEqual(
      [json.apiVersion, json.regarding.name, json.note, json.deprecatedCount],
      ['events.k8s.io/v1', 'p', 'said', 2],
    );
    assert.equal(json.involvedObject, undefined);
    const selected = await api.request('GET', '/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dp');
    assert.equal(selected.json.items.length, 1);
    assert.equal((await api.request('GET', `${base}/events?fieldSelector=involvedObject.name%3Dother`)).json.items.length, 0);
  });

  describe('reviews', () => {
    it('tell who one is and what one may', async () => {
      const self = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const { json } = await api.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', self);
      assert.equal(json.status.userInfo.username, 'kubernetes-admin');
      const access = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb: 'get', resource: 'pods' } },
      };
      const may = await api.request('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', access);
      assert.deepEqual([may.status, may.json.status.allowed], [201, true]);
      const rules = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: 'default' } };
      const list = await api.request('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', rules);
      assert.deepEqual(list.json.status.resourceRules[0]?.verbs, ['*']);
    });

    it('act as whom one impersonates', async () => {
      const self = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
      const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'dev, ops', 'impersonate-extra-scopes': 'view' };
      const { json } = await api.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', self, headers);
      assert.deepEqual(json.status.userInfo, {
        username: 'jane',
        groups: ['dev', 'ops', 'system:authenticated'],
        extra: { scopes: ['view'] },
      });
    });
  });

  describe('service account tokens', () => {
    const request = (spec: object) => ({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
    const review = async (token: string) => {
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
      return (await api.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', body)).json.status;
    };

    it('name the account, and are void once the pod that they are bound to is gone', async () => {
      const { json: made } = await api.request('POST', `${base}/pods`, pod('bound'));
      const spec = {
        expirationSeconds: 600,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'bound', uid: made.metadata.uid },
      };
      const { status, json } = await api.request('POST', `${base}/serviceaccounts/default/token`, request(spec));
      assert.equal(status, 201, JSON.stringify(json));
      const answer = await review(json.status.token);
      assert.equal(answer.authenticated, true);
      assert.equal(answer.user.username, 'system:serviceaccount:default:default');
      assert.deepEqual(answer.user.groups, ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']);
      assert.deepEqual(answer.user.extra['authentication.kubernetes.io/pod-name'], ['bound']);
      await api.request('DELETE', `${base}/pods/bound?gracePeriodSeconds=0`);
      assert.equal((await review(json.status.token)).authenticated, undefined);
    });

    it('are refused for short lives, other pods, other uids', async () => {
      const post = (spec: object) => api.request('POST', `${base}/serviceaccounts/default/token`, request(spec));
      assert.match((await post({ expirationSeconds: 10 })).json.message, /may not specify a duration less than 10 minutes/);
      assert.equal((await post({ boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: 'none' } })).status, 404);
      assert.equal((await api.request('POST', `${base}/serviceaccounts/none/token`, request({}))).status, 404);
    });

    it('can be checked by others, with the keys that the issuer tells', async () => {
      const { json } = await api.request('POST', `${base}/serviceaccounts/default/token`, request({ audiences: ['vault'] }));
      const configuration = await api.request('GET', '/.well-known/openid-configuration');
      assert.match(configuration.text, /"issuer":"https:\/\/kubernetes.default.svc.cluster.local"/);
      const { text } = await api.request('GET', '/openid/v1/jwks');
      const { payload } = await jwtVerify(json.status.token, createLocalJWKSet(JSON.parse(text)), { audience: 'vault' });
      assert.equal(payload.sub, 'system:serviceaccount:default:default');
    });

    it('that are forged are nobody', async () => {
      const { json } = await api.request('POST', `${base}/serviceaccounts/default/token`, request({}));
      const [head, body = '', signature] = json.status.token.split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString('utf8'));
      const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:kube-system:admin' })).toString(
        'base64url',
      );
      assert.equal((await review(`${head}.${forged}.${signature}`)).authenticated, undefined);
    });
  });
});
