/**
 * What upstream's conformance tests of sig-api-machinery assert of the API server alone: discovery, strict fields, chunks, tables, watches.
 * `conformance-map.ts` says which test is whose.
 *
 * Source: kubernetes `test/e2e/apimachinery/{aggregated_discovery,discovery,field_validation,chunking,table_conversion,watch,server_version}.go`.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { admin, startTestServer, type TestServer } from '#control/apiserver/api-server.testing.ts';
import { inProcessTransport } from '#control/apiserver/in-process-transport.ts';

const namespace = 'default';
const maps = `/api/v1/namespaces/${namespace}/configmaps`;

let api: TestServer;
before(async () => {
  api = await startTestServer();
});
after(() => api.stop());

interface GroupDiscovery {
  items: { metadata: { name?: string }; versions: { version: string; resources: { resource: string }[] }[] }[];
}

describe('discovery', () => {
  const v2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const groups: [group: string, version: string, resource: string][] = [
    ['admissionregistration.k8s.io', 'v1', 'validatingwebhookconfigurations'],
    ['apps', 'v1', 'deployments'],
    ['coordination.k8s.io', 'v1', 'leases'],
    ['networking.k8s.io', 'v1', 'ingresses'],
    ['rbac.authorization.k8s.io', 'v1', 'clusterroles'],
    ['scheduling.k8s.io', 'v1', 'priorityclasses'],
    ['storage.k8s.io', 'v1', 'csidrivers'],
  ];
  const core = ['namespaces', 'pods', 'serviceaccounts', 'services', 'nodes', 'persistentvolumes'];
  const discover = async (path: string): Promise<GroupDiscovery> => {
    const { status, headers, text } = await api.request('GET', path, undefined, { accept: v2 });
    assert.equal(status, 200);
    assert.equal(headers['content-type'], v2);
    return JSON.parse(text) as GroupDiscovery;
  };
  const has = ({ items }: GroupDiscovery, group: string, version: string, resource: string): boolean =>
    items.some(
      ({ metadata, versions }) =>
        (metadata.name ?? '') === group &&
        versions.some((one) => one.version === version && one.resources.some((served) => served.resource === resource)),
    );

  it('of all groups comes in one document', async () => {
    const document = await discover('/apis');
    for (const [group, version, resource] of groups) assert.ok(has(document, group, version, resource), resource);
  });

  it('of the core group comes in one document, too', async () => {
    const document = await discover('/api');
    for (const resource of core) assert.ok(has(document, '', 'v1', resource), resource);
  });

  it('names each group, its preferred version, and its resources where the group says', async () => {
    const { json } = await api.request('GET', '/apis');
    assert.ok(json.groups.length > 10);
    for (const { name } of json.groups) {
      const group = (await api.request('GET', `/apis/${name}/`)).json as unknown as {
        name: string;
        versions: { groupVersion: string; version: string }[];
        preferredVersion: { groupVersion: string; version: string };
      };
      assert.equal(group.name, name);
      assert.ok(group.versions.some((one) => one.groupVersion === group.preferredVersion.groupVersion));
      for (const { groupVersion, version } of group.versions) {
        const list = (await api.request('GET', `/apis/${name}/${version}`)).json as unknown as {
          kind: string;
          groupVersion: string;
          resources: { name: string }[];
        };
        assert.deepEqual(
          [list.kind, list.groupVersion, groupVersion],
          ['APIResourceList', `${name}/${version}`, `${name}/${version}`],
        );
        assert.ok(list.resources.length > 0);
      }
    }
  });

  it('finds one resource in each of the groups that every cluster has', async () => {
    for (const [group, version, resource] of groups) {
      const { json } = await api.request('GET', `/apis/${group}/${version}`);
      assert.ok(
        json.resources.some(({ name }) => name === resource),
        `${group}/${version} ${resource}`,
      );
    }
  });

  it('tells the version of the server', async () => {
    const { json } = await api.request('GET', '/version');
    assert.equal(json.major, '1');
    assert.match(json.minor, /^\d+$/);
  });
});

describe('fields that nobody knows', () => {
  const text = (metadata: string, spec: string): string =>
    `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d",${metadata}"labels":{"app":"nginx"}},"spec":{${spec}"selector":{"matchLabels":{"app":"nginx"}},"template":{"metadata":{"labels":{"app":"nginx"}},"spec":{"containers":[{"name":"nginx","image":"nginx:latest"}]}}}}`;
  const cases: [what: string, body: string, message: string][] = [
    [
      'and fields that come twice',
      text('', '"unknownField":"foo","replicas":2,"replicas":3,'),
      'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"',
    ],
    ['of metadata', text('"unknownMeta":"foo",', ''), 'strict decoding error: unknown field "metadata.unknownMeta"'],
  ];
  for (const [what, body, message] of cases)
    it(`${what} are refused when the client asks for it, and nothing is made`, async () => {
      const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
      const { status, json } = await api.request('POST', `${path}?fieldManager=m&fieldValidation=Strict`, body);
      assert.equal(status, 400);
      assert.ok(json.message.includes(message), json.message);
      assert.equal((await api.request('GET', `${path}/d`)).status, 404);
    });
});

describe('flow control', () => {
  const root = '/apis/flowcontrol.apiserver.k8s.io/v1';
  const kinds: [plural: string, kind: string, spec: object][] = [
    [
      'flowschemas',
      'FlowSchema',
      {
        matchingPrecedence: 10_000,
        priorityLevelConfiguration: { name: 'global-default' },
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'example-e2e-non-existent-user' } }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          },
        ],
      },
    ],
    [
      'prioritylevelconfigurations',
      'PriorityLevelConfiguration',
      { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    ],
  ];
  for (const [plural, kind, spec] of kinds)
    it(`has all operations on ${plural}, and discovery names them`, async () => {
      assert.ok((await api.request('GET', '/apis')).json.groups.some(({ name }) => name === 'flowcontrol.apiserver.k8s.io'));
      const served = (await api.request('GET', root)).json.resources.map(({ name }) => name);
      assert.ok(served.includes(plural) && served.includes(`${plural}/status`));
      const path = `${root}/${plural}`;
      const labels = { 'special-label': 'e2e' };
      const make = (name: string) =>
        api.request('POST', path, { apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind, metadata: { name, labels }, spec });
      const [first, ...more] = [await make('e2e-one'), await make('e2e-two'), await make('e2e-three')];
      assert.deepEqual([first.status, ...more.map(({ status }) => status)], [201, 201, 201]);
      const { json: got } = await api.request('GET', `${path}/e2e-one`);
      assert.equal(got.metadata.uid, first.json.metadata.uid);
      const selected = `${path}?labelSelector=special-label%3De2e`;
      const { json: list } = await api.request('GET', selected);
      assert.equal(list.items.length, 3);
      const watching = await inProcessTransport(
        api.server,
        admin,
      )({
        method: 'GET',
        path: `${selected}&watch=1&resourceVersion=${list.metadata.resourceVersion}`,
        headers: {},
      });
      const events = watching.body[Symbol.asyncIterator]();
      const merge = { 'content-type': 'application/merge-patch+json' };
      const change = { metadata: { annotations: { patched: 'true' } } };
      const { json: patched } = await api.request('PATCH', `${path}/e2e-one`, change, merge);
      assert.equal(patched.metadata.annotations?.['patched'], 'true');
      const { value } = (await events.next()) as { value: Uint8Array };
      const event = JSON.parse(Buffer.from(value).toString()) as { type: string; object: { metadata: { uid: string } } };
      assert.deepEqual([event.type, event.object.metadata.uid], ['MODIFIED', got.metadata.uid]);
      await events.return?.();
      const metadata = { ...patched.metadata, annotations: { updated: 'true' } };
      const updated = await api.request('PUT', `${path}/e2e-one`, { ...patched, metadata });
      assert.deepEqual([updated.status, updated.json.metadata.annotations?.['updated']], [200, 'true']);
      const condition = { type: 'PatchStatusFailed', status: 'False', reason: 'PatchStatus', message: 'by the test' };
      const status = await api.request('PATCH', `${path}/e2e-one/status`, { status: { conditions: [condition] } }, merge);
      assert.equal(status.status, 200);
      const { json: read } = await api.request('GET', `${path}/e2e-one/status`);
      assert.ok(read.status.conditions.some(({ type }) => type === 'PatchStatusFailed'));
      assert.equal((await api.request('PUT', `${path}/e2e-one/status`, read)).status, 200);
      assert.equal((await api.request('DELETE', `${path}/e2e-one`)).status, 200);
      assert.equal((await api.request('GET', `${path}/e2e-one`)).status, 404);
      assert.equal((await api.request('DELETE', selected)).status, 200);
      assert.equal((await api.request('GET', selected)).json.items.length, 0);
    });
});

describe('a table', () => {
  it('of what has no metadata is refused with 406', async () => {
    const body = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { nonResourceAttributes: { path: '/', verb: 'get' } },
    };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const { status, json } = await api.request('POST', path, body, {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    });
    assert.deepEqual([status, json.kind, json.code, json.reason], [406, 'Status', 406, 'NotAcceptable']);
  });
});

describe('a long list', () => {
  const total = 100;
  const path = `/api/v1/namespaces/${namespace}/podtemplates`;
  const nameOf = (index: number): string => `template-${String(index).padStart(4, '0')}`;
  before(async () => {
    for (let index = 0; index < total; index++) {
      const template = { spec: { containers: [{ name: 'test', image: 'test2' }] } };
      const body = { apiVersion: 'v1', kind: 'PodTemplate', metadata: { name: nameOf(index) }, template };
      assert.equal((await api.request('POST', path, body)).status, 201);
    }
  });

  interface Page {
    names: string[];
    revision: string;
    token: string | undefined;
  }

  /** One page, of which the counts are checked. @param found how many names came before */
  async function page(limit: number, token: string | undefined, found: number): Promise<Page> {
    const { status, json } = await api.request('GET', `${path}?limit=${limit}${token === undefined ? '' : `&continue=${token}`}`);
    assert.equal(status, 200);
    const { remainingItemCount, resourceVersion, continue: next } = json.metadata;
    assert.ok(json.items.length <= limit);
    if (next === undefined) assert.equal(remainingItemCount, undefined);
    else assert.equal((remainingItemCount ?? 0) + json.items.length + found, total);
    return { names: json.items.map(({ metadata }) => metadata.name), revision: resourceVersion, token: next };
  }

  async function rest(limit: number, first: Page): Promise<string[]> {
    const names = [...first.names];
    for (let { token } = first; token !== undefined; ) {
      const next = await page(limit, token, total - remaining(names));
      assert.equal(next.revision, first.revision);
      names.push(...next.names);
      token = next.token;
    }
    return names;
  }
  /** How many templates come after the last of these. */
  const remaining = (names: readonly string[]): number => total - 1 - Number((names.at(-1) ?? '').slice(-4));
  const all = Array.from({ length: total }, (_, index) => nameOf(index));

  it('comes in pieces of one moment, in order, again and again, or at once', async () => {
    for (let round = 0; round < 3; round++) assert.deepEqual(await rest(17, await page(17, undefined, 0)), all);
    assert.deepEqual((await page(total + 1, undefined, 0)).names, all);
  });

  it('goes on, of another moment, when that of the first piece is no longer known', async () => {
    const limit = total / 10;
    const first = await page(limit, undefined, 0);
    await api.request('POST', maps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'meanwhile' } });
    await api.store.compact(await api.store.currentRevision());
    const expired = await api.request('GET', `${path}?limit=${limit}&continue=${first.token}`);
    assert.deepEqual([expired.status, expired.json.reason], [410, 'Expired']);
    const again = await page(limit, expired.json.metadata.continue, limit);
    assert.notEqual(again.revision, first.revision);
    assert.equal(again.names.length, limit);
    assert.deepEqual([...first.names, ...(await rest(limit, again))], all);
  });
});

