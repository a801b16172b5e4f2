import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '../json.ts';
import { typeForKind } from '../schema/facts.ts';
import { anyObject } from './arbitrary-object.testing.ts';
import { decodeJson } from './json.ts';
import { kubectlBodies } from './kubectl-bodies.testing.ts';
import {
  decodeProtobuf,
  decodeRaw,
  decodeWatchEvent,
  encodeProtobuf,
  encodeRaw,
  encodeWatchFrame,
  envelope,
  isProtobuf,
  openEnvelope,
  ProtobufError,
  protobufItemHead,
  protobufListHead,
  watchFrames,
} from './protobuf.ts';
import { WireWriter } from './protobuf-wire.ts';

const bytes = (...parts: (number | string)[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from([part]))));

describe('bodies of kubectl', () => {
  const expected: Record<string, JsonObject> = {
    configmaps: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { a: '1', b: 'zwei' } },
    secrets: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { password: 'Z2VoZWlt' } },
    token: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: { audiences: ['x'], expirationSeconds: 600 },
      status: { token: '' },
    },
    services: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        ports: [{ name: '80-8080', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 30080 }],
        selector: { app: 'web' },
        type: 'NodePort',
      },
      status: { loadBalancer: {} },
    },
    deployments: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', labels: { app: 'web' } },
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }] },
        },
        strategy: {},
      },
      status: {},
    },
    resourcequotas: {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q' },
      spec: { hard: { cpu: '1', memory: '1Gi' } },
      status: {},
    },
    poddisruptionbudgets: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'p' },
      spec: { minAvailable: '50%', selector: { matchLabels: { a: 'b' } } },
      status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
    },
  };

  for (const { path, base64 } of kubectlBodies) {
    const plural = path.slice(path.lastIndexOf('/') + 1);
    it(`reads ${plural}, and its output reads back to the same object`, () => {
      const decoded = decodeProtobuf(Buffer.from(base64, 'base64'));
      const wanted = expected[plural];
      if (wanted !== undefined) assert.deepEqual(decoded.object, wanted);
      const typeName = typeForKind(decoded.apiVersion, decoded.kind) as string;
      assert.deepEqual(decodeProtobuf(encodeProtobuf(decoded.object, typeName, decoded)), decoded);
      // The object decoded from protobuf equals the object decoded from JSON.
      const json = decodeJson(JSON.stringify(decoded.object), typeName, 'Strict');
      assert.deepEqual(json, { object: decoded.object, problems: [] });
    });
  }

  it('has bodies of all expected resources', () => {
    const plurals = kubectlBodies.map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
    for (const plural of Object.keys(expected)) assert.ok(plurals.includes(plural), plural);
  });
});

