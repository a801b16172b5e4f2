import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestServer, type TestServer } from '../api-server.testing.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, more: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, ...more });

describe('registry', () => {
  let api: TestServer;
  before(async () => {
    api = await startTestServer();
  });
  after(() => api.stop());

  describe('create', () => {
    it('fills in the system fields and answers 201', async () => {
      const { status, json } = await api.request('POST', maps, configMap('filled', { data: { a: 'b' } }));
      assert.equal(status, 201);
      assert.match(json.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(json.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.match(json.metadata.resourceVersion, /^\d+$/);
      assert.equal(json.metadata.namespace, 'default');
    });

    it('makes up a name from generateName with five characters of upstream alphabet', async () => {
      const { json } = await api.request('POST', maps, { ...configMap(''), metadata: { generateName: 'made-' } });
      assert.match(json.metadata.name, /^made-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    });

    const refusals: [string, string, object | string, number, string | undefined, RegExp][] = [
      ['a taken name', maps, configMap('filled'), 409, 'AlreadyExists', /^configmaps "filled" already exists$/],
      [
        'a namespace that does not exist',
        '/api/v1/namespaces/none/configmaps',
        configMap('x'),
        404,
        'NotFound',
        /^namespaces "none" not found$/,
      ],
      [
        'another namespace in the body',
        maps,
        { ...configMap('x'), metadata: { name: 'x', namespace: 'other' } },
        400,
        'BadRequest',
        /^the namespace of the provided object does not match the namespace sent on the request$/,
      ],
      [
        'a resourceVersion',
        maps,
        { ...configMap('x'), metadata: { name: 'x', resourceVersion: '5' } },
        500,
        undefined,
        /^resourceVersion should not be set on objects to be created/,
      ],
      [
        'a resourceVersion, and what may not be created anyway',
        maps,
        { ...configMap('x', { data: { '../x': '1' } }), metadata: { name: 'x', resourceVersion: '5' } },
        422,
        'Invalid',
        /data\[\.\.\/x\]: Invalid value/,
      ],
      ['no name at all', maps, { ...configMap(''), metadata: {} }, 422, 'Invalid', /name or generateName is required/],
      [
        'an apiVersion that this endpoint does not serve',
        maps,
        { ...configMap('x'), apiVersion: 'apps/v1', kind: 'Deployment' },
        400,
        'BadRequest',
        /Deployment in version "v1" cannot be handled as a ConfigMap/,
      ],
      ['malformed JSON', maps, '{"a":', 400, 'BadRequest', /unexpected end of JSON input/],
      [
        'a value of the wrong type',
        maps,
        configMap('x', { data: { a: 1 } }),
        400,
        'BadRequest',
        /cannot unmarshal number into Go/,
      ],
    ];
    for (const [what, path, body, code, reason, message] of refusals) {
      it(`refuses ${what}`, async () => {
        const { status, json } = await api.request('POST', path, body);
        assert.deepEqual([status, json.kind, json.reason, json.code], [code, 'Status', reason, code], JSON.stringify(json));
        assert.match(json.message, message);
      });
    }

    it('refuses a namespace that is being deleted, with the cause that controllers look for', async () => {
      await api.request('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } });
      const deleted = await api.request('DELETE', '/api/v1/namespaces/going');
      assert.equal(deleted.json.status.phase, 'Terminating');
      const { status, json } = await api.request('POST', '/api/v1/namespaces/going/configmaps', configMap('late'));
      assert.equal(status, 403);
      assert.equal(
        json.message,
        'configmaps "late" is forbidden: unable to create new content in namespace going because it is being terminated',
      );
      assert.deepEqual(json.details.causes, [
        { reason: 'NamespaceTerminating', message: 'namespace going is being terminated', field: 'metadata.namespace' },
      ]);
    });

    it('stores nothing on a dry run', async () => {
      const { status } = await api.request('POST', `${maps}?dryRun=All`, configMap('dry'));
      assert.equal(status, 201);
      assert.equal((await api.request('GET', `${maps}/dry`)).status, 404);
    });

    it('lets exactly one of many racing creates win', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => api.request('POST', maps, configMap('raced'))));
      assert.deepEqual(
        answers.map(({ status }) => status).sort((a, b) => a - b),
        [201, 409, 409, 409, 409, 409, 409, 409],
      );
    });
  });

  describe('update', () => {
    it('needs the current resourceVersion when it names one', async () => {
      const { json: first } = await api.request('POST', maps, configMap('locked'));
      const second = await api.request('PUT', `${maps}/locked`, { ...first, data: { n: '2' } });
      assert.equal(second.status, 200);
      const stale = await api.request('PUT', `${maps}/locked`, { ...first, data: { n: '3' } });
      assert.equal(stale.status, 409);
      assert.equal(
        stale.json.message,
        'Operation cannot be fulfilled on configmaps "locked": the object has been modified; please apply your changes to the latest version and try again',
      );
    });

    const versions: [version: string, code: number, message: string | undefined][] = [
      ['', 200, undefined],
      ['0', 200, undefined],
      ['00', 200, undefined],
      ['1', 409, undefined],
      ['18446744073709551615', 409, undefined],
      ['9007199254740993', 409, undefined],
      ['abc', 500, 'strconv.ParseUint: parsing "abc": invalid syntax'],
      ['-1', 500, 'strconv.ParseUint: parsing "-1": invalid syntax'],
      ['+1', 500, 'strconv.ParseUint: parsing "+1": invalid syntax'],
      ['1.5', 500, 'strconv.ParseUint: parsing "1.5": invalid syntax'],
      ['18446744073709551616', 500, 'strconv.ParseUint: parsing "18446744073709551616": value out of range'],
    ];
    for (const [version, code, message] of versions) {
      it(`reads the resourceVersion ${JSON.stringify(version)} as Go does, in PUT and PATCH`, async () => {
        await api.request('POST', maps, configMap('versioned'));
        const object = configMap('versioned', { metadata: { name: 'versioned', resourceVersion: version } });
        const patch = { metadata: { resourceVersion: version } };
        for (const { status, json } of [
          await api.request('PUT', `${maps}/versioned`, object),
          await api.request('PATCH', `${maps}/versioned`, patch, { 'content-type': 'application/merge-patch+json' }),
        ]) {
          assert.equal(status, code, JSON.stringify(json));
          if (message !== undefined) assert.deepEqual([json.message, json.reason], [message, undefined]);
        }
      });
    }

    it('takes the current resourceVersion in any spelling, and any when there is nothing yet', async () => {
      const { json } = await api.request('POST', maps, configMap('spelled'));
      const metadata = { name: 'spelled', resourceVersion: `000${json.metadata.resourceVersion}` };
      assert.equal(
        (await api.request('PUT', `${maps}/spelled`, configMap('spelled', { metadata, data: { a: 'b' } }))).status,
        200,
      );
      for (const version of ['abc', '99999999999999999999', '0'])
        assert.equal(
          (await api.request('POST', maps, configMap('any', { metadata: { generateName: 'any-', resourceVersion: version } })))
            .status,
          201,
        );
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l', resourceVersion: '5' } };
      const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
      assert.equal((await api.request('PUT', `${leases}/l`, lease)).status, 201);
      const broken = { ...lease, metadata: { name: 'm', resourceVersion: 'x' } };
      assert.equal((await api.request('PUT', `${leases}/m`, broken)).status, 500);
    });

    it('answers a large write as a later read does, whatever its parts are called', async () => {
      const tricky = { a: '"metadata":{"resourceVersion":"1"', metadata: '{', __proto__x: 'y' };
      const data = {
        ...tricky,
        ...Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`k${index}`, `value ${index}`])),
      };
      const annotations = { note: '"metadata":{' };
      const metadata = { name: 'large', annotations };
      const created = await api.request('POST', maps, configMap('large', { metadata, data }));
      assert.equal(created.status, 201);
      assert.deepEqual(created.json, (await api.request('GET', `${maps}/large`)).json);
      const updated = await api.request('PUT', `${maps}/large`, configMap('large', { metadata, data: { ...data, more: 'x' } }));
      const { json } = await api.request('GET', `${maps}/large`);
      assert.deepEqual(updated.json, json);
      assert.notEqual(json.metadata.resourceVersion, created.json.metadata.resourceVersion);
      assert.equal(created.text.startsWith('{"kind":"ConfigMap","apiVersion":"v1","metadata":{'), true);
    });

    it('takes back what it has told of a large applied object, the record of its fields included', async () => {
      const data = Object.fromEntries(Array.from({ length: 24_900 }, (_, index) => [`k${index}`, 'v']));
      const applied = await api.request('PATCH', `${maps}/recorded?fieldManager=me`, configMap('recorded', { data }), {
        'content-type': 'application/apply-patch+yaml',
      });
      assert.equal(applied.status, 201, applied.text.slice(0, 500));
      const { json } = await api.request('GET', `${maps}/recorded`);
      const same = await api.request('PUT', `${maps}/recorded`, json);
      assert.deepEqual([same.status, same.json.metadata.resourceVersion], [200, json.metadata.resourceVersion]);
      const changed = await api.request('PUT', `${maps}/recorded`, { ...json, data: { ...json.data, k0: 'w' } });
      assert.equal(changed.status, 200);
      assert.equal((changed.json.metadata as { managedFields?: unknown[] }).managedFields?.length, 2);
    });

    it('overwrites without a resourceVersion, and loses no racing write', async () => {
      await api.request('POST', maps, configMap('counted', { data: {} }));
      const keys = Array.from({ length: 10 }, (_, index) => `k${index}`);
      const patch = (key: string) =>
        api.request('PATCH', `${maps}/counted`, { data: { [key]: 'x' } }, { 'content-type': 'application/merge-patch+json' });
      assert.deepEqual(new Set((await Promise.all(keys.map(patch))).map(({ status }) => status)), new Set([200]));
      const { json } = await api.request('GET', `${maps}/counted`);
      assert.deepEqual(Object.keys(json.data).sort(), keys);
    });

    it('keeps the resourceVersion when nothing changes', async () => {
      const { json: first } = await api.request('POST', maps, configMap('still', { data: { a: 'b' } }));
      const { json: second } = await api.request('PUT', `${maps}/still`, first);
      assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
    });

    it('does not let clients change uid or creation time', async () => {
      const { json: first } = await api.request('POST', maps, configMap('fixed'));
      const other = { ...first, metadata: { ...first.metadata, uid: 'other' } };
      const { status, json } = await api.request('PUT', `${maps}/fixed`, other);
      assert.equal(status, 409);
      assert.match(json.message, /Precondition failed: UID in precondition: other, UID in object meta: /);
      const moved = { ...first, data: { a: 'b' }, metadata: { ...first.metadata, creationTimestamp: '2000-01-01T00:00:00Z' } };
      const kept = await api.request('PUT', `${maps}/fixed`, moved);
      assert.equal(kept.json.metadata.creationTimestamp, first.metadata.creationTimestamp);
    });

    it('refuses a body that names another object than the URL', async () => {
      const { json } = await api.request('PUT', `${maps}/fixed`, configMap('broken'));
      assert.equal(json.message, 'the name of the object (broken) does not match the name on the URL (fixed)');
    });

    it('answers 404 for what does not exist and may not be created by PUT', async () => {
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
      assert.equal((await api.request('PUT', '/api/v1/namespaces/default/pods/x', pod)).status, 404);
    });
  });

  describe('patch', () => {
    it('is refused with 404 for a missing object, also of a kind that PUT may create', async () => {
      const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases/missing';
      const { status, json } = await api.request('PATCH', path, { spec: {} }, { 'content-type': 'application/merge-patch+json' });
      assert.equal(status, 404);
      assert.equal(json.message, 'leases.coordination.k8s.io "missing" not found');
    });

    it('refuses a patch type that does not exist', async () => {
      const { status, json } = await api.request('PATCH', `${maps}/fixed`, {}, { 'content-type': 'application/json' });
      assert.equal(status, 415);
      assert.match(
        json.message,
        /^the body of the request was in an unknown format - accepted media types include: application\/json-patch\+json/,
      );
    });

    it('creates by server-side apply, and records who owns what', async () => {
      const apply = { 'content-type': 'application/apply-patch+yaml' };
      const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {a: b}\n';
      const { status, json } = await api.request('PATCH', `${maps}/applied?fieldManager=me`, body, apply);
      assert.equal(status, 201, JSON.stringify(json));
      assert.deepEqual([json.metadata.managedFields?.[0]?.manager, json.metadata.managedFields?.[0]?.operation], ['me', 'Apply']);
      const again = await api.request('PATCH', `${maps}/applied?fieldManager=me`, body, apply);
      assert.deepEqual([again.status, again.json.metadata.resourceVersion], [200, json.metadata.resourceVersion]);
      const other = await api.request('PATCH', `${maps}/applied?fieldManager=you`, body.replace('a: b', 'a: c'), apply);
      assert.equal(other.status, 409);
      const nameless = await api.request('PATCH', `${maps}/applied`, body, apply);
      assert.match(nameless.json.message, /fieldManager: Required value: is required for apply patch/);
    });
  });

  describe('what a patch makes of an object', () => {
    before(() => api.request('POST', maps, configMap('patched', { data: { a: 'b' } })));
    const cases: [string, string, unknown, number, RegExp][] = [
      [
        'an unknown field',
        'strategic-merge-patch',
        { dataa: { x: 1 } },
        422,
        /^ "" is invalid: patch: Invalid value: "map\[dataa:map\[x:1\]\]": strict decoding error: unknown field "dataa"$/,
      ],
      [
        'an unknown field',
        'merge-patch',
        { dataa: {} },
        422,
        /^ "" is invalid: patch: Invalid value: "\{.*\}": strict decoding error: unknown field "dataa"$/,
      ],
      [
        'a value of the wrong type',
        'merge-patch',
        { data: 5 },
        422,
        /^ "" is invalid: patch: Invalid value: .*cannot unmarshal number/,
      ],
      ['a key twice', 'merge-patch', '{"data":{"a":"1","a":"2"}}', 422, /strict decoding error: duplicate field "data.a"$/],
      ['a key twice', 'strategic-merge-patch', '{"data":{"a":"1","a":"2"}}', 422, /: duplicate field "data.a"$/],
      [
        'an integer for a string',
        'strategic-merge-patch',
        { data: { a: 5 } },
        422,
        /^ "" is invalid: patch: Invalid value: "map\[data:map\[a:5\]\]": cannot convert int64 to string$/,
      ],
      ['no object', 'strategic-merge-patch', '[]', 400, /^json: cannot unmarshal array into Go value of type map/],
      ['no object', 'merge-patch', '[]', 400, /^error decoding patch: json: cannot unmarshal array into Go value of type map/],
      [
        'no list',
        'json-patch',
        '{}',
        400,
        /^error decoding patch: json: cannot unmarshal object into Go value of type \[\]handlers/,
      ],
      [
        'an operation of another shape',
        'json-patch',
        [{ op: 'add', path: '/data/q', value: '1', foo: 1 }],
        422,
        /json patch unknown field "\[0\].foo"$/,
      ],
      ['a path that is no pointer', 'json-patch', [{ op: 'add', path: 'data', value: {} }], 422, /rejected our request/],
      ['a source that is no pointer', 'json-patch', [{ op: 'copy', from: 'data', path: '/data/x' }], 422, /rejected our request/],
      [
        'another name',
        'merge-patch',
        { metadata: { name: 'other' } },
        400,
        /^the name of the object \(other\) does not match the name on the URL \(patched\)$/,
      ],
      [
        'no metadata left',
        'json-patch',
        [{ op: 'remove', path: '/metadata' }],
        400,
        /was undeterminable: name must be provided$/,
      ],
      [
        'another namespace',
        'merge-patch',
        { metadata: { namespace: 'other' } },
        400,
        /^the namespace of the provided object does not match the namespace sent on the request$/,
      ],
      ['another kind', 'merge-patch', { kind: 'Secret' }, 400, /the patch makes the object a Secret of v1/],
    ];
    const applied = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: patched}\n';
    const configurations: [string, string, number, RegExp][] = [
      [
        'an unknown field, whatever fieldValidation says',
        `${applied}foo: 1`,
        500,
        /^failed to create typed patch object \(default\/patched; \/v1, Kind=ConfigMap\): \.foo: field not declared in schema$/,
      ],
      [
        'a value of the wrong type',
        `${applied}data: {a: 1}`,
        500,
        /: \.data\.a: expected string, got &value\.valueUnstructured\{Value:1\}$/,
      ],
      ['several mistakes', `${applied}a: 1\nb: 1`, 500, /: errors:\n {2}\.a: field not declared in schema\n {2}\.b: field/],
      ['another kind', 'apiVersion: v1\nkind: Secret', 400, /^invalid object type: \/v1, Kind=Secret$/],
      ['nothing in it', '', 400, /^invalid object type: \/, Kind=$/],
      ['no YAML in it', 'a: b: c', 400, /^error decoding YAML: error converting YAML to JSON: yaml: line 1: mapping values/],
    ];
    for (const [what, body, code, message] of configurations) {
      it(`is refused as a configuration with ${what}`, async () => {
        const headers = { 'content-type': 'application/apply-patch+yaml' };
        const path = `${maps}/patched?fieldManager=me&fieldValidation=Ignore`;
        const { status, json } = await api.request('PATCH', path, body, headers);
        assert.equal(status, code, JSON.stringify(json));
        assert.match(json.message, message);
      });
    }

    it('is refused as a configuration that names a uid where no object is', async () => {
      const headers = { 'content-type': 'application/apply-patch+yaml' };
      const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: absent, uid: abc}';
      const { status, json } = await api.request('PATCH', `${maps}/absent?fieldManager=me`, body, headers);
      assert.deepEqual(
        [status, json.message],
        [
          409,
          'Operation cannot be fulfilled on configmaps "absent": uid mismatch: the provided object specified uid abc, and no existing object was found',
        ],
      );
    });

    for (const [what, type, body, code, message] of cases) {
      it(`is refused when it has ${what} (${type})`, async () => {
        const headers = { 'content-type': `application/${type}+json` };
        const { status, json } = await api.request('PATCH', `${maps}/patched?fieldValidation=Strict`, body, headers);
        assert.equal(status, code, JSON.stringify(json));
        assert.match(json.message, message);
      });
    }
  });

  describe('fieldValidation', () => {
    const body = configMap('typo', { dataa: {} });
    it('Strict refuses unknown fields', async () => {
      const { status, json } = await api.request('POST', `${maps}?fieldValidation=Strict`, body);
      assert.equal(status, 400);
      assert.equal(
        json.message,
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dataa"',
      );
    });
    it('Warn, the default, warns of them', async () => {
      const { status, headers } = await api.request('POST', `${maps}?dryRun=All`, body);
      assert.deepEqual([status, headers['warning']], [201, '299 - "unknown field \\"dataa\\""']);
    });
    it('Ignore says nothing', async () => {
      const { status, headers } = await api.request('POST', `${maps}?dryRun=All&fieldValidation=Ignore`, body);
      assert.deepEqual([status, headers['warning']], [201, undefined]);
    });
  });

  describe('deprecation', () => {
    const said = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"';
    for (const [path, expected] of [
      ['endpoints', said],
      ['endpoints/none', said],
      ['services', undefined],
    ] as const)
      it(`${path}: ${expected === undefined ? 'says nothing' : 'warns, also of what is not there'}`, async () => {
        const { headers } = await api.request('GET', `/api/v1/namespaces/default/${path}`);
        assert.equal(headers['warning'], expected);
      });
  });

  describe('delete', () => {
    it('answers with a Status that names what is gone', async () => {
      const { json: made } = await api.request('POST', maps, configMap('gone'));
      const { status, json } = await api.request('DELETE', `${maps}/gone`);
      assert.equal(status, 200);
      assert.deepEqual([json.status, json.details], ['Success', { name: 'gone', kind: 'configmaps', uid: made.metadata.uid }]);
      assert.equal((await api.request('DELETE', `${maps}/gone`)).status, 404);
    });

    it('waits for finalizers, and goes with the last of them', async () => {
      await api.request('POST', maps, { ...configMap('held'), metadata: { name: 'held', finalizers: ['example.com/a'] } });
      const { json } = await api.request('DELETE', `${maps}/held`);
      assert.notEqual(json.metadata.deletionTimestamp, undefined);
      assert.equal(json.metadata.deletionGracePeriodSeconds, 0);
      const taken = await api.request('POST', maps, configMap('held'));
      assert.equal(taken.json.message, 'object is being deleted: configmaps "held" already exists');
      await api.request(
        'PATCH',
        `${maps}/held`,
        { metadata: { finalizers: null } },
        { 'content-type': 'application/merge-patch+json' },
      );
      assert.equal((await api.request('GET', `${maps}/held`)).status, 404);
    });

    for (const [policy, finalizer] of [
      ['Orphan', 'orphan'],
      ['Foreground', 'foregroundDeletion'],
    ] as const) {
      it(`leaves ${policy} propagation to the garbage collector by a finalizer`, async () => {
        const name = policy.toLowerCase();
        await api.request('POST', maps, configMap(name));
        const options = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: policy };
        const { json } = await api.request('DELETE', `${maps}/${name}`, options);
        assert.deepEqual(json.metadata.finalizers, [finalizer]);
      });
    }

    it('keeps to preconditions', async () => {
      const { json: made } = await api.request('POST', maps, configMap('exact'));
      const wrong = await api.request('DELETE', `${maps}/exact`, { preconditions: { uid: 'other' } });
      assert.equal(wrong.status, 409);
      assert.match(wrong.json.message, /the UID in the precondition \(other\) does not match the UID in record/);
      const right = await api.request('DELETE', `${maps}/exact`, { preconditions: { uid: made.metadata.uid } });
      assert.equal(right.status, 200);
    });

    it('refuses the namespaces that a cluster cannot be without', async () => {
      const { status, json } = await api.request('DELETE', '/api/v1/namespaces/default');
      assert.deepEqual([status, json.message], [403, 'namespaces "default" is forbidden: this namespace may not be deleted']);
    });

    it('stores nothing on a dry run', async () => {
      await api.request('POST', maps, configMap('kept'));
      assert.equal((await api.request('DELETE', `${maps}/kept?dryRun=All`)).status, 200);
      const options = { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] };
      assert.equal((await api.request('DELETE', `${maps}/kept`, options)).status, 200);
      assert.equal((await api.request('DELETE', `${maps}?fieldSelector=metadata.name%3Dkept`, options)).status, 200);
      assert.equal((await api.request('GET', `${maps}/kept`)).status, 200);
    });

    it('takes its options from the body alone when there is one', async () => {
      const options = { kind: 'DeleteOptions', apiVersion: 'v1' };
      for (const query of ['dryRun=All', 'dryRun=nonsense', 'propagationPolicy=nonsense', 'gracePeriodSeconds=x']) {
        await api.request('POST', maps, configMap('gone'));
        const { status } = await api.request('DELETE', `${maps}/gone?${query}`, options);
        assert.deepEqual([status, (await api.request('GET', `${maps}/gone`)).status], [200, 404], query);
        await api.request('POST', maps, configMap('gone'));
        const selected = await api.request('DELETE', `${maps}?fieldSelector=metadata.name%3Dgone&${query}`, options);
        assert.deepEqual([selected.status, (await api.request('GET', `${maps}/gone`)).status], [200, 404], query);
      }
    });

    it('empties a collection by selector', async () => {
      for (const [name, color] of [
        ['red-1', 'red'],
        ['red-2', 'red'],
        ['blue-1', 'blue'],
      ] as const) {
        await api.request('POST', maps, { ...configMap(name), metadata: { name, labels: { color } } });
      }
      const { json } = await api.request('DELETE', `${maps}?labelSelector=color%3Dred`);
      assert.deepEqual(
        json.items.map((item: { metadata: { name: string } }) => item.metadata.name),
        ['red-1', 'red-2'],
      );
      const left = await api.request('GET', `${maps}?labelSelector=color`);
      assert.deepEqual(
        left.json.items.map((item: { metadata: { name: string } }) => item.metadata.name),
        ['blue-1'],
      );
    });
  });

  describe('a pod', () => {
    const pods = '/api/v1/namespaces/default/pods';
    const pod = (name: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { containers: [{ name: 'c', image: 'busybox' }], automountServiceAccountToken: false },
    });
    before(async () => {
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
      await api.request('POST', '/api/v1/namespaces/default/serviceaccounts', account);
    });

    it('goes at once when it is on no node', async () => {
      await api.request('POST', pods, pod('unscheduled'));
      await api.request('DELETE', `${pods}/unscheduled`);
      assert.equal((await api.request('GET', `${pods}/unscheduled`)).status, 404);
    });

    it('on a node gets its grace period, which can only be made shorter, until the kubelet deletes it with 0', async () => {
      await api.request('POST', pods, pod('graceful'));
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'graceful' }, target: { kind: 'Node', name: 'n1' } };
      assert.equal((await api.request('POST', `${pods}/graceful/binding`, binding)).status, 201);
      const first = await api.request('DELETE', `${pods}/graceful`);
      assert.equal(first.json.metadata.deletionGracePeriodSeconds, 30);
      assert.equal(
        (await api.request('DELETE', `${pods}/graceful?gracePeriodSeconds=60`)).json.metadata.deletionGracePeriodSeconds,
        30,
      );
      assert.equal(
        (await api.request('DELETE', `${pods}/graceful?gracePeriodSeconds=5`)).json.metadata.deletionGracePeriodSeconds,
        5,
      );
      await api.request('DELETE', `${pods}/graceful?gracePeriodSeconds=0`);
      assert.equal((await api.request('GET', `${pods}/graceful`)).status, 404);
    });
  });
});
