/** Keys that every JavaScript object inherits, and integers that a JavaScript number cannot represent, in every format of the API. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { encodeProtobuf } from '#api/codec/protobuf.ts';
import type { JsonObject } from '#api/json.ts';
import { startTestServer, type TestServer } from './api-server.testing.ts';

const keys = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', 'isPrototypeOf', '__proto__', '__defineGetter__'];
const ofKeys = (of: readonly string[], value = 'v'): JsonObject => Object.fromEntries(of.map((key) => [key, value]));
/** A label's name begins with a letter or digit. */
const labelKeys = keys.filter((key) => !key.startsWith('_'));
const types = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

let api: TestServer;
before(async () => {
  api = await startTestServer();
  await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
after(() => api.stop());

describe('keys such as constructor and __proto__', () => {
  const path = '/api/v1/namespaces/default/configmaps';
  const map = (name: string): JsonObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: ofKeys(labelKeys), annotations: ofKeys(labelKeys) },
    data: ofKeys(keys),
  });
  const lines = (of: readonly string[], indent: string): string => of.map((key) => `${indent}${key}: v\n`).join('');
  const yaml = (name: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  labels:\n${lines(labelKeys, '    ')}  annotations:\n${lines(labelKeys, '    ')}data:\n${lines(keys, '  ')}`;

  /** Made by JSON.parse, so that `__proto__` is an own key. */
  const shown = (text: string): JsonObject => {
    const { metadata, data } = JSON.parse(text);
    return { labels: metadata.labels, annotations: metadata.annotations, data };
  };
  const expected = (data: readonly string[] = keys): JsonObject => ({
    labels: ofKeys(labelKeys),
    annotations: ofKeys(labelKeys),
    data: ofKeys(data),
  });

  const creations: [form: string, name: string, type: string, body: string | Uint8Array][] = [
    ['JSON', 'by-json', 'application/json', JSON.stringify(map('by-json'))],
    ['YAML', 'by-yaml', 'application/yaml', yaml('by-yaml')],
    [
      'protobuf',
      'by-protobuf',
      'application/vnd.kubernetes.protobuf',
      encodeProtobuf(map('by-protobuf'), 'core/v1.ConfigMap', { apiVersion: 'v1', kind: 'ConfigMap' }),
    ],
  ];
  for (const [form, name, type, body] of creations) {
    it(`come through ${form}, the store and back in every form`, async () => {
      const created = await api.request('POST', `${path}?fieldValidation=Strict`, body, { 'content-type': type });
      assert.equal(created.status, form === 'protobuf' ? 201 : 201, created.text);
      const read = await api.request('GET', `${path}/${name}`);
      assert.deepEqual(shown(read.text), expected());
      const asYaml = await api.request('GET', `${path}/${name}`, undefined, { accept: 'application/yaml' });
      for (const key of keys) assert.match(asYaml.text, new RegExp(`^  ${key}: v$`, 'm'));
      const asProtobuf = await api.request('GET', `${path}/${name}`, undefined, {
        accept: 'application/vnd.kubernetes.protobuf',
      });
      for (const key of keys) assert.ok(asProtobuf.text.includes(key), key);
    });
  }

  const patches: [type: keyof typeof types, name: string, body: unknown][] = [
    [
      'json',
      'patched-json',
      keys
        .map((key) => ({ op: 'add', path: `/data/${key}`, value: 'v' }))
        .concat(
          labelKeys.flatMap((key) =>
            ['labels', 'annotations'].map((list) => ({ op: 'add', path: `/metadata/${list}/${key}`, value: 'v' })),
          ),
        ),
    ],
    ['merge', 'patched-merge', map('patched-merge')],
    ['strategic', 'patched-strategic', map('patched-strategic')],
    ['apply', 'patched-apply', map('patched-apply')],
  ];
  for (const [type, name, body] of patches) {
    it(`are added, kept and taken away by a ${type} patch`, async () => {
      const bare = { metadata: { name, labels: { a: 'v' }, annotations: { a: 'v' } }, data: { a: 'v' } };
      if (type !== 'apply') await api.request('POST', path, bare);
      const query = type === 'apply' ? '?fieldManager=m&force=true' : '';
      const patched = await api.request('PATCH', `${path}/${name}${query}`, body, { 'content-type': types[type] });
      assert.ok(patched.status < 300, patched.text);
      const { data } = shown((await api.request('GET', `${path}/${name}`)).text);
      const wanted = type === 'apply' ? keys : ['a', ...keys];
      assert.deepEqual(Object.keys(data as JsonObject).sort(), [...wanted].sort());
      // Again with all of them removed.
      const without: Record<string, unknown> = {
        json: keys.map((key) => ({ op: 'remove', path: `/data/${key}` })),
        merge: JSON.parse(`{"data":{${keys.map((key) => `"${key}":null`).join()}}}`),
        strategic: JSON.parse(`{"data":{${keys.map((key) => `"${key}":null`).join()}}}`),
        apply: { ...map(name), data: { only: 'v' } },
      };
      const taken = await api.request('PATCH', `${path}/${name}${query}`, without[type], { 'content-type': types[type] });
      assert.ok(taken.status < 300, taken.text);
      const left = shown((await api.request('GET', `${path}/${name}`)).text)['data'];
      assert.deepEqual(left, ofKeys(type === 'apply' ? ['only'] : ['a']));
    });
  }

  it('change an object by being added alone, and are found by selectors', async () => {
    await api.request('POST', path, { metadata: { name: 'plain', labels: { a: 'b' } }, data: { a: 'b' } });
    const before = (await api.request('GET', `${path}/plain`)).json.metadata.resourceVersion;
    const put = { metadata: { name: 'plain', labels: { a: 'b', constructor: 'x' } }, data: { a: 'b', toString: 'y' } };
    const after = await api.request('PUT', `${path}/plain`, put);
    assert.notEqual(after.json.metadata.resourceVersion, before);
    const names = async (selector: string) =>
      (await api.request('GET', `${path}?labelSelector=${encodeURIComponent(selector)}`)).json.items.map(
        ({ metadata }) => metadata.name,
      );
    assert.deepEqual(await names('constructor=x'), ['plain']);
    assert.ok(!(await names('toString')).includes('plain'));
    assert.ok((await names('!toString')).includes('plain'));
  });

  it('are refused where a field has such a name that the type does not have, as any other', async () => {
    const body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"constructor":{},"__proto__":{"data":{}}}';
    const strict = await api.request('POST', `${path}?fieldValidation=Strict`, body);
    assert.match(strict.json.message, /unknown field "constructor"/);
    assert.match(strict.json.message, /unknown field "__proto__"/);
  });

  it('come through the fields of a pod that users name', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    const created = await api.request('POST', `${pods}?fieldValidation=Strict`, {
      metadata: { name: 'odd', labels: ofKeys(labelKeys) },
      spec: {
        nodeSelector: ofKeys(labelKeys),
        containers: [
          {
            name: 'constructor',
            image: 'i',
            env: keys.map((name) => ({ name, value: 'v' })),
            ports: [{ name: 'tostring', containerPort: 1 }],
          },
        ],
        volumes: [{ name: 'valueof', emptyDir: {} }],
      },
    });
    assert.equal(created.status, 201, created.text);
    const pod = JSON.parse((await api.request('GET', `${pods}/odd`)).text);
    assert.deepEqual(pod.spec.nodeSelector, ofKeys(labelKeys));
    assert.deepEqual(
      pod.spec.containers[0].env.map(({ name }: { name: string }) => name),
      keys,
    );
    const body = { spec: { containers: [{ name: 'constructor', image: 'other' }] } };
    const patched = await api.request('PATCH', `${pods}/odd`, body, { 'content-type': types.strategic });
    assert.equal(patched.status, 200, patched.text);
    const limits = {
      metadata: { name: 'odd2' },
      spec: { containers: [{ name: 'c', image: 'i', resources: { limits: { constructor: '1' } } }] },
    };
    assert.match((await api.request('POST', pods, limits)).json.message, /must be a standard resource for containers/);
  });
});

describe('integers beyond 2^53', () => {
  const large = ['9007199254740993', '9223372036854775807', '-9223372036854775808', '9007199254740992', '4611686018427387905'];
  const path = '/api/v1/namespaces/default/pods';
  const pod = (name: string, seconds: string): string =>
    `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"${name}"},"spec":{"containers":[{"name":"c","image":"i"}],` +
    `"tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":${seconds}}]}}`;
  const secondsOf = (text: string): string | undefined => /"?tolerationSeconds"?: ?(-?\d{4,})/.exec(text)?.[1];

  for (const [index, seconds] of large.entries()) {
    it(`${seconds} comes through JSON, YAML, protobuf, the store, and every patch`, async () => {
      const name = `large${index}`;
      const created = await api.request('POST', path, pod(name, seconds));
      assert.equal(created.status, 201, created.text);
      assert.equal(secondsOf(created.text), seconds);
      assert.equal(secondsOf((await api.request('GET', `${path}/${name}`)).text), seconds);
      assert.equal(
        secondsOf((await api.request('GET', path)).text.slice((await api.request('GET', path)).text.indexOf(`"${name}"`))),
        seconds,
      );
      assert.equal(
        secondsOf((await api.request('GET', `${path}/${name}`, undefined, { accept: 'application/yaml' })).text),
        seconds,
      );
      for (const type of ['json', 'merge', 'strategic'] as const) {
        const body =
          type === 'json' ? '[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]' : '{"metadata":{"labels":{"a":"c"}}}';
        const patched = await api.request('PATCH', `${path}/${name}`, body, { 'content-type': types[type] });
        assert.deepEqual([patched.status, secondsOf(patched.text)], [200, seconds]);
      }
      const yaml = `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}y\nspec:\n  containers:\n  - name: c\n    image: i\n  tolerations:\n  - key: k\n    operator: Exists\n    effect: NoExecute\n    tolerationSeconds: ${seconds}\n`;
      const byYaml = await api.request('POST', path, yaml, { 'content-type': 'application/yaml' });
      assert.equal(secondsOf(byYaml.text), seconds, byYaml.text);
      const applied = await api.request('PATCH', `${path}/${name}a?fieldManager=m`, yaml.replace(`${name}y`, `${name}a`), {
        'content-type': types.apply,
      });
      assert.deepEqual([applied.status, secondsOf(applied.text)], [201, seconds]);
      const bytes = (await api.request('GET', `${path}/${name}`, undefined, { accept: 'application/vnd.kubernetes.protobuf' }))
        .headers;
      assert.equal(bytes['content-type'], 'application/vnd.kubernetes.protobuf');
      assert.equal((await api.request('DELETE', `${path}/${name}`)).status, 200);
    });
  }

  it('are told from their neighbours', async () => {
    await api.request('POST', path, pod('near', '9007199254740993'));
    const body =
      '{"spec":{"tolerations":[{"key":"k","operator":"Exists","effect":"NoExecute","tolerationSeconds":9007199254740992}]}}';
    const changed = await api.request('PATCH', `${path}/near`, body, { 'content-type': types.merge });
    assert.equal(secondsOf(changed.text), '9007199254740992', changed.text);
  });

  it('are refused beyond int64, in upstream’s words', async () => {
    const refused = await api.request('POST', path, pod('beyond', '9223372036854775808'));
    assert.match(
      refused.json.message,
      /json: cannot unmarshal number 9223372036854775808 into Go struct field Toleration\.spec\.tolerations\.tolerationSeconds of type int64/,
    );
  });

  it('as a grace period end with time itself, and the pod can be deleted; a negative one is 1', async () => {
    const spec = (seconds: string) =>
      `{"metadata":{"name":"g${seconds}"},"spec":{"nodeName":"n","terminationGracePeriodSeconds":${seconds},"containers":[{"name":"c","image":"i"}]}}`;
    for (const [seconds, kept] of [
      ['9223372036854775807', '9223372036854775807'],
      ['9000000000000', '9000000000000'],
      ['-5', '1'],
      ['-9223372036854775808', '1'],
    ] as const) {
      const created = await api.request('POST', path, spec(seconds));
      assert.ok(created.text.includes(`"terminationGracePeriodSeconds":${kept}`), created.text);
      const deleted = await api.request('DELETE', `${path}/g${seconds}`);
      assert.equal(deleted.status, 200, deleted.text);
      assert.ok(deleted.text.includes(`"deletionGracePeriodSeconds":${kept}`), deleted.text);
      const shorter = await api.request('DELETE', `${path}/g${seconds}`, { gracePeriodSeconds: 0 });
      assert.equal(shorter.status, 200);
    }
  });

  it('in a template stay as written, also negative ones', async () => {
    const set = `{"metadata":{"name":"t"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"terminationGracePeriodSeconds":-3,"containers":[{"name":"c","image":"i"}]}}}}`;
    const created = await api.request('POST', '/apis/apps/v1/namespaces/default/replicasets', set);
    assert.ok(created.text.includes('"terminationGracePeriodSeconds":-3'), created.text);
  });

  it('as a generation are counted on', async () => {
    const maps = '/api/v1/namespaces/default/configmaps';
    const created = await api.request(
      'POST',
      maps,
      '{"metadata":{"name":"gen","generation":9007199254740993,"finalizers":["a/b"]}}',
    );
    assert.ok(created.text.includes('"generation":9007199254740993'), created.text);
    const deleted = await api.request('DELETE', `${maps}/gen`);
    assert.ok(deleted.text.includes('"generation":9007199254740994'), deleted.text);
  });
});