describe('protobuf messages', () => {
  it('every type survives encoding and decoding', () => {
    fc.assert(
      fc.property(anyObject, ([typeName, written]) => {
        const { object } = decodeJson(JSON.stringify(written), typeName, 'Strict');
        assert.deepEqual(decodeRaw(typeName, encodeRaw(typeName, object)), object);
      }),
      { numRuns: 400 },
    );
  });

  it('truncated bytes are a ProtobufError or a shorter message', () => {
    fc.assert(
      fc.property(anyObject, fc.double({ min: 0, max: 1, noNaN: true }), ([typeName, object], part) => {
        const whole = encodeRaw(typeName, object);
        outcome(typeName, whole.subarray(0, Math.floor(whole.length * part)));
      }),
    );
  });

  it('arbitrary bytes are a ProtobufError or a message', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => outcome('core/v1.Pod', noise)),
      { numRuns: 2000 },
    );
  });

  function outcome(typeName: string, input: Uint8Array): void {
    try {
      decodeRaw(typeName, input);
    } catch (error) {
      assert.ok(error instanceof ProtobufError, String(error));
    }
  }

  it('a zero is a value for a pointer, and means absent for a plain scalar', () => {
    const spec = { replicas: 0, minReadySeconds: 0, paused: false };
    const decoded = decodeRaw('apps/v1.Deployment', encodeRaw('apps/v1.Deployment', { spec }))['spec'] as JsonObject;
    assert.equal(decoded['replicas'], 0);
    assert.equal('minReadySeconds' in decoded, false);
    assert.equal('paused' in decoded, false);
  });

  it('the last value of a field counts, also when it is zero; messages are merged', () => {
    // ObjectMeta: name = 1, namespace = 3. Pod: metadata = 1.
    assert.deepEqual(decodeRaw('meta/v1.ObjectMeta', bytes(0x0a, 1, 'a', 0x0a, 1, 'b', 0x1a, 1, 'n', 0x1a, 0)), { name: 'b' });
    const twice = bytes(0x0a, 3, 0x0a, 1, 'a', 0x0a, 3, 0x1a, 1, 'n');
    assert.deepEqual(decodeRaw('core/v1.ConfigMap', twice), { metadata: { name: 'a', namespace: 'n' } });
  });

  it('reads numbers packed and unpacked', () => {
    // PodSecurityContext: supplementalGroups = 4, int64.
    const read = (input: Uint8Array): unknown => decodeRaw('core/v1.PodSecurityContext', input)['supplementalGroups'];
    assert.deepEqual(read(bytes(0x20, 1, 0x20, 2)), [1, 2]);
    assert.deepEqual(read(bytes(0x22, 3, 1, 0x80, 0x01)), [1, 128]);
  });

  it('skips unknown fields, groups too', () => {
    const unknown = bytes(0xf8, 0x3f, 1, 0xfa, 0x3f, 1, 'x', 0xfb, 0x3f, 0x08, 1, 0xfc, 0x3f, 0xfd, 0x3f, 1, 2, 3, 4);
    assert.deepEqual(decodeRaw('meta/v1.ObjectMeta', Buffer.concat([unknown, bytes(0x0a, 1, 'a')])), { name: 'a' });
  });

  it('carries negative and large numbers', () => {
    const written = { supplementalGroups: [-1, 2 ** 53 - 1, -(2 ** 53 - 1), -(2 ** 31), 0] };
    assert.deepEqual(decodeRaw('core/v1.PodSecurityContext', encodeRaw('core/v1.PodSecurityContext', written)), written);
  });

  it("wraps lists in maps as authentication's ExtraValue", () => {
    const user = { username: 'u', extra: { k: ['a', 'b'], empty: [] } };
    const encoded = encodeRaw('authentication/v1.UserInfo', user);
    assert.deepEqual(decodeRaw('authentication/v1.UserInfo', encoded), user);
    // extra = 4: an entry { key = 1, value = 2 { items = 1 } }.
    assert.ok(Buffer.from(encoded).includes(Buffer.from([0x22, 11, 0x0a, 1, 0x6b, 0x12, 6, 0x0a, 1, 0x61, 0x0a, 1, 0x62])));
  });

  const malformed: [name: string, typeName: string, input: Uint8Array, message: string][] = [
    ['a field that ends too early', 'core/v1.Pod', bytes(0x0a, 5, 0x0a), 'unexpected EOF'],
    ['a cut-off varint', 'meta/v1.ObjectMeta', bytes(0x38, 0x80), 'unexpected EOF'],
    ['a varint without end', 'meta/v1.ObjectMeta', bytes(0x38, ...Array<number>(11).fill(0xff)), 'proto: integer overflow'],
    ['field number 0', 'core/v1.Pod', bytes(0x02, 0), 'proto: Pod: illegal tag 0 (wire type 2)'],
    ['a wrong wire type', 'meta/v1.ObjectMeta', bytes(0x08, 1), 'proto: wrong wireType = 0 for field Name'],
    ['the end of a group that never began', 'core/v1.Pod', bytes(0xf4, 0x3f), 'proto: Pod: wiretype end group for non-group'],
    [
      'a length beyond 2 GiB',
      'core/v1.Pod',
      bytes(0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f),
      'proto: negative length found during unmarshaling',
    ],
    [
      'a quantity that is none',
      'core/v1.EmptyDirVolumeSource',
      bytes(0x12, 3, 0x0a, 1, 'x'),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ];
  for (const [name, typeName, input, message] of malformed) {
    it(`refuses ${name}`, () => assert.throws(() => decodeRaw(typeName, input), new ProtobufError(message)));
  }

  it('refuses too deep nesting', () => {
    let schema: Uint8Array = bytes(0x0a, 1, 'x');
    // JSONSchemaProps: not = 28.
    for (let depth = 0; depth < 2000; depth++) schema = encodeNested(schema);
    assert.throws(() => decodeRaw('apiextensions/v1.JSONSchemaProps', schema), new ProtobufError('proto: exceeded max depth'));
  });

  function encodeNested(inner: Uint8Array): Uint8Array {
    const length: number[] = [];
    for (let rest = inner.length; ; rest >>= 7) {
      length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
      if (rest <= 0x7f) break;
    }
    return Buffer.concat([bytes(0xe2, 0x01, ...length), inner]);
  }

  it('names the field that holds a value of another type', () => {
    assert.throws(
      () => encodeRaw('core/v1.Pod', { spec: { nodeName: 5 } }),
      new ProtobufError('field "nodeName": cannot encode 5 as string'),
    );
    assert.throws(
      () => encodeRaw('core/v1.Pod', { spec: { containers: {} } }),
      new ProtobufError('cannot encode field "containers": not a list'),
    );
    // The failed write has left nothing behind in the shared writer.
    assert.deepEqual(decodeRaw('core/v1.ConfigMap', encodeRaw('core/v1.ConfigMap', {})), { metadata: {} });
  });
});