describe('watches of ConfigMaps', () => {
  const label = 'watch-this-configmap';
  const configMap = (name: string, value: string, data: Record<string, string> = {}): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { [label]: value } },
    data,
  });
  const create = async (name: string, value: string): Promise<string> =>
    (await api.request('POST', maps, configMap(name, value))).json.metadata.resourceVersion ?? '';
  const update = async (name: string, value: string, data: Record<string, string>): Promise<string> =>
    (await api.request('PUT', `${maps}/${name}`, configMap(name, value, data))).json.metadata.resourceVersion ?? '';
  const remove = (name: string): Promise<unknown> => api.request('DELETE', `${maps}/${name}`);

  interface Seen {
    type: string;
    object: { metadata: { name: string; resourceVersion: string }; data?: Record<string, string> };
  }

  /** A watch under way. */
  async function watch(
    selector: string,
    revision?: string,
  ): Promise<{ next(): Promise<string>; frame(): Promise<Seen>; close(): void }> {
    const stop = new AbortController();
    const from = revision === undefined ? '' : `&resourceVersion=${revision}`;
    const labelSelector = encodeURIComponent(selector);
    const response = await inProcessTransport(
      api.server,
      admin,
    )({
      method: 'GET',
      path: `${maps}?watch=1&labelSelector=${labelSelector}${from}`,
      headers: {},
      signal: stop.signal,
    });
    const chunks = response.body[Symbol.asyncIterator]();
    const pending: Seen[] = [];
    // A watch within the process begins with the first read, one over HTTPS with its headers.
    let reading = chunks.next();
    await api.store.currentRevision();
    const frame = async (): Promise<Seen> => {
      while (pending.length === 0) {
        const { value, done } = await reading;
        reading = chunks.next();
        assert.notEqual(done, true, 'the watch has ended');
        for (const line of Buffer.from(value as Uint8Array)
          .toString()
          .trimEnd()
          .split('\n'))
          pending.push(JSON.parse(line) as Seen);
      }
      return pending.shift() as Seen;
    };
    const next = async (): Promise<string> => {
      const { type, object } = await frame();
      return `${type} ${object.metadata.name} ${object.data?.['mutation'] ?? '-'}`;
    };
    return { next, frame, close: () => stop.abort() };
  }

  it('each see what their labels select, and nothing else', async () => {
    const a = await watch(`${label}=A`);
    const b = await watch(`${label}=B`);
    const either = await watch(`${label} in (A,B)`);
    await create('map-a', 'A');
    await update('map-a', 'A', { mutation: '1' });
    await update('map-a', 'A', { mutation: '2' });
    await remove('map-a');
    await create('map-b', 'B');
    await remove('map-b');
    const ofA = ['ADDED map-a -', 'MODIFIED map-a 1', 'MODIFIED map-a 2', 'DELETED map-a 2'];
    const ofB = ['ADDED map-b -', 'DELETED map-b -'];
    for (const [one, expected] of [
      [a, ofA],
      [b, ofB],
      [either, [...ofA, ...ofB]],
    ] as const) {
      for (const event of expected) assert.equal(await one.next(), event);
      one.close();
    }
  });

  it('begin after the revision that they name', async () => {
    await create('map-from', 'from');
    const first = await update('map-from', 'from', { mutation: '1' });
    await update('map-from', 'from', { mutation: '2' });
    await remove('map-from');
    const late = await watch(`${label}=from`, first);
    assert.equal(await late.next(), 'MODIFIED map-from 2');
    assert.equal(await late.next(), 'DELETED map-from 2');
    late.close();
  });

  it('go on after the last event that an earlier one has seen', async () => {
    const earlier = await watch(`${label}=again`);
    await create('map-again', 'again');
    await update('map-again', 'again', { mutation: '1' });
    assert.equal((await earlier.frame()).type, 'ADDED');
    const last = await earlier.frame();
    earlier.close();
    await update('map-again', 'again', { mutation: '2' });
    await remove('map-again');
    const later = await watch(`${label}=again`, last.object.metadata.resourceVersion);
    assert.equal(await later.next(), 'MODIFIED map-again 2');
    assert.equal(await later.next(), 'DELETED map-again 2');
    later.close();
  });

  it('see an object that ceases to match as deleted, and as added when it matches again', async () => {
    const one = await watch(`${label}=leaves`);
    await create('map-leaves', 'leaves');
    await update('map-leaves', 'leaves', { mutation: '1' });
    await update('map-leaves', 'elsewhere', { mutation: '1' });
    for (const event of ['ADDED map-leaves -', 'MODIFIED map-leaves 1', 'DELETED map-leaves 1'])
      assert.equal(await one.next(), event);
    await update('map-leaves', 'elsewhere', { mutation: '2' });
    await update('map-leaves', 'leaves', { mutation: '2' });
    await update('map-leaves', 'leaves', { mutation: '3' });
    await remove('map-leaves');
    for (const event of ['ADDED map-leaves 2', 'MODIFIED map-leaves 3', 'DELETED map-leaves 3'])
      assert.equal(await one.next(), event);
    one.close();
  });

  it('that run beside each other, from different moments, see the same order', async () => {
    const start = await create('map-order', 'order');
    const events = 60;
    const writing = (async () => {
      for (let index = 0; index < events; index++) {
        if (index % 3 === 0) await create(`order-${index}`, 'order');
        else if (index % 3 === 1) await update(`order-${index - 1}`, 'order', { mutation: String(index) });
        else await remove(`order-${index - 2}`);
      }
    })();
    const first = await watch(`${label}=order`, start);
    const seen: string[] = [];
    for (let index = 0; index < events; index++) {
      const { object } = await first.frame();
      const revision = object.metadata.resourceVersion;
      // Each watch begins where the one before has been told of one event more, while more are written.
      if (index < 20) {
        const other = await watch(`${label}=order`, seen.at(-1) ?? start);
        assert.equal((await other.frame()).object.metadata.resourceVersion, revision);
        other.close();
      }
      seen.push(revision);
    }
    await writing;
    first.close();
    const whole = await watch(`${label}=order`, start);
    for (const revision of seen) assert.equal((await whole.frame()).object.metadata.resourceVersion, revision);
    whole.close();
  });
});