describe('the writer', () => {
  it('loses no bytes when its buffer grows, at any position', () => {
    for (let fill = 0; fill < 40; fill++) {
      const data = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, 'v']));
      const writer = new WireWriter(64);
      writer.raw(Buffer.alloc(fill));
      for (const [key, value] of Object.entries(data)) {
        writer.string(value);
        writer.varint(1);
        writer.string(key);
      }
      const grown = writer.finish();
      const roomy = new WireWriter(4096);
      roomy.raw(Buffer.alloc(fill));
      for (const [key, value] of Object.entries(data)) {
        roomy.string(value);
        roomy.varint(1);
        roomy.string(key);
      }
      assert.deepEqual(grown, roomy.finish());
    }
  });
});

describe('the envelope', () => {
  const meta = { apiVersion: 'v1', kind: 'ConfigMap' };
  const encoded = encodeProtobuf({ metadata: { name: 'a' } }, 'core/v1.ConfigMap', meta);

  it('begins with upstream’s magic bytes and holds kind and object', () => {
    assert.ok(isProtobuf(encoded));
    assert.deepEqual(decodeProtobuf(encoded), { ...meta, object: { ...meta, metadata: { name: 'a' } } });
    const { raw } = openEnvelope(encoded);
    assert.deepEqual(Buffer.from(envelope(raw, meta)), Buffer.from(encoded));
  });

  it('takes kind and version from the request when the client left them out', () => {
    const bare = envelope(encodeRaw('core/v1.ConfigMap', {}), { apiVersion: '', kind: '' });
    assert.equal(decodeProtobuf(bare, meta).kind, 'ConfigMap');
    assert.throws(
      () => decodeProtobuf(bare),
      new ProtobufError(`Object 'Kind' is missing in 'runtime.TypeMeta{APIVersion:"", Kind:""}'`),
    );
  });

  const wrong: [name: string, input: Uint8Array, message: string][] = [
    ['nothing', bytes(), 'empty data'],
    ['JSON', bytes('{}'), 'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]'],
    ['the prefix alone', bytes('k8s\0'), 'empty body'],
    ['a cut-off envelope', bytes('k8s\0', 0x0a, 9), 'unexpected EOF'],
    [
      'a kind that nobody knows',
      envelope(bytes(), { apiVersion: 'v1', kind: 'Nonsense' }),
      'no kind "Nonsense" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"',
    ],
  ];
  for (const [name, input, message] of wrong) {
    it(`refuses ${name}`, () => assert.throws(() => decodeProtobuf(input), new ProtobufError(message)));
  }

  it('builds a list of encoded items', () => {
    const items = ['a', 'b'].map((name) => encodeRaw('core/v1.ConfigMap', { metadata: { name } }));
    const parts = items.flatMap((item) => [protobufItemHead(item.length), item]);
    const head = protobufListHead(
      Buffer.concat(parts).length,
      { resourceVersion: '7' },
      { apiVersion: 'v1', kind: 'ConfigMapList' },
    );
    const list = Buffer.concat([head, ...parts]);
    assert.deepEqual(decodeProtobuf(list).object, {
      apiVersion: 'v1',
      kind: 'ConfigMapList',
      metadata: { resourceVersion: '7' },
      items: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }],
    });
  });
});

describe('watch frames', () => {
  const object = encodeProtobuf({ metadata: { name: 'a' } }, 'core/v1.ConfigMap', { apiVersion: 'v1', kind: 'ConfigMap' });

  it('are found in a stream, whatever pieces it comes in', async () => {
    const stream = Buffer.concat(['ADDED', 'MODIFIED', 'DELETED'].map((type) => encodeWatchFrame(type, object)));
    for (const size of [1, 3, 50, stream.length]) {
      const chunks = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size);
      };
      const events = [];
      for await (const frame of watchFrames(chunks())) events.push(decodeWatchEvent(frame));
      assert.deepEqual(
        events.map(({ type }) => type),
        ['ADDED', 'MODIFIED', 'DELETED'],
      );
      for (const event of events) assert.deepEqual(Buffer.from(event.object), Buffer.from(object));
    }
  });

  it('report a stream that ends inside a frame', async () => {
    const cut = encodeWatchFrame('ADDED', object).subarray(0, 20);
    const read = async (): Promise<void> => {
      for await (const frame of watchFrames(
        (async function* () {
          yield cut;
        })(),
      ))
        assert.fail(`a frame of ${frame.length} bytes`);
    };
    await assert.rejects(read(), new ProtobufError('unexpected EOF'));
  });
});
